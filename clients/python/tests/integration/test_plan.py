"""What a loader says it will read is what it reads."""

import json
import pickle
from typing import Any

import numpy as np
import pytest

import terrapin


def planned(loader: terrapin.Loader, steps: int, epoch: int | None = None) -> list[tuple[list[str], list[int]]]:
    plans = [loader.plan(g, epoch) for g in range(steps)]
    assert [p.step for p in plans] == list(range(steps))
    assert all(p.position.dtype == np.int64 for p in plans)
    return [(p.ids, p.position.tolist()) for p in plans]


def read(loader: terrapin.Loader) -> list[tuple[list[str], list[int]]]:
    return [(b["ids"], b["position"].tolist()) for b in loader]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"shuffle": False},
        {"shuffle": "window:300KiB"},
        {"weights": "class_balanced"},
        {"weights": "row", "shuffle": "window:300KiB"},
        {"split": "validate", "tail": "pad", "batch_size": 5},
    ],
)
@pytest.mark.parametrize("world", [1, 3])
def test_the_steps_that_are_read_are_those_planned(served: terrapin.Client, asked: dict[str, Any], world: int) -> None:
    for rank in range(world):
        ask: dict[str, Any] = {"batch_size": 4, "seed": 5, "rank": rank, "world_size": world, "tensors": "numpy"}
        loader = served.loader("crops@v1", **(ask | asked))
        for epoch in range(2):
            want = planned(loader, len(loader))
            assert want == read(loader)
            assert want == planned(loader, len(loader), epoch)
        assert loader.epoch == 2


def test_steps_count_from_where_the_iteration_begins(served: terrapin.Client) -> None:
    loader = served.loader("crops@v1", batch_size=8, seed=3, tensors="numpy")
    whole = [p[0] for p in planned(loader, len(loader))]
    loader.load_state_dict({**loader.state_dict(), "position": 16, "epoch": 0})
    for step, batch in enumerate(loader):
        assert loader.plan(step).ids == batch["ids"] == whole[step + 2]
        assert loader.plan(step, 0).ids == batch["ids"]
        assert loader.plan(0, 1).position[0] == 0
    assert loader.plan(0, 0).ids == whole[0]


def test_what_is_no_step_is_refused(served: terrapin.Client) -> None:
    loader = served.loader("crops@v1", batch_size=8, tensors="numpy")
    for step in (len(loader), -1, 10**9):
        with pytest.raises(IndexError, match=f"of {len(loader)} from position 0 of epoch 0"):
            loader.plan(step)
    for given in ({"step": 1.5}, {"step": None}, {"step": 0, "epoch": -1}, {"step": 0, "epoch": 2**64}):
        with pytest.raises(terrapin.InvalidError):
            loader.plan(**given)
    assert loader.plan(np.int64(1)).ids == loader.plan(1).ids


def test_nothing_is_asked_once_the_ids_are_there(scratch, serve, ports) -> None:
    server = serve(scratch, *ports)
    client = terrapin.connect(f"http://127.0.0.1:{ports[0]}")
    loaders = [
        client.loader("crops@v1", batch_size=4, shuffle=shuffle, tensors="numpy") for shuffle in (True, "window:300KiB")
    ]
    before = [planned(loader, len(loader), epoch) for loader in loaders for epoch in range(3)]
    twin = pickle.loads(pickle.dumps(loaders[0]))
    assert planned(twin, len(twin)) == before[0]
    server.kill()
    server.wait()
    assert [planned(loader, len(loader), epoch) for loader in loaders for epoch in range(3)] == before
    loaders[0].plan(0, 12345)
    unasked = json.loads(json.dumps({**loaders[0].state_dict(), "seed": 99}))
    loaders[0].load_state_dict(unasked)
    assert loaders[0].plan(3).seed == 99
