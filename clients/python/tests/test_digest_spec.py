"""docs/spec/digest.md, followed by hand, against the vectors of the Go implementation."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import pytest

VECTORS = json.loads((Path(__file__).parents[3] / "testdata/conformance/digest.json").read_text())


def _number(x: float | int) -> str:
    """A number as ECMAScript writes it."""
    if isinstance(x, int) or x == 0 or (x == math.floor(x) and abs(x) < 1e21):
        return str(int(x))
    digits, _, exponent = repr(x).partition("e")
    if exponent:
        power = int(exponent)
        if -7 < power < 0:
            return f"{x:.{-power + len(digits.replace('-', '').replace('.', '')) - 1}f}"
        return f"{digits.removesuffix('.0')}e{power:+d}"
    return digits


def canonical(x: object) -> str:
    """RFC 8785."""
    if x is None or isinstance(x, bool):
        return json.dumps(x)
    if isinstance(x, int | float):
        return _number(x)
    if isinstance(x, str):
        return json.dumps(x, ensure_ascii=False)
    if isinstance(x, list):
        return "[" + ",".join(canonical(e) for e in x) + "]"
    assert isinstance(x, dict)
    keys = sorted(x, key=lambda k: k.encode("utf-16-be"))
    return "{" + ",".join(f"{canonical(k)}:{canonical(x[k])}" for k in keys) + "}"


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def tree(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha(b"\0")
    while len(leaves) > 1:
        joined = [sha(b"\1", a, b) for a, b in zip(leaves[::2], leaves[1::2], strict=False)]
        leaves = joined + (leaves[-1:] if len(leaves) % 2 else [])
    return leaves[0]


@pytest.mark.parametrize("v", VECTORS, ids=lambda v: str(len(v["samples"])))
def test_digest(v):
    leaves = [sha(b"\0", canonical(s).encode()) for s in v["samples"]]
    assert [leaf.hex() for leaf in leaves] == v["leaves"]
    root = tree(leaves)
    assert root.hex() == v["root"]
    assert "td1:" + sha(b"\2", root, canonical(v["definitions"]).encode()).hex() == v["digest"]


def test_there_are_vectors_of_even_and_odd_trees():
    assert sorted(len(v["samples"]) for v in VECTORS) == [0, 1, 2, 3, 3, 5, 8]
    assert [len(v["definitions"].get("groups", [])) for v in VECTORS if len(v["samples"]) == 3] == [0, 2]


@pytest.mark.parametrize(
    ("x", "text"),
    [(1e21, "1e+21"), (1e-7, "1e-7"), (1e-6, "0.000001"), (-0.0, "0"), (1e20, "100000000000000000000"), (0.1, "0.1")],
)
def test_numbers(x, text):
    assert canonical(x) == text
