"""The torch side: tensors without a copy, and torch's own DataLoader around the loader."""

import subprocess
import sys
import warnings

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: tensors and DataLoader are not tested")

import numpy as np  # noqa: E402
from torch.utils.data import DataLoader, IterableDataset  # noqa: E402

import terrapin  # noqa: E402
from double import BANDS, SIZE, SLOTS, sample_image  # noqa: E402
from terrapin.torch import tensor  # noqa: E402


def test_batches_are_tensors_where_torch_is_imported(client: terrapin.Client) -> None:
    loader = client.loader("crops@v1", batch_size=4, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batch = next(iter(loader))
    assert batch["image"].dtype == torch.uint16
    assert batch["image"].shape == (4, SLOTS, len(BANDS), SIZE, SIZE)
    assert batch["label"].dtype == torch.uint8
    assert batch["position"].tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(batch["image"][0].numpy(), sample_image(int(batch["ids"][0], 16)))
    assert loader[3]["image"].shape == (SLOTS, len(BANDS), SIZE, SIZE)


def test_a_tensor_lies_on_the_arrays_memory() -> None:
    array = np.arange(6, dtype=np.uint16)
    array.flags.writeable = False
    assert tensor(array).data_ptr() == array.ctypes.data


def test_inside_a_dataloader_the_state_is_exact(client: terrapin.Client) -> None:
    loader = client.loader("crops@v1", batch_size=8)
    assert isinstance(loader, IterableDataset)
    whole = [i for b in client.loader("crops@v1", batch_size=8) for i in b["ids"]]
    data = DataLoader(loader, batch_size=None, num_workers=0)
    assert len(data) == 7
    iterator = iter(data)
    seen = [i for _ in range(3) for i in next(iterator)["ids"]]
    assert loader.state_dict()["position"] == 24
    resumed = client.loader("crops@v1", batch_size=16)
    resumed.load_state_dict(loader.state_dict())
    rest = [i for b in DataLoader(resumed, batch_size=None, num_workers=0) for i in b["ids"]]
    assert seen + rest == whole


@pytest.mark.parametrize("asked", [{}, {"batch_size": 4}, {"batch_size": 1, "drop_last": True}])
def test_a_dataloader_that_would_batch_batches_is_refused(client: terrapin.Client, asked) -> None:
    loader = client.loader("crops@v1", batch_size=8)
    with pytest.raises(terrapin.PreconditionError, match="batches of batches") as caught:
        next(iter(DataLoader(loader, **asked)))
    assert "batch_size=None" in caught.value.cure
    assert next(iter(DataLoader(loader, batch_size=None)))["image"].shape[0] == 8


SERVE = "import sys; sys.path.insert(0, sys.argv[1])\nfrom double import Double\nd = Double(); print(d.url, flush=True); sys.stdin.read(); d.stop()"  # noqa: E501


REFUSED = """
import sys, warnings, terrapin
from torch.utils.data import DataLoader
loader = terrapin.connect(sys.argv[1]).loader("crops@v1", batch_size=8)
context, workers = sys.argv[2], int(sys.argv[3])
data = DataLoader(loader, batch_size=None, num_workers=workers, multiprocessing_context=context, timeout=60)
warnings.simplefilter("ignore", DeprecationWarning)
try:
    next(iter(data))
except Exception as e:
    assert "num_workers=0" in str(e), e
else:
    raise AssertionError("a worker read")
"""


# In a process of its own: a fork of one that has run other tests has what is left of their threads.
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
def test_a_worker_process_is_refused_with_the_right_setting(context: str, workers: int) -> None:
    from pathlib import Path

    with subprocess.Popen(
        [sys.executable, "-c", SERVE, Path(__file__).parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        url = server.stdout.readline().strip()
        program = [sys.executable, "-c", REFUSED, url, context, str(workers)]
        said = subprocess.run(program, capture_output=True, text=True, timeout=100)
        assert said.returncode == 0, said.stderr
        server.kill()


SAMPLED = """
import sys, terrapin
loader = terrapin.connect(sys.argv[1]).loader("crops@v1", batch_size=8)
from torch.utils.data import DataLoader
for workers in (0, 2):
    try:
        next(iter(DataLoader(loader, batch_size=None, num_workers=workers)))
    except Exception as e:
        assert "made before torch was imported" in str(e), e
        assert "num_workers=0" in str(e), e
    else:
        raise AssertionError("samples were taken for batches")
assert loader[0]["ids"] == f"{0:08x}"
"""


def test_a_loader_older_than_torch_is_not_read_sample_by_sample() -> None:
    """It is no IterableDataset, so that a DataLoader takes it for a list."""
    from pathlib import Path

    with subprocess.Popen(
        [sys.executable, "-c", SERVE, Path(__file__).parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        command = [sys.executable, "-W", "ignore", "-c", SAMPLED, server.stdout.readline().strip()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        server.kill()
    assert done.returncode == 0, done.stderr


def test_ranks_come_from_torch_distributed(client: terrapin.Client, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        loader = client.loader("crops@v1")
        assert (loader.rank, loader.world_size) == (0, 1)
        assert client.loader("crops@v1", rank=2, world_size=4).rank == 2
    finally:
        torch.distributed.destroy_process_group()
