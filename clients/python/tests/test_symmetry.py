"""The symmetries of augmented epochs against the vectors that the Go implementation is held to."""

import json
from pathlib import Path

import numpy as np
import pytest

from terrapin.symmetry import ALGORITHM, Symmetries, laid, undone

VECTORS = json.loads((Path(__file__).parents[3] / "testdata/conformance/symmetry.json").read_text())


def test_the_vectors_are_of_this_algorithm():
    assert VECTORS["algorithm"] == ALGORITHM
    assert len(VECTORS["drawn"]) == 5


@pytest.mark.parametrize("augment", ["flips", "d4"])
@pytest.mark.parametrize("v", VECTORS["drawn"], ids=lambda v: f"{v['split']}-{v['seed']}-{v['epoch']}")
def test_drawn(v, augment):
    s = Symmetries(augment, v["digest"], v["split"], seed=int(v["seed"]), epoch=int(v["epoch"]))
    assert [s[int(p)] for p in v["positions"]] == v[augment]


@pytest.mark.parametrize("symmetry", range(8))
def test_laid_and_undone(symmetry):
    window = np.arange(9).reshape(3, 3)
    assert laid(window, symmetry).tolist() == VECTORS["laid"][symmetry]
    several = np.arange(2 * 5 * 5).reshape(2, 5, 5)
    assert np.array_equal(undone(laid(several, symmetry), symmetry), several)
    assert len({str(laid(window, s)) for s in range(8)}) == 8


def test_refused():
    with pytest.raises(ValueError, match="'flips' or 'd4'"):
        Symmetries("rotate", "", "")
    with pytest.raises(IndexError):
        Symmetries("d4", "", "")[-1]
