"""One run inside a process of its own: conversion, a check of the samples, or a measurement.

    python -m benchmarks.streaming.measure SPEC OUT

SPEC is what `process.spec` wrote; the figures go to the file OUT, as JSON, for libraries print what they like.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from . import contract
from .contract import Batch, Job, Missing
from .pixels import Source, digest
from .workloads import Workload

LONGEST_WARMING = 8.0  # seconds; an engine that keeps everything needs an epoch to fill its cache


def job_of(spec: dict[str, Any]) -> Job:
    workload = Workload(**spec["workload"])
    given = {k: spec[k] for k in ("workers", "options", "server", "rank", "seed") if k in spec}
    return Job(workload, Path(spec["folder"]), **given)


class Processors:
    """Processor seconds of this process with all it started, and of a server."""

    def __init__(self, job: Job) -> None:
        self.me = psutil.Process()
        self.server = psutil.Process(job.server["pid"]) if "pid" in job.server else None

    def __call__(self) -> tuple[float, float]:
        used = 0.0
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            usage = resource.getrusage(who)
            used += usage.ru_utime + usage.ru_stime
        for child in self.me.children(recursive=True):
            with_times = child.cpu_times()
            used += with_times.user + with_times.system
        if self.server is None:
            return used, 0.0
        times = self.server.cpu_times()
        return used, times.user + times.system


def touch(batch: Batch) -> int:
    """Read one value of every 2 KiB of the image and of the mask."""
    total = 0
    for part in (batch.image, batch.mask):
        array = part if isinstance(part, np.ndarray) else np.asarray(part)
        total += int(array.reshape(-1).view(np.uint8)[::2048].sum(dtype=np.int64))
    return total


def numbers(job: Job, module: Any, index: list[Any]) -> list[int]:
    """The samples of one batch as numbers."""
    if hasattr(module, "number"):
        known: list[int] = module.number(job, list(index))
        return known
    return [int(i) for i in np.asarray(index)]


def places(job: Job) -> np.ndarray:
    """Where each window of a cube lies in the order of its chunks, from 0."""
    corners = Source(job).windows // job.workload.chunk
    return np.argsort(np.lexsort((corners[:, 1], corners[:, 0])))


def mixing(job: Job, batches: list[list[int]]) -> float:
    """Distinct groups of 64 MB, by place, that a batch draws from, divided by those of a uniform order."""
    group = max(1, (64 << 20) // job.workload.sample_bytes)
    rng = np.random.default_rng(5)
    full = [np.asarray(b) for b in batches if len(b) == job.workload.batch]
    uniform = [rng.choice(job.workload.samples, job.workload.batch, replace=False) // group for _ in range(400)]

    def distinct(of: list[Any]) -> float:
        return float(np.mean([len(set(np.asarray(b).tolist())) for b in of]))

    return distinct([b // group for b in full]) / distinct(uniform) if full else float("nan")


def forget(folder: Path) -> None:
    """Drop the files below a folder from the page cache."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as f:
                os.fsync(f.fileno())
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(job: Job, module: Any, spec: dict[str, Any]) -> dict[str, Any]:
    """The figures of one engine. A cold run is one epoch from its first byte; a warm one begins after an epoch."""
    w = job.workload
    if w.cold:
        forget(job.folder)
    opened = time.perf_counter()
    stream: Iterator[Batch] = module.batches(job)
    processors = Processors(job)
    used, started = processors(), opened
    batch = next(stream)
    first = time.perf_counter() - opened
    touch(batch)
    seen, taken = len(batch.index), [list(batch.index)]
    if not w.cold:
        while seen < w.samples // w.ranks and time.perf_counter() - opened < LONGEST_WARMING:
            batch = next(stream)
            touch(batch)
            seen += len(batch.index)
            taken.append(list(batch.index))
        gate(spec)
        used, started, seen = processors(), time.perf_counter(), 0
    while True:
        if w.cold:
            if seen + w.batch > w.samples // w.ranks:
                break
        elif time.perf_counter() - started > spec["seconds"] and seen >= 4 * w.batch:
            break
        batch = next(stream)
        touch(batch)
        seen += len(batch.index)
        taken.append(list(batch.index))
    took, after = time.perf_counter() - started, processors()
    gigabytes = seen * w.sample_bytes / 1e9
    drawn = [numbers(job, module, p) for p in taken[:200]]
    if w.windows and not spec["converts"]:
        at = places(job)
        drawn = [at[b].tolist() for b in drawn]
    return {
        "samples": seen,
        "seconds": took,
        "rate": seen / took,
        "first_s": first,
        "cpu_per_gb": (after[0] - used[0] + after[1] - used[1]) / gigabytes,
        "server_cpu_per_gb": (after[1] - used[1]) / gigabytes,
        "gigabytes": gigabytes,
        "mixing": mixing(job, drawn),
        "loadavg": os.getloadavg()[0],
    }


def gate(spec: dict[str, Any]) -> None:
    """Wait until all processes of a run are warm, so that they are measured side by side."""
    if "gate" not in spec:
        return
    folder = Path(spec["gate"])
    (folder / f"warm-{os.getpid()}").touch()
    deadline = time.monotonic() + 120
    while len(list(folder.glob("warm-*"))) < spec["processes"] and time.monotonic() < deadline:
        time.sleep(0.002)


def check(job: Job, module: Any) -> dict[str, Any]:
    """Whether one epoch holds every sample of the source once, with the source's bytes."""
    w, source = job.workload, Source(job)
    wanted = [digest(*source.sample(i)) for i in range(w.samples)]
    got: dict[int, str] = {}
    wrong: list[int] = []
    twice: list[int] = []
    seen = 0
    for batch in module.batches(job):
        for slot, i in enumerate(numbers(job, module, list(batch.index))):
            found = digest(np.asarray(batch.image[slot]), np.asarray(batch.mask[slot]))
            (twice if i in got else wrong if found != wanted[i] else []).append(i)
            got[i] = found
            seen += 1
        if seen >= w.samples:
            break
    return {"samples": w.samples, "seen": seen, "wrong": wrong, "twice": twice}


def main() -> None:
    spec, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    job = job_of(spec)
    try:
        module = importlib.import_module(f"benchmarks.streaming.{spec['module']}")
        if spec["what"] == "prepare":
            module.prepare(job)
            result: dict[str, Any] = {"conversion": contract.cost(job.folder / spec["converts"])}
        elif spec["what"] == "check":
            result = check(job, module)
        else:
            result = measure(job, module, spec)
    except (Missing, ImportError) as e:
        result = {"missing": str(e)}
    except Exception as e:
        result = {"failed": f"{type(e).__name__}: {e}", "trace": traceback.format_exc()}
    out.write_text(json.dumps(result))
    sys.stdout.flush()
    # Nobody waits for the threads and worker processes of libraries.
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(0)


if __name__ == "__main__":
    main()
