"""Shared memory, HTTP and Flight hand out the same batches, and leave nothing behind."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import terrapin

from .batches import NAMES, digest, over


@pytest.mark.parametrize("name", NAMES)
def test_the_forced_transport_is_used(served: terrapin.Client, name: str) -> None:
    for client in (over(served, name), terrapin.connect(f"{served.url}#{name}")):
        stream, transport = client._transports().open({"dataset": "crops@v1"})
        stream.cancel()
        assert transport.name == name


def test_a_client_on_this_machine_takes_the_ring(served: terrapin.Client) -> None:
    stream, transport = served._transports().open({"dataset": "crops@v1"})
    stream.cancel()
    assert transport.name == "ring"


def test_an_unknown_transport_is_refused(served: terrapin.Client) -> None:
    with pytest.raises(terrapin.InvalidError, match="ring, http, flight"):
        over(served, "carrier-pigeon")


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("world", [1, 2, 5])
@pytest.mark.parametrize("tail", ["pad", "drop"])
def test_every_batch_is_the_same_over_all(served: terrapin.Client, size: int, world: int, tail: Any) -> None:
    for rank in {0, world - 1}:
        all_of = [
            [
                digest(b)
                for b in over(served, name).loader(
                    "crops@v1", batch_size=size, seed=4, rank=rank, world_size=world, tail=tail, tensors="numpy"
                )
            ]
            for name in NAMES
        ]
        assert all_of[0] == all_of[1] == all_of[2]
        assert all_of[0] or tail == "drop"


def test_the_chunks_of_an_epoch_are_counted(scratch: Path, binary: str) -> None:
    """Those of the first are decoded, and all others find them in the cache, by whichever transport."""
    with terrapin.open(scratch, binary=binary) as tp:
        wanted = []
        for name in NAMES:
            loader = over(tp, name).loader("crops@v1", batch_size=3, seed=2, tensors="numpy")
            for _ in range(2):
                loader.set_epoch(0)
                list(loader)
                counts = loader.stats().epoch
                wanted.append(counts.kept + counts.joined + counts.decoded)
                if len(wanted) == 1:
                    assert counts.decoded > 0
                    assert counts.bytes_read > 0
                    assert counts.cache_hits < 1
                else:
                    assert (counts.joined, counts.decoded, counts.bytes_read, counts.cache_hits) == (0, 0, 0, 1)
            total = loader.stats().total
            assert total.kept + total.joined + total.decoded == sum(wanted[-2:])
        assert len(set(wanted)) == 1
        windows = tp.loader("crops@v1", batch_size=3, seed=2, tensors="numpy")
        next(iter(windows))
        assert 0 < windows.stats().epoch.kept < wanted[0]
        windows.close()


def test_windows_are_the_same_over_all(served: terrapin.Client) -> None:
    every = []
    for name in NAMES:
        windows = over(served, name).cube("s2").windows(size=33, overlap=5, batch_size=4)
        every.append([(w.row, w.col, w.core, digest({"i": w.image, "v": w.valid, "t": w.times})) for w in windows])
    assert every[0] == every[1] == every[2]
    assert len(every[0]) > 8


@pytest.mark.parametrize("name", NAMES)
def test_batches_that_are_kept_stay_as_they_were(served: terrapin.Client, name: str) -> None:
    """More than a ring has slots; and what is let go of is used again, not what is kept."""
    loader = over(served, name).loader("crops@v1", batch_size=4, seed=1, tensors="numpy")
    kept, digests = [], []
    for epoch in range(2):
        loader.set_epoch(epoch)
        for step, batch in enumerate(loader):
            digests.append(digest(batch))
            kept.append(batch if step % 3 == 0 else None)
            for earlier, want in zip(kept[-9:], digests[-9:], strict=True):
                assert earlier is None or digest(earlier) == want
    assert sum(b is not None for b in kept) > 8


@pytest.mark.parametrize("name", ["ring", "http"])
def test_tensors_may_be_written_to(served: terrapin.Client, name: str) -> None:
    torch = pytest.importorskip("torch")
    loader = over(served, name).loader("crops@v1", batch_size=8, seed=1, tensors="torch")
    want = [b["valid"].clone() for b in loader]
    loader.set_epoch(0)
    for batch, valid in zip(loader, want, strict=True):
        assert torch.equal(batch["valid"], valid)
        batch["valid"].fill_(7)
        batch["label"].fill_(7)


def test_arrays_of_numpy_are_read_only_over_all(served: terrapin.Client) -> None:
    for name in NAMES:
        batch = next(iter(over(served, name).loader("crops@v1", tensors="numpy")))
        assert not any(v.flags.writeable for v in batch.values() if isinstance(v, np.ndarray)), name


def descriptors(served: terrapin.Client) -> tuple[int, int]:
    """Open files of the server, and its shared memory in bytes."""
    port = int(served.url.rsplit(":", 1)[1])
    pid = next(c.pid for c in psutil.net_connections("tcp") if c.laddr.port == port and c.status == "LISTEN" and c.pid)
    server = psutil.Process(pid)
    return server.num_fds(), server.memory_info().shared


def test_a_client_that_is_killed_leaves_nothing_behind(served: terrapin.Client) -> None:
    program = textwrap.dedent(f"""
        import os, signal, terrapin
        loader = terrapin.connect({served.url!r}, transport="ring").loader("crops@v1", batch_size=2, tensors="numpy")
        kept = [batch for batch, _ in zip(loader, range(3))]
        print("reading", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    list(over(served, "ring").loader("crops@v1", batch_size=2, tensors="numpy"))  # what is opened once stays open
    gc.collect()
    before, _ = descriptors(served)
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (-signal.SIGKILL, "reading\n"), done.stderr
    deadline = time.monotonic() + 20
    while descriptors(served)[0] > before + 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert descriptors(served)[0] <= before + 1


def test_many_iterations_leak_neither_files_nor_memory(served: terrapin.Client) -> None:
    own = psutil.Process()
    for name in ("ring", "http"):
        loader = over(served, name).loader("crops@v1", batch_size=16, tensors="numpy")
        for epoch in range(25):
            if epoch == 5:
                gc.collect()
                files, threads = own.num_fds(), threading.active_count()
            loader.set_epoch(epoch)
            for step, _ in enumerate(loader):
                if step == epoch % 4:
                    break
        loader.close()
        gc.collect()
        assert own.num_fds() <= files + 1
        assert threading.active_count() <= threads


def test_a_fork_keeps_the_batches_that_its_parent_has_let_go_of(served: terrapin.Client) -> None:
    loader = over(served, "ring").loader("crops@v1", batch_size=4, seed=1, tensors="numpy")
    iterator = iter(loader)
    batch = next(iterator)
    want = digest(batch)
    go, told = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.read(go[0], 1)
        os.write(told[1], digest(batch).encode())
        os._exit(0)
    del batch
    rest = list(iterator)
    assert len(rest) > 8
    os.write(go[1], b"x")
    assert os.read(told[0], 100).decode() == want
    os.waitpid(child, 0)
