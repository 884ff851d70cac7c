"""The order of an epoch, computed without a server.

This is a second implementation of docs/spec/order.md, written from the page and not from the Go code,
so that a client can check what it was sent: which sample stands at which position, and which positions
a rank has in a step. It needs nothing but the standard library.
"""

from __future__ import annotations

import bisect
import hashlib
import hmac
import itertools
import math
import struct
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, overload

__all__ = [
    "ALGORITHM",
    "DRAWN_ALGORITHM",
    "DRAWN_BY_CHUNK",
    "Blocks",
    "DrawnOrder",
    "Order",
    "Part",
    "Plan",
    "Tail",
    "balanced",
    "blocks",
    "by_class",
    "shuffle_name",
    "stored",
]

ALGORITHM = "terrapin-order-1"
"""Name of the order of :class:`Order`; a dataset version records it."""

DRAWN_ALGORITHM = "terrapin-order-3"
"""Name of the order of :class:`DrawnOrder`: that of epochs with a filter, weights or a window."""

DRAWN_BY_CHUNK = "terrapin-order-2"
"""Name of the same in dataset versions of older releases, whose groups are single chunks."""

Tail = Literal["short", "drop", "pad"]

_ROUNDS = 12
_MIN_HALF = 3
_WORD = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

_MOST_DOUBLED = 8
_SPREAD = (
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)

_Keys = tuple[tuple[int, int], ...]


