"""An epoch over ranks, tails, filters, weights and windows, and iterations that end in any way."""

import gc
import json
import warnings

import pytest

import terrapin
from double import Double, drawn, expected, sample_id, threads


def test_an_epoch_is_the_order_and_the_next_one_another(client: terrapin.Client, double: Double) -> None:
    loader = client.loader("crops@v1", batch_size=7, seed=5, tensors="numpy")
    assert len(loader) == 8
    for epoch in range(3):
        assert loader.epoch == epoch
        batches = list(loader)
        assert [len(b["ids"]) for b in batches] == [7] * 7 + [1]
        assert [i for b in batches for i in b["ids"]] == expected(double, 5, epoch)
    assert loader.state_dict()["position"] == 0


@pytest.mark.parametrize("world", [2, 3, 4, 8])
def test_ranks_make_the_same_steps_and_share_nothing(client: terrapin.Client, double: Double, world: int) -> None:
    loaders = [client.loader("crops@v1", batch_size=3, rank=r, world_size=world, tensors="numpy") for r in range(world)]
    batches = [list(loader) for loader in loaders]
    assert {len(b) for b in batches} == {50 // (3 * world)} == {len(loaders[0])}
    order = [i for step in zip(*batches, strict=True) for b in step for i in b["ids"]]
    assert order == expected(double, 0, 0)[: len(order)]


def test_padding_has_weight_zero_and_position_minus_one(client: terrapin.Client) -> None:
    last = list(client.loader("crops@v1", batch_size=32, tail="pad", tensors="numpy"))[-1]
    assert last["position"].tolist() == list(range(32, 50)) + [-1] * 14
    assert last["weight"].tolist() == [1.0] * 18 + [0.0] * 14


@pytest.mark.parametrize(
    ("asked", "state"),
    [
        ({"filter": "x > 1"}, {"filter": "x > 1", "order": "terrapin-order-3"}),
        ({"filter": {"op": ">", "args": []}}, {"filter": "every third", "order": "terrapin-order-3"}),
        ({"weights": "w"}, {"weights": "w", "order": "terrapin-order-3"}),
        ({"shuffle": "window:1KiB"}, {"order": "terrapin-order-3/window:1024"}),
        ({"shuffle": "uniform"}, {"order": "terrapin-order-1"}),
        ({"filter": "x > 1", "weights": "w", "shuffle": "window:500"},
         {"filter": "x > 1", "weights": "w", "order": "terrapin-order-3/window:500"}),
        ({"filter": "x > 1", "shuffle": False}, {"filter": "x > 1", "order": "base"}),
    ],
)  # fmt: skip
def test_filters_weights_and_windows_go_along(client: terrapin.Client, double: Double, asked, state) -> None:
    loader = client.loader("crops@v1", batch_size=4, seed=6, tensors="numpy", **asked)
    whole = [i for b in loader for i in b["ids"]]
    order = drawn(double.digest, "train", 50, {"seed": 6, **asked})[0]
    assert whole == [sample_id(i) for i in order]
    assert loader.spec.samples == len(order)
    resumed = client.loader("crops@v1", batch_size=4, seed=6, tensors="numpy", **asked)
    next(iterator := iter(resumed))
    saved = json.loads(json.dumps(resumed.state_dict()))
    assert {key: saved[key] for key in ("filter", "weights", "order")} == {"filter": None, "weights": None} | state
    del iterator
    other = client.loader("crops@v1", batch_size=3, tensors="numpy", **asked)
    other.load_state_dict(saved)
    assert [i for b in other for i in b["ids"]] == whole[4:]
    plain = client.loader("crops@v1", tensors="numpy")
    if state["order"] != "terrapin-order-1":
        with pytest.raises(terrapin.ConflictError, match="the state is of another"):
            plain.load_state_dict(saved)
    assert loader[1]["ids"] == sample_id(3 if "filter" in asked else 1)


def test_set_epoch_keeps_the_place_in_the_epoch_it_is_in(client: terrapin.Client, double: Double) -> None:
    loader = client.loader("crops@v1", batch_size=10, tensors="numpy")
    loader.load_state_dict({**loader.state_dict(), "epoch": 2, "position": 30})
    loader.set_epoch(2)
    assert [i for b in loader for i in b["ids"]] == expected(double, 0, 2)[30:]
    loader.set_epoch(7)
    assert [i for b in loader for i in b["ids"]] == expected(double, 0, 7)
    with pytest.raises(terrapin.InvalidError):
        loader.set_epoch(-1)


def test_a_broken_off_iteration_does_not_move_the_beginning(client: terrapin.Client, double: Double) -> None:
    loader = client.loader("crops@v1", batch_size=10, tensors="numpy")
    for _ in loader:
        break
    assert loader.state_dict()["position"] == 10
    assert [i for b in loader for i in b["ids"]] == expected(double, 0, 0)


def test_a_loop_that_stops_at_the_last_batch_has_had_the_epoch(client: terrapin.Client, double: Double) -> None:
    """Loops that count the steps, as Lightning does, never ask for one too many."""
    loader = client.loader("crops@v1", batch_size=10, tensors="numpy")
    for epoch in range(3):
        iterator = iter(loader)
        seen = [i for _ in range(len(loader)) for i in next(iterator)["ids"]]
        assert seen == expected(double, 0, epoch)
        assert (loader.state_dict()["epoch"], loader.state_dict()["position"]) == (epoch, 50)
    newer = iter(loader)
    with pytest.raises(terrapin.CanceledError, match="newer"):
        next(iterator)
    assert next(newer)["ids"] == expected(double, 0, 3)[:10]
    assert loader.epoch == 3
    for batch in newer:
        if batch["position"][-1] == 49:
            break
    loader.set_epoch(3)
    assert [i for b in loader for i in b["ids"]] == expected(double, 0, 3)


def test_a_state_at_the_end_of_an_epoch_has_nothing_left_of_it(client: terrapin.Client, double: Double) -> None:
    loader = client.loader("crops@v1", batch_size=10, tensors="numpy")
    loader.load_state_dict({**loader.state_dict(), "position": 50})
    assert list(loader) == []
    assert [i for b in loader for i in b["ids"]] == expected(double, 0, 1)


def test_what_an_iteration_reads_is_settled_when_it_is_asked_first(client: terrapin.Client, double: Double) -> None:
    loader = client.loader("crops@v1", batch_size=10, tensors="numpy")
    iterator = iter(loader)
    loader.set_epoch(2)
    assert [i for b in iterator for i in b["ids"]] == expected(double, 0, 2)
    iterator = iter(loader)
    loader.load_state_dict({**loader.state_dict(), "epoch": 5, "position": 30})
    loader.set_epoch(5)
    assert [i for b in iterator for i in b["ids"]] == expected(double, 0, 5)[30:]
    iterator = iter(loader)
    next(iterator)
    loader.set_epoch(8)
    with pytest.raises(terrapin.CanceledError):
        next(iterator)


def test_a_newer_iteration_ends_the_older(client: terrapin.Client) -> None:
    loader = client.loader("crops@v1", batch_size=10, tensors="numpy")
    older = iter(loader)
    next(older)
    newer = iter(loader)
    assert next(newer)["position"][0] == 0
    with pytest.raises(terrapin.CanceledError, match="newer"):
        next(older)
    assert next(newer)["position"][0] == 10


@pytest.mark.parametrize("how", ["break", "exception", "interrupt", "forgotten", "close"])
def test_the_thread_ends_however_the_loop_ends(client: terrapin.Client, how: str) -> None:
    loader = client.loader("crops@v1", batch_size=2, tensors="numpy")

    def loop() -> None:
        for _ in loader:
            if how == "break":
                break
            if how == "interrupt":
                raise KeyboardInterrupt
            raise ValueError

    if how in ("break",):
        loop()
    elif how == "forgotten":
        iterator = iter(loader)
        next(iterator)
        del iterator
    elif how == "close":
        iterator = iter(loader)
        loader.close()
    else:
        with pytest.raises((ValueError, KeyboardInterrupt)):
            loop()
    gc.collect()
    assert threads() == 0


def test_an_epoch_without_a_step_is_told_once(client: terrapin.Client) -> None:
    loader = client.loader("crops@v1", split="test", batch_size=4, rank=0, world_size=2, tensors="numpy")
    with pytest.warns(UserWarning, match=r"no step: crops@v1 test has 5 samples, .* takes 8 \(2 × 4\).*tail='pad'"):
        assert list(loader) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(loader) == []
