"""Arrow Flight: connections that mind forks, errors as kinds, tensor columns as arrays without a copy."""

import json
import operator
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.flight as flight

from ._frames import NO_CHUNKS
from .errors import CorruptError, InvalidError, PreconditionError, TerrapinError, of_text

_CODE_KIND = {
    "INTERNAL": "internal",
    "UNKNOWN": "internal",
    "INVALID_ARGUMENT": "invalid",
    "OUT_OF_RANGE": "invalid",
    "NOT_FOUND": "not_found",
    "ALREADY_EXISTS": "conflict",
    "ABORTED": "conflict",
    "FAILED_PRECONDITION": "precondition",
    "DATA_LOSS": "corrupt",
    "UNAVAILABLE": "unavailable",
    "CANCELLED": "canceled",
    "DEADLINE_EXCEEDED": "canceled",
    "RESOURCE_EXHAUSTED": "too_large",
    "UNIMPLEMENTED": "unsupported",
}
_CLASS_KIND = (
    (flight.FlightUnavailableError, "unavailable"),
    (flight.FlightCancelledError, "canceled"),
    (flight.FlightTimedOutError, "canceled"),
    (pa.ArrowKeyError, "not_found"),
    (pa.ArrowInvalid, "invalid"),
    (pa.ArrowNotImplementedError, "unsupported"),
)
_CONTEXT = re.compile(r"gRPC client debug context: ([A-Z_]+):(.*)", re.DOTALL)
_PREFIX = re.compile(r"^(?:Unknown: )?(?:Flight|gRPC) [A-Za-z ,-]{0,60}?with message: ")
_TAIL = re.compile(r"(?:\. Detail: .*)?\. (?:gRPC client debug context|Client context): .*\Z", re.DOTALL)

# The pings tell within a minute that the server's machine is gone; a new connection does not wait for what an old one
# of the process has learnt of a server that was away.
_CHANNEL = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
]

ERRORS = (flight.FlightError, pa.ArrowException, pa.ArrowKeyError, OSError)
"""What pyarrow raises for a failed call."""


def fault(error: BaseException) -> TerrapinError:
    """The kind, message and cure in an error of pyarrow.flight.

    pyarrow folds several gRPC codes into one exception class, so the code is read from the text that the
    C++ client appends; the class decides only where that is missing.
    """
    if isinstance(error, TerrapinError):
        return error
    text = str(error.args[0]) if error.args else str(error)
    kind = next((k for c, k in _CLASS_KIND if isinstance(error, c)), "internal")
    if found := _CONTEXT.search(text):
        kind = _CODE_KIND.get(found[1], kind)
    return of_text(kind, _PREFIX.sub("", _TAIL.sub("", text)))


_open = 0
_inherited = False


def _after_fork_in_child() -> None:
    global _inherited
    _inherited = _inherited or _open > 0


os.register_at_fork(after_in_child=_after_fork_in_child)


class Connection:
    """One Flight connection of this process; close it, or use it as a context manager.

    gRPC does not survive a fork reliably. Connections live only as long as a stream; a process that was forked in
    the middle of one is told so instead of hanging. After a stream, start processes with spawn rather than fork.
    """

    def __init__(self, url: str, actor: str) -> None:
        global _open
        if _inherited:
            raise PreconditionError(
                "this process was forked while its parent was reading a Terrapin stream; gRPC does not survive that",
                "fork before iterating, or start the process with multiprocessing's spawn method",
            )
        self._pid = os.getpid()
        # gRPC takes ASCII only, where it does not mean binary.
        self._options = flight.FlightCallOptions(
            headers=[(b"terrapin-actor", actor.encode("ascii", "backslashreplace"))]
        )
        try:
            self._client = flight.connect(url, generic_options=_CHANNEL)
        except ERRORS as e:
            raise fault(e) from e
        _open += 1
        self._closed = False

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def info(self, command: dict[str, Any]) -> Any:
        """GetFlightInfo of a ticket: schema, endpoints and counts, no pixels."""
        with faults():
            descriptor = flight.FlightDescriptor.for_command(_json(command))
            return self._client.get_flight_info(descriptor, self._options)

    def get(self, ticket: dict[str, Any]) -> Any:
        """DoGet: a stream reader."""
        with faults():
            return self._client.do_get(flight.Ticket(_json(ticket)), self._options)

    def put(self, command: dict[str, Any], schema: Any) -> tuple[Any, Any]:
        """DoPut: a stream writer and the reader of what the server answers."""
        with faults():
            descriptor = flight.FlightDescriptor.for_command(_json(command))
            writer, reader = self._client.do_put(descriptor, schema, self._options)
            return writer, reader

    def close(self) -> None:
        """End the connection and every stream on it; closing twice does nothing."""
        global _open
        if self._closed or self._pid != os.getpid():
            return
        self._closed = True
        _open -= 1
        self._client.close()


