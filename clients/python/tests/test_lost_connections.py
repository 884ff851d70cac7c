"""A server that goes away in the middle of an epoch, against one in this process that can be made to fail."""

import time

import numpy as np
import pytest

import terrapin
from double import Double, expected, sample_image, threads


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


def test_a_server_is_waited_for_as_long_as_the_error_says(client: terrapin.Client, double: Double) -> None:
    loader = client.loader("crops@v1", batch_size=5, tensors="numpy", patience=0.6)
    double.refuse_calls = 1000
    began = time.monotonic()
    with pytest.raises(terrapin.UnavailableError, match=r"did not come back within 0\.6 s"):
        next(iter(loader))
    assert 0.6 <= time.monotonic() - began < 5


def test_no_patience_waits_for_nothing(client: terrapin.Client, double: Double) -> None:
    double.refuse_calls = 1000
    with pytest.raises(terrapin.UnavailableError, match="within 0 s"):
        next(iter(client.loader("crops@v1", tensors="numpy", patience=0)))


def test_a_server_that_comes_back_with_other_data_is_refused(client: terrapin.Client, double: Double) -> None:
    loader = client.loader("crops@v1", batch_size=5, tensors="numpy")
    double.digest = "td1:" + "cd" * 32
    with pytest.raises(terrapin.ConflictError, match="cdcd"):
        next(iter(loader))
