"""Whether the sessions of an epoch, laid over its positions, cover each once."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from .order import Plan
from .verify import Problem, Report, Span


class Session:
    """One session of the ledger, with the plan of its ticket."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        """Read what the server says of a session."""
        self.record = record
        t = dict(record["ticket"])
        if t.get("shuffle") == "uniform":
            t["shuffle"] = True  # as a stream's facts have it
        self.ticket: Mapping[str, Any] = t
        self.id: str = record["session"]
        self.rank: int = t["rank"]
        self.plan = Plan(record["samples"], t["batch_size"], t["world_size"], t["start"], t.get("tail"))
        claimed = record.get("claimed")
        self.proved = int(record["steps"])
        self.taken = max(self.proved, int(claimed["steps"]) if claimed else 0)
        self.opened = datetime.fromisoformat(record["opened"])
        self.last = datetime.fromisoformat(record["last"])

    def rows(self, step: int) -> tuple[int, int]:
        """First position and number of rows of a step."""
        part = self.plan.part(step, self.rank)
        return part.first, part.count

    def positions(self, steps: int) -> npt.NDArray[np.int64]:
        """The positions of the first steps, in order."""
        parts = [np.arange(first, first + count) for first, count in map(self.rows, range(steps))]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def masked(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The rows that came without their pixels, each with the reason."""
        for group in self.record.get("masked") or ():
            for row in group["rows"]:
                yield group["why"], row

    def holding(self, position: int) -> int | None:
        """The planned step that has a position, None where none of this rank does."""
        whole = self.plan.batch_size * self.plan.world_size
        if position < self.plan.start or position >= self.plan.n:
            return None
        step, inside = divmod(position - self.plan.start, whole)
        return step if inside // self.plan.batch_size == self.rank and step < self.plan.steps else None


def cover(report: Report, sessions: Sequence[Session], rank: int | None, partial: bool) -> None:
    """See that the positions were seen once, and what was read again later."""
    newest = sessions[-1]
    report.end = min(newest.plan.n, newest.plan.after(newest.plan.steps))
    by = np.full(report.samples, -1, np.int32)
    again = np.zeros(report.samples, bool)
    for i, s in enumerate(sessions):
        mine = s.positions(s.taken)
        for j in np.unique(by[mine]):
            if j < 0:
                continue
            before = sessions[int(j)]
            twice = mine[by[mine] == j]
            if before.last <= s.opened:
                again[twice] = True
            else:
                says = (
                    f"{spans(twice)[0]} was seen by session {before.id} of rank {before.rank} and at the same time by "
                    f"session {s.id} of rank {s.rank}: do two processes read as one rank?"
                )
                report.problems.append(Problem("twice", says, s.rank, s.holding(int(twice[0])), int(twice[0]), s.id))
        by[mine] = i
    report.seen = int((by[report.begin :] >= 0).sum())
    report.read_again = spans(np.flatnonzero(again))
    held = np.flatnonzero(by >= 0)
    report.first = int(held[0]) if len(held) else None
    missing = np.flatnonzero(by < 0)
    missing = missing[(missing >= report.begin) & (missing < report.end)]
    if rank is not None:  # before where the first session begins nobody can say which rank's they are
        planned = np.unique(np.concatenate([s.positions(s.plan.steps) for s in sessions]))
        missing = missing[np.isin(missing, planned) | (missing < min(s.plan.start for s in sessions))]
    if partial and report.seen:
        due = missing[missing < _last_common(sessions)]
        report.unread = len(missing) - len(due)
        missing = due
    report.uncovered = len(missing)
    for span in spans(missing)[:100]:
        report.problems.append(_uncovered(span, sessions))


def _last_common(sessions: Sequence[Session]) -> int:
    """The position up to which every session of the last start has acknowledged."""
    newest = {s.rank: s for s in sessions}
    return min(s.plan.after(s.taken) for s in newest.values())


def _uncovered(span: Span, sessions: Sequence[Session]) -> Problem:
    for s in reversed(sessions):
        step = s.holding(span.first)
        if step is not None:
            says = f"{span} in no receipt: session {s.id} has acknowledged {s.taken} of {s.plan.steps} steps"
            return Problem("uncovered", says, s.rank, step, span.first, s.id)
    begin = min(s.plan.start for s in sessions)
    if span.first < begin:
        says = (
            f"{span} in no receipt: the first session that the ledger has of this run begins at position {begin}; "
            f"receipts of what is before are lost, or another run read it: then say begin={begin}"
        )
        return Problem("uncovered", says, None, None, span.first)
    plan = sessions[-1].plan
    rank = (span.first - plan.start) % (plan.batch_size * plan.world_size) // plan.batch_size
    says = f"{span} in no receipt: no session of this run reads it"
    if rank not in {s.rank for s in sessions}:
        says += f"; there is none of rank {rank}: give the loaders of all ranks the same run="
    return Problem("uncovered", says, rank, None, span.first)


def spans(positions: npt.NDArray[np.int64]) -> list[Span]:
    """Sorted positions as spans."""
    if not len(positions):
        return []
    positions = np.unique(positions)
    breaks = np.flatnonzero(np.diff(positions) != 1)
    firsts, lasts = [0, *(breaks + 1)], [*breaks, len(positions) - 1]
    return [Span(int(positions[a]), int(positions[b])) for a, b in zip(firsts, lasts, strict=True)]
