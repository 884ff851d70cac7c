"""JAX: arrays on the received memory."""

from typing import Any

import jax
import numpy.typing as npt

__all__ = ["array"]


def array(values: npt.NDArray[Any]) -> Any:
    """A JAX array on the array's memory, by DLPack, which it keeps as long as it is there.

    Numbers of 64 bits, such as ``times`` and ``position``, stay NumPy's, read-only: JAX has none unless told to.
    """
    values.flags.writeable = False
    return values if values.dtype.itemsize == 8 else jax.dlpack.from_dlpack(values)
