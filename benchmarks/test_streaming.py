"""Nobody is measured on wrong data: every engine yields every sample of the source once in an epoch, byte for byte.

Runs in whatever interpreter it is given: `make test` has the limits, torch, zarr and ours; the environment of
`.ci/setup bench-streaming` all peers but Mosaic Streaming, that of `.ci/setup bench-mosaic` this one:

    TERRAPIN_BIN=bin/terrapin PYTHON -m pytest --import-mode=importlib benchmarks
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.streaming import measure, pixels, process, report
from benchmarks.streaming.__main__ import Bench, together
from benchmarks.streaming.contract import Batch, Engine, Job, Missing, Variant
from benchmarks.streaming.engines import ENGINES
from benchmarks.streaming.workloads import ALL, small


def cases() -> Iterator[Any]:
    """Every engine with each of its options once, on a workload of chips and one of windows; one process each."""
    for engine in ENGINES:
        if engine.name in ("c-blosc × cores", "sequential read"):
            continue  # limits that cut no windows out, or read the bytes alone
        for name in ("w1", "w3", "w4", "w4o", "w4t8"):
            told: list[dict[str, Any]] = []
            for variant in engine.variants:
                if name in engine.workloads and dict(variant.options) not in told and not variant.workers:
                    told.append(dict(variant.options))
                    yield pytest.param(name, engine, variant, id=f"{name}-{engine.name}-{variant.label}")


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> process.Place:
    binary = os.environ.get("TERRAPIN_BIN")
    return process.Place(tmp_path_factory.mktemp("pixels"), {}, Path(binary) if binary else None)


def prepared(place: process.Place, name: str, options: Any) -> Job:
    """A job on the small pixels of a workload; the dataset version says first where its windows lie."""
    w = small(ALL[name])
    job = Job(w, place.work / w.folder, options=options, server={"binary": str(place.binary)})
    pixels.make(w, job.folder)
    if w.windows and place.binary:
        from benchmarks.streaming import ours

        ours.prepare(replace(job, options={}))
    return job


@pytest.mark.parametrize(("name", "engine", "variant"), list(cases()))
def test_yields_the_source(place: process.Place, name: str, engine: Engine, variant: Variant) -> None:
    if engine.served and place.binary is None:
        pytest.skip("TERRAPIN_BIN not set: no server to run against")
    try:
        module = importlib.import_module(f"benchmarks.streaming.{engine.module}")
        job = prepared(place, name, variant.options)
        module.prepare(job)
        with process.serving(job, place) if engine.served else nullcontext(dict[str, Any]()) as server:
            found = measure.check(replace(job, server={**job.server, **server}), module)
    except (ImportError, Missing) as e:
        pytest.skip(f"a part of the benchmark that is not here: {e}")
    samples = small(ALL[name]).samples
    assert found == {"samples": samples, "seen": samples, "wrong": [], "twice": []}


class Faulty:
    """An engine that gives one sample twice and another with a pixel changed."""

    @staticmethod
    def batches(job: Job) -> Iterator[Batch]:
        source, batch = pixels.Source(job), pixels.buffers(job.workload)
        order = np.array([0, 1, 2, 2, *range(4, 16)])
        for at in range(0, 16, 4):
            source.gather(order[at : at + 4], batch)
            batch.image[1, 0, 0, 0, 0] ^= at == 8
            yield batch._replace(index=order[at : at + 4])


def test_the_check_finds_what_is_wrong(place: process.Place) -> None:
    found = measure.check(prepared(place, "w1", {}), Faulty)
    assert (found["wrong"], found["twice"]) == ([9], [2])


def test_mixing_tells_a_stripe_from_a_shuffle(place: process.Place) -> None:
    job = Job(replace(ALL["w1"], samples=1024), place.work)
    stripes = [list(range(i, i + 32)) for i in range(0, 1024, 32)]
    shuffled = np.random.default_rng(1).permutation(1024).reshape(32, 32).tolist()
    assert measure.mixing(job, stripes) < 0.2
    assert measure.mixing(job, shuffled) == pytest.approx(1, abs=0.05)


def test_windows_lie_in_the_order_of_their_chunks(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", np.zeros(1))
    np.save(tmp_path / "mask.npy", np.zeros(1))
    np.save(tmp_path / "windows.npy", np.array([[300, 10], [20, 600], [250, 5], [256, 256]]))
    assert measure.places(Job(ALL["w4"], tmp_path)).tolist() == [2, 1, 0, 3]


def test_processes_side_by_side_share_one_server() -> None:
    one = {"rate": 100.0, "gigabytes": 2.0, "cpu_per_gb": 1.5, "server_cpu_per_gb": 1.0, "first_s": 0.1}
    both = together([one, {**one, "first_s": 0.3}])
    # Of each 1 s of its own, and 2 s of the server that both looked at, for 4 GB.
    assert (both["rate"], both["cpu_per_gb"], both["first_s"]) == (200.0, 1.0, 0.3)
    assert together([one, {"failed": "gone"}]) == {"failed": "gone"}


def test_a_table_names_what_did_not_run() -> None:
    run = {"rate": 50.0, "cpu_per_gb": 0.1, "mixing": 1.0, "pss_mb": 9.0, "private_mb": 5.0, "first_s": 0.2}
    rows = [
        report.Row("w1", report.GATHER, "limit", runs=[{**run, "rate": 100.0}]),
        report.Row("w1", "a", "tuned", runs=[run, {**run, "rate": 30.0}, run]),
        report.Row("w1", "b", "plain", reason="it does not install"),
    ]
    lines = report.table(ALL["w1"], rows).splitlines()
    assert "0.50" in lines[4]
    assert "30–50" in lines[4]
    assert lines[5].endswith("not available: it does not install")


def test_a_run_measures_processes_side_by_side(tmp_path: Path) -> None:
    there = process.Place(tmp_path / "work", {"peers": sys.executable}, None)
    engine = next(e for e in ENGINES if e.name == report.GATHER)
    workload = small(ALL["w6r2"])
    options = Namespace(seconds=0.1, repeats=2, settings="all", verbose=True)
    rows = Bench(workload, [engine], there, options).run()
    assert [len(row.runs) for row in rows] == [2], rows[0].reason
    for run in rows[0].runs:
        assert run["rate"] > 0
        assert run["cpu_per_gb"] > 0
        assert run["private_mb"] > 1
        assert run["mixing"] == pytest.approx(1)
    report.write(tmp_path / "out", report.machine(), {"w6r2": (workload, rows)}, {})
    assert json.loads((tmp_path / "out/streaming.json").read_text())["workloads"]["w6r2"]["rows"][0]["group"] == "limit"
    assert (tmp_path / "out/streaming.png").stat().st_size > 5_000
