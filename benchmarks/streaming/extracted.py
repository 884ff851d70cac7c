"""Chips as plain mapped arrays: as they are, or, of windows, cut out of the cube beforehand at a cost."""

from __future__ import annotations

import numpy as np

from .contract import Conversion, Job, done
from .pixels import Source


def extract(job: Job) -> None:
    """Cut windows out into files of their own, once; chips are files of their own already."""
    folder = job.folder / "extracted"
    if not job.workload.windows or done(folder):
        return
    w, source = job.workload, Source(job)
    with Conversion(folder):
        image = np.lib.format.open_memmap(folder / "image.npy", "w+", np.uint16, (w.samples, *w.image_shape))
        mask = np.lib.format.open_memmap(folder / "mask.npy", "w+", np.uint8, (w.samples, *w.mask_shape))
        for i in range(w.samples):
            image[i], mask[i] = source.sample(i)


def chips(job: Job) -> tuple[np.ndarray, np.ndarray]:
    """Image [sample, …] and mask [sample, …], mapped copy-on-write, which torch takes without a warning."""
    folder = job.folder / "extracted" if job.workload.windows else job.folder
    return np.load(folder / "image.npy", mmap_mode="c"), np.load(folder / "mask.npy", mmap_mode="c")
