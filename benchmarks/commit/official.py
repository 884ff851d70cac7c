"""One-scene commits by the official icechunk library; see main.go.

DIR EDGE REFERENCES HISTORY SPLIT COMMITS; prints the seconds of each commit as JSON.
"""

import json
import os
import sys
import time

import icechunk
import zarr

directory = sys.argv[1]
edge, references, history, split, commits = map(int, sys.argv[2:])
config = icechunk.RepositoryConfig.default()
if split:
    rule = {icechunk.ManifestSplitCondition.AnyArray(): {icechunk.ManifestSplitDimCondition.Axis(0): split}}
    config.manifest = icechunk.ManifestConfig(splitting=icechunk.ManifestSplittingConfig.from_dict(rule))
prefix = "s3://bucket/"
config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, icechunk.s3_store(region="eu-central-1")))
repo = icechunk.Repository.create(icechunk.local_filesystem_storage(directory), config=config)


def scene(session, step, most):
    """Append one step to image and valid, all chunks as references."""
    group = zarr.open_group(session.store, mode="a")
    for name in ("image", "valid"):
        array = group[name]
        array.resize((step + 1, *array.shape[1:]))
        specs = [
            icechunk.VirtualChunkSpec(
                [step, 0, i // edge, i % edge], f"{prefix}pack{step}-{i // 100}", i % 100 * 327680, 300000
            )
            for i in range(most)
        ]
        session.store.set_virtual_refs(name, specs, validate_containers=False)
    for name in ("record", "image_sha256", "valid_sha256"):
        array = group[name]
        array.resize((step + 1,))
        array[step] = step + 1
    group["time"][0] = step + 1


session = repo.writable_session("main")
root = zarr.open_group(session.store, mode="w")
for name in ("image", "valid"):
    root.create_array(name, shape=(0, 1, 256 * edge, 256 * edge), chunks=(1, 1, 256, 256), dtype="u2", fill_value=0)
for name in ("record", "image_sha256", "valid_sha256"):
    root.create_array(name, shape=(0,), chunks=(1,), dtype="u2", fill_value=0)
root.create_array("time", shape=(4096,), chunks=(4096,), dtype="i8", fill_value=0)
step, left = 0, references
while left > 0:
    scene(session, step, min(left // 2, edge * edge))
    step, left = step + 1, left - 2 * edge * edge
session.commit("found")
for i in range(history - 1):
    session = repo.writable_session("main")
    zarr.open_group(session.store, mode="a")["time"][0] = i + 1
    session.commit(f"ingest S2A_MSIL2A_20240101T100000_{i}", metadata={"slices_added": 1})
times = []
for i in range(commits + 1):
    start = time.perf_counter()
    session = repo.writable_session("main")
    scene(session, step + i, edge * edge)
    session.commit("ingest one scene", metadata={"slices_added": 1})
    if i:
        times.append(time.perf_counter() - start)
print(json.dumps(times), flush=True)
os._exit(0)
