"""Reading of one epoch's stream: exactly once, across lost connections, in a thread where that helps."""

import atexit
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ._frames import NO_CHUNKS
from ._receipts import Reading
from ._transport import Choice, Stream
from .errors import CanceledError, ConflictError, CorruptError, PreconditionError, UnavailableError
from .order import Plan

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_CUT_ABOVE, _MESSAGE_BYTES = 512 << 20, 256 << 20
Arrays = dict[str, Any]


def positions(plan: Plan, step: int, rank: int) -> npt.NDArray[np.int64]:
    """The positions that a rank's part of a step must hold; -1 is padding."""
    part = plan.part(step, rank)
    wanted = np.full(part.count + part.pad, -1, dtype=np.int64)
    wanted[: part.count] = np.arange(part.first, part.first + part.count)
    return wanted


def _sum(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(x + y for x, y in zip(a, b, strict=True))


_live: "weakref.WeakSet[Prefetch]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """gRPC must not be at work in a thread while the interpreter goes away."""
    for prefetch in list(_live):
        prefetch.close()


class Steps:
    """Reads the steps of a plan in order.

    A connection that breaks is opened again at the exact position, for at most `patience` seconds without
    progress; `pinned` is a fact of the stream that must not have changed. Every batch is checked against the plan, so
    none can be lost or come twice unseen. `next` is for one thread at a time, `close` for any.
    """

    def __init__(
        self,
        transports: Choice,
        ticket: Mapping[str, Any],
        plan: Plan,
        rank: int,
        pinned: tuple[str, str],
        patience: float,
        receipts: Reading | None = None,
    ) -> None:
        self._transports = transports
        self._receipts = receipts
        self._ticket = ticket
        self._plan = plan
        self._rank = rank
        self._pinned = pinned
        self._patience = patience
        self._changed = threading.Condition()
        self._closed = False
        self._stream: Stream | None = None
        self._step = 0
        self.threaded: bool | None = None
        """Whether a thread makes the transport faster, once it is open."""
        self.transport: str | None = None
        """Name of the transport, once it is open."""
        self.lost = 0
        """How many connections broke and were taken up again."""
        self._spent: tuple[int, ...] = NO_CHUNKS

    @property
    def chunks(self) -> tuple[int, ...]:
        """What the server needed for what was read: chunks kept, joined and decoded, and bytes read."""
        with self._changed:
            return self._spent if self._stream is None else _sum(self._spent, self._stream.chunks)

    def open(self) -> None:
        """Open the stream, unless it is."""
        if self._stream is not None:
            return
        stream, transport = self._transports.open({**self._ticket, "start": self._plan.after(self._step)})
        with self._changed:
            if self._closed:
                stream.cancel()
                raise cancelled()
            self.lost += self.transport is not None
            self._stream, self.threaded, self.transport = stream, transport.threaded, transport.name
        found = stream.facts.get(self._pinned[0])
        if found != self._pinned[1]:
            self._cut()
            raise ConflictError(
                f"the server now answers with {self._pinned[0]} {found}, not {self._pinned[1]}",
                "go on against the server that has what this stream was opened on",
            )
        if self._receipts:
            self._receipts.opened(stream.facts, self._step)

    def next(self) -> Arrays | None:
        """The next step's arrays, None after the last; raises what ended the reading."""
        pause, deadline = _FIRST_PAUSE, None
        while self._step < self._plan.steps:
            try:
                self.open()
                arrays = self._read()
                self._step += 1
                if self._step == self._plan.steps:
                    self._end()
                return arrays
            except UnavailableError as e:
                self._cut()
                if self._closed:
                    raise cancelled() from None
                now = time.monotonic()
                deadline = deadline or now + self._patience
                if now >= deadline:
                    raise UnavailableError(
                        f"the Terrapin server went away after position {self._plan.after(self._step)} "
                        f"and did not come back within {self._patience:g} s: {e.message}",
                        "start it again and resume: loader.load_state_dict(state) with the last loader.state_dict()",
                    ) from e
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, min(pause, deadline - now))
                pause = min(2 * pause, _LONGEST_PAUSE)
            except BaseException as e:
                self._cut()
                if self._receipts and isinstance(e, CorruptError):
                    self._receipts.wrong(e.message)
                raise
        return None

    def close(self) -> None:
        """Stop reading; who waits for a step is told."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._cut()

    def _end(self) -> None:
        """After the last step the server has nothing more to say; a transport may use its connection again."""
        with self._changed:
            stream = self._leave()
        if stream is None:
            return
        more: Any = True
        try:
            more = stream.read()
        except UnavailableError:
            more = None  # all there was to read is read
        finally:
            if more is not None:
                stream.cancel()
        if more is not None:
            raise CorruptError(f"the stream goes on after its last step, {self._plan.steps}")

    def _leave(self) -> Stream | None:
        """The stream, which is no longer this one's; the lock is held."""
        stream, self._stream = self._stream, None
        if stream is not None:
            self._spent = _sum(self._spent, stream.chunks)
        return stream

    def _cut(self) -> None:
        with self._changed:
            stream = self._leave()
        if stream is not None:
            stream.cancel()

    def _read(self) -> Arrays:
        """One step, put together from its messages."""
        wanted = positions(self._plan, self._step, self._rank)
        parts: list[Arrays] = []
        rows = 0
        while rows < len(wanted):
            stream = self._stream
            if stream is None:
                raise cancelled()
            arrays = stream.read()
            if arrays is None:
                where = f"inside step {self._step}" if parts else f"after step {self._step} of {self._plan.steps}"
                raise CorruptError(f"the stream ended {where}")
            parts.append(arrays)
            rows += len(arrays["position"])
        arrays = joined(parts)
        if not np.array_equal(arrays["position"], wanted):
            raise CorruptError(
                f"step {self._step} holds positions {arrays['position'][:4]}..., not {wanted[:4]}...",
                "report this: the server and the client disagree about the order",
            )
        if self._receipts:
            self._receipts.received(arrays)
        return arrays


