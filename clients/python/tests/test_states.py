"""Where a loader stands: states that go on exactly, and states that are refused."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import terrapin
from double import Double, expected, until


def test_states_beyond_64_bits_and_no_states_are_refused(client: terrapin.Client) -> None:
    loader = client.loader("crops@v1", tensors="numpy")
    state = loader.state_dict()
    for bad in (None, 3, {**state, "seed": 2**64}, {**state, "epoch": 2**64}):
        with pytest.raises(terrapin.InvalidError):
            loader.load_state_dict(bad)
    with pytest.raises(terrapin.InvalidError):
        loader.set_epoch(2**64)
    assert loader.state_dict() == state
    with pytest.raises(TypeError):
        loader[1.5]


def test_the_state_follows_what_was_delivered_not_what_was_read_ahead(client: terrapin.Client, double: Double) -> None:
    loader = client.loader("crops@v1", batch_size=5, tensors="numpy")
    iterator = iter(loader)
    for step in range(3):
        next(iterator)
        assert until(lambda: len(iterator._prefetch._ready) == 2)
        assert loader.state_dict()["position"] == 5 * (step + 1)
    state = loader.state_dict()
    assert json.loads(json.dumps(state)) == state
    assert set(state) == {"digest", "split", "filter", "weights", "seed", "epoch", "order", "position"}
    resumed = client.loader("crops@v1", batch_size=9, tensors="numpy")
    resumed.load_state_dict(state)
    rest = [i for b in resumed for i in b["ids"]]
    assert rest == expected(double, 0, 0)[15:]
    assert resumed.epoch == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_chain_of_resumes_reads_the_epoch_exactly_once(client: terrapin.Client, double: Double, data) -> None:
    """Batch size and world size may change at every resume; every rank's state is the same."""
    seed = data.draw(st.integers(0, 2**64 - 1), "seed")
    epoch = data.draw(st.integers(0, 1000), "epoch")
    seen: list[str] = []
    state = None
    for _ in range(12):
        world, batch = data.draw(st.integers(1, 3), "world size"), data.draw(st.integers(1, 20), "batch size")
        steps = data.draw(st.integers(0, 3), "steps")
        pieces: dict[int, list[list[str]]] = {}
        states = []
        for rank in range(world):
            loader = client.loader(
                "crops@v1", batch_size=batch, seed=seed, epoch=epoch, rank=rank, world_size=world,
                tail="pad" if world > 1 else None, tensors="numpy",
            )  # fmt: skip
            if state is not None:
                loader.load_state_dict(copy.deepcopy(state))
            iterator = iter(loader)
            pieces[rank] = []
            for _ in range(steps):
                try:
                    pieces[rank].append(next(iterator)["ids"])
                except StopIteration:
                    break
            states.append(loader.state_dict())
            loader.close()
        assert all(s == states[0] for s in states)
        state = states[0]
        for step in range(len(pieces[0])):
            seen += [i for rank in range(world) for i in pieces[rank][step] if i]
        if state["epoch"] != epoch:
            break
    assert seen == expected(double, seed, epoch)[: len(seen)]
    if state["epoch"] == epoch:
        assert state["position"] == len(seen)
    else:
        assert (state["epoch"], state["position"]) == (epoch + 1, 0)
        assert len(seen) == 50


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"digest": "td1:00"}, terrapin.ConflictError),
        ({"split": "test"}, terrapin.ConflictError),
        ({"filter": "x > 1"}, terrapin.ConflictError),
        ({"weights": "w"}, terrapin.ConflictError),
        ({"order": "base"}, terrapin.ConflictError),
        ({"position": 51}, terrapin.InvalidError),
        ({"position": -1}, terrapin.InvalidError),
        ({"position": 1.0}, terrapin.InvalidError),
        ({"epoch": True}, terrapin.InvalidError),
        ({"more": 1}, terrapin.InvalidError),
    ],
)
def test_a_state_of_something_else_is_refused_and_changes_nothing(client: terrapin.Client, change, error) -> None:
    loader = client.loader("crops@v1", tensors="numpy", seed=4, epoch=2)
    before = loader.state_dict()
    with pytest.raises(error):
        loader.load_state_dict({**before, **change})
    with pytest.raises(terrapin.InvalidError, match="missing"):
        loader.load_state_dict({k: v for k, v in before.items() if k != "seed"})
    assert loader.state_dict() == before
