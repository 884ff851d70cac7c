"""Receipts of a run against this package's own implementation of the order."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._coverage import Session, cover
from ._expected import Expected, expected_of
from ._explain import Cause, explain, explain_contents
from ._receipts import Reading, chained, content
from ._sums import parsed
from .errors import InvalidError, NotFoundError
from .verify import Masked, Problem, Report

if TYPE_CHECKING:
    from .client import Client

_ASKED = ("dataset", "split", "seed", "epoch")  # what says which epoch is meant
_KEYS = (*_ASKED, "digest", "shuffle", "order", "filter", "weights")


def verify(
    client: "Client",
    run: str,
    wanted: Mapping[str, Any],
    *,
    rank: int | None = None,
    readings: Sequence[Reading] = (),
    partial: bool = False,
    begin: int = 0,
) -> tuple[Report, list[Session]]:
    """Compare what a run has seen of one epoch with the order. ``rank`` looks at one rank only."""
    document = client.run(run)
    sessions = _sessions(document, wanted)
    t = sessions[0].ticket
    report = Report(run, t["dataset"], t["split"], t["seed"], t["epoch"])
    if rank is not None:
        sessions = [s for s in sessions if s.rank == rank]
    expected = expected_of(client, t)
    report.samples = len(expected)
    if begin > report.samples:
        raise InvalidError(f"begin={begin} is beyond the epoch's {report.samples} positions", "leave it out")
    report.begin = begin
    report.damaged = int(document.get("damaged", 0))
    report.sessions = len(sessions)
    report.ranks = tuple(sorted({s.rank for s in sessions}))
    for s in sessions:
        if len(expected) != s.plan.n:
            says = f"the server counts {s.plan.n} samples, the manifest has {len(expected)}"
            report.problems.append(Problem("differs", says, s.rank, session=s.id))
            return report, sessions
        report.claimed += s.taken - s.proved
        report.problems += _check(s, expected, next((r for r in readings if s.id in r.sessions), None))
    cover(report, sessions, rank, partial)
    report.masked = _masked(sessions, readings)
    for r in readings:
        report.problems += [Problem("refused", p, rank=r.facts["rank"]) for p in r.problems]
    return report, sessions


def _masked(sessions: Sequence[Session], readings: Sequence[Reading]) -> list[Masked]:
    """What was seen without its pixels; of what was read again, the last time counts."""
    found: dict[int, Masked] = {}
    for s in sessions:
        for position in np.intersect1d(s.positions(s.taken), list(found)):
            del found[int(position)]
        if s.taken > s.proved:  # the server that knew why was killed
            mine = {p: i for r in readings if s.id in r.sessions for p, i in r.masked.items()}
            for p, sample in mine.items():
                step = s.holding(p)
                if step is not None and step < s.taken:
                    found[p] = Masked(p, sample, "the server that knew why was killed")
        found |= {row["position"]: Masked(row["position"], row["id"], why) for why, row in s.masked()}
    return [found[p] for p in sorted(found)]


def _sessions(document: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[Session]:
    run = document["run"]
    found = [s for s in map(Session, document["sessions"]) if all(_same(s.ticket, k, v) for k, v in wanted.items())]
    if not found:
        what = ", ".join(f"{k} {v}" for k, v in wanted.items())
        raise NotFoundError(f"run {run} has no receipts of {what}", "see client.run(name) for what it has read")
    kinds = {tuple(str(s.ticket.get(k)) for k in _KEYS): s.ticket for s in found}
    if len(kinds) > 1:
        raise _several(run, list(kinds.values()))
    return found


def _several(run: str, tickets: Sequence[Mapping[str, Any]]) -> InvalidError:
    """Names what differs between the tickets of a run, and how to say which is meant."""
    differ = [k for k in _KEYS if len({str(t.get(k)) for t in tickets}) > 1]
    each = "; ".join(", ".join(f"{k} {t.get(k)}" for k in differ) for t in tickets)
    asked = [f"{k}=" for k in differ if k in _ASKED]
    cure = f"say which: {', '.join(asked)}" if asked else "call verify_epoch of a loader that reads what is meant"
    return InvalidError(f"run {run} has read several things: {each}", cure)


def _same(ticket: Mapping[str, Any], key: str, value: Any) -> bool:
    found: Any = ticket.get(key)
    if key == "dataset" and isinstance(found, str) and "@" not in str(value):
        found = found.partition("@")[0]
    if key in ("filter", "weights"):  # none may be told as null, false or not at all
        found, value = found or None, value or None
    same: bool = found == value
    return same


def _check(s: Session, expected: Expected, reading: Reading | None) -> list[Problem]:
    """Compare one session's proof with the order."""
    record = s.record
    at = {0: bytes(32)}
    chain = bytes(32)
    contents = []
    for step in range(s.taken):
        first, count = s.rows(step)
        ids = expected.ids(first, count)
        chain = chained(chain, np.arange(first, first + count), ids)
        at[step + 1] = chain
        if reading:
            contents.append(content(ids))
    problems: list[Problem] = []
    told: set[int] = set()
    right = at[s.proved].hex() == record["chain"]
    if not right:
        for cause in _causes(s, expected):
            told |= cause.steps
            problems.append(_problem(s, cause))
    if reading:
        problems += _on_the_way(s, expected, reading, contents, told, right)
    disputed, claimed = record.get("disputed"), record.get("claimed")
    if disputed and not problems:
        says = (
            "the server sent what the order says, and the client received something else, "
            f"after step {record['agreed']} and up to step {disputed['steps']}"
        )
        problems.append(Problem("on_the_way", says, s.rank, record["agreed"], s.rows(record["agreed"])[0], s.id))
    if claimed and not problems and at[claimed["steps"]].hex() != claimed["chain"]:
        says = f"the client tells of steps up to {claimed['steps']} after a crash of the server, not those of the order"
        problems.append(Problem("differs", says, s.rank, s.proved, s.rows(s.proved)[0], s.id))
    return problems


