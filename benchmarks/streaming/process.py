"""Starts the process of one run and, where an engine is served, a fresh server for it; watches their memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from .contract import Engine, Job, Variant
from .pixels import TOP
from .workloads import Workload

EVERY = 0.25  # seconds between looks at the memory
PATIENCE = {"prepare": 900.0}  # seconds after which a run is given up
SHORT_PATIENCE = 60.0


@dataclass(frozen=True)
class Place:
    """Where a run happens: the folder of all pixels, the interpreters by name, and the binary of Terrapin."""

    work: Path
    pythons: dict[str, str]
    binary: Path | None
    nice: int = 0  # of what is measured, where other work goes on beside it

    def prefix(self) -> list[str]:
        """What a command begins with to be run so."""
        return ["nice", "-n", str(self.nice)] if self.nice else []

    def prefer(self, pid: int) -> None:
        """Say so of a session, too: where Linux groups processes by session, niceness counts inside of one only."""
        if self.nice:
            with suppress(OSError):
                Path(f"/proc/{pid}/autogroup").write_text(str(self.nice))


def spec(engine: Engine, variant: Variant, workload: Workload, place: Place, **more: Any) -> dict[str, Any]:
    """What a run's process is told."""
    server = {"binary": str(place.binary)} if place.binary else {}
    return {
        "module": engine.module,
        "workload": asdict(workload),
        "folder": str(place.work / workload.folder),
        "workers": variant.workers,
        "options": dict(variant.options),
        "converts": engine.converts,
        "server": server,
        **more,
    }


def run(engine: Engine, variant: Variant, given: Sequence[dict[str, Any]], place: Place) -> list[dict[str, Any]]:
    """The results of processes that run side by side, with the peak of their memory in each."""
    python = place.pythons[engine.python]
    with tempfile.TemporaryDirectory(prefix="streaming-") as text:
        folder = Path(text)
        environment = {**os.environ, "PYTHONPATH": str(TOP), "PYTHONWARNINGS": "ignore", **variant.env}
        running = []
        for k, one in enumerate(given):
            (folder / f"{k}.spec").write_text(json.dumps({**one, "gate": text, "processes": len(given)}))
            files = [str(folder / f"{k}.spec"), str(folder / f"{k}.json")]
            command = [*place.prefix(), python, "-m", "benchmarks.streaming.measure", *files]
            with (folder / f"{k}.log").open("w") as log:
                running.append(
                    subprocess.Popen(command, cwd=TOP, env=environment, stdout=log, stderr=log, start_new_session=True)
                )
            place.prefer(running[-1].pid)
        memory = _watch(
            [p.pid for p in running],
            given[0]["server"].get("pid"),
            running,
            PATIENCE.get(given[0]["what"], SHORT_PATIENCE),
        )
        results = []
        for k in range(len(given)):
            try:
                result = json.loads((folder / f"{k}.json").read_text())
            except (OSError, ValueError):
                last = (folder / f"{k}.log").read_text()[-400:]
                result = {"failed": f"the process ended with status {running[k].returncode}: {last}"}
            results.append({**result, **memory})
        return results


def _watch(
    pids: list[int], server: int | None, running: list[subprocess.Popen[bytes]], patience: float
) -> dict[str, float]:
    """Look at the memory until all processes have ended; kills what takes too long."""
    peak = {"pss_mb": 0.0, "private_mb": 0.0}
    deadline = time.monotonic() + patience
    while any(p.poll() is None for p in running):
        now = _memory([*pids, *([server] if server else [])])
        peak = {name: max(peak[name], now[name]) for name in peak}
        if time.monotonic() > deadline:
            for p in running:
                os.killpg(p.pid, signal.SIGKILL)
        time.sleep(EVERY)
    return peak


def _memory(roots: list[int]) -> dict[str, float]:
    """Proportional set sizes of processes and their children in MB: all of it, and without mapped files."""
    total = private = 0
    for root in roots:
        try:
            family = [root, *(c.pid for c in psutil.Process(root).children(recursive=True))]
        except psutil.Error:
            continue
        for pid in family:
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
            except OSError:
                continue
            sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
            total += sizes.get("Pss", 0)
            private += sizes.get("Pss_Anon", 0) + sizes.get("Pss_Shmem", 0)
    return {"pss_mb": total / 1024, "private_mb": private / 1024}


@contextmanager
def serving(job: Job, place: Place) -> Iterator[dict[str, Any]]:
    """`terrapin serve` on free ports: its addresses, its pid and its binary."""
    from . import ours

    data = ours.folder(job) / "data"
    command = [*place.prefix(), str(place.binary), "serve", "--data", str(data), "--json", *ours.serve_flags(job)]
    with (job.folder / "server.log").open("a") as log:
        process = subprocess.Popen(
            [*command, "--http", "127.0.0.1:0", "--flight", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    place.prefer(process.pid)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if '"http"' not in line:
            raise RuntimeError(f"the server did not start; see {job.folder / 'server.log'}")
        yield {**json.loads(line), "pid": process.pid, "binary": str(place.binary)}
    finally:
        process.terminate()
        process.wait(timeout=60)
