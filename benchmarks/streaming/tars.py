"""WebDataset: tar files of 64 MB, a shuffle buffer of 1,000 samples, its loader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import webdataset as wds

from .collate import Into, keyed
from .contract import Batch, Conversion, Job, done
from .pixels import Source


def prepare(job: Job) -> None:
    folder = job.folder / "webdataset"
    if done(folder):
        return
    source = Source(job)
    with Conversion(folder), wds.ShardWriter(str(folder / "%05d.tar"), maxsize=64 << 20, verbose=0) as out:
        for i in range(job.workload.samples):
            image, mask = source.sample(i)
            out.write({"__key__": f"{i:08d}", "image.bin": image.tobytes(), "mask.bin": mask.tobytes()})


class Decode:
    """The arrays of a tar's members, on their bytes."""

    def __init__(self, job: Job) -> None:
        self.shapes = job.workload.image_shape, job.workload.mask_shape

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        # torch wants to own what it collates: bytes are read-only.
        image = np.frombuffer(bytearray(sample["image.bin"]), np.uint16).reshape(self.shapes[0])
        mask = np.frombuffer(bytearray(sample["mask.bin"]), np.uint8).reshape(self.shapes[1])
        return {"image": image, "mask": mask, "index": int(sample["__key__"])}


class View(Decode):
    """The same without a copy, for a collation that only reads."""

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        image = np.frombuffer(sample["image.bin"], np.uint16).reshape(self.shapes[0])
        mask = np.frombuffer(sample["mask.bin"], np.uint8).reshape(self.shapes[1])
        return {"image": image, "mask": mask, "index": int(sample["__key__"])}


def batches(job: Job) -> Iterator[Batch]:
    files = [str(f) for f in sorted((job.folder / "webdataset").glob("*.tar"))]
    into = job.options.get("into")
    data = wds.WebDataset(files, shardshuffle=len(files), seed=job.seed, empty_check=False)
    data = data.shuffle(1000).map((View if into else Decode)(job))
    collation = {"collate_fn": Into(job)} if into else {}
    loader = wds.WebLoader(data, batch_size=job.workload.batch, num_workers=job.workers, **collation)
    while True:
        for batch in loader:
            yield batch if into else keyed(batch)
