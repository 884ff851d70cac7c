"""What the arrays of a batch are handed out as."""

from collections.abc import Callable
from typing import Any

from ._frames import Arrays
from .errors import InvalidError


def converter(tensors: str) -> Callable[[Any], Any]:
    if tensors == "numpy":
        return _locked
    if tensors == "torch":
        from .torch import tensor

        return tensor
    raise InvalidError(f"tensors={tensors!r} is unknown", 'use "torch" or "numpy"')


def pinner(tensors: str) -> tuple[Callable[[Arrays], Arrays] | None, str]:
    """What puts a batch into page-locked memory; and if there is none to be had, why."""
    if tensors != "torch":
        raise InvalidError(
            f"pin_memory=True with tensors={tensors!r}: page-locked memory is torch's", 'use tensors="torch"'
        )
    from .torch import pinned, unpinnable

    why = unpinnable()
    return (None, why) if why else (pinned, "")


def _locked(array: Any) -> Any:
    """Arrays are read-only over every transport, also where their memory is not."""
    array.flags.writeable = False
    return array
