"""How batches come here: shared memory on the same machine, HTTP/1.1, or Arrow Flight; the same batches each way."""

from collections.abc import Callable
from typing import Any, Literal, Protocol

from ._frames import Arrays
from ._http import Http
from ._raw import Raw
from ._ring import ElsewhereError, Ring
from .errors import InvalidError, UnavailableError, UnsupportedError

Name = Literal["ring", "http", "flight"]
NAMES: tuple[Name, ...] = ("ring", "http", "flight")


class Stream(Protocol):
    """One run of a ticket."""

    @property
    def facts(self) -> dict[str, Any]:
        """The server's description of the stream."""

    @property
    def chunks(self) -> tuple[int, ...]:
        """What the server needed for what was read: chunks kept, joined and decoded, and bytes read."""

    def read(self) -> Arrays | None:
        """The next message; None after the last."""

    def cancel(self) -> None:
        """Give the run up, from any thread; what was read stays."""


class Transport(Protocol):
    """One way for batches to come."""

    name: str
    at: str
    """Its address."""
    threaded: bool
    """Whether a thread that reads ahead makes it faster."""

    def facts(self, ticket: dict[str, Any]) -> dict[str, Any]:
        """What a ticket gives, without reading it."""

    def open(self, ticket: dict[str, Any]) -> Stream:
        """Begin to read what a ticket gives. Raises UnavailableError where the server is away."""


class Choice:
    """The transports that a server offers, best first; or the one that was asked for.

    One that cannot be reached while the server answers is passed over for the next. What is offered is asked anew where
    a ring cannot be reached, as after a restart of the server.
    """

    def __init__(self, http: Http, offered: dict[str, Any], flight: Transport, wanted: str | None = None) -> None:
        """Choose among what the server's description offers."""
        if wanted is not None and wanted not in NAMES:
            raise InvalidError(f"transport {wanted!r} is unknown", f"use one of {', '.join(NAMES)}, or None to choose")
        self._http = http
        self._offered = offered
        self._flight = flight
        self._wanted = wanted
        self._made: dict[str, Transport] = {}

    def close(self) -> None:
        """Let go of connections that wait to be used again."""
        for transport in self._made.values():
            if isinstance(transport, Ring):
                transport.close()

    def facts(self, ticket: dict[str, Any]) -> dict[str, Any]:
        """What a ticket gives, without reading it."""
        facts: dict[str, Any] = self._first(lambda t: t.facts(ticket))
        return facts

    def open(self, ticket: dict[str, Any]) -> tuple[Stream, Transport]:
        """Begin to read, over the first transport that can."""
        opened: tuple[Stream, Transport] = self._first(lambda t: (t.open(ticket), t))
        return opened

    def _first(self, do: Callable[[Transport], Any]) -> Any:
        why: dict[str, UnavailableError | ElsewhereError] = {}
        for name in [self._wanted] if self._wanted else NAMES:
            try:
                return self._twice(name, do)
            except _PassedOverError as e:
                why[name] = e.why
        reasons = "; ".join(f"{k}: {e.message if isinstance(e, UnavailableError) else e}" for k, e in why.items())
        if any(isinstance(e, UnavailableError) for e in why.values()):
            raise UnavailableError(
                f"{self._http.url} answers, but no batches come from it: {reasons}",
                "see what stands between: shared memory on its machine, HTTP or gRPC must get through",
            )
        raise UnsupportedError(
            f"{self._http.url} offers no transport {self._wanted or 'that this client knows'}: {reasons}",
            "leave transport= out to use what there is",
        )

    def _twice(self, name: str, do: Callable[[Transport], Any]) -> Any:
        """One transport; again where the server answers, as it may have come back just now, with its ring elsewhere.

        Raises UnavailableError where the whole server is away: it is waited for, and no other way is tried.
        """
        why: UnavailableError | ElsewhereError = ElsewhereError("the server does not offer it")
        transport = None
        for _ in range(2):
            before, transport = transport, self._transport(name)
            if transport is None or (transport is before and isinstance(why, ElsewhereError)):
                break
            try:
                return do(transport)
            except UnavailableError as e:
                if self._wanted:
                    raise  # who asked for it waits for it
                why = e
            except ElsewhereError as e:
                why = e
            self._describe()
        raise _PassedOverError(why)

    def _transport(self, name: str) -> Transport | None:
        """The transport of a name, if it is offered; what it keeps open stays."""
        if name == "flight":
            return self._flight
        key = {"ring": "ring", "http": "batches"}[name]
        if key not in self._offered:
            return None
        at = str(self._offered[key])
        if name not in self._made or self._made[name].at != at:
            self._made[name] = Ring(at, self._http.actor) if name == "ring" else Raw(self._http, at)
        return self._made[name]

    def _describe(self) -> None:
        """Ask anew what is offered. Raises UnavailableError where the server is away."""
        self._offered = self._http.get_json("v1/server", timeout=10)


class _PassedOverError(Exception):
    """A transport that is not to be had, though its server answers."""

    def __init__(self, why: UnavailableError | ElsewhereError) -> None:
        self.why = why