class Prefetch:
    """The steps of a plan, up to `ahead` of them read in a thread where the transport gains by that.

    What `prepare` does with the arrays of a step is done in a thread, too. Without a thread the first step is opened
    when it is asked for.
    """

    def __init__(self, steps: Steps, ahead: int = 2, prepare: Callable[[Arrays], Arrays] | None = None) -> None:
        self._pid = os.getpid()
        self._prepare = prepare
        self.steps = steps
        self._ahead = ahead
        self._ready: deque[Arrays] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._finished = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        _live.add(self)

    def next(self) -> Arrays | None:
        """The next step's arrays, None after the last; raises what ended the reading."""
        if os.getpid() != self._pid:
            raise PreconditionError(
                "this process was forked while its parent was iterating; the stream belongs to the parent",
                "make a loader in the process that reads it, before or without iterating in the parent",
            )
        if self._thread is None:
            arrays = self._read()
            if not (self.steps.threaded or self._prepare):
                return arrays
            self._thread = threading.Thread(target=self._run, name="terrapin-prefetch", daemon=True)
            self._thread.start()
            return arrays
        with self._changed:
            # A timeout lets KeyboardInterrupt through on every platform.
            while not (self._ready or self._finished):
                self._changed.wait(1.0)
            if self._ready:
                arrays = self._ready.popleft()
                self._changed.notify_all()
                return arrays
            if self._error is not None:
                raise self._error
            return None

    def close(self) -> None:
        """Stop reading, forget what is ready and end the thread; a forked copy has nothing to end."""
        if os.getpid() != self._pid:
            return
        with self._changed:
            self._stopped = True
            self._ready.clear()
            self._changed.notify_all()
        self.steps.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(10)

    def _read(self) -> Arrays | None:
        arrays = self.steps.next()
        return arrays if arrays is None or self._prepare is None else self._prepare(arrays)

    def _run(self) -> None:
        try:
            while (arrays := self._read()) is not None and self._offer(arrays):
                pass
        except BaseException as e:
            self._error = e
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def _offer(self, arrays: Arrays) -> bool:
        """Wait for room and hand a step over; False when nobody wants it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._ready) < self._ahead)
            if self._stopped:
                return False
            self._ready.append(arrays)
            self._changed.notify_all()
            return True


def joined(parts: list[Arrays]) -> Arrays:
    """One step from its parts; a single part is passed on as it is."""
    if len(parts) == 1:
        return parts[0]
    out: Arrays = {}
    for name, first in parts[0].items():
        if isinstance(first, list):
            out[name] = [value for part in parts for value in part[name]]
        else:
            out[name] = np.concatenate([part[name] for part in parts])
    return out


def cut(pixel_bytes: int) -> dict[str, int]:
    """The ticket key that cuts batches too large for one message into several; empty where one message does."""
    return {"message_bytes": _MESSAGE_BYTES} if pixel_bytes > _CUT_ABOVE else {}


def cancelled() -> CanceledError:
    """The error of an iteration that a newer one of the same loader has ended."""
    return CanceledError(
        "this iteration was ended by a newer one of the same loader",
        "a loader has one position; make a second loader to read twice at once",
    )
