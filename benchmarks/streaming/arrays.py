"""Zarr v3 arrays, blosc-zstd-shuffle, read by zarr-python with its own codecs or with those of zarrs.

Chips are chunks of their own; a cube is cut into chunks of one date, all bands and 256². The same arrays are read by
tensorstore, xarray and insitubatch, and by the limit that only decodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from .contract import Batch, Conversion, Job, done
from .pixels import Source, buffers

ZARRS = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "threading.max_workers": 2}


def prepare(job: Job) -> None:
    """Write the arrays; the format is what a cube is in before anybody trains on it, so this is no conversion."""
    folder = job.folder / "zarr"
    if done(folder):
        return
    w, source = job.workload, Source(job)
    with Conversion(folder):
        group = zarr.open_group(folder / "data.zarr", mode="w", zarr_format=3)
        for name, data, plane in (("image", source.image, (w.bands,)), ("mask", source.mask, ())):
            lead = (1,) if w.windows else (1, w.times)
            codec = BloscCodec(cname="zstd", clevel=5, shuffle="shuffle")
            array = group.create_array(
                name,
                shape=data.shape,
                chunks=(*lead, *plane, w.chunk, w.chunk),
                dtype=data.dtype,
                compressors=codec,
                config={"write_empty_chunks": True},
            )
            for i in range(len(data)):
                array[i] = data[i]


def path(job: Job) -> Path:
    """The group with the arrays image and mask."""
    return job.folder / "zarr/data.zarr"


def encoded(job: Job) -> dict[tuple[int, int, int], bytes]:
    """The encoded chunks of the image by (sample or time, row, column), in memory."""
    out = {}
    for file in (path(job) / "image/c").rglob("*"):
        if file.is_file():
            at = [int(part) for part in file.relative_to(path(job) / "image/c").parts]
            out[at[0], at[-2], at[-1]] = file.read_bytes()
    return out


def batches(job: Job) -> Iterator[Batch]:
    if job.options.get("concurrency"):
        zarr.config.set({"async.concurrency": job.options["concurrency"]})
    own = job.options.get("codecs") == "zarrs"
    if own:
        import zarrs as _  # noqa: F401
    # An array keeps the codecs that it was opened with.
    with zarr.config.set(ZARRS if own else {}):
        group = zarr.open_group(path(job), mode="r", zarr_format=3)
        arrays = group["image"], group["mask"]
    return _windows(job, *arrays) if job.workload.windows else _chips(job, *arrays)


def _chips(job: Job, image: Any, mask: Any) -> Iterator[Batch]:
    """A whole batch in one call. zarrs takes indices that ascend, so each batch is read in that order."""
    for step in job.steps():
        order = np.sort(step)
        yield Batch(image.oindex[order], mask.oindex[order], order)


class Windows:
    """A map-style dataset of windows, one read each."""

    def __init__(self, job: Job, image: Any, mask: Any) -> None:
        self.image, self.mask, self.size = image, mask, job.workload.size
        self.corners = Source(job).windows

    def __len__(self) -> int:
        return len(self.corners)

    def __getitem__(self, i: int) -> tuple[Any, Any, int]:
        (y, x), n = self.corners[i], self.size
        at = (slice(int(y), int(y) + n), slice(int(x), int(x) + n))
        return np.asarray(self.image[(slice(None), slice(None), *at)]), np.asarray(self.mask[(slice(None), *at)]), i


def _windows(job: Job, image: Any, mask: Any) -> Iterator[Batch]:
    """Samples one by one: stacked into a reused batch here, or in worker processes as torch's loader does."""
    dataset = Windows(job, image, mask)
    if job.options.get("into"):
        batch = buffers(job.workload)
        for step in job.steps():
            for slot, i in enumerate(step):
                batch.image[slot], batch.mask[slot], _ = dataset[int(i)]
            yield batch._replace(index=step)
    yield from loaded(job, dataset)


def loaded(job: Job, dataset: Any) -> Iterator[Batch]:
    """torch's DataLoader over a map-style dataset; workers are spawned, for zarr's threads do not survive a fork."""
    import torch
    from torch.utils.data import DataLoader

    from .loops import Order

    spawned: dict[str, Any] = {"persistent_workers": True, "multiprocessing_context": "spawn"} if job.workers else {}
    loader: Any = DataLoader(
        dataset, job.workload.batch, sampler=Order(job), drop_last=True, num_workers=job.workers, **spawned
    )
    while True:
        for image, mask, index in loader:
            yield Batch(torch.as_tensor(image), torch.as_tensor(mask), np.asarray(index))
