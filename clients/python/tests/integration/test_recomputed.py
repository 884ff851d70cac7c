"""Epochs of every order, filter and weight, read from a real server and recomputed by the client."""

import json
from typing import Any

import pytest

import terrapin

from .conftest import RECIPE, SEED, read


@pytest.mark.parametrize("weights", [None, "class_balanced"])
@pytest.mark.parametrize("shuffle", ["window:300KiB", "uniform", False])
def test_drawn_orders_are_recomputed(kept: terrapin.Client, weights: str | None, shuffle: str | bool) -> None:
    loader = kept.loader("crops@v1", batch_size=7, seed=SEED, weights=weights, shuffle=shuffle, run="drawn")
    read(loader)
    assert loader.verify_epoch().verified


def test_an_epoch_by_the_recipe_is_recomputed(kept: terrapin.Client) -> None:
    """What a recipe says of training is told, planned and verified like what a loader asks for."""
    said = "filter: row >= 10\nweights: {class: {%s: 3}}\nshuffle: window:300KiB\n"
    classes = kept.loader("crops@v1", tensors="numpy").spec.classes
    report = kept.commit(RECIPE + said % max(classes))
    assert report["version"] == "v2"
    for split in ("train", "validate"):
        loader = kept.loader("crops@v2", split=split, batch_size=7, seed=SEED, run=f"recipe-{split}", tensors="numpy")
        train = split == "train"
        assert loader.spec.filter == ("row >= 10" if train else None)
        assert bool(loader.spec.weights) == train
        assert loader.spec.shuffle == f"window:{300 << 10}"
        planned = [i for step in range(len(loader)) for i in loader.plan(step).ids]
        assert read(loader) == planned
        assert loader.verify_epoch(epoch=0).verified
        loader.load_state_dict(loader.state_dict())
        assert loader[len(planned) - 1]["ids"] in planned or train
    whole = kept.loader(
        "crops@v2", filter=False, weights=False, shuffle="uniform", seed=SEED, run="whole", tensors="numpy"
    )
    assert (whole.spec.filter, whole.spec.weights, whole.spec.order) == (None, None, "terrapin-order-1")
    assert sorted(read(whole)) == sorted(read(kept.loader("crops@v1", tensors="numpy")))
    assert whole.verify_epoch(epoch=0).verified
    named = kept.loader("crops@v2", weights=False, tensors="numpy")
    assert len(set(read(named))) == named.spec.samples == len(set(read(kept.loader("crops@v1", filter="row >= 10"))))


@pytest.mark.parametrize("shuffle", ["window:300KiB", "uniform", False])
@pytest.mark.parametrize("text", [None, "row >= 20"])
def test_weights_by_class_are_recomputed(kept: terrapin.Client, shuffle: str | bool, text: str | None) -> None:
    classes = kept.loader("crops@v1", tensors="numpy").spec.classes
    value = max(classes)
    asked = {"batch_size": 7, "seed": SEED, "shuffle": shuffle, "filter": text, "run": "by-class"}
    loader = kept.loader("crops@v1", weights={"class": {classes[value]: 2.5, min(classes): 0}}, **asked)
    weights = dict.fromkeys(classes, 1.0) | {value: 2.5, min(classes): 0.0}
    assert loader.spec.weights
    assert json.loads(loader.spec.weights) == {"class": {str(v): w for v, w in weights.items()}}
    planned = [i for step in range(len(loader)) for i in loader.plan(step).ids]
    assert read(loader) == planned
    assert loader.verify_epoch(epoch=0).verified
    class_of = {s["id"]: s["class"] for s in kept.dataset("crops@v1").manifest().to_pylist()}
    assert classes[min(classes)] not in {class_of[i] for i in planned}
    again = kept.loader("crops@v1", weights=loader.spec.weights, **asked)
    again.load_state_dict(loader.state_dict())


@pytest.mark.parametrize("shuffle", ["window:300KiB", "uniform"])
@pytest.mark.parametrize("weights", ["class:{}", "labelled", "scenes", "row", "width"])
def test_every_number_that_weighs_is_recomputed(kept: terrapin.Client, weights: str, shuffle: str) -> None:
    classes = kept.loader("crops@v1", tensors="numpy").spec.classes
    name = weights.format(classes[max(classes)])
    loader = kept.loader("crops@v1", batch_size=7, seed=SEED, weights=name, shuffle=shuffle, run="weighed")
    planned = [i for step in range(len(loader)) for i in loader.plan(step).ids]
    assert read(loader) == planned
    assert loader.verify_epoch().verified


@pytest.mark.parametrize("shuffle", ["window:300KiB", "uniform", False])
@pytest.mark.parametrize(
    "text",
    [
        "row >= 30 AND class:{} > 0.25",
        {"op": "between", "args": [{"property": "labelled"}, 0.1, 1]},
        "class IS NOT NULL AND NOT (class IN ('a', '{}')) OR col < -1e-3 OR row < 20",
        "id LIKE '%a%' OR scenes = 12 AND \"class:{}\" <> 0 AND start_datetime < DATE('2999-01-01')",
        "end_datetime > TIMESTAMP('2000-01-01T00:00:00.5Z') AND cell > '' AND row <> col AND collection <> block",
    ],
)
@pytest.mark.parametrize("weights", [None, "class_balanced", "class:{}"])
def test_what_a_filter_keeps_is_recomputed(kept: terrapin.Client, text: Any, weights: str | None, shuffle) -> None:
    classes = kept.loader("crops@v1", tensors="numpy").spec.classes
    name = classes[max(classes)]
    text = text.format(name) if isinstance(text, str) else text
    weights = weights and weights.format(name)
    asked = {"filter": text, "weights": weights, "shuffle": shuffle}
    loader = kept.loader("crops@v1", batch_size=7, seed=SEED, run="filtered", tensors="numpy", **asked)
    planned = [i for step in range(len(loader)) for i in loader.plan(step).ids]
    assert read(loader) == planned
    assert loader.verify_epoch().verified


def test_what_a_filter_cannot_be_computed_of_is_refused_with_a_cure(kept: terrapin.Client) -> None:
    loader = kept.loader("crops@v1", filter="CASEI(id) LIKE CASEI('%A%')", run="refused", tensors="numpy")
    read(loader)
    for ask in (loader.verify_epoch, lambda: loader.plan(0)):
        with pytest.raises(terrapin.UnsupportedError, match="CASEI") as caught:
            ask()
        assert "client.seen" in caught.value.cure
