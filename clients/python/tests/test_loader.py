"""What a loader promises, against a server in this process that can be made to fail."""

import copy
import gc
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import terrapin
from double import BANDS, SIZE, SLOTS, Double, drawn, put_ids, sample_id, sample_image, sample_label, until
from terrapin.order import Order


def threads() -> int:
    return sum(t.name == "terrapin-prefetch" for t in threading.enumerate())


def expected(double: Double, seed: int, epoch: int, n: int = 50) -> list[str]:
    return [sample_id(i) for i in Order(double.digest, "train", n, seed=seed, epoch=epoch)]


def test_a_batch_has_the_documented_form(client: terrapin.Client, double: Double) -> None:
    loader = client.loader("crops@v1", batch_size=8, seed=3, tensors="numpy")
    batch = next(iter(loader))
    assert set(batch) == {"image", "valid", "times", "label", "ids", "position"}
    assert batch["image"].shape == (8, SLOTS, len(BANDS), SIZE, SIZE)
    assert batch["image"].dtype == np.uint16
    for key, shape in loader.spec.shapes(8).items():
        assert batch[key].shape == shape
    assert batch["valid"].dtype == np.uint8
    assert batch["times"].dtype == np.int64
    assert batch["ids"] == expected(double, 3, 0)[:8]
    assert batch["position"].tolist() == list(range(8))
    for i, sample in enumerate(batch["ids"]):
        np.testing.assert_array_equal(batch["image"][i], sample_image(int(sample, 16)))
        np.testing.assert_array_equal(batch["label"][i], sample_label(int(sample, 16)))


def test_numpy_batches_lie_on_the_received_memory(client: terrapin.Client) -> None:
    image = next(iter(client.loader("crops@v1", tensors="numpy")))["image"]
    assert not image.flags.writeable
    assert image.flags.c_contiguous


def test_whole_numbers_of_numpy_are_numbers(client: terrapin.Client, double: Double) -> None:
    loader = client.loader(
        "crops@v1", batch_size=np.int32(7), seed=np.uint64(5), rank=np.int64(0), world_size=np.int8(1), tensors="numpy"
    )
    loader.set_epoch(np.int64(2))
    json.dumps(loader.state_dict())
    assert [i for b in loader for i in b["ids"]] == expected(double, 5, 2)
    assert loader[np.int64(3)]["ids"] == loader[3]["ids"]


@pytest.mark.parametrize("given", [{"seed": 1.5}, {"batch_size": "8"}, {"epoch": True}, {"seed": None}])
def test_what_is_no_whole_number_is_refused_by_name(client: terrapin.Client, given) -> None:
    with pytest.raises(terrapin.InvalidError, match=next(iter(given))):
        client.loader("crops@v1", **given)


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


def test_an_epoch_is_the_order_and_the_next_one_another(client: terrapin.Client, double: Double) -> None:
    loader = client.loader("crops@v1", batch_size=7, seed=5, tensors="numpy")
    assert len(loader) == 8
    for epoch in range(3):
        assert loader.epoch == epoch
        batches = list(loader)
        assert [len(b["ids"]) for b in batches] == [7] * 7 + [1]
        assert [i for b in batches for i in b["ids"]] == expected(double, 5, epoch)
    assert loader.state_dict()["position"] == 0


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


def test_unshuffled_and_single_samples_are_the_base_order(client: terrapin.Client) -> None:
    loader = client.loader("crops@v1", split="test", shuffle=False, tensors="numpy")
    (batch,) = loader
    assert batch["ids"] == [sample_id(i) for i in range(5)]
    sample = loader[-1]
    assert (sample["ids"], sample["position"]) == (sample_id(4), 4)
    np.testing.assert_array_equal(sample["image"], sample_image(4))
    with pytest.raises(IndexError, match="sample 5 of a split of 5"):
        loader[5]


def test_a_lost_connection_is_taken_up_where_it_broke(client: terrapin.Client, double: Double) -> None:
    double.fail_after_rows = 17
    loader = client.loader("crops@v1", batch_size=5, tensors="numpy")
    assert [i for b in loader for i in b["ids"]] == expected(double, 0, 0)
    assert [t["start"] for t in double.tickets] == [0, 15]


