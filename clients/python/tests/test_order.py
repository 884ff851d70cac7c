"""The Python order against the vectors that the Go implementation is held to."""

from __future__ import annotations

import importlib.util
import json
import math
import random
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def _load():
    """The module by its file: it needs nothing else of the package, nor the package's dependencies."""
    path = ROOT / "clients/python/src/terrapin/order.py"
    spec = importlib.util.spec_from_file_location("terrapin_order_alone", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


order = _load()
VECTORS = json.loads((ROOT / "testdata/conformance/order.json").read_text())


def test_the_vectors_are_of_this_algorithm():
    assert VECTORS["algorithm"] == order.ALGORITHM
    assert len(VECTORS["permutations"]) > 10
    assert len(VECTORS["plans"]) > 5
    assert VECTORS["drawn"]["algorithm"] == order.DRAWN_BY_CHUNK
    assert len(VECTORS["drawn"]["orders"]) > 20
    assert VECTORS["blocks"]["algorithm"] == order.DRAWN_ALGORITHM
    assert len(VECTORS["blocks"]["orders"]) > 20


@pytest.mark.parametrize("v", VECTORS["permutations"], ids=lambda v: f"{v['split']}-{v['n']}-{v['seed']}-{v['epoch']}")
def test_permutation(v):
    o = order.Order(
        v["digest"], v["split"], int(v["n"]), seed=int(v["seed"]), epoch=int(v["epoch"]), shuffle=v["shuffle"]
    )
    if "positions" in v:
        assert [o[int(p)] for p in v["positions"]] == [int(i) for i in v["at"]]
    else:
        assert list(o) == v.get("indices", [])
        assert sorted(o) == list(range(int(v["n"])))


@pytest.mark.parametrize(
    "v", VECTORS["drawn"]["orders"], ids=lambda v: f"{v['filter']}-{v['weights']}-{v['shuffle']}-{v['n']}-{v['epoch']}"
)
def test_drawn(v):
    o = order.DrawnOrder(
        v["digest"],
        v["split"],
        v.get("kept") or range(v["n"]),
        weight=v.get("weight"),
        groups=v.get("groups", ()),
        group_bytes=v.get("group_bytes", 0),
        filter=v["filter"],
        weights=v["weights"],
        shuffle=v["shuffle"],
        seed=int(v["seed"]),
        epoch=int(v["epoch"]),
        algorithm=order.DRAWN_BY_CHUNK,
    )
    if "positions" in v:
        assert [o[int(p)] for p in v["positions"]] == [int(i) for i in v["at"]]
    else:
        assert list(o) == v["indices"]


@pytest.mark.parametrize(
    "v", VECTORS["blocks"]["orders"], ids=lambda v: f"{v['filter']}-{v['weights']}-{v['shuffle']}-{len(v['kept'])}"
)
def test_blocks(v):
    kept, groups, touched, weight = v["kept"], (), 0, v.get("weight")
    if v["shuffle"].startswith("window:"):
        sizes = {"edge": v["chunk"], "size": v["size"], "group_bytes": v["group_bytes"]}
        laid = order.blocks(kept, v["cells"], v["rows"], v["cols"], shuffle=v["shuffle"], **sizes)
        assert (laid.block, laid.touched, laid.groups) == (v["block"], v["touched"], v["groups"])
        if weight is not None:
            of = dict(zip(kept, weight, strict=True))
            weight = [of[i] for i in laid.kept]
        kept, groups, touched = laid.kept, laid.groups, laid.touched
    o = order.DrawnOrder(
        v["digest"],
        v["split"],
        kept,
        weight=weight,
        groups=groups,
        touched=touched,
        group_bytes=v.get("group_bytes", 0),
        filter=v["filter"],
        weights=v["weights"],
        shuffle=v["shuffle"],
        seed=int(v["seed"]),
        epoch=int(v["epoch"]),
    )
    at = v.get("positions", range(len(kept)))
    assert [o[int(p)] for p in at] == v["indices"]


def test_blocks_grow_by_what_they_save():
    """The rule from its words, with sets of chunks."""
    rng = random.Random(8)
    grown = Counter()
    for _ in range(60):
        edge, size, z = rng.randrange(1, 20), rng.randrange(1, 50), rng.randrange(1, 500)
        span, n = rng.randrange(20, 400), rng.randrange(1, 200)
        window = rng.randrange(1, 9 * n * z)
        rows, cols = ([rng.randrange(span) for _ in range(n)] for _ in range(2))

        def touched(block, rows=rows, cols=cols, edge=edge, size=size):
            groups: dict[tuple[int, int], set[tuple[int, int]]] = {}
            for row, col in zip(rows, cols, strict=True):
                own = groups.setdefault((row // edge // block, col // edge // block), set())
                down, across = (range(a // edge, (a + size - 1) // edge + 1) for a in (row, col))
                own.update((r, c) for r in down for c in across)
            return len(groups), sum(map(len, groups.values()))

        block = 1
        while block < 256:
            groups, chunks = touched(2 * block)
            if 5 * chunks > 4 * touched(block)[1] or groups * window < 8 * z * chunks:
                break
            block *= 2
        laid = order.blocks(
            range(n), ["c"] * n, rows, cols, edge=edge, size=size, group_bytes=z, shuffle=f"window:{window}"
        )
        assert laid.block == block
        assert (len(laid.groups), laid.touched) == touched(block)
        assert sorted(laid.kept) == list(range(n))
        grown[block] += 1
    assert grown[1] > 5
    assert sum(grown[b] for b in (2, 4, 8)) > 15


@pytest.mark.parametrize("v", VECTORS["plans"], ids=str)
def test_plan(v):
    p = order.Plan(v["n"], v["batch_size"], v["world_size"], v["start"], v["tail"] or None)
    parts = [
        [[(q := p.part(step, rank)).first, q.count, q.pad] for rank in range(v["world_size"])]
        for step in range(p.steps)
    ]
    assert parts == v["parts"]


def test_a_chain_of_resumes_gives_every_position_once():
    rng = random.Random(3)
    for _ in range(100):
        n = rng.randrange(150)
        seen: list[int] = []
        start = 0
        while start < n:
            p = order.Plan(n, rng.randint(1, 9), rng.randint(1, 8), start, "pad")
            steps = rng.randint(1, p.steps)
            for step in range(steps):
                for rank in range(p.world_size):
                    part = p.part(step, rank)
                    seen.extend(range(part.first, part.first + part.count))
            start = p.after(steps)
        assert seen == list(range(n))


def test_sequence_behaviour():
    o = order.Order("td1:00", "train", 10, seed=4)
    assert len(o) == 10
    assert o[-1] == o[9]
    assert o[2:4] == [o[2], o[3]]
    with pytest.raises(IndexError):
        o[10]


@pytest.mark.parametrize(
    "arguments",
    [
        {"n": 4, "batch_size": 0},
        {"n": 4, "batch_size": 1, "start": 5},
        {"n": 4, "batch_size": 1, "tail": "wrap"},
        {"n": 4, "batch_size": 1, "world_size": 2, "tail": "short"},
    ],
)
def test_bad_plans_are_refused(arguments):
    with pytest.raises(ValueError, match="tail|at least|beyond"):
        order.Plan(**arguments)


def test_numbers_beyond_64_bits_are_refused():
    with pytest.raises(ValueError, match="seed -1"):
        order.Order("td1:00", "train", 4, seed=-1)


def drawn(kept, **arguments):
    return order.DrawnOrder("td1:00", "train", kept, **arguments)


def test_weights_give_counts_next_to_their_share():
    rng = random.Random(5)
    for epoch in range(60):
        n = rng.randrange(1, 80)
        weight = [rng.choice([0, 1, 2, 5, rng.random()]) for _ in range(n)]
        weight[rng.randrange(n)] = 1
        counts = Counter(drawn(range(n), weight=weight, weights="w", epoch=epoch))
        assert sum(counts.values()) == n
        for i, w in enumerate(weight):
            share = n * Fraction(w) / sum(map(Fraction, weight))
            assert math.floor(share - Fraction(1, 10**9)) <= counts[i] <= math.ceil(share + Fraction(1, 10**9))


@pytest.mark.parametrize("algorithm", [order.DRAWN_ALGORITHM, order.DRAWN_BY_CHUNK])
def test_windows_keep_to_their_groups(algorithm):
    groups = [random.Random(g).randrange(1, 20) for g in range(300)]
    n = sum(groups)
    o = drawn(range(n), groups=groups, touched=300, group_bytes=100, shuffle="window:1000", algorithm=algorithm)
    assert sorted(o) == list(range(n))
    group_of = [g for g, size in enumerate(groups) for _ in range(size)]
    seen: dict[int, list[int]] = {}
    for position, index in enumerate(o):
        seen.setdefault(group_of[index], []).append(position)
    window = n * 10 // 300
    assert max(max(p) - min(p) for p in seen.values()) < 2 * window + 20


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"weight": [1, 2]}, "2 weights for 3"),
        ({"weight": [1, -1, 0]}, "weight -1 of sample 1"),
        ({"weight": [1, math.nan, 0]}, "sample 1"),
        ({"weight": [1, math.inf, 0]}, "sample 1"),
        ({"weight": [0, 0, 0]}, "all weights are 0"),
        ({"shuffle": "window:0"}, "shuffle"),
        ({"shuffle": "window:2GB"}, "shuffle"),
        ({"shuffle": "window"}, "shuffle"),
        ({"shuffle": "stripes:1"}, "shuffle"),
        ({"shuffle": "window:1", "groups": [1, 1], "group_bytes": 1, "touched": 2}, "2 samples"),
        ({"shuffle": "window:1", "groups": [3, 0], "group_bytes": 1, "touched": 2}, "none in some"),
        ({"shuffle": "window:1", "groups": [3], "group_bytes": 1, "touched": 0}, "0 chunks"),
        ({"algorithm": "terrapin-order-1"}, "unknown drawn order"),
        ({"seed": 1 << 64}, "seed"),
    ],
)
def test_bad_draws_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        drawn(range(3), **arguments)


def test_samples_are_stored_by_chunk():
    kept = [3, 4, 7, 9, 10]
    cells, rows, cols = ["b", "a", "b", "b", "a"], [40, 0, 31, 5, 31], [0, 63, 31, 2, 95]
    assert order.stored(kept, cells, rows, cols, 32) == ([4, 10, 7, 9, 3], [1, 1, 2, 1])
    assert order.stored([], [], [], [], 32) == ([], [])


def test_classes_are_balanced():
    weight = order.balanced(["maize", "wheat", "maize", None, "maize", ""])
    assert weight == [1 / 3, 1, 1 / 3, 0, 1 / 3, 0]
    total = Counter()
    for epoch in range(600):
        counts = Counter(drawn(range(6), weight=weight, weights="class_balanced", epoch=epoch))
        assert counts[1] == 3
        assert not counts[3] + counts[5]
        total += counts
    assert sum(total[i] for i in (0, 2, 4)) == 1800
    assert all(abs(total[i] - 600) <= 1 for i in (0, 2, 4))


def test_weights_by_class_are_those_of_the_vectors():
    vectors = json.loads((ROOT / "testdata/conformance/weights.json").read_text())
    names = {c["value"]: c["name"] or str(c["value"]) for c in vectors["classes"]}
    assert len(vectors["weights"]) > 3
    for v in vectors["weights"]:
        given = {names[int(value)]: w for value, w in json.loads(v["canonical"])["class"].items()}
        assert order.by_class([*v["of"], None, "", "rye"], given) == [*v["of"].values(), 0, 0, 1]
