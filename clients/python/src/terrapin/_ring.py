"""Batches in memory that a server on the same machine shares: nothing is copied (docs/spec/frames.md of the server)."""

import contextlib
import json
import mmap
import os
import socket
import struct
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import numpy.typing as npt

from ._frames import BATCH, CHUNKS, END, FAILED, HEADER, HELLO, NO_CHUNKS, Arrays, Header, Hello, Lease, failure
from .errors import CorruptError, TerrapinError, TooLargeError, UnavailableError

_SAY = struct.Struct("<QQ")
_GIVE_BACK, _ASK = 1, 3
_HELLO_SECONDS = 600
_MOST_HELLO = 1 << 28
_IDLE = 2


class ElsewhereError(Exception):
    """There is no ring to be had: another transport must do."""


class Ring:
    """Rings of one server, by its ``shm+unix:`` URL. A ring whose run ended well serves the next one."""

    name = "ring"
    threaded = False

    def __init__(self, url: str, actor: str) -> None:
        """Remember where the server listens."""
        self.at = url
        parts = urlsplit(url)
        self._path = parts.path
        self._key = parse_qs(parts.query).get("key", [""])[0]
        self._actor = actor
        self._idle: list[Link] = []
        self._lock = threading.Lock()

    def facts(self, ticket: dict[str, Any]) -> dict[str, Any]:
        """What a ticket gives, without reading it."""
        link, hello = self._ask(ticket, info=True)
        self._keep(link)
        return hello.facts

    def open(self, ticket: dict[str, Any]) -> "RingStream":
        """Begin to read what a ticket gives."""
        try:
            link, hello = self._ask(ticket, info=False)
        except TooLargeError as e:
            raise ElsewhereError(str(e)) from e
        return RingStream(link, hello, self._keep)

    def _ask(self, ticket: dict[str, Any], info: bool) -> tuple["Link", Hello]:
        request = json.dumps({"key": self._key, "ticket": ticket, "info": info, "actor": self._actor}).encode()
        while (link := self._take()) is not None:
            try:
                return link, link.ask(request)
            except UnavailableError:
                link.close()  # it waited too long
            except BaseException:
                link.close()
                raise
        link = Link(self._path)
        try:
            return link, link.ask(request)
        except BaseException:
            link.close()
            raise

    def _take(self) -> "Link | None":
        with self._lock:
            self._idle = [link for link in self._idle if link.pid == os.getpid()]  # a fork's parent has its own
            return self._idle.pop() if self._idle else None

    def _keep(self, link: "Link") -> None:
        with self._lock:
            if len(self._idle) < _IDLE:
                self._idle.append(link)
                return
        link.close()

    def close(self) -> None:
        """Leave the server where nothing is read."""
        with self._lock:
            idle, self._idle = self._idle, []
        for link in idle:
            link.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return Ring, (self.at, self._actor)


class Link:
    """One connection, and the memory that the server has given with it."""

    def __init__(self, path: str) -> None:
        """Connect."""
        if not hasattr(socket, "AF_UNIX") or not hasattr(socket, "recv_fds"):
            raise ElsewhereError("this platform has no unix sockets")
        self.pid = os.getpid()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.settimeout(_HELLO_SECONDS)
            self.socket.connect(f"\0{path[1:]}" if path.startswith("@") else path)
        except OSError as e:
            self.socket.close()
            raise ElsewhereError(f"no server of this machine listens at {path}: {e}") from e
        self.slots = np.empty((0, 0), np.uint8)
        self.free: deque[int] = deque()
        self.held = 0
        _links.add(self)

    def ask(self, request: bytes) -> Hello:
        """Ask for a run; its hello, and the memory where it is new."""
        self.give_back()
        with lost():
            self.socket.settimeout(_HELLO_SECONDS)
            self.socket.sendall(_SAY.pack(_ASK, len(request)) + request)
        hello, file = _hello(self.socket)
        self.socket.settimeout(None)
        if file >= 0:
            try:
                memory = np.frombuffer(mmap.mmap(file, hello.slots * hello.slot_bytes), np.uint8)
            except OSError as e:  # such as a limit of address space
                raise ElsewhereError(f"the server's memory cannot be mapped: {e}") from e
            finally:
                os.close(file)
            # What lies on earlier memory keeps that, and gives its slots back to nobody.
            self.slots, self.free, self.held = memory.reshape(hello.slots, hello.slot_bytes), deque(), 0
        return hello

    def lend(self, slot: int) -> npt.NDArray[np.uint8]:
        """The memory of a slot, which is given back when nothing lies on it any more."""
        free = self.free
        self.held += 1
        return Lease(self.slots[slot], lambda: free.append(slot)).array()

    def give_back(self) -> None:
        """Tell the server which slots nothing lies on any more."""
        said = b""
        while self.free:
            said += _SAY.pack(_GIVE_BACK, self.free.popleft())
            self.held -= 1
        if said:
            # A server that has said all it had may be gone; what it said is read all the same.
            with contextlib.suppress(OSError):
                self.socket.sendall(said)

    def close(self) -> None:
        """Leave the server, from any thread."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


_links: "weakref.WeakSet[Link]" = weakref.WeakSet()


def _after_fork_in_parent() -> None:
    """What the child has got of batches must not be written to: those slots never go back.

    Slots that nothing lay on any more are not the child's either, and go back.
    """
    for link in list(_links):
        link.free = deque(link.free)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_after_fork_in_parent)


class RingStream:
    """One run: messages lie in slots, which go back to the server when no array lies on them any more."""

    def __init__(self, link: Link, hello: Hello, keep: Callable[[Link], None]) -> None:
        """Read a run over a link that has said its hello."""
        self._link = link
        self._hello = hello
        self._keep = keep
        self.chunks: tuple[int, ...] = NO_CHUNKS

    @property
    def facts(self) -> dict[str, Any]:
        """What the stream is."""
        return self._hello.facts

    def read(self) -> Arrays | None:
        """The next message; None after the last."""
        link, hello = self._link, self._hello
        link.give_back()
        header = Header.of(_receive(link.socket, HEADER.size))
        if header.kind == END:
            self._keep(link)
            return None
        if header.kind == FAILED:
            raise failure(_receive(link.socket, header.length))
        known = header.kind == BATCH and header.length == CHUNKS.size
        if not known or header.slot >= hello.slots or header.rows > hello.rows:
            raise CorruptError(f"the server says what a ring cannot hold: {header}")
        self.chunks = CHUNKS.unpack(_receive(link.socket, CHUNKS.size))
        block = link.lend(header.slot)[: hello.block_bytes(header.rows)]
        if link.held > max(1, hello.slots - 2):
            # The consumer keeps batches: this one gets memory of its own, so that the server can go on.
            block = block.copy()
        return hello.arrays(block, header.rows)

    def cancel(self) -> None:
        """Give the run up, from any thread; what was read stays."""
        self._link.close()


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
