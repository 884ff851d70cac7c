"""PyTorch: tensors on the received memory, and a loader that torch's DataLoader takes as an IterableDataset."""

from typing import Any

import numpy.typing as npt
import torch
from torch.utils.data import IterableDataset
from torch.utils.dlpack import from_dlpack

from .loader import Batch, Loader

__all__ = ["TorchLoader", "tensor"]


def tensor(array: npt.NDArray[Any]) -> torch.Tensor:
    """A tensor on the array's memory. Received memory belongs to the batch alone, so writing to it is harmless."""
    if array.flags.writeable:
        return torch.from_numpy(array)
    try:
        # Unlike from_numpy this does not warn of read-only memory.
        shared: torch.Tensor = from_dlpack(array)
    except BufferError:  # NumPy before 2.1 does not export read-only arrays
        return torch.from_numpy(array.copy())
    return shared


class TorchLoader(Loader, IterableDataset[Batch]):
    """A loader that is an IterableDataset too: ``DataLoader(loader, batch_size=None, num_workers=0)``."""

    def __getitem__(self, index: int) -> Batch:
        """One sample of the base order; see :meth:`terrapin.Loader.__getitem__`."""
        return Loader.__getitem__(self, index)