def _mix(z: int) -> int:
    """The finaliser of SplitMix64."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _WORD
    return z ^ (z >> 31)


def _epoch_key(seed: int, epoch: int, *texts: str) -> bytes:
    for name, value in (("seed", seed), ("epoch", epoch)):
        if not 0 <= value <= _WORD:
            raise ValueError(f"{name} {value} is not between 0 and 2**64-1")
    fields = b"".join(struct.pack(">I", len(text)) + text for text in (s.encode() for s in texts))
    return hashlib.sha256(fields + struct.pack(">QQ", seed, epoch)).digest()


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _keys_of(key: bytes, label: bytes) -> _Keys:
    """The round keys of one purpose."""
    keys = []
    for i in range(_ROUNDS):
        add, mul = struct.unpack(">QQ", _mac(key, label + bytes([i]))[:16])
        keys.append((add, mul | 1))
    return tuple(keys)


def _block(keys: _Keys, number: int) -> _Keys:
    """The round keys of one of many blocks that are permuted each by itself."""
    return tuple((_mix((add + (number + 1) * _GOLDEN) & _WORD), mul) for add, mul in keys)


def _permute(keys: _Keys, n: int, x: int) -> int:
    """A permutation of range(n): a balanced Feistel network, followed until it comes back below n."""
    if n < 2:
        return x
    half = max(_MIN_HALF, ((n - 1).bit_length() + 1) // 2)
    while True:
        left, right = x >> half, x & ((1 << half) - 1)
        for add, mul in keys:
            left, right = right, left ^ (_mix(((right ^ add) * mul) & _WORD) >> (64 - half))
        x = left << half | right
        if x < n:
            return x


class _Positions(Sequence[int]):
    """What positions are asked of; subclasses know the index at each."""

    __slots__ = ("_n",)

    def __init__(self, n: int) -> None:
        self._n = n

    @abstractmethod
    def _at(self, position: int) -> int: ...

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, position: int) -> int: ...
    @overload
    def __getitem__(self, position: slice) -> list[int]: ...
    def __getitem__(self, position: int | slice) -> int | list[int]:
        n = self._n
        if isinstance(position, slice):
            return [self._at(p) for p in range(*position.indices(n))]
        if position < 0:
            position += n
        if not 0 <= position < n:
            raise IndexError(f"position {position} is not below {n}")
        return self._at(position)

    def __iter__(self) -> Iterator[int]:
        return (self._at(p) for p in range(self._n))


class Order(_Positions):
    """A permutation of ``range(n)``: ``order[p]`` is the place, in the split sorted by sample id, of the
    sample at position ``p``. It takes the same memory for any ``n``."""

    __slots__ = ("_keys",)

    def __init__(self, digest: str, split: str, n: int, *, seed: int = 0, epoch: int = 0, shuffle: bool = True) -> None:
        if not 0 <= n <= _WORD:
            raise ValueError(f"n {n} is not between 0 and 2**64-1")
        key = _epoch_key(seed, epoch, ALGORITHM, digest, split)
        super().__init__(n)
        self._keys = _keys_of(key, b"round") if shuffle and n > 1 else ()

    def _at(self, position: int) -> int:
        return _permute(self._keys, self._n, position) if self._keys else position


def shuffle_name(shuffle: str) -> str:
    """The canonical name of a shuffle: ``window:2GiB`` is ``window:2147483648``.

    Raises ValueError for anything but ``base``, ``uniform`` and ``window:BYTES``.
    """
    if shuffle in ("base", "uniform"):
        return shuffle
    kind, _, size = shuffle.partition(":")
    scale = next((bytes_ for unit, bytes_ in _UNITS.items() if size.endswith(unit)), 1)
    digits = size[:-3] if scale > 1 else size
    if kind != "window" or not (digits.isascii() and digits.isdigit()) or not 0 < int(digits) * scale < 1 << 63:
        raise ValueError(f"unknown shuffle {shuffle!r}: use 'base', 'uniform' or 'window:2GiB'")
    return f"window:{int(digits) * scale}"


class DrawnOrder(_Positions):
    """The order of an epoch with a filter, weights or a window; ``order[p]`` is an index as in :class:`Order`.

    ``kept``         the samples that the filter keeps, by their index: in the base order, or with a window in the
                     order of storage; ``range(n)`` keeps all
    ``weight``       one number for each of ``kept``, None without weights
    ``groups``       with a window: how many of ``kept`` lie in each group of storage, none of them 0; :func:`blocks`
                     finds them, for ``DRAWN_BY_CHUNK`` :func:`stored`
    ``touched``      with a window: how many chunks the groups touch, as :func:`blocks` says; not for ``DRAWN_BY_CHUNK``
    ``group_bytes``  with a window: what one chunk decodes to
    ``filter, weights``  the filter's canonical text and the weights' canonical name, ``""`` for none
    ``shuffle``      ``base``, ``uniform`` or ``window:BYTES``
    ``algorithm``    ``DRAWN_ALGORITHM`` or ``DRAWN_BY_CHUNK``
    """

    __slots__ = ("_bounds", "_first", "_group", "_half", "_kept", "_offset", "_round", "_second", "_starts", "_sums")

    def __init__(
        self,
        digest: str,
        split: str,
        kept: Sequence[int],
        *,
        weight: Sequence[float] | None = None,
        groups: Sequence[int] = (),
        touched: int = 0,
        group_bytes: int = 0,
        filter: str = "",
        weights: str = "",
        shuffle: str = "uniform",
        seed: int = 0,
        epoch: int = 0,
        algorithm: str = DRAWN_ALGORITHM,
    ) -> None:
        if algorithm not in (DRAWN_ALGORITHM, DRAWN_BY_CHUNK):
            raise ValueError(f"unknown drawn order {algorithm!r}: it is {DRAWN_ALGORITHM!r} or {DRAWN_BY_CHUNK!r}")
        name = shuffle_name(shuffle)
        key = _epoch_key(seed, epoch, algorithm, digest, split, filter, weights, name)
        super().__init__(len(kept))
        self._kept = kept
        self._sums = None if weight is None else _prefix_sums(weight)
        self._offset = 0
        if self._sums is not None:
            if len(self._sums) != len(kept) + 1:
                raise ValueError(f"{len(self._sums) - 1} weights for {len(kept)} samples")
            self._offset = int.from_bytes(_mac(key, b"offset")[:16], "big") * self._sums[-1] >> 128
        self._round = _keys_of(key, b"round") if name == "uniform" else ()
        self._half = 0
        if name.startswith("window:"):
            window = int(name.partition(":")[2])
            if algorithm == DRAWN_BY_CHUNK:
                inside = max(1, window // (2 * max(1, group_bytes)))
                self._half = len(kept) if inside >= len(groups) else max(1, len(kept) * inside // len(groups))
            else:
                self._half = _half_window(len(kept), window, group_bytes, touched)
            self._lay_out(key, groups)

    def _lay_out(self, key: bytes, groups: Sequence[int]) -> None:
        """Put the groups of an epoch one after the other."""
        n, count = self._n, len(groups)
        if sum(groups) != n or min(groups, default=1) < 1:
            raise ValueError(f"the groups hold {sum(groups)} samples, or none in some, where {n} are kept")
        self._group, self._first, self._second = (_keys_of(key, label) for label in (b"group", b"first", b"second"))
        self._starts = [self._before(i) for i in itertools.accumulate(groups, initial=0)]
        self._bounds = list(itertools.accumulate((self._size(j) for j in range(count)), initial=0))

    def _before(self, samples: int) -> int:
        """How many draws fall on the first samples of ``kept``."""
        if self._sums is None:
            return samples
        return max(0, -((self._offset - self._n * self._sums[samples]) // self._sums[-1]))

    def _nth_group(self, j: int) -> int:
        return _permute(self._group, len(self._starts) - 1, j)

    def _size(self, j: int) -> int:
        g = self._nth_group(j)
        return self._starts[g + 1] - self._starts[g]

    def _at(self, position: int) -> int:
        draw = position
        if self._half:
            x = self._mixed(position)
            j = bisect.bisect_right(self._bounds, x) - 1
            draw = self._starts[self._nth_group(j)] + x - self._bounds[j]
        elif self._round:
            draw = _permute(self._round, self._n, position)
        if self._sums is not None:
            draw = bisect.bisect_right(self._sums, (self._offset + draw * self._sums[-1]) // self._n) - 1
        return int(self._kept[draw])

    def _mixed(self, position: int) -> int:
        """Permute within a block of half a window, and again within one of a row that lies across."""
        n, half = self._n, self._half
        ahead = half - half // 2
        for keys, shift in ((self._second, ahead), (self._first, 0)):
            b = (position + shift) // half
            first, end = max(0, b * half - shift), min(n, (b + 1) * half - shift)
            position = first + _permute(_block(keys, b), end - first, position - first)
        return position


def stored(
    kept: Sequence[int], cells: Sequence[str], rows: Sequence[int], cols: Sequence[int], edge: int
) -> tuple[list[int], list[int]]:
    """Some samples in the order of storage of ``DRAWN_BY_CHUNK``, and how many of them lie in each group.

    ``kept`` are indices in the base order; ``cells``, ``rows`` and ``cols`` say of each of them, in this order, which
    cell it is in and where in the cell's grid its window begins; ``edge`` is that of a chunk in pixels.
    """
    keys = [(cell.encode(), row // edge, col // edge) for cell, row, col in zip(cells, rows, cols, strict=True)]
    order = sorted(range(len(kept)), key=lambda i: (keys[i], kept[i]))
    return [kept[i] for i in order], [len(list(group)) for _, group in itertools.groupby(order, key=keys.__getitem__)]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Samples in the order of storage, grouped by the square blocks of chunks that their windows begin in.

    ``kept`` are their indices in the base order, ``groups`` how many of them each block has, ``block`` is the number of
    chunks along its edge, and ``touched`` how many chunks the samples of the groups touch, counted for each group.
    """

    kept: list[int]
    groups: list[int]
    block: int
    touched: int


