"""What explains a proof that is not the expected one, without a server."""

import random
from typing import Any

import numpy as np
import pytest

from terrapin._coverage import spans
from terrapin._explain import _value, explain, explain_contents
from terrapin._receipts import Reading, chained, content
from terrapin._sums import P, differing, parsed, sums, value_of
from terrapin._verify import _sessions
from terrapin.errors import InvalidError, UnavailableError


def steps_of(n: int, batch: int) -> list[list[str]]:
    ids = [f"{i:032x}" for i in range(n)]
    return [ids[at : at + batch] for at in range(0, n, batch)]


def causes(got: list[list[str]], planned: list[list[str]], taken: int | None = None) -> list[tuple[str, int]]:
    """What the sums and, where whole steps are wrong, a client's record say; they agree."""
    taken = len(got) if taken is None else taken
    split = [i for ids in planned for i in ids]
    rows = sums(value_of(i) for ids in got[:taken] for i in ids)
    found = explain(rows, sums(map(_value, got[:taken])), taken, planned, split)
    own = explain_contents([content(ids) for ids in got[:taken]], [content(ids) for ids in planned])
    if all(c.row is None for c in found):
        assert [(c.kind, c.step) for c in own] == [(c.kind, c.step) for c in found]
    return [(c.kind, c.step) for c in found]


@pytest.mark.parametrize(("n", "batch"), [(40, 4), (41, 4), (7, 1), (300, 7)])
def test_each_fault_is_told_apart(n: int, batch: int) -> None:
    planned = steps_of(n, batch)
    whole = n // batch
    assert causes(planned, planned) == []
    for k in range(1, whole - 2):
        swapped = list(planned)
        swapped[k], swapped[k + 1] = swapped[k + 1], swapped[k]
        assert causes(swapped, planned) == [("swapped", k)]
        instead = list(planned)
        instead[k] = planned[k - 1]
        assert causes(instead, planned) == [("repeated", k)]
        dropped = planned[:k] + planned[k + 1 : whole]
        if len(dropped) - k > 1:
            assert causes(dropped, planned) == [("dropped", k)]
        late = [*planned[:k], planned[k - 1], *planned[k : whole - 1]]
        if whole - k > 1:
            assert causes(late, planned) == [("repeated", k)]
        if batch > 1:
            exchanged = [list(ids) for ids in planned]
            exchanged[k][1] = "f" * 32
            assert causes(exchanged, planned) == [("exchanged", k)]


def test_more_than_the_sums_can_tell() -> None:
    planned = steps_of(90, 3)
    other = [[i[::-1] for i in ids] for ids in planned]
    rows = sums(value_of(i) for ids in other for i in ids)
    (cause,) = explain(rows, sums(range(30)), 30, planned, [])
    assert (cause.kind, cause.steps) == ("differs", frozenset())


def test_few_differences_are_found_and_many_are_not() -> None:
    draw = random.Random(5)
    for n in (1, 2, 5, 60, 500):
        values = [draw.randrange(P) for _ in range(n)]
        for wrong in range(min(n, 6) + 1):
            at = draw.sample(range(n), wrong)
            found = [draw.randrange(P) if i in at else v for i, v in enumerate(values)]
            want = {i + 1: (found[i] - values[i]) % P for i in sorted(at)}
            assert differing(sums(found), sums(values), n) == (want if wrong <= 4 else None)
    text = "".join(f"{v:016x}" for v in sums([1, 2]))
    assert parsed(text) == sums([1, 2])


class Ledger:
    """A run of some tickets."""

    def __init__(self, *tickets: dict[str, Any]) -> None:
        asked = {"dataset": "crops@v1", "digest": "td1:a", "split": "train", "seed": 1, "epoch": 0, "shuffle": True}
        plan = {"rank": 0, "world_size": 1, "batch_size": 2, "start": 0, "order": "terrapin-order-1"}
        when = {"opened": "2026-01-01T00:00:00+00:00", "last": "2026-01-01T00:00:00+00:00"}
        self.sessions = [
            {"session": str(i), "ticket": asked | plan | t, "samples": 8, "steps": 4, **when}
            for i, t in enumerate(tickets)
        ]

    def run(self, name: str) -> dict[str, Any]:
        return {"run": name, "sessions": self.sessions}


@pytest.mark.parametrize(
    ("tickets", "says", "cure"),
    [
        ([{}, {"epoch": 1}], "epoch 0; epoch 1", "say which: epoch="),
        (
            [{"weights": "row"}, {}, {"seed": 2}],
            "seed 1, weights row; seed 1, weights None; seed 2, ",
            "say which: seed=",
        ),
        ([{"order": "terrapin-order-3"}, {"order": "terrapin-order-2"}], "order terrapin-order-3; order ", "loader"),
        ([{"weights": "row"}, {"filter": "row > 1"}], "filter None, weights row; filter row > 1, ", "loader"),
    ],
)
def test_what_differs_between_the_epochs_of_a_run_is_named(tickets: list[dict[str, Any]], says: str, cure: str) -> None:
    with pytest.raises(InvalidError, match="several things") as caught:
        _sessions(Ledger(*tickets).run("r"), {})
    assert says in str(caught.value)
    assert cure in (caught.value.cure or "")


class Told:
    """Takes acknowledgements; away for the first few calls."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.bodies: list[tuple[str, dict]] = []

    def __call__(self, session: str, body: dict, timeout: float) -> int:
        if self.away:
            self.away -= 1
            raise UnavailableError("away")
        self.bodies.append((session, body))
        if session == "bad":
            raise InvalidError("no")
        return int(body["steps"])


def step(first: int, ids: list[str], pad: int = 0) -> dict:
    positions = np.array([*range(first, first + len(ids)), *[-1] * pad], np.int64)
    return {"position": positions, "ids": ids + [""] * pad}


def test_what_is_taken_is_told_with_the_chain_over_what_arrived() -> None:
    told = Told(away=2)
    reading = Reading(told, {"rank": 0})
    reading.opened({"session": "a"}, 0)
    reading.received(step(0, ["x", "y"]))
    reading.received(step(2, ["z"], pad=1))
    reading.take(1)
    assert reading.flush(5)
    reading.opened({"session": "b"}, 2)
    reading.received(step(3, ["w"]))
    reading.take(3)
    assert reading.flush(5)
    one = chained(bytes(32), np.array([0, 1]), ["x", "y"])
    two = chained(one, np.array([2]), ["z"])
    assert {s: (b["steps"], b["seen"]) for s, b in told.bodies} == {
        "a": (2, two.hex()),
        "b": (1, chained(bytes(32), np.array([3]), ["w"]).hex()),
    }
    assert told.bodies[0][1]["seen"] == one.hex()
    reading.end(1)
    assert not reading.problems


def test_a_refusal_is_kept_and_a_server_that_is_away_is_not_waited_for() -> None:
    reading = Reading(Told(), {"rank": 0})
    reading.opened({"session": "bad"}, 0)
    reading.received(step(0, ["x"]))
    reading.take(1)
    reading.flush(5)
    assert "cannot be acknowledged: no" in reading.problems[0]
    away = Reading(Told(away=1000), {"rank": 0})
    away.opened({"session": "a"}, 0)
    away.received(step(0, ["x"]))
    away.take(1)
    assert not away.flush(0.05)
    away.end(0)


def test_spans() -> None:
    assert [str(s) for s in spans(np.array([1, 2, 3, 7, 9, 10]))] == [
        "positions 1 to 3",
        "position 7",
        "positions 9 to 10",
    ]
    assert spans(np.zeros(0, np.int64)) == []
