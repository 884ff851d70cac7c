"""torch's DataLoader over mapped files: what most people write first, and what an expert makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from .contract import Batch, Job
from .extracted import chips, extract
from .pixels import buffers


def prepare(job: Job) -> None:
    """Windows are cut out beforehand, for a mapped file has no windows that torch could stack; chips need nothing."""
    extract(job)


class Chips(Dataset[tuple[Any, ...]]):
    """One sample at a time."""

    def __init__(self, job: Job) -> None:
        self.image, self.mask = chips(job)

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, i: int) -> tuple[Any, ...]:
        return torch.from_numpy(self.image[i]), torch.from_numpy(self.mask[i]), i


class Batched(Chips):
    """A whole batch at a time, into one reused buffer."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.batch = buffers(job.workload)
        self.tensors = torch.from_numpy(self.batch.image), torch.from_numpy(self.batch.mask)

    def __getitems__(self, indices: list[int]) -> tuple[Any, ...]:
        for slot, i in enumerate(indices):
            self.batch.image[slot], self.batch.mask[slot] = self.image[i], self.mask[i]
        return (*self.tensors, indices)


class Order(Sampler[int]):
    """This rank's part of each epoch."""

    def __init__(self, job: Job) -> None:
        self.orders, self.n = job.orders(), job.workload.samples // job.workload.ranks

    def __iter__(self) -> Iterator[int]:
        return iter(next(self.orders).tolist())

    def __len__(self) -> int:
        return self.n


def batches(job: Job) -> Iterator[Batch]:
    common: dict[str, Any] = {"batch_size": job.workload.batch, "sampler": Order(job), "drop_last": True}
    if job.options.get("into"):
        loader: Any = DataLoader(Batched(job), collate_fn=_same, **common)
    else:
        workers: dict[str, Any] = {"num_workers": job.workers, "persistent_workers": True} if job.workers else {}
        loader = DataLoader(Chips(job), **common, **workers)
    while True:
        for image, mask, index in loader:
            yield Batch(image, mask, np.asarray(index))


def _same(batch: Any) -> Any:
    return batch