def test_a_step_cut_into_messages_is_one_batch_also_when_the_cut_breaks(
    client: terrapin.Client, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("terrapin._prefetch._CUT_ABOVE", 0)
    double.fail_after_rows = 23
    loader = client.loader("crops@v1", batch_size=10, tensors="numpy")
    batches = list(loader)
    assert [len(b["ids"]) for b in batches] == [10] * 5
    assert [i for b in batches for i in b["ids"]] == expected(double, 0, 0)
    np.testing.assert_array_equal(batches[2]["image"][9], sample_image(int(batches[2]["ids"][9], 16)))
    assert "message_bytes" in double.tickets[0]


def test_a_server_that_stays_away_ends_the_epoch_with_the_way_to_resume(
    client: terrapin.Client, double: Double
) -> None:
    loader = client.loader("crops@v1", batch_size=5, tensors="numpy", patience=0.2)
    double.fail_after_rows = 20
    double.refuse_calls = 0
    iterator = iter(loader)
    next(iterator)
    double.refuse_calls = 1000
    with pytest.raises(terrapin.UnavailableError, match="load_state_dict") as caught:
        list(iterator)
    assert isinstance(caught.value, ConnectionError)
    delivered = loader.state_dict()["position"]
    double.refuse_calls, double.fail_after_rows = 0, None
    loader.load_state_dict(loader.state_dict())
    assert [i for b in loader for i in b["ids"]] == expected(double, 0, 0)[delivered:]
    assert threads() == 0


def test_a_server_that_comes_back_with_other_data_is_refused(client: terrapin.Client, double: Double) -> None:
    loader = client.loader("crops@v1", batch_size=5, tensors="numpy")
    double.digest = "td1:" + "cd" * 32
    with pytest.raises(terrapin.ConflictError, match="cdcd"):
        next(iter(loader))


@pytest.mark.parametrize(
    ("asked", "state"),
    [
        ({"filter": "x > 1"}, {"filter": "x > 1", "order": "terrapin-order-2"}),
        ({"filter": {"op": ">", "args": []}}, {"filter": "every third", "order": "terrapin-order-2"}),
        ({"weights": "w"}, {"weights": "w", "order": "terrapin-order-2"}),
        ({"shuffle": "window:1KiB"}, {"order": "terrapin-order-2/window:1024"}),
        ({"shuffle": "uniform"}, {"order": "terrapin-order-1"}),
        ({"filter": "x > 1", "weights": "w", "shuffle": "window:500"},
         {"filter": "x > 1", "weights": "w", "order": "terrapin-order-2/window:500"}),
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


def test_an_unknown_name_says_what_exists(client: terrapin.Client) -> None:
    with pytest.raises(terrapin.NotFoundError, match="does not exist") as caught:
        client.loader("corps")
    assert caught.value.cure.startswith("there are: crops@v1")
    assert isinstance(caught.value, KeyError)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 0},
        {"tail": "long"},
        {"tail": "short", "rank": 0, "world_size": 2},
        {"rank": 1},
        {"rank": 2, "world_size": 2},
        {"tensors": "jax"},
    ],
)
def test_bad_options_are_refused_at_once(client: terrapin.Client, options) -> None:
    with pytest.raises(terrapin.InvalidError):
        client.loader("crops@v1", **options)


def test_announced_ranks_are_not_guessed(client: terrapin.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(terrapin.PreconditionError, match="WORLD_SIZE=4"):
        client.loader("crops@v1")
    assert client.loader("crops@v1", rank=3, world_size=4).world_size == 4


def test_the_newest_version_stays_pinned(client: terrapin.Client, double: Double) -> None:
    loader = client.loader("crops", tensors="numpy")
    next(iter(loader))
    assert double.tickets[-1]["dataset"] == "crops@v1"
    assert double.tickets[-1]["digest"] == double.digest


def test_the_spec_describes_the_stream(client: terrapin.Client, double: Double) -> None:
    spec = client.loader("crops@v1").spec
    assert (spec.dataset, spec.digest, spec.samples) == ("crops@v1", double.digest, 50)
    assert spec.bands == BANDS
    assert spec.classes == {0: "no", 1: "maize", 2: "wheat"}
    assert spec.ignore == 255
    assert spec.label_dtype == np.uint8
    assert spec.transform[2] == 500000.0


def test_a_loader_survives_pickling_with_its_place(client: terrapin.Client, double: Double) -> None:
    loader = client.loader("crops@v1", batch_size=10, tensors="numpy")
    loader.load_state_dict({**loader.state_dict(), "position": 40})
    twin = pickle.loads(pickle.dumps(loader))
    assert [i for b in twin for i in b["ids"]] == expected(double, 0, 0)[40:]


SERVE = """
import sys; sys.path.insert(0, sys.argv[1])
from double import Double
d = Double(); print(d.url, d.digest, flush=True); sys.stdin.read(); d.stop()
"""

FORKING = """
import os, signal, sys, terrapin
tp = terrapin.connect(sys.argv[1])
loader = tp.loader("crops@v1", batch_size=5, tensors="numpy")
first = [i for b in loader for i in b["ids"]]
iterator = iter(loader); next(iterator)
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    code = 1
    try:
        mine = tp.loader("crops@v1", batch_size=5, tensors="numpy")
        code = 2 if [i for b in mine for i in b["ids"]] == first else 4
    except terrapin.PreconditionError as e:
        code = 0 if "forked" in str(e) else 3
    os._exit(code)
status = os.waitpid(pid, 0)[1]
assert status == 0, status
assert [b["position"][0] for b in iterator][-1] == 45
"""


def test_a_fork_in_the_middle_of_a_stream_is_told_why_not() -> None:
    here = os.path.dirname(__file__)
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, here], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        url = server.stdout.readline().split()[0]
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKING, url], capture_output=True, text=True)
        server.stdin.close()
    assert done.returncode == 0, done.stderr


def test_a_spawned_process_reads_for_itself(client: terrapin.Client, double: Double) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=put_ids, args=(client, queue))
    process.start()
    assert queue.get(timeout=60) == expected(double, 0, 0)
    process.join()
