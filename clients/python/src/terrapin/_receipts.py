"""The client's side of receipts: what arrived, and telling the server what was taken, without ever waiting for it."""

import hashlib
import os
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import TerrapinError, UnavailableError

_EVERY = 0.2
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.5
_MOST_STEPS = 1 << 20
_MOST_MASKED = 1000

Send = Callable[[str, dict[str, Any], float], int]
"""Sends an acknowledgement of a session and returns how many steps are acknowledged; raises TerrapinError."""


def chained(chain: bytes, positions: npt.NDArray[np.int64], ids: list[str]) -> bytes:
    """The chain of docs/spec/receipts.md after one more step, whose rows have no padding."""
    head = chain + len(ids).to_bytes(4, "little")
    return hashlib.sha256(head + positions.astype("<i8", copy=False).tobytes() + "\n".join(ids).encode()).digest()


def content(ids: list[str]) -> bytes:
    """Eight bytes that stand for the samples of a step."""
    return hashlib.sha256("\n".join(ids).encode()).digest()[:8]


@dataclass(slots=True)
class _Session:
    """One stream of an iteration, from its step `first` on."""

    id: str
    first: int
    received: int = 0
    chain: bytes = bytes(32)
    waiting: deque[tuple[int, bytes]] = field(default_factory=deque)
    taken: tuple[int, bytes] = (0, bytes(32))
    told: int = 0
    kept: int = 0  # told, and in the ledger's file: a server that is killed forgets the rest


class Reading:
    """What one iteration has received, step by step; and a thread that tells the server what the loop has taken.

    ``received`` is called by who reads, ``take`` by the training loop; both return at once.
    """

    def __init__(self, send: Send, facts: Mapping[str, Any], audit: bool = False) -> None:
        self.facts = dict(facts)
        """The ticket of the iteration."""
        self.audit = audit
        self.steps = 0
        """Steps received."""
        self.contents = bytearray()
        """For each step received, eight bytes that stand for its samples; as long as there is room for them."""
        self.checksums: list[dict[str, int]] = []
        """With audit, the CRC-32 of each array of each step received, as long as there is room."""
        self.masked: dict[int, str] = {}
        """Position and id of samples that came without their pixels."""
        self.problems: list[str] = []
        """What went wrong with the receipts or the order of what arrived."""
        self._send = send
        self._sessions: list[_Session] = []
        self._changed = threading.Condition()
        self._wanted = False
        self._durable = False
        self._ended = False
        self._patience = 0.0
        self._sent_at = 0.0
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    @property
    def sessions(self) -> dict[str, int]:
        """The id of each session that steps came from, with the iteration's step at which it began."""
        return {s.id: s.first for s in self._sessions}

    def opened(self, facts: Mapping[str, Any], step: int) -> None:
        """A stream was opened for the steps from one on; it says its session where the server keeps receipts."""
        session = facts.get("session")
        with self._changed:
            if session:
                self._sessions.append(_Session(str(session), step))

    def received(self, arrays: Mapping[str, Any]) -> None:
        """A whole step has arrived."""
        positions, ids = arrays["position"], arrays["ids"]
        real = positions >= 0
        if not real.all():
            positions, ids = positions[real], [i for i, there in zip(ids, real, strict=True) if there]
        if "weight" in arrays:
            for row in np.flatnonzero((arrays["weight"] == 0) & real)[: _MOST_MASKED - len(self.masked)]:
                self.masked[int(arrays["position"][row])] = arrays["ids"][row]
        if self.steps < _MOST_STEPS:
            self.contents += content(ids)
            if self.audit:
                self.checksums.append(checksums(arrays))
        self.steps += 1
        if not self._sessions:
            return
        s = self._sessions[-1]
        chain = chained(s.chain, positions, ids)
        with self._changed:
            s.chain = chain
            s.received += 1
            s.waiting.append((s.received, chain))

    def wrong(self, problem: str) -> None:
        """What arrived was refused."""
        self.problems.append(problem)

    def take(self, steps: int) -> None:
        """The loop has taken the first steps of the iteration."""
        if not self._sessions or os.getpid() != self._pid:
            return
        with self._changed:
            for s in self._sessions:
                while s.waiting and s.first + s.waiting[0][0] <= steps:
                    s.taken = s.waiting.popleft()
            self._start()
            if not self._wanted:
                self._wanted = True
                self._changed.notify_all()

    def flush(self, patience: float = 1.0) -> bool:
        """Tell the server now, and wait until its ledger has it; False if it did not answer in time."""
        if os.getpid() != self._pid:
            return False
        with self._changed:
            if not any(s.taken[0] for s in self._sessions):
                return True
            self._durable = True
            self._start()
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._durable, patience) and not self._untold()

    def end(self, patience: float) -> None:
        """Nothing more comes; what is not told yet is told in the background, for some seconds."""
        if os.getpid() != self._pid:
            return
        with self._changed:
            self._ended = True
            self._patience = patience
            self._changed.notify_all()

    def _start(self) -> None:
        """See to it that somebody tells; the lock is held."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="terrapin-receipts", daemon=True)
            self._thread.start()

    def _hurried(self) -> bool:
        return self._durable or self._ended

    def _untold(self) -> list[_Session]:
        return [s for s in self._sessions if s.taken[0] > s.told]

    def _run(self) -> None:
        pause, lost, lost_since = _EVERY, False, 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted or self._hurried())
                # Steps that are taken one after the other go in one message.
                rest = self._sent_at + pause - time.monotonic()
                if rest > 0:
                    self._changed.wait_for((lambda: False) if lost else self._hurried, rest)
                durable, ended, self._wanted = self._durable, self._ended, False
                untold = [(s, s.taken) for s in self._sessions if s.taken[0] > (s.kept if durable else s.told)]
            lost = not self._tell(untold, durable)
            self._sent_at = time.monotonic()
            lost_since = (lost_since or self._sent_at) if lost else 0.0
            if lost:
                pause = _FIRST_PAUSE if lost_since == self._sent_at else min(2 * pause, _LONGEST_PAUSE)
            else:
                pause = _EVERY
            with self._changed:
                if not lost and durable:
                    self._durable = False
                    self._changed.notify_all()
                over = ended and (not self._untold() or (lost and self._sent_at - lost_since > self._patience))
                if over:
                    self._durable, self._thread = False, None
                    self._changed.notify_all()
                    return
                if lost:
                    self._wanted = True

    def _tell(self, untold: list[tuple[_Session, tuple[int, bytes]]], durable: bool) -> bool:
        """Acknowledge; False where the server is away."""
        for s, (steps, chain) in untold:
            body: dict[str, Any] = {"steps": steps, "seen": chain.hex()}
            if durable:
                body["durable"] = True
            try:
                self._send(s.id, body, 5.0)
            except UnavailableError:
                return False
            except TerrapinError as e:
                self.problems.append(f"session {s.id}: step {steps} cannot be acknowledged: {e.message}")
            s.told = max(s.told, steps)
            if durable:
                s.kept = steps
        return True


def checksums(arrays: Mapping[str, Any]) -> dict[str, int]:
    """The CRC-32 of each array of pixels."""
    out = {}
    for name, values in arrays.items():
        if name.partition("_")[0] in ("image", "valid", "label", "times"):  # image_20m, too
            out[name] = zlib.crc32(memoryview(np.ascontiguousarray(values)).cast("B"))
    return out
