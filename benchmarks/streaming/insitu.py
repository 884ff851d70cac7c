"""insitubatch: batches in place from Zarr, shuffled by chunk; it has chips but no windows."""

from __future__ import annotations

from collections.abc import Iterator

import insitubatch as isb
import numpy as np

from . import arrays
from .contract import Batch, Job

prepare = arrays.prepare


def batches(job: Job) -> Iterator[Batch]:
    store = isb.obstore_store(f"file://{arrays.path(job)}")
    geometries = isb.open_geometries(store, ["image", "mask"])
    manifest = isb.split_by_chunk(geometries["image"], fractions=(1.0, 0.0, 0.0))
    given = dict(job.options)
    budget = given.pop("pool_mb", None)
    if budget:
        given["cache_budget_bytes"] = int(budget) << 20
    data = isb.InSituDataset(store, manifest, geometries, batch_size=job.workload.batch, seed=job.seed, **given)
    epoch = 0
    while True:
        data.set_epoch(epoch)
        for batch in data.train:
            if len(batch) == job.workload.batch:
                yield Batch(batch.arrays["image"], batch.arrays["mask"], np.asarray(batch.sample_indices))
        epoch += 1
