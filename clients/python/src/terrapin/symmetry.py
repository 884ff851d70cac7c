"""How windows are laid in augmented epochs, computed without a server (docs/spec/order.md of the server).

A symmetry is a number from 0 to 7. A window is laid by it so: where 4 is set, rows and columns change places; then,
where 1 is set, columns are reversed; where 2 is set, rows are. 0 is as it lies on the ground.
"""

import struct
from typing import Any, Literal

import numpy.typing as npt

from .order import _epoch_key, _mac, _mix

__all__ = ["ALGORITHM", "Augment", "Symmetries", "laid", "undone"]

ALGORITHM = "terrapin-symmetry-1"
"""Name of the draw of :class:`Symmetries`."""

Augment = Literal["flips", "d4"]

_MIRRORED, _FLIPPED, _TRANSPOSED = 1, 2, 4
_WORD = (1 << 64) - 1
_BITS = {"flips": 2, "d4": 3}


class Symmetries:
    """The symmetry at each position of an epoch: one of the 4 ``flips``, or of the 8 of ``d4``."""

    def __init__(self, augment: Augment, digest: str, split: str, *, seed: int = 0, epoch: int = 0) -> None:
        """Raises ValueError for another ``augment``, and for a seed or epoch out of range."""
        if augment not in _BITS:
            raise ValueError(f"augment {augment!r} is unknown: use 'flips' or 'd4'")
        self._shift = 64 - _BITS[augment]
        key = _mac(_epoch_key(seed, epoch, ALGORITHM, digest, split), b"symmetry")
        self._add, mul = struct.unpack(">QQ", key[:16])
        self._mul = mul | 1

    def __getitem__(self, position: int) -> int:
        if not 0 <= position <= _WORD:
            raise IndexError(f"position {position} is not between 0 and 2**64-1")
        return _mix(((position ^ self._add) * self._mul) & _WORD) >> self._shift


def laid(window: npt.NDArray[Any], symmetry: int) -> npt.NDArray[Any]:
    """A window [..., y, x] as it comes under a symmetry; a view, not a copy."""
    if symmetry & _TRANSPOSED:
        window = window.swapaxes(-1, -2)
    if symmetry & _MIRRORED:
        window = window[..., ::-1]
    return window[..., ::-1, :] if symmetry & _FLIPPED else window


def undone(window: npt.NDArray[Any], symmetry: int) -> npt.NDArray[Any]:
    """A window [..., y, x] under a symmetry, or what was predicted of it, as it lies on the ground: a view."""
    if symmetry & _FLIPPED:
        window = window[..., ::-1, :]
    if symmetry & _MIRRORED:
        window = window[..., ::-1]
    return window.swapaxes(-1, -2) if symmetry & _TRANSPOSED else window
