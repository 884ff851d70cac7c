"""Collation into reused buffers, for loaders that take a function for it: the preallocated batches of tuned peers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .contract import Batch, Job
from .pixels import buffers


class Into:
    """Copies a list of samples (mappings with image, mask and index) into one of a few reused batches."""

    def __init__(self, job: Job, ring: int = 1) -> None:
        self.ring, self.at = [buffers(job.workload) for _ in range(ring)], 0

    def __call__(self, samples: list[Any]) -> Batch:
        batch, self.at = self.ring[self.at], (self.at + 1) % len(self.ring)
        for slot, sample in enumerate(samples):
            batch.image[slot], batch.mask[slot] = sample["image"], sample["mask"]
        return batch._replace(index=np.array([int(sample["index"]) for sample in samples]))


def keyed(batch: Any) -> Batch:
    """What a default collation made of mappings."""
    return Batch(batch["image"], batch["mask"], np.asarray(batch["index"]))
