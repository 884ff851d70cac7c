"""LanceDB's streaming dataset, and Lance's own `take` of the rows of a batch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import lance
import lancedb
import numpy as np
import pyarrow as pa
from lancedb.streaming import StreamingDataLoader, StreamingDataset

from .collate import Into, keyed
from .contract import Batch, Conversion, Job, done
from .pixels import Source, buffers


def prepare(job: Job) -> None:
    folder = job.folder / "lance"
    if done(folder):
        return
    source, w = Source(job), job.workload
    sizes = int(np.prod(w.image_shape)), int(np.prod(w.mask_shape))
    kinds = pa.list_(pa.uint16(), sizes[0]), pa.list_(pa.uint8(), sizes[1])
    schema = pa.schema([("image", kinds[0]), ("mask", kinds[1]), ("index", pa.int64())])

    def rows() -> Iterator[pa.RecordBatch]:
        for i in range(w.samples):
            arrays = [
                pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(a).reshape(-1)), n)
                for a, n in zip(source.sample(i), sizes, strict=True)
            ]
            yield pa.RecordBatch.from_arrays([*arrays, pa.array([i], pa.int64())], schema=schema)

    with Conversion(folder):
        lancedb.connect(str(folder)).create_table("chips", rows(), schema=schema)


class Rows:
    """The rows of a record batch as arrays on its memory."""

    def __init__(self, job: Job) -> None:
        self.shapes = job.workload.image_shape, job.workload.mask_shape

    def columns(self, batch: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        image, mask = (
            batch.column(name).flatten().to_numpy(zero_copy_only=True).reshape(len(batch), *shape)
            for name, shape in zip(("image", "mask"), self.shapes, strict=True)
        )
        return image, mask, batch.column("index").to_numpy()

    def __call__(self, batch: Any) -> list[dict[str, Any]]:
        image, mask, index = self.columns(batch)
        return [{"image": image[i], "mask": mask[i], "index": int(index[i])} for i in range(len(batch))]


def batches(job: Job) -> Iterator[Batch]:
    if job.options.get("take"):
        return _take(job)
    return _stream(job)


def _stream(job: Job) -> Iterator[Batch]:
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    table = lancedb.connect(str(job.folder / "lance")).open_table("chips")
    read = {"read_batch_size": job.options["read"]} if "read" in job.options else {}
    collation = {"collate_fn": Into(job)} if job.options.get("into") else {}
    epoch = 0
    while True:
        data = StreamingDataset(
            table, num_splits=max(1, job.workers), shuffle_seed=job.seed, epoch=epoch, transform=Rows(job), **read
        )
        for batch in StreamingDataLoader(
            data, batch_size=job.workload.batch, num_workers=job.workers, **collation, **_spawned(job)
        ):
            yield batch if collation else keyed(batch)
        epoch += 1


def _spawned(job: Job) -> dict[str, Any]:
    return {"multiprocessing_context": "spawn"} if job.workers else {}


def _take(job: Job) -> Iterator[Batch]:
    data, rows, batch = lance.dataset(str(job.folder / "lance/chips.lance")), Rows(job), buffers(job.workload)
    for step in job.steps():
        at = 0
        for part in data.take(np.sort(step).tolist()).to_batches():
            image, mask, _ = rows.columns(part)
            batch.image[at : at + len(image)], batch.mask[at : at + len(image)] = image, mask
            at += len(image)
        yield batch._replace(index=np.sort(step))
