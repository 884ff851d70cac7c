"""Commits by the official library to a bucket while others commit to it too.

python beside.py ENDPOINT BUCKET PREFIX ROUNDS; prints the ids of its commits as JSON.
"""

import json
import os
import sys

import icechunk
import zarr

endpoint, bucket, prefix, rounds = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
storage = icechunk.s3_storage(
    bucket=bucket, prefix=prefix, region="us-east-1", endpoint_url=endpoint, allow_http=True, force_path_style=True,
    access_key_id=os.environ["AWS_ACCESS_KEY_ID"], secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
)
repo = icechunk.Repository.open(storage)
ids = []
for i in range(rounds):
    session = repo.writable_session("main")
    group = zarr.open_group(session.store, mode="a")
    group["official"][i, 0:2] = i
    group["shared"][3 * i + 2, 2:4] = i
    ids.append(session.commit(f"official {i}", rebase_with=icechunk.ConflictDetector()))
print(json.dumps(ids), flush=True)
os._exit(0)
