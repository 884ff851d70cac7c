"""Clients that take nothing do not keep others from the server's memory, and go on afterwards."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import terrapin

BUDGET = 128 << 20
SIZE = 160  # 9 bands and 12 dates: 5.8 MB a window, more than the kernel keeps for a connection that nobody reads

HALF = (SIZE - 1) // 2  # of a window lies before its core


@pytest.fixture
def small(scratch: Path, binary: str) -> Iterator[tuple[str, psutil.Process]]:
    """The address of a server with little memory for batches, and its process."""
    command = [binary, "serve", "--data", str(scratch), "--json", "--batch-memory", f"{BUDGET >> 20}MiB"]
    command += ["--http", "127.0.0.1:0", "--flight", "127.0.0.1:0", "--cache", "32MiB"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["http"], psutil.Process(process.pid)
    process.kill()
    process.wait()
    process.stdout.close()


def windows(url: str, name: Any, batch: int = 4) -> Any:
    """Large windows a pixel apart."""
    return terrapin.connect(url, transport=name).cube("s2").windows(size=SIZE, overlap=SIZE - 1, batch_size=batch)


@pytest.mark.parametrize("name", ["http", "flight"])
def test_idle_clients_make_room_and_go_on(small: tuple[str, psutil.Process], name: str) -> None:
    url, server = small
    idle = [iter(windows(url, name)) for _ in range(12)]  # each would keep up to four batches of 23 MB
    begun = [next(one) for one in idle]
    active = iter(windows(url, name))
    for k in range(40):
        window = next(active)
        assert (window.row, window.col) == (-HALF, k - HALF)
    assert server.memory_info().rss < 3 * BUDGET + (200 << 20)
    for one, first in zip(idle[:3], begun, strict=False):
        for k in range(1, 6):  # of the next message, which the server has to send anew
            window = next(one)
            assert (window.row, window.col) == (-HALF, k - HALF)
        np.testing.assert_array_equal(window.image[..., : SIZE - 5], first.image[..., 5:])