def blocks(
    kept: Sequence[int],
    cells: Sequence[str],
    rows: Sequence[int],
    cols: Sequence[int],
    *,
    edge: int,
    size: int,
    group_bytes: int,
    shuffle: str,
) -> Blocks:
    """Group samples for an order by windows: the larger the blocks the less is read twice, and the fewer are mixed.

    ``kept``, ``cells``, ``rows``, ``cols`` and ``edge`` are those of :func:`stored`; ``size`` is the edge of windows
    in pixels, ``group_bytes`` what a chunk decodes to, and ``shuffle`` is ``window:BYTES``.
    """
    window = int(shuffle_name(shuffle).partition(":")[2])
    codes = [
        (cell.encode(), _interleaved(row // edge, col // edge))
        for cell, row, col in zip(cells, rows, cols, strict=True)
    ]
    order = sorted(range(len(kept)), key=lambda i: (codes[i], kept[i]))
    touched = _Touched(
        (*codes[i], rows[i] // edge, (rows[i] + size - 1) // edge, cols[i] // edge, (cols[i] + size - 1) // edge)
        for i in order
    )
    doubled, now = 0, touched.count(0)[1]
    while doubled < _MOST_DOUBLED:
        groups, chunks = touched.count(doubled + 1)
        if 5 * chunks > 4 * now or groups * window < 8 * group_bytes * chunks:
            break
        doubled, now = doubled + 1, chunks
    sizes = [
        len(list(group)) for _, group in itertools.groupby(order, lambda i: (codes[i][0], codes[i][1] >> 2 * doubled))
    ]
    return Blocks([kept[i] for i in order], sizes, 1 << doubled, now)


class _Touched:
    """The chunks that samples touch, in the order of storage."""

    def __init__(self, samples: Iterable[tuple[bytes, int, int, int, int, int]]) -> None:
        """Of each sample: cell, place of its chunk, and first and last chunk row and column that it touches."""
        self._samples = list(dict.fromkeys(samples))

    def count(self, doubled: int) -> tuple[int, int]:
        """How many blocks of an edge that was doubled so often there are, and chunks that each of them touches."""
        groups = chunks = 0
        for _, group in itertools.groupby(self._samples, lambda t: (t[0], t[1] >> 2 * doubled)):
            groups += 1
            seen: dict[int, int] = {}  # by row of chunks, a bit for each column
            for _, _, top, bottom, left, right in group:
                line = (1 << right - left + 1) - 1 << (left & (1 << doubled) - 1)
                for row in range(top, bottom + 1):
                    seen[row] = seen.get(row, 0) | line
            chunks += sum(line.bit_count() for line in seen.values())
        return groups, chunks


def _interleaved(row: int, col: int) -> int:
    """The bits of a chunk's row and column in turns, that of the row above."""
    return _spread(row) << 1 | _spread(col)


def _spread(n: int) -> int:
    """A number below 2**32 with a zero above each of its bits."""
    for shift, mask in _SPREAD:
        n = (n | n << shift) & mask
    return n


def _half_window(n: int, window: int, group_bytes: int, touched: int) -> int:
    """How many positions half a window of blocks holds."""
    if n and (touched < 1 or group_bytes < 1):
        raise ValueError(
            f"groups that touch {touched} chunks of {group_bytes} bytes: a window needs both, from blocks()"
        )
    return min(n, max(1, n * window // (2 * group_bytes * touched))) if n else 0


def balanced(classes: Sequence[str | None]) -> list[float]:
    """The weights ``class_balanced`` of samples by the names of their classes; None or "" is none."""
    counts = Counter(classes)
    return [1 / counts[name] if name else 0.0 for name in classes]


def by_class(classes: Sequence[str | None], weights: Mapping[str, float]) -> list[float]:
    """The weights of samples by the names of their classes: 1 of a class without one, 0 where there is no class."""
    return [float(weights.get(name, 1.0)) if name else 0.0 for name in classes]


def _prefix_sums(weight: Sequence[float]) -> list[int]:
    """The weights as whole numbers, by one power of two, summed up."""
    for i, w in enumerate(weight):
        if not (w >= 0 and math.isfinite(w)):
            raise ValueError(f"weight {w} of sample {i} is no finite number from 0 up")
    most = max(weight, default=0.0)
    if not most > 0:
        raise ValueError("all weights are 0")
    shift = min(53, 62 - len(weight).bit_length()) - math.frexp(most)[1]
    return list(itertools.accumulate((int(math.ldexp(w, shift)) for w in weight), initial=0))


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
