"""Ways to read a loader that would lose, repeat or mix up samples without a word: each is refused with its cure."""

import sys

from .errors import PreconditionError

_FETCH = "torch.utils.data._utils.fetch"
_PLAIN = "DataLoader(loader, batch_size=None, num_workers=0)"


def refuse_workers() -> None:
    """A worker process of a DataLoader would move its own copy of the position, so the state would be wrong."""
    data = sys.modules.get("torch.utils.data")
    if data is not None and data.get_worker_info() is not None:
        raise PreconditionError(
            "a Terrapin loader cannot be read in a DataLoader's worker process: its state would be lost there",
            f"use {_PLAIN}; batches are read ahead without workers, too",
        )


def refuse_batching() -> None:
    """A DataLoader with a batch size of its own would put batches together into batches of batches."""
    frame = sys._getframe(2)
    if frame.f_globals.get("__name__") == _FETCH and frame.f_locals.get("auto_collation"):
        raise PreconditionError(
            "this DataLoader has a batch_size of its own (1 unless one is given) and would make batches of batches",
            f"use {_PLAIN}; how many samples a batch has is the loader's batch_size=",
        )


def refuse_sampling(caller: str) -> None:
    """A DataLoader takes a loader that was made before torch was there for a list of samples.

    It would read those of the base order, and as many of them as there are steps.
    """
    if caller == _FETCH:
        raise PreconditionError(
            "this Terrapin loader was made before torch was imported, and a DataLoader reads it sample by sample",
            f'import torch first, or pass tensors="torch"; then {_PLAIN}',
        )


def refuse_sharding(caller: str) -> None:
    """The DataLoader of accelerate shares the batches of one rank among all, and begins with epoch 0 every time."""
    if caller == "accelerate.data_loader":
        raise PreconditionError(
            "accelerate's DataLoader would set a Terrapin loader back to its own epoch, and share out among all ranks "
            "what is this rank's part already",
            "pass the loader itself to accelerator.prepare(...), without a DataLoader around it, and "
            "accelerator.register_for_checkpointing(loader)",
        )


def caller() -> str:
    """The module that called the function which asks this."""
    return str(sys._getframe(2).f_globals.get("__name__", ""))
