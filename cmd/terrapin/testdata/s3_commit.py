"""Open a cube in a bucket with the official library, read all of it, and commit on top."""

import os
import sys

import icechunk
import zarr

endpoint, bucket, prefix = sys.argv[1:]
storage = icechunk.s3_storage(
    bucket=bucket,
    prefix=prefix,
    endpoint_url=endpoint,
    region="us-east-1",
    allow_http=True,
    force_path_style=True,
    access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
    secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
)
repo = icechunk.Repository.open(storage)
root = zarr.open_group(repo.readonly_session("main").store, mode="r")
image = root["r0c0/10m/image"] if "r0c0/10m/image" in root else next(a for _, a in root["r0c0"].groups())["image"]
assert image.shape[0] == 12, image.shape
assert image[:].max() > 0
session = repo.writable_session("main")
notes = zarr.open_group(session.store, mode="a").create_array("notes", shape=(3,), dtype="i4", chunks=(3,))
notes[:] = [1, 2, 3]
print("committed", session.commit("notes by the official library"))
