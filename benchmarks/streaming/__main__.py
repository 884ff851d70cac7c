"""Runs workloads and engines in turn, and reports. See --help."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import engines, pixels, process, report
from .contract import Engine, Job, Missing, Variant
from .process import Place
from .report import Row
from .workloads import ALL, Workload, scaled

Setting = tuple[Engine, Variant]


def prepare(engine: Engine, variant: Variant, workload: Workload, place: Place) -> dict[str, Any]:
    """Convert what an engine reads; returns the cost, or why the engine cannot run."""
    spec = process.spec(engine, variant, workload, place, what="prepare")
    return process.run(engine, variant, [spec], place)[0]


def measured(engine: Engine, variant: Variant, workload: Workload, place: Place, seconds: float) -> dict[str, Any]:
    """One run: of one process, or of the ranks or jobs of a workload side by side, their rates added up."""
    job = Job(workload, place.work / workload.folder, options=variant.options, server={"binary": str(place.binary)})
    with process.serving(job, place) if engine.served else nullcontext(dict[str, Any]()) as server:
        n = max(workload.ranks, workload.jobs)
        places = range(n) if workload.ranks > 1 else [0] * n
        specs = [
            process.spec(
                engine,
                variant,
                workload,
                place,
                what="measure",
                seconds=seconds,
                rank=k,
                seed=1 + (i if workload.jobs > 1 else 0),
            )
            for i, k in enumerate(places)
        ]
        if server:
            specs = [{**s, "server": server} for s in specs]
        results = process.run(engine, variant, specs, place)
    return together(results)


def together(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Rates and bytes of processes side by side added up; the server they share is counted once."""
    bad = next((r for r in results if "rate" not in r), None)
    if bad or len(results) == 1:
        return bad or results[0]
    total = sum(r["gigabytes"] for r in results)
    own = sum((r["cpu_per_gb"] - r["server_cpu_per_gb"]) * r["gigabytes"] for r in results)
    server = max(r["server_cpu_per_gb"] * r["gigabytes"] for r in results)
    return {
        **results[0],
        "rate": sum(r["rate"] for r in results),
        "gigabytes": total,
        "cpu_per_gb": (own + server) / total,
        "server_cpu_per_gb": server / total,
        "first_s": max(r["first_s"] for r in results),
    }


class Bench:
    """One workload: a first round over all settings, then the best of each engine and group again and again."""

    def __init__(self, workload: Workload, wanted: list[Engine], place: Place, options: argparse.Namespace) -> None:
        self.workload, self.place, self.options = workload, place, options
        self.settings: list[Setting] = []
        self.rows: dict[tuple[str, str], Row] = {}
        self.best: dict[tuple[str, str], Setting] = {}
        folder = place.work / workload.folder
        pixels.make(workload, folder)
        for engine in sorted(wanted, key=lambda e: not e.served):  # windows lie where the dataset version says
            self._ready(engine)

    def _ready(self, engine: Engine) -> None:
        conversion: dict[str, float] = {}
        converted: set[str] = set()
        for variant in engine.variants if self.options.settings == "all" else engines.few(engine):
            key = (engine.name, variant.group)
            row = self.rows.setdefault(key, Row(self.workload.name, engine.name, variant.group))
            if engine.served and self.place.binary is None:
                row.reason = "no binary given"
                continue
            what = str(variant.options.get("format", variant.options.get("what", variant.options.get("codec", ""))))
            if what not in converted:
                result = prepare(engine, variant, self.workload, self.place)
                if "conversion" not in result:
                    row.reason = result.get("missing") or result.get("failed", "")
                    continue
                converted.add(what)
                conversion = result["conversion"] if engine.converts else {}
            row.conversion = conversion
            self.settings.append((engine, variant))

    def round(self, settings: Iterable[Setting]) -> None:
        """Every setting once."""
        for engine, variant in settings:
            key = (engine.name, variant.group)
            row = self.rows[key]
            try:
                result = measured(engine, variant, self.workload, self.place, self.options.seconds)
            except Missing as e:
                result = {"missing": str(e)}
            if "rate" not in result:
                if not row.runs:
                    row.reason = result.get("missing") or result.get("failed", "")
                if self.options.verbose:
                    print(result.get("trace", row.reason), file=sys.stderr)
                continue
            same = self.best.get(key) == (engine, variant)
            print(f"  {self.workload.name} {engine.name}, {variant.group} {report.label(variant)}: "
                  f"{result['rate']:.0f}/s", file=sys.stderr, flush=True)  # fmt: skip
            if same:
                row.runs.append(result)
            elif not row.runs or result["rate"] > row.runs[0]["rate"]:
                row.runs, row.setting = [result], report.label(variant)
                self.best[key] = (engine, variant)

    def run(self) -> list[Row]:
        self.round(self.settings)
        for _ in range(self.options.repeats - 1):
            self.round(list(self.best.values()))
        return list(self.rows.values())


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming", description=__doc__)
    parser.add_argument("--binary", type=Path, help="terrapin; without it only peers and limits run")
    parser.add_argument("--mosaic-python", help="interpreter with mosaicml-streaming, which wants another numpy")
    parser.add_argument("--workloads", default="w1,w2,w3,w4", help=f"of {','.join(ALL)} (default: %(default)s)")
    parser.add_argument("--engines", default="", help="words, one of which an engine's name must hold (default: all)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of the best settings (default: %(default)s)")
    parser.add_argument(
        "--settings",
        choices=("all", "few"),
        default="all",
        help="few: of each group the one that was found best before",
    )
    parser.add_argument("--nice", type=int, default=0, help="of what is measured, such as -10 beside other work (root)")
    parser.add_argument("--scale", type=float, default=1.0, help="times as many samples (default: %(default)s)")
    parser.add_argument("--work", type=Path, help="folder that keeps pixels and conversions (default: none is kept)")
    parser.add_argument("--out", type=Path, default=pixels.TOP / "bench-out", help="folder for table, plot and JSON")
    parser.add_argument("--verbose", action="store_true", help="print the trace of what fails")
    return parser.parse_args()


def main() -> int:
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # no server is left behind
    begun, found = report.machine(), {}
    words = [w for w in options.engines.split(",") if w]
    with tempfile.TemporaryDirectory(prefix="streaming-") if not options.work else nullcontext(options.work) as work:
        pythons = {"peers": sys.executable, "mosaic": options.mosaic_python or sys.executable}
        binary = options.binary and options.binary.resolve()
        place = Place(Path(work).resolve(), pythons, binary, options.nice)
        for name in options.workloads.split(","):
            workload = scaled(ALL[name], options.scale) if options.scale != 1 else replace(ALL[name])
            rows = Bench(workload, engines.chosen(name, words), place, options).run()
            found[name] = (workload, rows)
            print(report.table(workload, rows), flush=True)
            report.write(options.out, begun, found, {k: str(v) for k, v in vars(options).items()})
    load = f"load average {begun['loadavg'][0]:.1f} before and {os.getloadavg()[0]:.1f} after"
    print(f"\n{os.cpu_count()} cores, {load}; {options.out}/streaming.json, .txt, .png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
