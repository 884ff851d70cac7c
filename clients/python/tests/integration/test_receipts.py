"""Receipts against a real server: epochs that verify, and faults that do not."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.flight as flight
import pytest

import terrapin
from terrapin import _prefetch

from .conftest import SEED, read


def test_an_epoch_is_verified_by_who_read_it_and_by_anybody(kept: terrapin.Client) -> None:
    loader = kept.loader("crops@v1", batch_size=4, seed=SEED, run="first")
    ids = read(loader)
    report = loader.verify_epoch(raises=True)
    assert report.verified, report
    assert (report.seen, report.begin, report.end) == (len(ids), 0, loader.spec.samples)
    assert kept.verify_epoch("first", 0).verified
    assert "verified" in str(report)
    with pytest.raises(terrapin.NotFoundError):
        loader.verify_epoch(1)
    with pytest.raises(terrapin.NotFoundError):
        kept.verify_epoch("second")
    run = kept.run("first")
    assert [s["steps"] for s in run["sessions"]] == [len(loader)]
    assert [r["id"] for r in kept.seen(run["sessions"][0]["session"])] == ids
    assert kept.runs()["runs"][0]["run"] == "first"


def test_an_epoch_without_a_step_is_verified(kept: terrapin.Client) -> None:
    loader = kept.loader("crops@v1", batch_size=1000, rank=0, world_size=2, run="nothing")
    with pytest.warns(UserWarning, match="no step"):
        assert read(loader) == []
    report = loader.verify_epoch(raises=True)
    assert (report.seen, report.end, report.samples) == (0, 0, loader.spec.samples)
    assert f"no step ({loader.spec.samples} samples): verified" in str(report)


def test_a_loader_without_a_name_verifies_itself(kept: terrapin.Client) -> None:
    loaders = [kept.loader("crops@v1", batch_size=3, rank=r, world_size=2, seed=1) for r in range(2)]
    assert loaders[0].run != loaders[1].run
    for loader in loaders:
        read(loader)
        assert loader.verify_epoch().verified
    report = kept.verify_epoch(loaders[0].run)
    assert {p.rank for p in report.problems} == {1}
    assert "give the loaders of all ranks the same run=" in str(report)


@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("tail", ["drop", "pad"])
def test_ranks_and_restarts_with_other_batch_sizes(kept: terrapin.Client, world: int, tail: str) -> None:
    def ranks(size: int, world: int, batch: int) -> list[terrapin.Loader]:
        return [
            kept.loader("crops@v1", batch_size=batch, rank=r, world_size=world, seed=SEED, tail=tail, run="job")
            for r in range(world)
        ]

    first = ranks(0, world, 2)
    for loader in first:
        read(loader, 2)
    state = first[0].state_dict()
    part = first[0].verify_epoch(partial=True)
    assert part.verified, part
    assert not first[0].verify_epoch().verified
    second = ranks(0, 5 - world, 3)
    for loader in second:
        loader.load_state_dict(state)
        read(loader)
    report = second[-1].verify_epoch()
    assert report.verified, report
    assert report.sessions == 5
    assert not report.read_again
    assert report.end - report.seen == 0


def test_what_is_read_again_is_told(kept: terrapin.Client) -> None:
    loader = kept.loader("crops@v1", batch_size=2, seed=SEED, run="again")
    batches = iter(loader)
    for _ in range(3):
        next(batches)
    state = loader.state_dict()
    for _ in range(4):
        next(batches)
    other = kept.loader("crops@v1", batch_size=5, seed=0, run="again")
    loader.state_dict()
    other.load_state_dict(state)
    read(other)
    report = other.verify_epoch()
    assert report.verified, report
    assert [str(s) for s in report.read_again] == ["positions 6 to 13"]


def test_a_run_that_begins_in_the_middle_says_so(kept: terrapin.Client) -> None:
    loader = kept.loader("crops@v1", batch_size=2, seed=SEED)
    read(loader, 3)
    other = kept.loader("crops@v1", batch_size=2)
    other.load_state_dict(loader.state_dict())
    read(other)
    samples = other.spec.samples
    for report in (other.verify_epoch(), kept.verify_epoch(other.run), other.verify_epoch(partial=True)):
        assert not report.verified
        assert (report.first, report.uncovered, report.seen) == (6, 6, samples - 6)
        assert "6 not covered, the receipts begin at position 6: NOT verified" in str(report)
        (problem,) = report.problems
        assert (problem.kind, problem.position) == ("uncovered", 0)
        assert "positions 0 to 5 in no receipt" in problem.says
        assert "begin=6" in problem.says
    for report in (other.verify_epoch(begin=6), kept.verify_epoch(other.run, begin=6)):
        assert report.verified, report
        assert (report.begin, report.uncovered) == (6, 0)
        head = f"{samples - 6} of {samples - 6} positions in 1 sessions, from position 6 of {samples} on"
        assert f"{head}: verified from position 6 on" in str(report)
    report = other.verify_epoch(begin=5)
    assert (report.verified, report.uncovered) == (False, 1)
    for begin in (-1, samples + 1, "6"):
        with pytest.raises(terrapin.InvalidError, match="begin"):
            other.verify_epoch(begin=begin)


@pytest.mark.parametrize("what", ["the opening", "every line", "the acknowledgements"])
@pytest.mark.parametrize("which", [0, 1])
def test_receipts_that_are_lost_are_not_made_up_for(scratch: Path, binary: str, what: str, which: int) -> None:
    """An epoch in two sessions, the lines of one of which are damaged: only the rest is witnessed, now and later."""
    with terrapin.open(scratch, binary=binary) as tp:
        first, second = (tp.loader("crops@v1", batch_size=4, seed=SEED, run="bent") for _ in range(2))
        read(first, 3)
        second.load_state_dict(first.state_dict())
        read(second)
        assert tp.verify_epoch("bent").verified
        assert tp.verify_epoch("bent").damaged == 0
        samples, session = second.spec.samples, tp.run("bent")["sessions"][which]["session"].encode()
    file = scratch / "receipts.log"
    lines = file.read_bytes().splitlines(keepends=True)
    for n, line in enumerate(lines):
        opens = b'{"open"' in line
        if session in line and (what == "every line" or opens == (what == "the opening")):
            lines[n] = line.replace(b'"steps"', b'"stePs"', 1)
    file.write_bytes(b"".join(lines))
    lost = range(12) if which == 0 else range(12, samples)
    for _ in range(2):
        with terrapin.open(scratch, binary=binary) as tp:
            for loader in (tp.loader("crops@v1", seed=SEED, run="bent"), tp):
                report = loader.verify_epoch(*(["bent"] if loader is tp else []))
                assert not report
                assert report.damaged > 0
                assert report.uncovered == len(lost)
                assert f"{len(lost)} not covered" in str(report)
                assert f"{report.damaged} lines of the server's receipts do not read" in str(report)
                (problem,) = report.problems
                assert (problem.kind, problem.position) == ("uncovered", lost[0])
                assert f"positions {lost[0]} to {lost[-1]} in no receipt" in problem.says


def test_receipts_that_a_killed_server_had_not_written(scratch: Path, serve, ports) -> None:
    """Its disk was full: what was acknowledged before is lost, and every later call says so."""
    url = f"http://127.0.0.1:{ports[0]}"
    server = serve(scratch, *ports)
    loader = terrapin.connect(url).loader("crops@v1", batch_size=4, seed=SEED, run="full", patience=60)
    size = (scratch / "receipts.log").stat().st_size
    read(loader, 3)
    state = loader.state_dict()
    loader.close()
    server.kill()
    server.wait()
    with (scratch / "receipts.log").open("r+b") as file:
        file.truncate(size + 300)  # in the middle of the line that opens the session
    serve(scratch, *ports)
    loader = terrapin.connect(url).loader("crops@v1", batch_size=4, seed=SEED, run="full")
    loader.load_state_dict(state)
    read(loader)
    for _ in range(2):
        report = loader.verify_epoch()
        assert (report.verified, report.first, report.uncovered) == (False, 12, 12), report
        loader = terrapin.connect(url).loader("crops@v1", batch_size=4, seed=SEED, run="full")


def test_an_epoch_that_died_is_not_verified(scratch: Path, serve, ports) -> None:
    """Over a ring, where what is under way when the server dies is no whole epoch."""
    url = f"http://127.0.0.1:{ports[0]}"
    server = serve(scratch, *ports)
    loader = terrapin.connect(url, transport="ring").loader(
        "crops@v1", batch_size=2, seed=SEED, run="died", patience=0.3, tensors="numpy"
    )
    batches = iter(loader)
    for _ in range(3):
        next(batches)
    running = loader.verify_epoch(raises=True)
    assert running.verified
    assert running.partial
    assert "verified so far" in str(running)
    assert running.unread + running.seen == loader.spec.samples
    server.kill()
    server.wait()
    try:
        for _ in batches:
            pass
    except terrapin.UnavailableError:
        serve(scratch, *ports)
        report = loader.verify_epoch()
        with pytest.raises(terrapin.CorruptError, match="uncovered"):
            loader.verify_epoch(raises=True)
    assert {p.kind for p in report.problems} == {"uncovered"}, report
    assert not report.partial
    assert "so far" not in str(report)
    del batches
    assert str(loader.verify_epoch()) == str(report)
    assert "so far" in str(loader.verify_epoch(partial=True, raises=True))


def test_another_epoch_than_the_running_one_is_whole_or_not_verified(kept: terrapin.Client) -> None:
    loader = kept.loader("crops@v1", batch_size=4, seed=SEED, run="other", tensors="numpy")
    read(loader, 2)
    loader.set_epoch(1)
    batches = iter(loader)
    for _ in range(2):
        next(batches)
    assert {p.kind for p in loader.verify_epoch(0).problems} == {"uncovered"}
    assert loader.verify_epoch(1).verified
    loader.close()
    with pytest.raises(terrapin.CanceledError):
        next(batches)
    assert not loader.verify_epoch(1).verified


def test_two_processes_as_one_rank(kept: terrapin.Client) -> None:
    loaders = [kept.loader("crops@v1", batch_size=2, seed=SEED, run="both") for _ in range(2)]
    for pair in zip(*loaders, strict=True):
        assert pair[0]["ids"] == pair[1]["ids"]
        time.sleep(0.02)
    report = kept.verify_epoch("both")
    assert {p.kind for p in report.problems} == {"twice"}


CLIENT = """
import json, os, signal, sys, terrapin
url, stop, state, world, rank, kill = sys.argv[1], int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:7])
loader = terrapin.connect(url).loader("crops@v1", batch_size=2, seed=7, rank=rank, world_size=world, run="killed")
if os.path.exists(state):
    loader.load_state_dict(json.load(open(state)))