def _causes(s: Session, expected: Expected) -> list[Cause]:
    record = s.record
    planned = [expected.ids(*s.rows(step)) for step in range(s.plan.steps)]
    causes = explain(parsed(record["row_sums"]), parsed(record["step_sums"]), s.proved, planned, expected.split)
    if not causes:
        return [Cause("positions", 0, None, frozenset(), "the samples are right, but not the positions they came with")]
    if not causes[0].steps:  # the marks say where it was right last
        chain, right, wrong = bytes(32), 0, s.proved
        marks = {m["steps"]: m["chain"] for m in record.get("marks") or ()}
        for step, ids in enumerate(planned[: s.proved]):
            first, count = s.rows(step)
            chain = chained(chain, np.arange(first, first + count), ids)
            mark = marks.get(step + 1)
            if mark and chain[:16].hex() != mark:
                wrong = step + 1
                break
            right = step + 1 if mark else right
        says = f"{causes[0].says}; the first is in step {right} to {wrong - 1}"
        return [Cause("differs", right, None, frozenset(range(right, s.proved)), says)]
    return causes


def _problem(s: Session, cause: Cause) -> Problem:
    position = s.rows(cause.step)[0] + (cause.row or 0)
    return Problem(cause.kind, cause.says, s.rank, cause.step, position, s.id)


def _on_the_way(
    s: Session, expected: Expected, reading: Reading, contents: list[bytes], told: set[int], right: bool
) -> list[Problem]:
    """What this process received otherwise than the order says, and the server's proof does not tell."""
    begin = reading.sessions[s.id]
    ends = [first for first in reading.sessions.values() if first > begin] + [len(reading.contents) // 8]
    taken = min(s.taken, min(ends) - begin)
    found = [bytes(reading.contents[8 * g : 8 * g + 8]) for g in range(begin, begin + taken)]
    planned = contents + [content(expected.ids(*s.rows(g))) for g in range(len(contents), s.plan.steps)]
    problems = []
    for cause in explain_contents(found, planned):
        if cause.steps <= told:
            continue
        kind = "on_the_way" if right else cause.kind
        says = f"sent right and received otherwise: {cause.says}" if right else cause.says
        problems.append(Problem(kind, says, s.rank, cause.step, s.rows(cause.step)[0], s.id))
    return problems
