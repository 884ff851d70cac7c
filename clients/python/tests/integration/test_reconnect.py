"""A server that goes away, or a connection that breaks, in the middle of an epoch: over every transport."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import terrapin

from .batches import NAMES, digest, over
from .between import Cutter, Gate


def epoch(ports: tuple[int, int], name: Any) -> tuple[terrapin.Loader, list[str]]:
    """A loader that waits for its server, at the beginning of an epoch, and the digests of that epoch's batches."""
    loader = terrapin.connect(f"http://127.0.0.1:{ports[0]}", transport=name).loader(
        "crops@v1", batch_size=3, seed=2, tensors="numpy", patience=30
    )
    want = [digest(b) for b in loader]
    loader.set_epoch(0)
    return loader, want


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_server_that_comes_back_loses_and_repeats_nothing(
    scratch: Path, serve: Callable[..., subprocess.Popen[Any]], ports: tuple[int, int], name: Any
) -> None:
    server = serve(scratch, *ports)
    loader, want = epoch(ports, name)
    seen = []
    for step, batch in enumerate(loader):
        seen.append(digest(batch))
        if step in (2, 5):
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
            server = serve(scratch, *ports)
    assert seen == want


@pytest.mark.parametrize("name", NAMES)
def test_a_server_that_is_stopped_and_comes_back_later_is_waited_for(
    scratch: Path, serve: Callable[..., subprocess.Popen[Any]], ports: tuple[int, int], name: Any
) -> None:
    """It drains for a while, cuts the run off, and is away for a second; the transport is the one asked for."""
    server = serve(scratch, *ports)
    loader, want = epoch(ports, name)
    seen = []
    back = threading.Timer(1, lambda: serve(scratch, *ports))
    for step, batch in enumerate(loader):
        seen.append(digest(batch))
        if step == 2:
            os.kill(server.pid, signal.SIGTERM)
            assert server.wait() == 0
            back.start()
    back.join()
    assert seen == want


def places() -> Iterator[int]:
    """Where to cut: every byte of the answer's beginning, then here and there."""
    yield from range(0, 700, 9)
    yield from range(700, 60_000, 2111)


def loop(client: terrapin.Client) -> list[str]:
    return [digest(b) for b in client.loader("crops@v1", batch_size=2, seed=8, split="validate", tensors="numpy")]


@pytest.fixture(scope="module")
def want(served: terrapin.Client) -> list[str]:
    """The digests of the epoch that is read over cut connections."""
    return loop(over(served, "http"))


def test_http_cut_anywhere_is_taken_up_where_it_broke(served: terrapin.Client, want: list[str]) -> None:
    port = int(served.url.rsplit(":", 1)[1])
    cuts = 0
    for after in places():
        proxy = Cutter(port, after)
        proxy.cut = True  # not while the client is made
        loader = terrapin.connect(f"http://127.0.0.1:{proxy.port}", transport="http").loader(
            "crops@v1", batch_size=2, seed=8, split="validate", tensors="numpy"
        )
        proxy.cut = False
        assert [digest(b) for b in loader] == want, after
        cuts += proxy.cut
        proxy.close()
    assert cuts > 80


def test_flight_cut_anywhere_is_taken_up_where_it_broke(served: terrapin.Client, want: list[str]) -> None:
    cuts = 0
    for after in [*range(0, 900, 45), *range(900, 60_000, 2111)]:
        client = over(served, "flight")
        loader = client.loader("crops@v1", batch_size=2, seed=8, split="validate", tensors="numpy")
        proxy = Cutter(int(client.flight.rsplit(":", 1)[1]), after)
        client.flight = f"grpc://127.0.0.1:{proxy.port}"
        assert [digest(b) for b in loader] == want, after
        assert loader.stats().transport == "flight"
        cuts += proxy.cut
        proxy.close()
    assert cuts > 40


def over_a_cut_ring(served: terrapin.Client, after: int) -> tuple[list[str], int, Cutter]:
    """What is read over a ring whose socket is cut, and how many streams were."""
    client = over(served, "ring")
    offered = client._transports()._offered
    name, _, key = offered["ring"].removeprefix("shm+unix:").partition("?")
    proxy = Cutter(name, after)
    proxy.cut = True
    offered["ring"] = f"shm+unix:{proxy.name}?{key}"
    loader = client.loader("crops@v1", batch_size=2, seed=8, split="validate", tensors="numpy")
    client.close()  # lets go of the connection over which it asked
    proxy.cut = after < 0
    seen = [digest(b) for b in loader]
    assert loader.stats().transport == "ring"
    proxy.close()
    return seen, loader.stats().total.lost, proxy


