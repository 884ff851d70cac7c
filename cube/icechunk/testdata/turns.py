"""The official icechunk library as the other player of a game on one repository.

Started once per test as `python turns.py REPO`; reads one JSON request a line, answers one JSON line.
"""

import asyncio
import datetime
import hashlib
import json
import os
import sys

import icechunk
import numpy as np
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

zarr.config.set({"array.rectilinear_chunks": True})
PATH = sys.argv[1]
SEEN = {}  # snapshots never change: described once
PROTO = default_buffer_prototype()


def storage():
    return icechunk.local_filesystem_storage(PATH)


def reopen():
    saved = icechunk.Repository.fetch_config(storage())
    places = (saved.virtual_chunk_containers or {}) if saved else {}
    access = {"file": icechunk.credentials.LocalFileSystemAccess, "http": icechunk.credentials.HttpAccess}
    grants = {p: access[p.split(":")[0]] for p in places if p.split(":")[0] in access}
    return icechunk.Repository.open(storage(), authorize_virtual_chunk_access=grants)


def digest(data):
    return hashlib.sha256(bytes(data)).hexdigest()[:16]


def pixels(array):
    """Digest of every value in C order, little-endian."""
    values = np.asarray(array[...])
    if values.dtype.byteorder == ">" or (values.dtype.byteorder == "=" and sys.byteorder == "big"):
        values = values.astype(values.dtype.newbyteorder("<"))
    return digest(np.ascontiguousarray(values).tobytes())


async def raw_chunks(session, path):
    name = path.strip("/")
    out = {}
    async for coord in session.chunk_coordinates(path):
        key = "/".join([name, "c", *map(str, coord)]).strip("/")
        data = await session.store.get(key, prototype=PROTO)
        if data is not None:  # else it is listed, but outside of an array that was shrunk
            out[",".join(map(str, coord))] = digest(data.to_bytes())
    return out


async def node_meta(session, path):
    key = (path.strip("/") + "/zarr.json").strip("/")
    data = await session.store.get(key, prototype=PROTO)
    return json.loads(data.to_bytes())


def snapshot(repo, id):
    if id in SEEN:
        return SEEN[id]
    session = repo.readonly_session(snapshot_id=id)
    nodes = {}
    try:
        root = zarr.open_group(session.store, mode="r")
    except FileNotFoundError:
        SEEN[id] = nodes
        return nodes
    nodes["/"] = {"kind": "group", "meta": asyncio.run(node_meta(session, "/"))}
    for name, member in root.members(max_depth=None):
        path = "/" + name
        meta = asyncio.run(node_meta(session, path))
        if isinstance(member, zarr.Array):
            chunks = asyncio.run(raw_chunks(session, path))
            nodes[path] = {"kind": "array", "meta": meta, "pixels": pixels(member), "chunks": chunks}
        else:
            nodes[path] = {"kind": "group", "meta": meta}
    SEEN[id] = nodes
    return nodes


def view(_):
    repo = reopen()
    branches = {b: repo.lookup_branch(b) for b in repo.list_branches()}
    tags = {t: repo.lookup_tag(t) for t in repo.list_tags()}
    logs = {}
    for name, id in {**branches, **{"tag " + t: i for t, i in tags.items()}}.items():
        logs[name] = [
            {
                "id": s.id,
                "parent": s.parent_id,
                "message": s.message,
                "metadata": dict(s.metadata),
                "at": s.written_at.timestamp(),
            }
            for s in repo.ancestry(snapshot_id=id)
        ]
    ids = sorted({s["id"] for log in logs.values() for s in log})
    status = repo.get_status()
    config = icechunk.Repository.fetch_config(storage())
    containers = (config.virtual_chunk_containers or {}) if config else {}
    return {
        "branches": branches,
        "tags": tags,
        "logs": logs,
        "snapshots": {id: snapshot(repo, id) for id in ids},
        "metadata": repo.get_metadata(),
        "status": [
            "Online" if status.availability == icechunk.RepoAvailability.online else "ReadOnly",
            status.limited_availability_reason or "",
        ],
        "flags": {f.name: f.enabled for f in repo.feature_flags()},
        "containers": {k: c.name or "" for k, c in containers.items()},
        "updates": [type(u.kind).__name__ for u in repo.ops_log()],
    }


