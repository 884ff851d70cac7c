"""The list of kinds is the server's, and every way an error arrives keeps kind, message and cure."""

import pickle
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pytest

import terrapin
from terrapin import errors
from terrapin._flight import fault

FAULT_GO = Path(__file__).parents[3] / "fault" / "fault.go"


def test_the_kinds_are_those_of_the_server_in_its_order() -> None:
    source = FAULT_GO.read_text()
    listed = re.search(r"func Kinds\(\) \[\]Kind \{\s*return \[\]Kind\{(.*?)\}", source, re.DOTALL)
    assert listed is not None
    constants = [name.strip() for name in listed[1].split(",")]
    names = dict(re.findall(r'(\w+): "(\w+)"', source))
    assert [names[c] for c in constants] == list(errors.KINDS)
    assert [f"{c}Error" for c in constants] == [c.__name__ for c in errors.KINDS.values()]


@pytest.mark.parametrize(("kind", "built_in"), [
    ("not_found", KeyError), ("invalid", ValueError), ("too_large", ValueError), ("unavailable", ConnectionError),
    ("unsupported", NotImplementedError), ("precondition", RuntimeError), ("internal", RuntimeError),
])  # fmt: skip
def test_an_error_is_also_the_built_in_one(kind: str, built_in: type[Exception]) -> None:
    error = errors.of_kind(kind, "what, where", "how to mend it")
    assert isinstance(error, built_in)
    assert isinstance(error, terrapin.TerrapinError)
    assert error.kind == kind
    assert str(error) == "what, where\n  cure: how to mend it"
    twin = pickle.loads(pickle.dumps(error))
    assert (type(twin), str(twin)) == (type(error), str(error))


def test_an_unknown_kind_is_internal() -> None:
    assert type(errors.of_kind("melted", "x")) is terrapin.InternalError


MESSAGE = 'open dataset "x": does not exist; there are: a, b. ok'
CODES = [
    ("ALREADY_EXISTS", pa.ArrowException, "Unknown: Flight returned already exists error, with message: ", "conflict"),
    ("RESOURCE_EXHAUSTED", pa.ArrowInvalid, "gRPC returned resource exhausted error, with message: ", "too_large"),
    ("FAILED_PRECONDITION", pa.ArrowInvalid, "gRPC returned precondition failed error, with message: ", "precondition"),
    ("DATA_LOSS", flight.FlightInternalError, "gRPC returned data loss error, with message: ", "corrupt"),
    ("NOT_FOUND", pa.ArrowKeyError, "Flight returned not found error, with message: ", "not_found"),
    ("INVALID_ARGUMENT", pa.ArrowInvalid, "Flight returned invalid argument error, with message: ", "invalid"),
    (
        "UNIMPLEMENTED",
        pa.ArrowNotImplementedError,
        "Flight returned unimplemented error, with message: ",
        "unsupported",
    ),
    ("CANCELLED", flight.FlightCancelledError, "Flight cancelled call, with message: ", "canceled"),
    ("UNKNOWN", flight.FlightServerError, "Flight RPC failed with message: ", "internal"),
    ("UNAVAILABLE", flight.FlightUnavailableError, "Flight returned unavailable error, with message: ", "unavailable"),
]


@pytest.mark.parametrize(("code", "cls", "prefix", "kind"), CODES, ids=[c[0] for c in CODES])
def test_a_flight_error_keeps_kind_message_and_cure(code: str, cls, prefix: str, kind: str) -> None:
    """The texts are those that pyarrow 26 makes of the statuses of a gRPC server in Go."""
    status = f"{MESSAGE}\n  cure: run `terrapin dataset ls`"
    tail = "Client context: IOError: Server never sent a data message. Detail: Internal"
    error = fault(cls(f"{prefix}{status}. gRPC client debug context: {code}:{status}. {tail}"))
    assert (error.kind, error.message, error.cure) == (kind, MESSAGE, "run `terrapin dataset ls`")


def test_without_a_debug_context_the_class_decides() -> None:
    assert fault(pa.ArrowInvalid("no good")).kind == "invalid"
    assert fault(OSError("disk")).kind == "internal"
