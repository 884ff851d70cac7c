"""TensorFlow: tensors on the received memory."""

from typing import Any

import numpy.typing as npt
import tensorflow as tf

__all__ = ["tensor"]

_ALIGN = 64


def tensor(values: npt.NDArray[Any]) -> Any:
    """A tensor on the array's memory, by DLPack, which it keeps as long as it is there.

    What came over Arrow Flight is copied: its memory may only be read, which TensorFlow's DLPack cannot be told.
    """
    if values.flags.writeable and values.ctypes.data % _ALIGN == 0:
        return tf.experimental.dlpack.from_dlpack(values.__dlpack__())
    return tf.convert_to_tensor(values)
