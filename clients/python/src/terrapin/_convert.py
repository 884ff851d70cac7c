"""What the arrays of a batch are handed out as."""

from collections.abc import Callable
from typing import Any

from .errors import InvalidError


def converter(tensors: str) -> Callable[[Any], Any]:
    if tensors == "numpy":
        return _locked
    if tensors == "torch":
        from .torch import tensor

        return tensor
    raise InvalidError(f"tensors={tensors!r} is unknown", 'use "torch" or "numpy"')


def _locked(array: Any) -> Any:
    """Arrays are read-only over every transport, also where their memory is not."""
    array.flags.writeable = False
    return array
