"""What the arrays of a batch are handed out as."""

from collections.abc import Callable
from typing import Any

from ._frames import Arrays
from .errors import InvalidError, UnsupportedError


def converter(tensors: str) -> Callable[[Any], Any]:
    if tensors == "numpy":
        return _locked
    if tensors == "torch":
        from .torch import tensor

        return tensor
    try:
        if tensors == "jax":
            from .jax import array

            return array
        if tensors == "tensorflow":
            from .tensorflow import tensor as of_tensorflow

            convert: Callable[[Any], Any] = of_tensorflow
            return convert
    except ImportError as e:
        raise UnsupportedError(
            f"tensors={tensors!r} needs {tensors}: {e}", f'pip install {tensors}, or use tensors="numpy"'
        ) from None
    raise InvalidError(f"tensors={tensors!r} is unknown", 'use "torch", "numpy", "jax" or "tensorflow"')


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
