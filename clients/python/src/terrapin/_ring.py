"""Batches in memory that a server on the same machine shares: nothing is copied (docs/spec/frames.md of the server)."""

import contextlib
import json
import mmap
import os
import socket
import struct
from collections import deque
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from ._frames import BATCH, END, FAILED, HEADER, HELLO, Arrays, Header, Hello, Lease, failure
from .errors import CorruptError, TerrapinError, TooLargeError, UnavailableError

_SAY = struct.Struct("<QQ")
_GIVE_BACK = 1
_HELLO_SECONDS = 60
_MOST_HELLO = 1 << 28


class ElsewhereError(Exception):
    """There is no ring to be had: another transport must do."""


class Ring:
    """Rings of one server, by its ``shm+unix:`` URL."""

    name = "ring"
    threaded = False

    def __init__(self, url: str) -> None:
        """Remember where the server listens."""
        parts = urlsplit(url)
        self._path = parts.path
        self._key = parse_qs(parts.query).get("key", [""])[0]

    def facts(self, ticket: dict[str, Any]) -> dict[str, Any]:
        """What a ticket gives, without reading it."""
        sock = self._ask(ticket, {"info": True})
        with sock:
            hello, _ = _hello(sock)
        return hello.facts

    def open(self, ticket: dict[str, Any]) -> "RingStream":
        """Begin to read what a ticket gives."""
        sock = self._ask(ticket, {})
        try:
            hello, file = _hello(sock)
        except TooLargeError as e:
            sock.close()
            raise ElsewhereError(str(e)) from e
        except BaseException:
            sock.close()
            raise
        return RingStream(sock, hello, file)

    def _ask(self, ticket: dict[str, Any], more: dict[str, Any]) -> socket.socket:
        if not hasattr(socket, "AF_UNIX") or not hasattr(socket, "recv_fds"):
            raise ElsewhereError("this platform has no unix sockets")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(_HELLO_SECONDS)
            sock.connect(f"\0{self._path[1:]}" if self._path.startswith("@") else self._path)
            request = json.dumps({"key": self._key, "ticket": ticket, **more}).encode()
            sock.sendall(struct.pack("<I", len(request)) + request)
        except OSError as e:
            sock.close()
            raise ElsewhereError(f"no server of this machine listens at {self._path}: {e}") from e
        return sock


class RingStream:
    """One run: messages lie in slots, which go back to the server when no array lies on them any more."""

    def __init__(self, sock: socket.socket, hello: Hello, file: int) -> None:
        """Map the ring."""
        try:
            memory = np.frombuffer(mmap.mmap(file, hello.slots * hello.slot_bytes), np.uint8)
        finally:
            os.close(file)
        self._socket = sock
        self._socket.settimeout(None)
        self._hello = hello
        self._slots = memory.reshape(hello.slots, hello.slot_bytes)
        self._free: deque[int] = deque()
        self._held = 0

    @property
    def facts(self) -> dict[str, Any]:
        """What the stream is."""
        return self._hello.facts

    def read(self) -> Arrays | None:
        """The next message; None after the last."""
        self._give_back()
        header = Header.of(_receive(self._socket, HEADER.size))
        if header.kind == END:
            return None
        if header.kind == FAILED:
            raise failure(_receive(self._socket, header.length))
        if header.kind != BATCH or header.slot >= self._hello.slots or header.rows > self._hello.rows:
            raise CorruptError(f"the server says what a ring cannot hold: {header}")
        slot, free = header.slot, self._free
        self._held += 1
        lease = Lease(self._slots[slot], lambda: free.append(slot))
        block = lease.array()[: self._hello.block_bytes(header.rows)]
        if self._held > max(1, self._hello.slots - 2):
            # The consumer keeps batches: this one gets memory of its own, so that the server can go on.
            block = block.copy()
        return self._hello.arrays(block, header.rows)

    def cancel(self) -> None:
        """Give the run up, from any thread; what was read stays."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _give_back(self) -> None:
        said = b""
        while self._free:
            said += _SAY.pack(_GIVE_BACK, self._free.popleft())
            self._held -= 1
        if said:
            # A server that has said all it had is gone already; what it said is read all the same.
            with contextlib.suppress(OSError):
                self._socket.sendall(said)


def _hello(sock: socket.socket) -> tuple[Hello, int]:
    with lost():
        raw, files, _, _ = socket.recv_fds(sock, HEADER.size, 1)
    file = files[0] if files else -1
    try:
        header = Header.of(raw + _receive(sock, HEADER.size - len(raw)) if raw else _receive(sock, HEADER.size))
        if header.length > _MOST_HELLO:
            raise CorruptError(f"a hello of {header.length} bytes")
        text = _receive(sock, header.length)
        if header.kind == FAILED:
            raise failure(text)
        if header.kind != HELLO:
            raise CorruptError("the server does not begin with a hello")
        return Hello(text), file
    except BaseException:
        if file >= 0:
            os.close(file)
        raise


def _receive(sock: socket.socket, size: int) -> bytearray:
    out = bytearray(size)
    view = memoryview(out)
    while view:
        with lost():
            n = sock.recv_into(view)
        if n == 0:
            raise UnavailableError("the server closed the stream before its end")
        view = view[n:]
    return out


@contextlib.contextmanager
def lost() -> Any:
    """Raise a broken connection as what it is."""
    try:
        yield
    except TerrapinError:
        raise
    except OSError as e:
        raise UnavailableError(f"the connection to the server broke: {e}") from e
