"""What a loader hands out and what it may be asked for, against a server in this process that can be made to fail."""

import json

import numpy as np
import pytest

import terrapin
from double import BANDS, SIZE, SLOTS, Double, expected, sample_id, sample_image, sample_label


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


def test_what_is_asked_of_images_is_in_every_ticket(client: terrapin.Client, double: Double) -> None:
    asked = {"dtype": "float32", "augment": "d4", "on_error": "mask"}
    loader = client.loader("crops@v1", batch_size=20, tensors="numpy", **asked)
    assert len(list(loader)) == 3
    assert all(asked.items() <= ticket.items() for ticket in double.tickets)
    assert double.tickets
    loader[3]
    assert double.tickets[-1]["dtype"] == "float32"
    assert "augment" not in double.tickets[-1]
    assert set(loader.state_dict()) == {*client.loader("crops@v1").state_dict()}


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


def test_unshuffled_and_single_samples_are_the_base_order(client: terrapin.Client) -> None:
    loader = client.loader("crops@v1", split="test", shuffle=False, tensors="numpy")
    (batch,) = loader
    assert batch["ids"] == [sample_id(i) for i in range(5)]
    sample = loader[-1]
    assert (sample["ids"], sample["position"]) == (sample_id(4), 4)
    np.testing.assert_array_equal(sample["image"], sample_image(4))
    with pytest.raises(IndexError, match="sample 5 of a split of 5"):
        loader[5]


def test_an_unknown_name_says_what_exists(client: terrapin.Client) -> None:
    with pytest.raises(terrapin.NotFoundError, match="does not exist") as caught:
        client.loader("corps")
    assert caught.value.cure.startswith("there are: crops@v1")
    assert isinstance(caught.value, KeyError)


@pytest.mark.parametrize(
    "options",
    [
        {"tail": "long"},
        {"tail": "short", "rank": 0, "world_size": 2},
        {"rank": 1},
        {"rank": 2, "world_size": 2},
        {"tensors": "cupy"},
    ],
)
def test_bad_options_are_refused_at_once(client: terrapin.Client, options) -> None:
    with pytest.raises(terrapin.InvalidError):
        client.loader("crops@v1", **options)


@pytest.mark.parametrize(
    ("given", "says", "cure"),
    [
        ({"batch_size": 0}, "batch_size 0 is not between 1 and 1,048,576", "such as 32"),
        ({"batch_size": 10**9}, "batch_size 1000000000 is not", "such as 32"),
        ({"rank": 0, "world_size": 1 << 21}, "world_size 2097152 is not", "ranks"),
        ({"seed": -1}, "seed -1 is not between 0", "from 0 up"),
        ({"seed": 2**64}, "seed 18446744073709551616 is not between 0 and 2**64 - 1", "whole number"),
        ({"epoch": -1}, "epoch -1 is not between 0", "counts from 0"),
        ({"run": "a b"}, "'a b' is no name of a run", "letters, digits"),
        ({"run": "x" * 129}, "is no name of a run", "up to 128"),
        ({"patience": "x"}, "patience 'x' is no number", "5.0"),
        ({"patience": -1}, "patience -1 is no number", "5.0"),
        ({"patience": float("nan")}, "patience nan is no number", "5.0"),
        ({"shuffle": "bases"}, "shuffle 'bases'", '"base"'),
        ({"shuffle": None}, "shuffle None", '"base"'),
        ({"dataset": None}, "None names no dataset", "crops@v3"),
        ({"dataset": ""}, "'' names no dataset", "crops@v3"),
    ],
)
def test_bad_values_are_refused_at_once_with_the_value_and_a_cure(
    client: terrapin.Client, double: Double, given, says: str, cure: str
) -> None:
    with pytest.raises(terrapin.InvalidError) as caught:
        client.loader(**{"dataset": "crops@v1", **given})
    assert says in caught.value.message
    assert cure in caught.value.cure
    assert double.tickets == []


def test_the_name_of_a_run_in_the_environment_is_looked_at(
    client: terrapin.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERRAPIN_RUN", "a/b")
    with pytest.raises(terrapin.InvalidError, match="'a/b' is no name of a run"):
        client.loader("crops@v1")
    assert client.loader("crops@v1", run="unet_4.lr=0.1@host", patience=np.float32(2), shuffle="uniform").run[0] == "u"


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
