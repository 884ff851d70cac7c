"""The official icechunk library as referee of what the Go package writes.

python official.py VERB REPO [args]; prints one JSON document.
"""

import datetime
import json
import os
import sys

import icechunk
import numpy as np
import zarr


def storage(path):
    return icechunk.local_filesystem_storage(path)


def described(repo, ref):
    """Everything a reader sees at a ref: nodes with their values as nested lists."""
    session = repo.readonly_session(**ref)
    group = zarr.open_group(session.store, mode="r")
    out = {}
    for name, member in sorted(group.members(max_depth=None)):
        if isinstance(member, zarr.Array):
            out[name] = {
                "shape": list(member.shape),
                "dims": list(member.metadata.dimension_names or []),
                "values": np.asarray(member[...]).tolist(),
            }
        else:
            out[name] = {"attrs": dict(member.attrs)}
    return out


def read(path):
    repo = icechunk.Repository.open(storage(path))
    log = [
        {"id": s.id, "parent": s.parent_id, "message": s.message, "metadata": dict(s.metadata)}
        for s in repo.ancestry(branch="main")
    ]
    tags = {t: repo.lookup_tag(t) for t in repo.list_tags()}
    return {
        "log": log,
        "branches": {b: repo.lookup_branch(b) for b in repo.list_branches()},
        "tags": tags,
        "main": described(repo, {"branch": "main"}),
        "at": {t: described(repo, {"tag": t}) for t in tags},
        "manifests": {s["id"]: len(repo.list_manifest_files(s["id"])) for s in log},
    }


def updates(path):
    """The whole operations log, followed through the backups of the repo file."""
    repo = icechunk.Repository.open(storage(path))
    return [type(u.kind).__name__ for u in repo.ops_log()]


def diff(path, older, newer):
    repo = icechunk.Repository.open(storage(path))
    d = repo.diff(from_snapshot_id=older, to_snapshot_id=newer)
    return {
        "new_groups": sorted(d.new_groups),
        "new_arrays": sorted(d.new_arrays),
        "updated_groups": sorted(d.updated_groups),
        "updated_arrays": sorted(d.updated_arrays),
        "deleted_arrays": sorted(d.deleted_arrays),
        "updated_chunks": {k: sorted(list(c) for c in v) for k, v in d.updated_chunks.items()},
    }


def append(path, name, value):
    """Grow an array by one step of its first axis, filled with a value, and commit."""
    repo = icechunk.Repository.open(storage(path))
    session = repo.writable_session("main")
    array = zarr.open_group(session.store, mode="a")[name]
    shape = array.shape
    array.resize((shape[0] + 1, *shape[1:]))
    array[shape[0]] = int(value)
    return {"id": session.commit(f"official append {value}", metadata={"by": "official", "n": [1, {"deep": None}]})}


def shrink(path, name, steps):
    repo = icechunk.Repository.open(storage(path))
    session = repo.writable_session("main")
    array = zarr.open_group(session.store, mode="a")[name]
    array.resize((int(steps), *array.shape[1:]))
    return {"id": session.commit("official shrink")}


def create(path, split, updates):
    """A repository the official library made: many manifests, native, inline and virtual chunks."""
    config = icechunk.RepositoryConfig.default()
    config.inline_chunk_threshold_bytes = 16
    config.num_updates_per_repo_info_file = int(updates)
    if int(split):
        rule = {icechunk.ManifestSplitCondition.AnyArray(): {icechunk.ManifestSplitDimCondition.Any(): int(split)}}
        config.manifest = icechunk.ManifestConfig(splitting=icechunk.ManifestSplittingConfig.from_dict(rule))
    container = icechunk.VirtualChunkContainer("file:///somewhere/", icechunk.local_filesystem_store("/somewhere"))
    config.set_virtual_chunk_container(container)
    repo = icechunk.Repository.create(storage(path), config=config)
    session = repo.writable_session("main")
    root = zarr.open_group(session.store, mode="w", attributes={"by": "official"})
    cube = root.create_array(
        "cube", shape=(5, 4), chunks=(1, 2), dtype="<i4", filters=None, compressors=None,
        fill_value=-1, dimension_names=["time", "x"],
    )
    cube[:] = np.arange(20).reshape(5, 4)
    wide = root.create_array("wide", shape=(3, 100), chunks=(1, 100), dtype="<i4", filters=None, compressors=None, fill_value=-1)
    wide[0] = np.arange(100)
    root.create_array("far", shape=(2,), chunks=(1,), dtype="<i4", filters=None, compressors=None, fill_value=-1)
    for i in range(2):
        session.store.set_virtual_ref(f"far/c/{i}", "file:///somewhere/scene.tif", offset=8, length=4, validate_container=False)
    first = session.commit("official first", metadata={"k": [1, 2.5, None, "s", True, {"x": -1}]})
    repo.create_tag("v1", first)
    repo.create_branch("side", first)
    return {"id": first}


def former(path):
    """A repository of spec version 1: a scalar, an empty axis, unnamed dimensions, a tag."""
    repo = icechunk.Repository.create(storage(path), spec_version=1)
    session = repo.writable_session("main")
    root = zarr.open_group(session.store, mode="w", attributes={"by": "official"})
    grid = root.create_array("grid", shape=(3, 5), chunks=(2, 2), dtype="<i4", fill_value=-1, dimension_names=["time", None])
    grid[:] = np.arange(15).reshape(3, 5)
    root.create_array("none", shape=(0, 4), chunks=(2, 4), dtype="<i4", fill_value=0)
    root.create_array("one", shape=(), dtype="<i4", fill_value=7)
    root.create_group("grid-b")
    repo.create_tag("v1", session.commit("old", metadata={"k": [1, 2.5, None, {"x": True}]}))
    session = repo.writable_session("main")
    zarr.open_group(session.store, mode="a")["grid"][2, 4] = 99
    return {"id": session.commit("older")}


def migrate(path):
    """Spec version 1 becomes 2: only the repo file is written."""
    icechunk.upgrade_icechunk_repository(icechunk.Repository.open(storage(path)), dry_run=False, delete_unused_v1_files=True)
    return {}


def collect(path):
    repo = icechunk.Repository.open(storage(path))
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    s = repo.garbage_collect(soon)
    return {"chunks": s.chunks_deleted, "manifests": s.manifests_deleted, "snapshots": s.snapshots_deleted, "logs": s.transaction_logs_deleted}


def expire(path, micros):
    """Expire what is older than a time in microseconds."""
    repo = icechunk.Repository.open(storage(path))
    before = datetime.datetime.fromtimestamp(int(micros) / 1e6, datetime.UTC)
    return sorted(repo.expire_snapshots(older_than=before))


def history(path, name):
    """The messages of the branch main, newest first, and the values of one array at every ref."""
    repo = icechunk.Repository.open(storage(path))
    refs = [{"branch": b} for b in repo.list_branches()] + [{"tag": t} for t in repo.list_tags()]
    values = {}
    for ref in refs:
        group = zarr.open_group(repo.readonly_session(**ref).store, mode="r")
        values[next(iter(ref.values()))] = np.asarray(group[name][...]).tolist()
    return {"messages": [s.message for s in repo.ancestry(branch="main")], "values": values}


if __name__ == "__main__":
    verbs = {"read": read, "updates": updates, "diff": diff, "append": append, "shrink": shrink, "create": create, "collect": collect, "expire": expire, "history": history,
             "former": former, "migrate": migrate}
    print(json.dumps(verbs[sys.argv[1]](*sys.argv[2:])), flush=True)
    os._exit(0)  # threads of the library that outlive the interpreter now and then crash it
