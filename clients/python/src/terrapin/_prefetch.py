"""Background reading of one epoch's stream: a little ahead, exactly once, across lost connections."""

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

from ._flight import Connection, array, faults, is_lost, metadata
from .errors import CanceledError, ConflictError, CorruptError, PreconditionError, TerrapinError, UnavailableError
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


_live: "weakref.WeakSet[Prefetch]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """gRPC must not be at work in a thread while the interpreter goes away."""
    for prefetch in list(_live):
        prefetch.close()


class Prefetch:
    """A thread that reads the steps of a plan in order and keeps up to `ahead` of them ready.

    A connection that breaks is opened again at the exact position, for at most `patience` seconds without
    progress; `pinned` is a fact of the stream that must not have changed. Every batch is checked against the plan, so
    none can be lost or come twice unseen.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        ticket: Mapping[str, Any],
        plan: Plan,
        rank: int,
        pinned: tuple[str, str],
        patience: float,
        ahead: int = 2,
    ) -> None:
        self._pid = os.getpid()
        self._connect = connect
        self._ticket = ticket
        self._plan = plan
        self._rank = rank
        self._pinned = pinned
        self._patience = patience
        self._ahead = ahead
        self._ready: deque[Arrays] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._finished = False
        self._error: BaseException | None = None
        self._reader: Any = None
        self._thread = threading.Thread(target=self._run, name="terrapin-prefetch", daemon=True)
        self._thread.start()
        _live.add(self)

    def next(self) -> Arrays | None:
        """The next step's arrays, None after the last; raises what ended the reading."""
        if os.getpid() != self._pid:
            raise PreconditionError(
                "this process was forked while its parent was iterating; the stream belongs to the parent",
                "make a loader in the process that reads it, before or without iterating in the parent",
            )
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
            reader = self._reader
        if reader is not None:
            reader.cancel()
        if self._thread is not threading.current_thread():
            self._thread.join(10)

    def _run(self) -> None:
        try:
            self._read_all()
        except BaseException as e:
            self._error = e
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def _read_all(self) -> None:
        step, pause, deadline = 0, _FIRST_PAUSE, None
        while step < self._plan.steps and not self._stopped:
            before = step
            try:
                step = self._read_stream(step)
                if step < self._plan.steps and not self._stopped:
                    raise CorruptError(f"the stream ended after step {step} of {self._plan.steps}")
            except TerrapinError as e:
                step = self._step
                if self._stopped:
                    return
                if not is_lost(e):
                    raise
                now = time.monotonic()
                if step > before or deadline is None:
                    pause, deadline = _FIRST_PAUSE, now + self._patience
                if now + pause > deadline:
                    raise UnavailableError(
                        f"the Terrapin server went away after position {self._plan.after(step)} "
                        f"and did not come back within {self._patience:g} s: {e.message}",
                        "start it again and resume: loader.load_state_dict(state) with the last loader.state_dict()",
                    ) from e
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped, pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _read_stream(self, step: int) -> int:
        """Read from a step on until the end or a failure; self._step is the next step to read."""
        self._step = step
        with self._connect() as connection:
            reader = connection.get({**self._ticket, "start": self._plan.after(step)})
            with self._changed:
                self._reader = reader
                if self._stopped:
                    reader.cancel()
            try:
                with faults():
                    found = metadata(reader.schema).get(self._pinned[0])
                if found != self._pinned[1]:
                    raise ConflictError(
                        f"the server now answers with {self._pinned[0]} {found}, not {self._pinned[1]}",
                        "go on against the server that has what this stream was opened on",
                    )
                while self._step < self._plan.steps:
                    arrays = self._read_step(reader)
                    if arrays is None:
                        break
                    self._step += 1
                    if not self._offer(arrays):
                        break
            finally:
                with self._changed:
                    self._reader = None
                reader.cancel()
        return self._step

    def _read_step(self, reader: Any) -> Arrays | None:
        """One step, put together from its messages; None at the end of the stream."""
        wanted = positions(self._plan, self._step, self._rank)
        parts: list[Arrays] = []
        rows = 0
        while rows < len(wanted):
            try:
                with faults():
                    batch = reader.read_chunk().data
            except StopIteration:
                if parts:
                    raise CorruptError(f"the stream ended inside step {self._step}") from None
                return None
            parts.append(arrays_of(batch))
            rows += batch.num_rows
        arrays = joined(parts)
        if not np.array_equal(arrays["position"], wanted):
            raise CorruptError(
                f"step {self._step} holds positions {arrays['position'][:4]}..., not {wanted[:4]}...",
                "report this: the server and the client disagree about the order",
            )
        return arrays

    def _offer(self, arrays: Arrays) -> bool:
        """Wait for room and hand a step over; False when nobody wants it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._ready) < self._ahead)
            if self._stopped:
                return False
            self._ready.append(arrays)
            self._changed.notify_all()
            return True


def arrays_of(batch: Any) -> Arrays:
    """The columns of a record batch: arrays on Arrow's memory, and the ids as a list of str."""
    arrays: Arrays = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if name == "id":
            arrays["ids"] = column.to_pylist()
        else:
            arrays[name] = array(column)
    return arrays


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


def cut(rows: int, slots: int, bands: int, size: int, dtype: np.dtype[Any]) -> dict[str, int]:
    """The ticket key that cuts batches too large for one message into several; empty where one message does."""
    pixels = rows * slots * size * size
    return {"message_bytes": _MESSAGE_BYTES} if pixels * (bands * dtype.itemsize + 1) > _CUT_ABOVE else {}


def cancelled() -> CanceledError:
    """The error of an iteration that a newer one of the same loader has ended."""
    return CanceledError(
        "this iteration was ended by a newer one of the same loader",
        "a loader has one position; make a second loader to read twice at once",
    )
