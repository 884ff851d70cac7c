"""LitData: chunks of 64 MB of its own format, its loader."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

os.environ.setdefault("LITDATA_DISABLE_VERSION_CHECK", "1")

import litdata
import numpy as np

from .collate import Into, keyed
from .contract import Batch, Conversion, Job, done
from .pixels import Source


def _one(job: Job, i: int) -> dict[str, Any]:
    image, mask = Source(job).sample(i)
    return {"image": np.ascontiguousarray(image), "mask": np.ascontiguousarray(mask), "index": i}


def prepare(job: Job) -> None:
    folder = job.folder / "litdata"
    if done(folder):
        return
    with Conversion(folder):
        litdata.optimize(
            fn=partial(_one, job),
            inputs=list(range(job.workload.samples)),
            output_dir=str(folder / "chunks"),
            chunk_bytes="64MB",
            num_workers=2,
            verbose=False,
        )


def batches(job: Job) -> Iterator[Batch]:
    data = litdata.StreamingDataset(str(job.folder / "litdata/chunks"), shuffle=True, drop_last=False, seed=job.seed)
    collation = {"collate_fn": Into(job)} if job.options.get("into") else {}
    loader = litdata.StreamingDataLoader(data, batch_size=job.workload.batch, num_workers=job.workers, **collation)
    while True:
        for batch in loader:
            yield batch if collation else keyed(batch)