def _json(document: dict[str, Any]) -> bytes:
    """A command or ticket on the wire; whole numbers of NumPy and torch are numbers."""
    try:
        return json.dumps(document, allow_nan=False, default=operator.index).encode()
    except (TypeError, ValueError) as e:
        raise InvalidError(f"{document}: {e}", "pass plain numbers, texts and lists of them") from None


@contextmanager
def faults() -> Iterator[None]:
    """Raise what pyarrow raises inside the block as Terrapin errors."""
    try:
        yield
    except TerrapinError:
        raise
    except ERRORS as e:
        raise fault(e) from e


def metadata(schema: Any) -> dict[str, Any]:
    """The JSON that every Terrapin stream carries in its schema."""
    raw = (schema.metadata or {}).get(b"terrapin")
    if raw is None:
        raise CorruptError("the stream's schema has no `terrapin` metadata", "is this a Terrapin server?")
    document: dict[str, Any] = json.loads(raw)
    return document


def array(column: Any) -> npt.NDArray[Any]:
    """A column as a NumPy array [rows, ...] on Arrow's own buffer: read-only and without a copy.

    Fixed-shape tensors take their shape; plain fixed-size lists one more axis per level; numbers stay 1-D. A buffer
    that gRPC put at an odd address is copied, since arithmetic on such arrays is slow in NumPy and unsound elsewhere.
    """
    shape: tuple[int, ...] = (len(column),)
    kind = column.type
    if isinstance(kind, pa.FixedShapeTensorType):
        if kind.permutation not in (None, list(range(len(kind.shape)))):
            raise CorruptError(f"tensor column with permutation {kind.permutation}: only C order is spoken here")
        shape += tuple(kind.shape)
        column = column.storage.flatten()
    else:
        while pa.types.is_fixed_size_list(column.type):
            shape += (column.type.list_size,)
            column = column.flatten()
    if column.null_count:
        raise CorruptError("a tensor column has nulls; missing pixels are told by `valid`")
    if sys.byteorder == "big":
        raise PreconditionError("big-endian machines are not supported")
    values: npt.NDArray[Any] = column.to_numpy(zero_copy_only=True).reshape(shape)
    return values if values.flags.aligned else values.copy()


def tensor_array(values: npt.NDArray[Any]) -> Any:
    """A NumPy array [rows, ...] as a fixed-shape tensor column on the same memory."""
    values = np.ascontiguousarray(values)
    kind = pa.fixed_shape_tensor(pa.from_numpy_dtype(values.dtype), list(values.shape[1:]))
    size = int(np.prod(values.shape[1:], dtype=np.int64))
    storage = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), size)
    return pa.ExtensionArray.from_storage(kind, storage)


class Flight:
    """Arrow Flight as a transport of batches."""

    name = "flight"
    threaded = True

    def __init__(self, connect: Callable[[], Connection], at: str) -> None:
        """Remember how to connect."""
        self._connect = connect
        self.at = at

    def facts(self, ticket: dict[str, Any]) -> dict[str, Any]:
        """What a ticket gives, without reading it."""
        with self._connect() as connection:
            return metadata(connection.info(ticket).schema)

    def open(self, ticket: dict[str, Any]) -> "FlightStream":
        """Begin to read what a ticket gives."""
        connection = self._connect()
        try:
            return FlightStream(connection, connection.get(ticket))
        except BaseException:
            connection.close()
            raise


class FlightStream:
    """One DoGet, record batch by record batch."""

    def __init__(self, connection: Connection, reader: Any) -> None:
        """Read the schema."""
        self._connection = connection
        self._reader = reader
        self.chunks: tuple[int, ...] = NO_CHUNKS
        self._reading = threading.RLock()  # a finaliser may cancel in the middle of a read
        try:
            with faults():
                self.facts: dict[str, Any] = metadata(reader.schema)
        except BaseException:
            self.cancel()
            raise

    def read(self) -> dict[str, Any] | None:
        """The next message; None after the last."""
        try:
            with self._reading, faults():
                chunk = self._reader.read_chunk()
            self.chunks = _chunks(chunk.app_metadata)
            return arrays_of(chunk.data)
        except StopIteration:
            self._connection.close()
            return None

    def cancel(self) -> None:
        """Give the run up, from any thread; what was read stays."""
        self._reader.cancel()
        with self._reading:  # which ends soon now
            self._connection.close()


def _chunks(said: Any) -> tuple[int, ...]:
    """The counts in a batch's metadata; servers that say none have none."""
    counts = {} if said is None else json.loads(said.to_pybytes()).get("chunks", {})
    return tuple(int(counts.get(key, 0)) for key in ("kept", "joined", "decoded", "bytes_read"))


def arrays_of(batch: Any) -> dict[str, Any]:
    """The columns of a record batch: arrays on Arrow's memory, and the ids as a list of str."""
    arrays: dict[str, Any] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name == "id":
            arrays["ids"] = column.to_pylist()
        else:
            arrays[name] = array(column)
    return arrays
