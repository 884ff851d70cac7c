"""What a loader counts of itself, and the line that shows it."""

import io
import itertools
import re
import sys
import time

import numpy as np
import pytest

import terrapin
from double import Double, expected
from terrapin._progress import Progress
from terrapin.stats import Counts, Meter


def size(batch: terrapin.Batch) -> int:
    return sum(v.nbytes for v in batch.values() if isinstance(v, np.ndarray))


def test_what_was_handed_out_is_counted_by_epoch_and_in_all(client: terrapin.Client) -> None:
    loader = client.loader("crops@v1", batch_size=8, tensors="numpy")
    assert loader.stats() == terrapin.Stats(None, Counts(), Counts())
    first = sum(size(b) for b in loader)
    stats = loader.stats()
    assert stats.transport == "flight"
    assert (stats.epoch.batches, stats.epoch.samples, stats.epoch.bytes, stats.epoch.lost) == (7, 50, first, 0)
    assert stats.total == stats.epoch
    for _ in itertools.islice(loader, 2):
        pass
    stats = loader.stats()
    assert (stats.epoch.batches, stats.epoch.samples) == (2, 16)
    assert (stats.total.batches, stats.total.samples) == (9, 66)
    assert 0 < stats.epoch.waited <= stats.epoch.seconds < stats.total.seconds
    assert re.match(r"flight: [\d.e+]+ samples/s, [\d.e+]+ MB/s, [\d.e+]+ % stalled, 2 batches", str(stats))


def test_padding_is_no_sample(client: terrapin.Client) -> None:
    loader = client.loader("crops@v1", batch_size=32, tail="pad", tensors="numpy")
    list(loader)
    assert loader.stats().epoch.samples == 50


def test_a_slow_loop_does_not_stall_and_a_fast_one_does(client: terrapin.Client) -> None:
    loader = client.loader("crops@v1", batch_size=5, tensors="numpy")
    for _ in loader:
        time.sleep(0.05)
    slow = loader.stats()
    assert slow.epoch.stall < 0.3
    assert slow.epoch.seconds > 9 * 0.05
    for _ in loader:
        pass
    assert loader.stats().epoch.stall > 0.8


def test_lost_connections_are_counted(client: terrapin.Client, double: Double) -> None:
    loader = client.loader("crops@v1", batch_size=5, tensors="numpy")
    for _ in range(2):
        double.fail_after_rows = 17
        list(loader)
    assert (loader.stats().epoch.lost, loader.stats().total.lost) == (1, 2)


def test_counting_takes_a_microsecond_or_two() -> None:
    meter = Meter()
    begin = time.perf_counter()
    for i in range(10_000):
        meter.came("ring", 0, (6, 1, 3, 4096))
        meter.delivered(32, 1 << 20, float(i), i + 0.25)
    assert time.perf_counter() - begin < 0.5
    counts = meter.stats().epoch
    assert (counts.batches, counts.waited, counts.seconds) == (10_000, 2500.0, 9999.25)
    assert (counts.kept, counts.joined, counts.decoded, counts.bytes_read) == (6, 1, 3, 4096)
    assert counts.cache_hits == 0.7
    assert (counts + counts).decoded == 6
    assert counts.samples_per_second == 320_000 / 9999.25
    assert counts.bytes_per_second == 10_000 * (1 << 20) / 9999.25


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_line_that_is_redrawn_and_ended(client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("terrapin._progress._REDRAW", 0.0)
    monkeypatch.setattr(sys, "stderr", out := Terminal())
    loader = client.loader("crops@v1", batch_size=10, tensors="numpy", progress=True)
    list(loader)
    drawn = out.getvalue()
    assert drawn.count("\n") == 1
    assert drawn.endswith("\n")
    lines = [line.removeprefix("\x1b[K") for line in drawn[1:-1].split("\r")]
    assert [line.partition(" batches")[0] for line in lines] == [f"crops@v1 train epoch 0: {i}/5" for i in range(1, 6)]
    assert "left" in lines[0]
    assert "left" not in lines[-1]
    assert lines[-1].endswith("flight")
    assert max(map(len, lines)) < 100
    for _ in loader:
        break
    assert "epoch 1: 1/5" in out.getvalue()
    assert out.getvalue().endswith("\n")


def test_elsewhere_lines_come_now_and_then_and_the_last_is_whole(client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", out := io.StringIO())
    list(client.loader("crops@v1", batch_size=10, tensors="numpy", progress=True))
    (line,) = out.getvalue().splitlines()
    assert line.startswith("crops@v1 train epoch 0: 5/5 batches, in 0:00, ")
    monkeypatch.setattr("terrapin._progress._REPEAT", 0.0)
    list(client.loader("crops@v1", batch_size=10, tensors="numpy", progress=True))
    assert len(out.getvalue().splitlines()) == 1 + 5
    assert "\x1b" not in out.getvalue()


def test_only_the_first_rank_shows_progress(client: terrapin.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", out := io.StringIO())
    for rank in (1, 0):
        assert not out.getvalue()
        list(client.loader("crops@v1", rank=rank, world_size=2, batch_size=5, tensors="numpy", progress=True))
    assert "epoch 0: 5/5" in out.getvalue()


def test_a_stream_that_cannot_be_written_stops_nothing(
    client: terrapin.Client, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    for broken in (None, io.StringIO()):
        if broken is not None:
            broken.close()
            broken.isatty = lambda: False  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stderr", broken)
        loader = client.loader("crops@v1", batch_size=7, tensors="numpy", progress=True)
        assert [i for b in loader for i in b["ids"]] == expected(double, 0, 0)
        loader.set_epoch(0)


def test_times_read_as_clocks() -> None:
    meter = Meter()
    meter.delivered(1, 1, 0.0, 4000.0)
    progress = Progress("it", 3, meter.stats, io.StringIO())
    progress.step()
    assert "1/3 batches, 2:13:20 left" in progress.line()


def test_a_failure_leaves_the_cursor_on_a_line_of_its_own(
    client: terrapin.Client, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", out := Terminal())
    double.fail_after_rows = 20
    iterator = iter(client.loader("crops@v1", batch_size=5, tensors="numpy", progress=True, patience=0.1))
    next(iterator)
    double.refuse_calls = 1000
    with pytest.raises(terrapin.UnavailableError):
        list(iterator)
    assert "epoch 0: 4/10" in out.getvalue()
    assert out.getvalue().endswith("\n")
    assert out.getvalue().count("\n") == 1