for step, batch in enumerate(loader, 1):
    if step == stop:
        text = json.dumps(loader.state_dict())
        open(state, "w").write(text)
    if step == stop + kill:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_clients_and_servers_killed(scratch: Path, serve, ports, tmp_path: Path) -> None:
    url, world = f"http://127.0.0.1:{ports[0]}", 2
    server = serve(scratch, *ports)
    for attempt, kill in enumerate((1, 3, 0)):
        running = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    CLIENT,
                    url,
                    "2",
                    str(tmp_path / f"state{rank}"),
                    str(world),
                    str(rank),
                    str(kill),
                ]
                if attempt < 2
                else [
                    sys.executable,
                    "-c",
                    CLIENT,
                    url,
                    "-9",
                    str(tmp_path / f"state{rank}"),
                    str(world),
                    str(rank),
                    "0",
                ]
            )
            for rank in range(world)
        ]
        for process in running:
            assert process.wait(60) == (0 if attempt == 2 else -signal.SIGKILL)
        server.kill()
        server.wait()
        server = serve(scratch, *ports)
    report = terrapin.connect(url).verify_epoch("killed", 0)
    assert report.verified, report
    assert report.sessions == 6


def test_a_server_killed_under_a_client_that_goes_on(scratch: Path, serve, ports) -> None:
    server = serve(scratch, *ports)
    tp = terrapin.connect(f"http://127.0.0.1:{ports[0]}")
    loader = tp.loader("crops@v1", batch_size=1, seed=SEED, run="survivor", patience=60)
    for n, _ in enumerate(loader, 1):
        if n % 9 == 0 and n < 40:
            server.kill()
            server.wait()
            server = serve(scratch, *ports)
    report = loader.verify_epoch()
    assert report.verified, report
    assert report.claimed or report.sessions > 1  # what was on its way when the server died
    assert tp.verify_epoch("survivor").verified


