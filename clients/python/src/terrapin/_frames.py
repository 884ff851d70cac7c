"""Batches without Arrow: headers, and a message's block of memory as arrays (docs/spec/frames.md of the server)."""

import json
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import CorruptError, TerrapinError, of_kind

HELLO, BATCH, END, FAILED = 1, 2, 3, 4
HEADER = struct.Struct("<IIQIIII")
CHUNKS = struct.Struct("<QQQQ")
"""Chunks that a run has wanted up to a batch: kept, joined and decoded ones, and the bytes that were read."""
NO_CHUNKS = (0, 0, 0, 0)
FORMAT = 2
_ALIGN = 64
_MOST = 1 << 30
_PLACE = ("row", "col", "height", "width", "core_row", "core_col", "core_height", "core_width")

Arrays = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Header:
    """What comes before everything that is sent."""

    kind: int
    length: int
    step: int
    part: int
    parts: int
    rows: int
    slot: int

    @classmethod
    def of(cls, raw: bytes | bytearray | memoryview) -> "Header":
        """Read the 32 bytes of a header."""
        header = cls(*HEADER.unpack(raw))
        if header.kind not in (HELLO, BATCH, END, FAILED) or header.length > _MOST:
            raise CorruptError(f"the stream has no header where one must be: {bytes(raw).hex()}")
        return header


@dataclass(frozen=True, slots=True)
class Column:
    """One array of a message: [rows, *shape]."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.dtype.itemsize * int(np.prod(self.shape, dtype=np.int64))


class Hello:
    """What a stream says of itself first."""

    def __init__(self, text: bytes | bytearray) -> None:
        """Read the JSON of a hello."""
        try:
            document = json.loads(text)
            if document["format"] != FORMAT or document["align"] != _ALIGN:
                raise CorruptError(f"a stream of format {document['format']}", "use a client of the server's release")
            self.facts: dict[str, Any] = document["terrapin"]
            self.columns = [_column(c) for c in document["columns"]]
            self.rows = int(document["rows"])
            self.slots = int(document.get("slots", 0))
            self.slot_bytes = int(document.get("slot_bytes", 0))
        except (ValueError, KeyError, TypeError) as e:
            raise CorruptError(f"the stream begins with no hello: {e!r}", "is this a Terrapin server?") from e

    def block_bytes(self, rows: int) -> int:
        """Length of the block of a message of some rows."""
        size = 0
        for column in self.columns:
            size = _aligned(size) + rows * column.row_bytes
        return _aligned(size)

    def arrays(self, block: npt.NDArray[np.uint8], rows: int) -> Arrays:
        """The arrays of a message, as views of its block; ids are a list of str."""
        out: Arrays = {}
        at = 0
        for column in self.columns:
            at = _aligned(at)
            end = at + rows * column.row_bytes
            values = block[at:end].view(column.dtype).reshape((rows, *column.shape))
            at = end
            if column.name == "id":
                out["ids"] = [name.decode("ascii") for name in values.reshape(rows).tolist()]
            elif column.name == "place":
                out |= {name: values[:, k] for k, name in enumerate(_PLACE)}
            else:
                out[column.name] = values
        return out


def _column(document: dict[str, Any]) -> Column:
    shape = tuple(int(n) for n in document["shape"])
    if document["dtype"] == "ascii":
        return Column(document["name"], np.dtype(f"S{shape[0]}"), ())
    return Column(document["name"], np.dtype(document["dtype"]), shape)


def _aligned(n: int) -> int:
    return -(-n // _ALIGN) * _ALIGN


def failure(text: bytes | bytearray) -> TerrapinError:
    """The error with which a server ended a stream."""
    try:
        document = json.loads(text)
        return of_kind(str(document["kind"]), str(document["message"]), str(document.get("cure") or ""))
    except (ValueError, KeyError, TypeError):
        return CorruptError(f"the server ended the stream and does not say why: {bytes(text[:200])!r}")


class Lease:
    """A piece of memory that NumPy arrays lie on. When the last of them is gone, it is given back."""

    def __init__(self, memory: npt.NDArray[np.uint8], give: Callable[[], None]) -> None:
        """Lend memory out."""
        self._memory = memory
        self._give = give
        self.__array_interface__ = memory.__array_interface__

    def array(self) -> npt.NDArray[np.uint8]:
        """The memory; whatever is viewed or made a tensor from it keeps the lease."""
        return np.asarray(self)

    def __del__(self) -> None:
        self._give()


class Pool:
    """Blocks of memory that are used again once nothing lies on them any more: fresh ones cost page faults."""

    def __init__(self, kept: int = 4) -> None:
        """Keep up to some blocks."""
        self._free: deque[npt.NDArray[np.uint8]] = deque(maxlen=kept)

    def take(self, size: int) -> npt.NDArray[np.uint8]:
        """A block of a size, at a multiple of 64, that holds anything."""
        memory = None
        while memory is None or len(memory) < size:
            try:
                memory = self._free.pop()
            except IndexError:
                raw = np.empty(size + _ALIGN, np.uint8)
                memory = raw[-raw.ctypes.data % _ALIGN :][:size]
        block = memory
        return Lease(block, lambda: self._free.append(block)).array()[:size]
