"""PyTorch: tensors on the received memory, and a loader that torch's DataLoader takes as an IterableDataset."""

from typing import Any

import numpy.typing as npt
import torch
from torch.utils.data import IterableDataset
from torch.utils.dlpack import from_dlpack

from ._frames import Arrays
from .loader import Batch, Loader

__all__ = ["EpochSetter", "TorchLoader", "pinned", "tensor", "unpinnable"]


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


def unpinnable() -> str:
    """Why there is no page-locked memory to be had; empty where there is."""
    return "" if torch.cuda.is_available() else "torch finds no CUDA device"


def pinned(arrays: Arrays) -> Arrays:
    """The arrays of a batch as tensors in page-locked memory: ``.to("cuda", non_blocking=True)`` of them does not wait.

    They are copied there, into blocks that torch keeps and uses again only when no copy to a device is under way from
    them. A ring's own memory could be locked, too (cudaHostRegister), but its slots go back to the server as soon as no
    tensor lies on them, and torch would not wait for a copy under way: the server would write into what is read.
    """
    return {name: a if isinstance(a, list) else tensor(a).pin_memory() for name, a in arrays.items()}


class TorchLoader(Loader, IterableDataset[Batch]):
    """A loader that is an IterableDataset too: ``DataLoader(loader, batch_size=None, num_workers=0)``."""

    def __getitem__(self, index: int) -> Batch:
        """One sample of the base order; see :meth:`terrapin.Loader.__getitem__`."""
        return Loader.__getitem__(self, index)

    @property
    def batch_sampler(self) -> "EpochSetter":
        """What Lightning looks for to say which epoch begins, as it restores no state between two epochs."""
        return EpochSetter(self)


class EpochSetter:
    """Stands where a DataLoader has its sampler: ``sampler.set_epoch(n)`` is the loader's."""

    def __init__(self, loader: TorchLoader) -> None:
        """Set the epoch of a loader."""
        self.sampler = loader
