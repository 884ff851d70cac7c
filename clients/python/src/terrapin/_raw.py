"""Batches over HTTP/1.1: raw frames into memory that is used again (docs/spec/frames.md of the server)."""

import contextlib
import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

from ._frames import BATCH, CHUNKS, END, FAILED, HEADER, HELLO, NO_CHUNKS, Arrays, Header, Hello, Pool, failure
from ._http import Http, refusal
from .errors import CorruptError, TerrapinError, UnavailableError

_CONNECT_SECONDS = 60
_FIRST_SECONDS = 1800
_ALIVE = (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 4))
_BUFFER = 1 << 20


class Raw:
    """The data plane of one server, by its address."""

    name = "http"
    threaded = True

    def __init__(self, http: Http, url: str) -> None:
        """Remember where the server is."""
        self.at = url
        self._http = http
        self._url = f"{http.url}/v1/batches"  # the server may know itself by another name
        self._pool = Pool()

    def facts(self, ticket: dict[str, Any]) -> dict[str, Any]:
        """What a ticket gives, without reading it."""
        connection, _, response = self._post("/info", ticket)
        try:
            return Hello(response.read()).facts
        except (OSError, http.client.HTTPException) as e:
            raise _lost(e) from e
        finally:
            connection.close()

    def open(self, ticket: dict[str, Any]) -> "RawStream":
        """Begin to read what a ticket gives."""
        connection, sock, response = self._post("", ticket)
        try:
            return RawStream(connection, sock, response, self._pool)
        except BaseException:
            connection.close()
            raise

    def __reduce__(self) -> tuple[Any, ...]:
        return Raw, (self._http, self.at)

    def _post(
        self, path: str, ticket: dict[str, Any]
    ) -> tuple[http.client.HTTPConnection, socket.socket, http.client.HTTPResponse]:
        parts = urlsplit(self._url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "localhost", parts.port, timeout=_CONNECT_SECONDS)
        try:
            headers = {
                "Content-Type": "application/json",
                "Terrapin-Actor": self._http.actor.encode().decode("latin-1"),
            }
            connection.connect()
            sock = connection.sock  # which the connection forgets where the server means to close it
            _watch(sock)
            connection.request("POST", parts.path + path, json.dumps(ticket).encode(), headers)
            response = connection.getresponse()
            if response.status != 200:
                raise refusal(response.status, response.read(), f"POST {self._url}{path}")
        except (OSError, http.client.HTTPException) as e:
            connection.close()
            if isinstance(e, TerrapinError):
                raise
            raise UnavailableError(f"no Terrapin server answers at {self._url}: {e}") from e
        except BaseException:
            connection.close()
            raise
        return connection, sock, response


def _watch(sock: socket.socket) -> None:
    """Notice within about a minute that the server's machine is gone, however long an answer takes."""
    sock.settimeout(_FIRST_SECONDS)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _ALIVE:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class RawStream:
    """One run, message by message."""

    def __init__(
        self,
        connection: http.client.HTTPConnection,
        sock: socket.socket,
        response: http.client.HTTPResponse,
        pool: Pool,
    ) -> None:
        """Read the hello."""
        self._connection = connection
        self._socket = sock
        self._response = response
        self._pool = pool
        self.chunks: tuple[int, ...] = NO_CHUNKS
        header = self._header()
        if header.kind != HELLO:
            raise CorruptError("the server does not begin with a hello")
        self._hello = Hello(self._bytes(header.length))
        self._socket.settimeout(None)

    @property
    def facts(self) -> dict[str, Any]:
        """What the stream is."""
        return self._hello.facts

    def read(self) -> Arrays | None:
        """The next message; None after the last."""
        header = self._header()
        if header.kind == END:
            self._response.close()
            self._connection.close()
            return None
        if header.kind == FAILED:
            raise failure(self._bytes(header.length))
        if (
            header.kind != BATCH
            or header.rows > self._hello.rows
            or header.length != self._hello.block_bytes(header.rows) + CHUNKS.size
        ):
            raise CorruptError(f"the server sends a message that its hello does not allow: {header}")
        block = self._pool.take(header.length)
        self._into(memoryview(block))
        self.chunks = CHUNKS.unpack(block[-CHUNKS.size :])
        return self._hello.arrays(block, header.rows)

    def cancel(self) -> None:
        """Give the run up, from any thread; what was read stays."""
        with contextlib.suppress(OSError):  # the server was faster
            self._socket.shutdown(socket.SHUT_RDWR)
        self._connection.close()
        self._socket.close()

    def _header(self) -> Header:
        return Header.of(self._bytes(HEADER.size))

    def _bytes(self, size: int) -> bytearray:
        out = bytearray(size)
        self._into(memoryview(out))
        return out

    def _into(self, view: memoryview) -> None:
        try:
            while view:
                n = self._response.readinto(view)
                if n == 0:
                    raise UnavailableError("the server closed the stream before its end")
                view = view[n:]
        except TerrapinError:
            raise
        except (OSError, ValueError, AttributeError, http.client.HTTPException) as e:
            raise _lost(e) from e  # of ValueError and AttributeError: closed by another thread


def _lost(e: BaseException) -> UnavailableError:
    return UnavailableError(f"the connection to the server broke: {e}")