def diff(req):
    d = reopen().diff(from_snapshot_id=req["from"], to_snapshot_id=req["to"])
    return {
        "new_groups": sorted(d.new_groups),
        "new_arrays": sorted(d.new_arrays),
        "deleted_groups": sorted(d.deleted_groups),
        "deleted_arrays": sorted(d.deleted_arrays),
        "updated_groups": sorted(d.updated_groups),
        "updated_arrays": sorted(d.updated_arrays),
        "chunks": {k: sorted(list(c) for c in v) for k, v in d.updated_chunks.items()},
        "moved": [list(m) for m in d.moved_nodes],
    }


def manifests(req):
    """What the library says of the manifests of a snapshot: how many references of which kind, and packed how."""
    repo = reopen()
    return [repo.inspect_manifest(m.id) for m in repo.list_manifest_files(req["at"])]


def rows(req):
    array = zarr.open_group(reopen().readonly_session(branch="main").store, mode="r")[req["path"]]
    return [np.asarray(array[r]).tolist() for r in req["rows"]]


def create(req):
    icechunk.Repository.create(storage(), config=configured(icechunk.RepositoryConfig.default(), req))


def configured(config, req):
    if "inline" in req:
        config.inline_chunk_threshold_bytes = req["inline"]
    if "updates" in req:
        config.num_updates_per_repo_info_file = req["updates"]
    manifest = {}
    if "split" in req:  # [["any", 0, n], ["axis", i, n], ["name", "time", n]]
        dims = {}
        by = icechunk.ManifestSplitDimCondition
        for how, which, size in req["split"]:
            key = by.Any() if how == "any" else by.Axis(which) if how == "axis" else by.DimensionName(which)
            dims[key] = size
        manifest["splitting"] = icechunk.ManifestSplittingConfig.from_dict(
            {icechunk.ManifestSplitCondition.AnyArray(): dims}
        )
    if "preload" in req:
        manifest["preload"] = icechunk.ManifestPreloadConfig(
            max_total_refs=req["preload"], preload_if=icechunk.ManifestPreloadCondition.name_matches("^a.*")
        )
    if "compress" in req:
        manifest["virtual_chunk_location_compression"] = icechunk.ManifestVirtualChunkLocationCompressionConfig(
            min_num_chunks=req["compress"]
        )
    if manifest:
        config.manifest = icechunk.ManifestConfig(**manifest)
    for prefix, (name, kind, where) in req.get("containers", {}).items():
        how = icechunk.local_filesystem_store(where) if kind == "file" else icechunk.http_store()
        config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, how, name or None))
    return config


def configure(req):
    config = configured(icechunk.Repository.fetch_config(storage()) or icechunk.RepositoryConfig.default(), req)
    icechunk.Repository.open(storage(), config=config).save_config()


def values(array, seed):
    rng = np.random.default_rng(seed)
    if array.dtype.kind == "b":
        return rng.integers(0, 2, array.shape).astype(bool)
    if array.dtype.kind == "c":
        return (rng.normal(size=array.shape) + 1j * rng.normal(size=array.shape)).astype(array.dtype)
    if array.dtype.kind == "f":
        return rng.normal(size=array.shape).astype(array.dtype)
    info = np.iinfo(array.dtype)
    return rng.integers(info.min, info.max, array.shape, dtype=array.dtype, endpoint=True)


def codecs(kind):
    return {
        "raw": {"filters": None, "compressors": None},
        "zstd": {"compressors": zarr.codecs.ZstdCodec(level=1)},
        "gzip": {"compressors": zarr.codecs.GzipCodec(level=1)},
        "blosc": {"compressors": zarr.codecs.BloscCodec(cname="lz4", shuffle="shuffle")},
        "crc": {"compressors": [zarr.codecs.Crc32cCodec()]},
        "big": {"compressors": None, "serializer": zarr.codecs.BytesCodec(endian="big")},
    }[kind]


