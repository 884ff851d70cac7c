"""Grain over a mapped file, and over ArrayRecord, its own format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grain
import numpy as np

from .collate import Into, keyed
from .contract import Batch, Conversion, Job, done
from .extracted import chips, extract
from .pixels import Source


def prepare(job: Job) -> None:
    if job.options.get("format") != "arrayrecord":
        extract(job)
        return
    folder = job.folder / "arrayrecord"
    if done(folder):
        return
    from array_record.python.array_record_module import ArrayRecordWriter

    source = Source(job)
    with Conversion(folder):
        writer = ArrayRecordWriter(str(folder / "chips.array_record"), "group_size:1,uncompressed")
        for i in range(job.workload.samples):
            image, mask = source.sample(i)
            writer.write(np.ascontiguousarray(image).tobytes() + np.ascontiguousarray(mask).tobytes())
        writer.close()


class Mapped:
    """Random access to mapped chips, as views."""

    def __init__(self, job: Job) -> None:
        self.image, self.mask = chips(job)

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, i: Any) -> dict[str, Any]:
        return {"image": self.image[i], "mask": self.mask[i], "index": int(i)}


class Recorded:
    """Random access to records, as views of their bytes."""

    def __init__(self, job: Job) -> None:
        self.records = grain.sources.ArrayRecordDataSource(str(job.folder / "arrayrecord/chips.array_record"))
        self.shapes = job.workload.image_shape, job.workload.mask_shape
        self.cut = int(np.prod(job.workload.image_shape)) * 2

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, i: Any) -> dict[str, Any]:
        record = self.records[i]
        image = np.frombuffer(record, np.uint16, self.cut // 2).reshape(self.shapes[0])
        return {
            "image": image,
            "mask": np.frombuffer(record, np.uint8, -1, self.cut).reshape(self.shapes[1]),
            "index": int(i),
        }


def batches(job: Job) -> Iterator[Batch]:
    source: Any = Recorded(job) if job.options.get("format") == "arrayrecord" else Mapped(job)
    data = grain.MapDataset.source(source).seed(job.seed).shuffle().repeat()
    if job.workload.ranks > 1:
        data = data[job.rank :: job.workload.ranks]
    size, threads = job.workload.batch, int(job.options.get("threads", 0))
    if not threads:  # as its documentation shows it: samples ahead, then batches
        for batch in data.to_iter_dataset().batch(size, drop_remainder=True):
            yield keyed(batch)
    read = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads)
    if not job.options.get("into"):
        for batch in data.batch(size, drop_remainder=True).to_iter_dataset(read):
            yield keyed(batch)
    # One more than may be full, in the making, or looked at.
    ahead = data.batch(size, drop_remainder=True, batch_fn=Into(job, 2 * threads + 2)).to_iter_dataset(read)
    for batch in ahead:
        yield Batch(*batch)
