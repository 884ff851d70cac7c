"""Mosaic Streaming: MDS shards of 64 MB, its loader, its default shuffle."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from streaming import MDSWriter, StreamingDataLoader, StreamingDataset
from streaming.base.util import clean_stale_shared_memory

from .collate import Into, keyed
from .contract import Batch, Conversion, Job, done
from .pixels import Source


def prepare(job: Job) -> None:
    folder = job.folder / "mosaic"
    if done(folder):
        return
    w, source = job.workload, Source(job)
    columns = {}
    for name, dtype, shape in (("image", "uint16", w.image_shape), ("mask", "uint8", w.mask_shape)):
        columns[name] = f"ndarray:{dtype}:{','.join(map(str, shape))}"
    with (
        Conversion(folder),
        MDSWriter(out=str(folder / "shards"), columns={**columns, "index": "int"}, size_limit=64 << 20) as out,
    ):
        for i in range(w.samples):
            image, mask = source.sample(i)
            out.write({"image": np.ascontiguousarray(image), "mask": np.ascontiguousarray(mask), "index": i})


def batches(job: Job) -> Iterator[Batch]:
    clean_stale_shared_memory()
    size = job.workload.batch
    data = StreamingDataset(
        local=str(job.folder / "mosaic/shards"), shuffle=True, shuffle_seed=job.seed, batch_size=size
    )
    collation = {"collate_fn": Into(job)} if job.options.get("into") else {}
    loader = StreamingDataLoader(data, batch_size=size, num_workers=job.workers, **collation)
    while True:
        for batch in loader:
            yield batch if collation else keyed(batch)