def test_a_ring_cut_anywhere_is_taken_up_where_it_broke(served: terrapin.Client, want: list[str]) -> None:
    """A hello comes over the socket, and a header with counts for each batch."""
    seen, _, whole = over_a_cut_ring(served, -1)
    assert seen == want
    headers = whole.passed - 32 * (2 * len(want) + 1)
    cuts = lost = 0
    for after in [*range(0, headers, 97), *range(headers, whole.passed, 11)]:
        seen, streams, proxy = over_a_cut_ring(served, after)
        assert seen == want, after
        cuts += proxy.cut
        lost += streams
    assert cuts > 40
    assert lost > 10  # not where only the end is missing


@pytest.mark.parametrize("name", [*NAMES, None])
def test_a_server_that_stays_away_is_given_up_in_the_stated_time(
    scratch: Path, serve: Callable[..., subprocess.Popen[Any]], ports: tuple[int, int], name: Any
) -> None:
    server = serve(scratch, *ports)
    client = terrapin.connect(f"http://127.0.0.1:{ports[0]}", transport=name)
    loader = client.loader("crops@v1", batch_size=1, seed=2, tensors="numpy", patience=1.5)
    n = loader.spec.samples
    whole = [i for _ in range(2) for b in loader for i in b["ids"]]
    loader.set_epoch(0)
    seen: list[str] = []
    with pytest.raises(terrapin.UnavailableError, match=r"did not come back within 1\.5 s") as caught:
        for _ in range(2):  # what is on its way when the server dies may be the rest of an epoch
            for batch in loader:
                seen += batch["ids"]
                last = time.monotonic()
                if len(seen) == 3:
                    server.kill()
                    server.wait()
    assert time.monotonic() - last < 15
    state = loader.state_dict()
    assert state["epoch"] * n + state["position"] == len(seen)
    assert f"after position {state['position']} " in str(caught.value)
    assert "load_state_dict" in caught.value.cure
    serve(scratch, *ports)
    again = terrapin.connect(client.url, transport=name).loader("crops@v1", batch_size=1, tensors="numpy")
    again.load_state_dict(state)
    assert seen + [i for b in again for i in b["ids"]] == whole[: (state["epoch"] + 1) * n]


# Which transport is taken.


def used(client: terrapin.Client) -> str | None:
    loader = client.loader("crops@v1", split="test", tensors="numpy")
    assert sum(len(b["ids"]) for b in loader) == loader.spec.samples
    return loader.stats().transport


NOWHERE = {"ring": "shm+unix:@nobody-is-here?key=k"}


def test_the_next_transport_is_taken_where_one_cannot_be_reached(served: terrapin.Client) -> None:
    assert used(terrapin.connect(served.url)) == "ring"
    with Gate(served.url, closed=False, **NOWHERE) as gate:
        assert used(terrapin.connect(gate.url)) == "http"
    with Gate(served.url, closed=True, **NOWHERE) as gate:
        assert used(terrapin.connect(gate.url)) == "flight"
        assert gate.refused > 0
        with pytest.raises(terrapin.UnavailableError, match="502|no batches through"):
            terrapin.connect(gate.url, transport="http").loader("crops@v1")


def test_where_none_works_each_says_why(served: terrapin.Client, ports: tuple[int, int]) -> None:
    with Gate(served.url, closed=True, **NOWHERE, flight=f"grpc://127.0.0.1:{ports[1]}") as gate:
        client = terrapin.connect(gate.url)
        with pytest.raises(terrapin.UnavailableError, match="answers, but no batches come from it") as caught:
            client.loader("crops@v1")
    for reason in (
        "ring: no server of this machine listens at @nobody-is-here",
        "the gate lets no batches through",
        "flight: ",
    ):
        assert reason in caught.value.message
    assert "onnect" in caught.value.message.partition("flight: ")[2]
    assert caught.value.cure


def test_a_server_that_is_away_is_not_called_by_three_names(served: terrapin.Client) -> None:
    with Gate(served.url, closed=False, **NOWHERE) as gate:
        client = terrapin.connect(gate.url)
    with pytest.raises(terrapin.UnavailableError, match="no Terrapin server answers at") as caught:
        client.loader("crops@v1")
    assert "flight" not in caught.value.message
