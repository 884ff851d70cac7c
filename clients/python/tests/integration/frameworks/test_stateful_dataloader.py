"""torchdata's StatefulDataLoader: its state is the loader's, exactly."""

import io

import pytest

import terrapin

torch = pytest.importorskip("torch", reason="torch is not installed: StatefulDataLoader is not tested")
stateful = pytest.importorskip(
    "torchdata.stateful_dataloader", reason="torchdata is not installed: .ci/setup frameworks"
)


def around(loader: terrapin.Loader, **options: object):
    return stateful.StatefulDataLoader(loader, batch_size=None, num_workers=0, **options)


def carried(state: dict) -> dict:
    """A state through a file, as a checkpoint would have it."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize("stop", [1, 4, -1])
def test_a_state_goes_on_with_the_very_next_batch(make, epochs, epoch: int, stop: int) -> None:
    data = around(make())
    for n in range(epoch):
        assert [b["ids"] for b in data] == epochs[n]
    steps = len(epochs[epoch]) if stop < 0 else stop
    iterator = iter(data)
    seen = [next(iterator)["ids"] for _ in range(steps)]
    state = carried(data.state_dict())
    other = around(make(seed=99))
    other.load_state_dict(state)
    assert seen + [b["ids"] for b in other] == epochs[epoch]
    assert [b["ids"] for b in other] == epochs[epoch + 1]
    assert seen + [b["ids"] for b in iterator] == epochs[epoch]


def test_a_state_between_two_epochs(make, epochs) -> None:
    data = around(make())
    assert [b["ids"] for b in data] == epochs[0]
    state = carried(data.state_dict())
    other = around(make())
    other.load_state_dict(state)
    assert [b["ids"] for b in other] == epochs[1]


def test_batches_are_handed_on_as_they_are(make) -> None:
    batch = next(iter(around(make())))
    assert isinstance(batch["image"], torch.Tensor)
    assert batch["image"].shape[0] == len(batch["ids"]) == 8


def test_workers_are_refused(make) -> None:
    data = stateful.StatefulDataLoader(make(), batch_size=None, num_workers=1, multiprocessing_context="spawn")
    with pytest.raises(Exception, match="num_workers=0"):
        next(iter(data))
