"""The order of an epoch, computed without a server.

This is a second implementation of docs/spec/order.md, written from the page and not from the Go code,
so that a client can check what it was sent: which sample stands at which position, and which positions
a rank has in a step. It needs nothing but the standard library.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, overload

__all__ = ["ALGORITHM", "Order", "Part", "Plan", "Tail"]

ALGORITHM = "terrapin-order-1"
"""Name of the order that this module computes; a dataset version records it."""

Tail = Literal["short", "drop", "pad"]

_ROUNDS = 12
_MIN_HALF = 3
_WORD = (1 << 64) - 1


def _mix(z: int) -> int:
    """The finaliser of SplitMix64."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _WORD
    return z ^ (z >> 31)


class Order(Sequence[int]):
    """A permutation of ``range(n)``: ``order[p]`` is the place, in the split sorted by sample id, of the
    sample at position ``p``. It takes the same memory for any ``n``."""

    __slots__ = ("_half", "_keys", "_n")

    def __init__(self, digest: str, split: str, n: int, *, seed: int = 0, epoch: int = 0, shuffle: bool = True) -> None:
        for name, value in (("n", n), ("seed", seed), ("epoch", epoch)):
            if not 0 <= value <= _WORD:
                raise ValueError(f"{name} {value} is not between 0 and 2**64-1")
        self._n = n
        self._half = 0
        self._keys: tuple[tuple[int, int], ...] = ()
        if not shuffle or n < 2:
            return
        self._half = max(_MIN_HALF, ((n - 1).bit_length() + 1) // 2)
        fields = b"".join(
            struct.pack(">I", len(text)) + text for text in (s.encode() for s in (ALGORITHM, digest, split))
        )
        key = hashlib.sha256(fields + struct.pack(">QQ", seed, epoch)).digest()
        keys = []
        for i in range(_ROUNDS):
            mac = hmac.new(key, b"round" + bytes([i]), hashlib.sha256).digest()
            add, mul = struct.unpack(">QQ", mac[:16])
            keys.append((add, mul | 1))
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, position: int) -> int: ...
    @overload
    def __getitem__(self, position: slice) -> list[int]: ...
    def __getitem__(self, position: int | slice) -> int | list[int]:
        if isinstance(position, slice):
            return [self[p] for p in range(*position.indices(self._n))]
        if position < 0:
            position += self._n
        if not 0 <= position < self._n:
            raise IndexError(f"position {position} is not below {self._n}")
        if not self._keys:
            return position
        x = self._permute(position)
        while x >= self._n:
            x = self._permute(x)
        return x

    def __iter__(self) -> Iterator[int]:
        return (self[p] for p in range(self._n))

    def _permute(self, x: int) -> int:
        half = self._half
        left, right = x >> half, x & ((1 << half) - 1)
        for add, mul in self._keys:
            left, right = right, left ^ (_mix(((right ^ add) * mul) & _WORD) >> (64 - half))
        return left << half | right


@dataclass(frozen=True, slots=True)
class Part:
    """What one rank has in one step: ``count`` positions from ``first``, then ``pad`` places of padding."""

    first: int
    count: int
    pad: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Cuts the positions from ``start`` to ``n`` into steps that all ranks make together."""

    n: int
    batch_size: int
    world_size: int = 1
    start: int = 0
    tail: Tail | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.world_size < 1:
            raise ValueError("batch_size and world_size must be at least 1")
        if not 0 <= self.start <= self.n:
            raise ValueError(f"start {self.start} lies beyond the {self.n} samples of the split")
        if self.tail not in (None, "short", "drop", "pad"):
            raise ValueError(f"unknown tail {self.tail!r}: use 'short', 'drop' or 'pad'")
        if self.tail is None:
            object.__setattr__(self, "tail", "short" if self.world_size == 1 else "drop")
        if self.tail == "short" and self.world_size > 1:
            raise ValueError("tail 'short' gives ranks different batches: use 'drop' or 'pad'")

    @property
    def steps(self) -> int:
        """The number of steps every rank makes."""
        whole, rest = divmod(self.n - self.start, self.world_size * self.batch_size)
        return whole + (1 if rest and self.tail != "drop" else 0)

    def part(self, step: int, rank: int = 0) -> Part:
        """The positions of a rank in a step."""
        if not 0 <= rank < self.world_size or not 0 <= step < self.steps:
            raise IndexError(f"no step {step} of rank {rank}")
        first = min(self.n, self.start + (step * self.world_size + rank) * self.batch_size)
        count = min(self.batch_size, self.n - first)
        return Part(first, count, self.batch_size - count if self.tail == "pad" else 0)

    def after(self, steps: int) -> int:
        """The position at which the epoch goes on after a number of steps of all ranks."""
        return min(self.n, self.start + steps * self.world_size * self.batch_size)
