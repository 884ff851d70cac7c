"""One line that says how far an epoch is: redrawn on a terminal, else a new one every some seconds."""

import contextlib
import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

from .stats import Stats

_REDRAW, _REPEAT = 0.1, 10.0
_CLEAR = "\r\x1b[K"


class Progress:
    """Shows the steps of one iteration on a stream, stderr by default. Nothing that goes wrong with it is raised."""

    def __init__(self, what: str, steps: int, stats: Callable[[], Stats], out: TextIO | None = None) -> None:
        """Show nothing before the first step."""
        self._what = what
        self._steps = steps
        self._stats = stats
        self._out = sys.stderr if out is None else out
        self._terminal = self._out is not None and self._out.isatty()
        self._shown = -1
        self._done = 0
        self._next = time.monotonic() + (0.0 if self._terminal else _REPEAT)

    def step(self) -> None:
        """One more step is done."""
        self._done += 1
        now = time.monotonic()
        if now >= self._next:
            self._next = now + (_REDRAW if self._terminal else _REPEAT)
            self._show()

    def end(self) -> None:
        """Show where it ended, and leave the cursor on a line of its own."""
        if self._done and self._shown != self._done:
            self._show()
        if self._terminal and self._shown >= 0:
            self._write("\n")
        self._done, self._shown = 0, -1

    def _show(self) -> None:
        self._shown = self._done
        line = self.line()
        if self._terminal:
            columns = shutil.get_terminal_size().columns
            self._write(f"{_CLEAR}{line[: columns - 1]}")
        else:
            self._write(f"{line}\n")

    def line(self) -> str:
        """How far it is, how fast, and how long it will yet take."""
        stats, done, steps = self._stats(), self._done, self._steps
        c = stats.epoch
        left = c.seconds / c.batches * (steps - done) if c.batches else 0.0
        when = f"{_clock(left)} left" if done < steps else f"in {_clock(c.seconds)}"
        return f"{self._what}: {done}/{steps} batches, {when}, {c}, {stats.transport}"

    def _write(self, text: str) -> None:
        if self._out is not None:
            with contextlib.suppress(OSError, ValueError):  # a stream that is closed or full
                self._out.write(text)
                self._out.flush()


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
