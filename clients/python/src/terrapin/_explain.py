"""Why a session's proof is not the expected one: which rows or steps differ, and what was there instead."""

from collections.abc import Sequence
from dataclasses import dataclass

from ._sums import P, differing, fold, sums, value_of

Steps = Sequence[Sequence[str]]
"""The ids of each step."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that went wrong: its kind, the first step and row of it, which steps it touches, and a sentence."""

    kind: str
    step: int
    row: int | None
    steps: frozenset[int]
    says: str


def explain(
    row_sums: Sequence[int], step_sums: Sequence[int], taken: int, planned: Steps, split: Sequence[str]
) -> list[Cause]:
    """What explains the sums over the first `taken` steps of a stream, whose steps should have been `planned`; `split`
    has all ids there are.

    Nothing, where only positions were wrong; a cause of kind ``differs`` without steps, where more is wrong than the
    sums can tell.
    """
    values = [_value(ids) for ids in planned]
    off = differing(step_sums, sums(values[:taken]), taken)
    rows = [(g, r) for g, ids in enumerate(planned) for r in range(len(ids))]
    flat = [value_of(planned[g][r]) for g, r in rows]
    count = sum(map(len, planned[:taken]))
    if off is None or len(off) > 1:
        size = max(map(len, planned))
        if shift := _shifted(row_sums, flat, count, size, taken):
            return [shift]
    if off is not None:
        whole = _whole_steps({x - 1: (values[x - 1] + by) % P for x, by in off.items()}, values)
        if whole is not None:
            return whole
    changed = differing(row_sums, sums(flat[:count]), count)
    if changed:
        return _single_rows({x - 1: (flat[x - 1] + by) % P for x, by in changed.items()}, rows, planned, split)
    if off:
        return [
            Cause("differs", x - 1, None, frozenset([x - 1]), f"step {x - 1} holds samples of no step of this stream")
            for x in off
        ]
    return [Cause("differs", 0, None, frozenset(), "more rows differ than the receipts can tell one by one")]


def explain_contents(found: Sequence[bytes], expected: Sequence[bytes]) -> list[Cause]:
    """The same for a client's own record: what stands for each step received, and for each step planned."""
    off = [g for g, what in enumerate(found) if what != expected[g]]
    if not off:
        return []
    if len(off) > 1:
        first, last = off[0], len(expected) - 1
        for kind, by in (("dropped", 1), ("repeated", -1)):
            whole = range(first, min(len(found), last))  # the last step may be a shorter one
            if all(found[g] == expected[max(0, g + by)] for g in whole):
                return [_shift_cause(kind, first, len(found))]
    where = {what: g for g, what in enumerate(expected)}
    return _whole(dict.fromkeys(off), {g: where.get(found[g]) for g in off})


def _value(ids: Sequence[str]) -> int:
    value = 0
    for sample in ids:
        value = fold(value, value_of(sample))
    return value


def _whole_steps(found: dict[int, int], values: Sequence[int]) -> list[Cause] | None:
    """Steps that hold what another should; None where one of them holds something else."""
    where = {value: g for g, value in enumerate(values)}
    holds = {g: where.get(value) for g, value in found.items()}
    return None if None in holds.values() else _whole(dict.fromkeys(found), holds)


def _whole(off: dict[int, None], holds: dict[int, int | None]) -> list[Cause]:
    causes, done = [], set()
    for g in sorted(off):
        other = holds[g]
        if g in done:
            continue
        if other is None:
            says = f"step {g} holds samples of no step of this stream"
            causes.append(Cause("differs", g, None, frozenset([g]), says))
        elif holds.get(other) == g:
            done.add(other)
            causes.append(Cause("swapped", g, None, frozenset([g, other]), f"steps {g} and {other} are swapped"))
        else:
            says = f"step {g} repeats what belongs in step {other}, and its own samples are missing"
            causes.append(Cause("repeated", g, None, frozenset([g]), says))
    return causes


def _shift_cause(kind: str, step: int, taken: int) -> Cause:
    says = {
        "dropped": f"step {step} was dropped: from there on each step holds what belongs in the next",
        "repeated": f"step {step} repeats what belongs in step {step - 1}: from there on each step comes one late",
    }[kind]
    return Cause(kind, step, None, frozenset(range(step, taken)), says)


def _shifted(row_sums: Sequence[int], flat: Sequence[int], taken: int, size: int, steps: int) -> Cause | None:
    """A step from which on every row came one step early, or one late; `flat` has all rows that were planned."""
    for kind, by in (("dropped", size), ("repeated", -size)):
        plain, weighted = 0, 0
        for x in range(taken):
            plain, weighted = plain + flat[x], weighted + (x + 1) * flat[x]
        for x in range(taken - 1, -1, -1):
            instead = flat[x + by] if 0 <= x + by < len(flat) else flat[x]
            plain += instead - flat[x]
            weighted += (x + 1) * (instead - flat[x])
            if x % size == 0 and plain % P == row_sums[0] and weighted % P == row_sums[1]:
                return _shift_cause(kind, x // size, steps)
    return None


def _single_rows(
    found: dict[int, int], rows: Sequence[tuple[int, int]], planned: Steps, split: Sequence[str]
) -> list[Cause]:
    where = {value_of(sample): (g, r) for g, ids in enumerate(planned) for r, sample in enumerate(ids)}
    causes = []
    for x, value in sorted(found.items()):
        g, r = rows[x]
        if value in where:
            h, q = where[value]
            was = f"{planned[h][q]}, which belongs in row {q} of step {h}"
        else:
            was = next((sample for sample in split if value_of(sample) == value), "one that is not in the split")
        says = f"row {r} of step {g} should be sample {planned[g][r]}, and was {was}"
        causes.append(Cause("exchanged", g, r, frozenset([g]), says))
    return causes
