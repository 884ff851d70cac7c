"""Page-locked memory: what is done about it where there is no CUDA, and that what is prepared is what is handed out."""

import threading

import pytest

import terrapin
from double import Double, expected, threads

torch = pytest.importorskip("torch", reason="torch is not installed: there is no page-locked memory")


def test_without_cuda_nothing_changes_and_the_reason_is_stated(
    client: terrapin.Client, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    loader = client.loader("crops@v1", batch_size=8, tensors="torch", pin_memory=True)
    assert not loader.pinned
    assert loader.unpinned == "torch finds no CUDA device"
    batches = list(loader)
    assert [i for b in batches for i in b["ids"]] == expected(double, 0, 0)
    assert isinstance(batches[0]["image"], torch.Tensor)
    assert client.loader("crops@v1", tensors="torch").unpinned == "it was not asked for"


def test_numpy_arrays_are_not_pinned(client: terrapin.Client) -> None:
    with pytest.raises(terrapin.InvalidError, match="pin_memory=True") as caught:
        client.loader("crops@v1", tensors="numpy", pin_memory=True)
    assert caught.value.cure == 'use tensors="torch"'


def test_what_is_prepared_in_the_thread_is_handed_out_as_it_is(client: terrapin.Client, double: Double) -> None:
    """The way that pinned batches go, with another preparation in the place of the copy to page-locked memory."""
    where = set()

    def prepare(arrays):
        where.add(threading.current_thread().name)
        return {name: a if isinstance(a, list) else torch.tensor(a) for name, a in arrays.items()}

    loader = client.loader("crops@v1", batch_size=5, tensors="torch")
    loader._pin = prepare
    batches = list(loader)
    assert [i for b in batches for i in b["ids"]] == expected(double, 0, 0)
    assert "terrapin-prefetch" in where
    assert threads() == 0
    assert batches[0]["image"].dtype == torch.uint16
    assert loader.stats().epoch.bytes == sum(v.nbytes for b in batches for v in b.values() if not isinstance(v, list))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: page-locked memory is not tested")
def test_batches_are_pinned_where_there_is_cuda(client: terrapin.Client, double: Double) -> None:
    loader = client.loader("crops@v1", batch_size=8, tensors="torch", pin_memory=True)
    assert loader.pinned
    seen = []
    for batch in loader:
        assert all(v.is_pinned() for v in batch.values() if not isinstance(v, list))
        on = {k: v.to("cuda", non_blocking=True) for k, v in batch.items() if not isinstance(v, list)}
        assert torch.equal(on["image"].cpu(), batch["image"])
        seen += batch["ids"]
    assert seen == expected(double, 0, 0)