def test_a_stock_client_is_verified_as_well(kept: terrapin.Client) -> None:
    ticket = {"dataset": "crops@v1", "batch_size": 5, "seed": 3, "run": "stock"}
    client = flight.connect(kept.flight)
    reader = client.do_get(flight.Ticket(json.dumps(ticket).encode()))
    session = json.loads(reader.schema.metadata[b"terrapin"])["session"]
    for steps, _ in enumerate(reader, 1):
        list(client.do_action(flight.Action("acknowledge", json.dumps({"session": session, "steps": steps}).encode())))
    assert kept.verify_epoch("stock").verified


# Faults.


@pytest.fixture(scope="session")
def planted_binary(binary: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A server that TERRAPIN_PLANT makes give something else than the order says; see stream/planted.go."""
    if found := os.environ.get("TERRAPIN_PLANTED_BIN"):
        return found
    if not shutil.which("go"):
        pytest.skip("no Go to build a server with planted faults")
    built = tmp_path_factory.mktemp("planted") / "terrapin"
    command = ["go", "build", "-tags", "planted", "-o", built, "./cmd/terrapin"]
    subprocess.run(command, cwd=Path(__file__).parents[4], check=True)
    return str(built)


@pytest.mark.parametrize("transport", ["ring", "http", "flight"])
@pytest.mark.parametrize(
    ("fault", "kind", "step", "position", "says"),
    [
        ("drop 12 4", "dropped", 3, 12, "step 3 was dropped"),
        ("repeat 12 4", "repeated", 3, 12, "step 3 repeats what belongs in step 2"),
        ("swap 8 20 4", "swapped", 2, 8, "steps 2 and 5 are swapped"),
        ("exchange 9 30", "exchanged", 2, 9, "belongs in row 2 of step 7"),
    ],
)
def test_planted_faults_are_named(
    scratch: Path, planted_binary: str, monkeypatch: pytest.MonkeyPatch, transport, fault, kind, step, position, says
) -> None:
    monkeypatch.setenv("TERRAPIN_PLANT", fault)
    with terrapin.open(scratch, binary=planted_binary) as opened:
        tp = terrapin.connect(opened.url, transport=transport)
        loader = tp.loader("crops@v1", batch_size=4, seed=SEED, run="faulty")
        read(loader)
        for report in (loader.verify_epoch(), tp.verify_epoch("faulty", 0)):
            assert not report.verified
            (problem,) = report.problems
            assert (problem.kind, problem.rank, problem.step, problem.position) == (kind, 0, step, position), report
            assert says in problem.says
        with pytest.raises(terrapin.CorruptError, match=kind):
            loader.verify_epoch(raises=True)


def test_a_zeroed_chunk_is_found(scratch: Path, planted_binary: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is served differs from the cube, and what was served before from what is served now."""
    monkeypatch.setenv("TERRAPIN_PLANT", "zero 12 4")
    with terrapin.open(scratch, binary=planted_binary) as tp:
        loader = tp.loader("crops@v1", batch_size=4, seed=SEED, run="zeroed", audit=True, tensors="numpy")
        read(loader)
        assert loader.verify_epoch().verified
        report = loader.verify_epoch(pixels=100)
        assert {(p.kind, p.step) for p in report.problems} == {("pixels", 3)}, report
        assert {p.position for p in report.problems} == {12, 13, 14, 15}
        assert report.pixels == 74


def test_what_changes_on_the_way_is_told_from_what_was_sent(kept: terrapin.Client, monkeypatch) -> None:
    """The server's proof is right and the client's is not: also who verifies later hears of it."""
    whole = _prefetch.joined
    steps = iter(range(1000))

    def bent(parts):
        arrays = whole(parts)
        return {**arrays, "ids": arrays["ids"][::-1]} if next(steps) == 5 else arrays

    monkeypatch.setattr(_prefetch, "joined", bent)
    loader = kept.loader("crops@v1", batch_size=4, seed=SEED, run="bent")
    read(loader)
    (problem,) = loader.verify_epoch().problems
    assert (problem.kind, problem.step, problem.position) == ("on_the_way", 5, 20), problem
    (problem,) = kept.verify_epoch("bent").problems
    assert (problem.kind, problem.rank) == ("on_the_way", 0)
    assert problem.step <= 5
    assert "received something else" in problem.says