def act(session, op):
    root = zarr.open_group(session.store, mode="a")
    verb, path = op["op"], op.get("path", "").strip("/")
    if verb == "group":
        root.require_group(path) if path else root.attrs.put(op.get("attrs", {}))
    elif verb == "attrs":
        root[path].attrs.put(op["attrs"])
    elif verb == "array":
        extra = codecs(op["codec"])
        if op["codec"] == "big" and np.dtype(op["dtype"]).itemsize == 1:
            extra = codecs("raw")
        shards = {"shards": tuple(op["shards"])} if op.get("shards") else {}
        root.create_array(
            path,
            shape=tuple(op["shape"]),
            chunks=tuple(op["chunks"]),
            dtype=op["dtype"],
            fill_value=op.get("fill", 0),
            dimension_names=op.get("dims"),
            config={"write_empty_chunks": True},
            **extra,
            **shards,
        )
    elif verb == "fill":
        root[path][...] = values(root[path], op["seed"])
    elif verb == "part":
        array = root[path]
        where = tuple(slice(a, b) for a, b in op["window"])
        array[where] = values(array, op["seed"])[where]
    elif verb == "chunk_away":
        sync(session.store.delete("/".join([path, "c", *map(str, op["index"])])))
    elif verb == "resize":
        root[path].resize(tuple(op["shape"]))
    elif verb == "delete":
        del root[path]
    elif verb == "shift":
        session.shift_array("/" + path, op["by"])
    elif verb == "rectilinear":
        edges = tuple(tuple(e) for e in op["edges"])
        array = root.create_array(path, shape=tuple(map(sum, edges)), chunks=edges, dtype="int32", fill_value=-1)
        array[...] = values(array, op["seed"])
    elif verb == "far":  # chunks at indexes near the end of a very long array
        array = root.create_array(
            path, shape=(2**40, 6), chunks=(2**10, 3), dtype="uint8", fill_value=0, compressors=None
        )
        for row in op["rows"]:
            array[row, :] = np.arange(6, dtype="uint8") + row % 100
    elif verb == "virtual_many":
        array = root.create_array(
            path, shape=(op["n"],), chunks=(op["length"],), dtype="uint8", compressors=None, filters=None
        )
        for i in range(op["n"] // op["length"]):
            where = op["locations"][i % len(op["locations"])]
            session.store.set_virtual_ref(f"{path}/c/{i}", where, offset=op["offset"] + i % 7, length=op["length"])
    elif verb == "virtual":
        check = datetime.datetime.fromtimestamp(op["modified"], datetime.UTC) if "modified" in op else None
        session.store.set_virtual_ref(
            "/".join([path, "c", *map(str, op["index"])]),
            op["location"],
            offset=op["offset"],
            length=op["length"],
            checksum=check,
        )
    else:
        raise ValueError(verb)


def commit(req):
    repo = reopen()
    if "moves" in req:
        session = repo.rearrange_session(req["branch"])
        for a, b in req["moves"]:
            session.move(a, b)
        return session.commit(req["message"], metadata=req.get("metadata"))
    session = repo.writable_session(req["branch"])
    other = repo.writable_session(req["branch"]) if req.get("rival") else None
    for op in req["ops"]:
        act(session, op)
    if other is not None:
        for op in req["rival"]:
            act(other, op)
        session.commit("rival of " + req["message"])
        return other.commit(req["message"], metadata=req.get("metadata"), rebase_with=icechunk.ConflictDetector())
    end = session.amend if req.get("amend") else session.commit
    return end(req["message"], metadata=req.get("metadata"))


def admin(req):
    repo = reopen()
    what, name, at = req["what"], req.get("name"), req.get("at")
    if what == "expire":
        repo.expire_snapshots(datetime.datetime.fromtimestamp(req["before"], datetime.UTC))
    elif what == "collect":
        repo.garbage_collect(datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1))
        SEEN.clear()
    elif what == "rewrite":
        return repo.rewrite_manifests("manifests anew", branch=name)
    elif what == "metadata":
        repo.set_metadata(req["metadata"])
    elif what == "flag":
        repo.set_feature_flag(name, req["value"])
    elif what == "status":
        mode = icechunk.RepoAvailability.read_only if req["value"] else icechunk.RepoAvailability.online
        repo.set_status(icechunk.RepoStatus(mode, limited_availability_reason=req.get("reason")))
    else:
        {
            "tag": lambda: repo.create_tag(name, at),
            "untag": lambda: repo.delete_tag(name),
            "branch": lambda: repo.create_branch(name, at),
            "unbranch": lambda: repo.delete_branch(name),
            "reset": lambda: repo.reset_branch(name, at),
        }[what]()
    return None


VERBS = {
    "view": view,
    "diff": diff,
    "manifests": manifests,
    "rows": rows,
    "create": create,
    "configure": configure,
    "commit": commit,
    "admin": admin,
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"ok": VERBS[request["verb"]](request)}
    except Exception as e:  # the other side decides what a refusal means
        answer = {"error": f"{type(e).__name__}: {e}"}
    print(json.dumps(answer), flush=True)
os._exit(0)  # threads of the library that outlive the interpreter now and then crash it
