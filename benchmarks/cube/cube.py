"""Everything the cube promises in numbers, in one run: a table of goal and figure, JSON, and a plot.

    make bench-cube          (or: cube.py --cube DIR [--seconds 0.4] [--rounds 5] [--skip commit] [--out DIR])

The engines take turns, windows and bytes are the same for all and compared, medians of the rounds count. A figure is
a ratio of processor time per sample, which other work on the machine disturbs least, both sides on as many threads as
there are cores; the ratio by the wall stands beside it. Readers beside ours: peers.py.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import peers
import psutil

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
CORES = os.cpu_count() or 1


class Go:
    """The Go program, asked for one piece of work at a time."""

    def __init__(self, binary: Path, cube: Path, gb: float) -> None:
        command = [binary, "--cube", cube, "--gb", str(gb)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=TOP)

    def ask(self, **request: Any) -> Any:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(
            json.dumps({k: str(v) if isinstance(v, Path) else v for k, v in request.items()}) + "\n"
        )
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the Go program ended at {request}")
        return json.loads(line)

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


Rate = tuple[float, float]  # seconds of the wall and of processors per sample


def go(program: Go, case: str, engine: str, threads: int, seconds: float) -> Callable[[], Rate]:
    def measure() -> Rate:
        a = program.ask(op="measure", case=case, engine=engine, threads=threads, seconds=seconds)
        return a["seconds"] / a["samples"], a["cpu"] / a["samples"]

    return measure


def python(case: peers.Case, batch: peers.Batch, seconds: float) -> Callable[[], Rate]:
    at = 0

    def measure() -> Rate:
        nonlocal at
        start, cpu, n = time.perf_counter(), time.process_time(), 0
        while n == 0 or time.perf_counter() < start + seconds:
            batch(at % len(case.batches))
            n, at = n + len(case.batches[0]), at + 1
        return (time.perf_counter() - start) / n, (time.process_time() - cpu) / n

    return measure


def build(folder: Path, tags: str) -> Path:
    binary = folder / f"cube-{tags}"
    subprocess.run(["go", "build", "-tags", tags, "-o", binary, "./benchmarks/cube"], cwd=TOP, check=True)
    return binary


class Table:
    """Lines of goal, figure and verdict."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def add(
        self, what: str, figure: float | str, goal: float | None = None, least: bool = True, note: str = ""
    ) -> None:
        verdict = ""
        if goal is not None and isinstance(figure, float):
            verdict = "met" if (figure >= goal if least else figure <= goal) else "NOT met"
        sign = "≥" if least else "≤"
        text = f"{figure:.3g}" if isinstance(figure, float) else figure
        wanted = f"{sign} {goal:g}" if goal is not None else ""
        self.lines.append({"what": what, "figure": figure, "goal": goal, "verdict": verdict, "note": note})
        print(f"{what:66} {text:>10} {wanted:>8}  {verdict:8} {note}", flush=True)


def windows(o: argparse.Namespace, plain_go: Go, cgo: Go, folder: Path, table: Table) -> dict[str, Any]:
    """Decode and gather, every case."""
    about = plain_go.ask(op="cases")
    plain = folder / "plain"
    print(f"copying the touched chunks for readers without Icechunk: {plain_go.ask(op='export', path=plain)}")
    out: dict[str, Any] = {}
    for described in about["cases"]:
        name, warm = described["name"], described["warm"]
        sample = folder / "pixels"
        touched = plain_go.ask(op="pixels", case=name, path=sample)["chunks"]
        case = peers.Case(about, described, touched)
        engines: dict[str, Callable[[], Rate]] = {
            "ours": go(plain_go, name, "ours", CORES, o.seconds),
            "ours cgo": go(cgo, name, "ours", CORES, o.seconds),
        }
        batches: dict[str, peers.Batch] = {}
        if warm:
            engines["raw gather"] = go(plain_go, name, "gather", CORES, o.seconds)
            engines["one window at a time"] = go(plain_go, name, "single", 1, o.seconds)
            engines["raw gather, 1 thread"] = go(plain_go, name, "gather", 1, o.seconds)
            batches["tensorstore, cached"] = peers.tensorstore(case, plain, CORES, 4 << 30)
        else:
            engines["our decoder"] = go(plain_go, name, "decoder", CORES, o.seconds)
            engines["our decoder cgo"] = go(cgo, name, "decoder", CORES, o.seconds)
            batches[f"c-blosc, {CORES} threads"] = peers.c_blosc(case, plain, CORES)
            batches["c-blosc, 1 thread"] = peers.c_blosc(case, plain, 1)
            batches["tensorstore"] = peers.tensorstore(case, plain, CORES)
            batches["zarrs-python"] = peers.zarrs(case, plain, CORES)
            batches["icechunk+zarr+xarray"] = peers.xarray(case, o.cube / "cubes/bench", about["cell"], CORES)
        for engine, batch in batches.items():
            first = batch(0)
            if first and not peers.same(case, sample, first):
                raise SystemExit(f"{engine} reads other pixels than ours: {name}")
            if warm:
                for i in range(1, len(case.batches)):
                    batch(i)
            engines[engine] = python(case, batch, o.seconds)
        for measure in engines.values():
            measure()
        rounds: dict[str, list[Rate]] = {engine: [] for engine in engines}
        for _ in range(o.rounds):
            for engine, measure in engines.items():
                rounds[engine].append(measure())
        out[name] = {e: {"wall": median(r[0] for r in v), "cpu": median(r[1] for r in v)} for e, v in rounds.items()}
        report(table, name, warm, out[name])
    return {"about": {k: v for k, v in about.items() if k != "cases"}, "cases": out}


def report(table: Table, name: str, warm: bool, took: dict[str, dict[str, float]]) -> None:
    """How many times as fast as a peer ours is; of limits, which part of them ours reaches."""

    def line(ours: str, other: str, goal: float | None = None) -> None:
        wall = took[other]["wall"] / took[ours]["wall"]
        table.add(
            f"{name}: {ours} ÷ {other}", took[other]["cpu"] / took[ours]["cpu"], goal, note=f"by the wall {wall:.2f}"
        )

    if warm:
        line("ours", "raw gather", 0.85)
        line("one window at a time", "raw gather, 1 thread", 0.85)
        line("ours", "tensorstore, cached")
        return
    limit = f"c-blosc, {CORES} threads"
    line("ours cgo", limit, 0.9)
    line("ours", limit)
    line("ours", "our decoder")
    line("ours cgo", "our decoder cgo")
    line("ours", "icechunk+zarr+xarray", 5)
    line("ours", "tensorstore")
    line("ours", "zarrs-python")
    line("ours cgo", "tensorstore")
    line("ours cgo", "zarrs-python")


def writing(o: argparse.Namespace, programs: dict[str, Go], folder: Path, table: Table) -> dict[str, Any]:
    """A scene staged and committed beside the bare encoder on its chunks, at the same effort."""
    out: dict[str, Any] = {}
    for name, program in programs.items():
        took: dict[str, list[Rate]] = {"encoder": [], "stage": []}
        for i in range(o.rounds + 1):
            for engine, rates in took.items():
                a = program.ask(op="write", engine=engine, threads=CORES, path=folder / f"write-{name}")
                if i:
                    rates.append((a["seconds"] / a["samples"], a["cpu"] / a["samples"]))
        shutil.rmtree(folder / f"write-{name}")
        out[name] = {e: {"wall": median(r[0] for r in v), "cpu": median(r[1] for r in v)} for e, v in took.items()}
        e, s = out[name]["encoder"], out[name]["stage"]
        note = f"by the wall {e['wall'] / s['wall']:.2f}, fsyncs included"
        table.add(f"write: {name} ÷ its own encoder, zstd 3 in both", e["cpu"] / s["cpu"], 0.8, note=note)
    late = programs["ours"].ask(op="late", scenes=40, path=folder / "late")
    shutil.rmtree(folder / "late")
    own = late["packs"] + late["rest"]
    table.add(
        "late scene: bytes written ÷ its own encoded chunks", own / late["own"], note=f"{late['rest']} beside the packs"
    )
    table.add("late scene: references of other scenes to rewritten pixels", float(late["rewritten"]), 0, least=False)
    out["late"] = late
    chips = programs["ours"].ask(op="series", scenes=64, path=folder / "series")
    shutil.rmtree(folder / "series")
    before, after = chips["before"], chips["after"]
    note = f"before {before['mean']:.3g} (at most {before['most']}), after {after['mean']:.3g}"
    table.add(f"ranges of a {chips['dates']}-date chip series, most, compacted", float(after["most"]), 2, False, note)
    out["series"] = chips
    return out


def committing(o: argparse.Namespace, program: Go, folder: Path, table: Table) -> dict[str, Any]:
    """Commits as a repository grows, ours and the official library's; cells through cube/layout."""
    command = ["go", "run", "./benchmarks/commit", "-json", "-commits", str(o.commits), "-dir", folder]
    done = subprocess.run([*command, "-python", sys.executable], cwd=TOP, check=True, stdout=subprocess.PIPE)
    found = json.loads(done.stdout)
    axes: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in found["commit"]:
        axes.setdefault((row["axis"], row["engine"]), []).append(row)
    for (axis, engine), rows in axes.items():
        last = rows[-1]
        goal = 2.0 if engine == "terrapin" else None
        note = ", ".join(f"{r['size']}: {r['p50_ms']:.0f} ms" for r in rows)
        ratio = last["p50_ms"] / rows[0]["p50_ms"]
        table.add(
            f"commit p50, {axis} {rows[0]['size']} → {last['size']}, {engine}", ratio, goal, least=False, note=note
        )
    cold = found["cold_open"][-1]
    table.add(f"cold open to the first chunk at {cold['references']} references, ms", float(cold["open_ms"]))
    per = float(cold["bytes_per_reference"])
    table.add(f"RAM per reference at {cold['references']}, bytes", per, 70, least=False)
    tiled = []
    for n in (1, 100, 1000):
        tiled.append(program.ask(op="cells", cells=n, scenes=o.commits, path=folder / f"cells-{n}"))
        shutil.rmtree(folder / f"cells-{n}")
    for key, clock in (("p50_ms", "wall"), ("cpu_ms", "processor time")):
        note = ", ".join(f"{c['cells']}: {c[key]:.0f} ms" for c in tiled)
        ratio = tiled[-1][key] / tiled[0][key]
        table.add(f"commit through cube/layout, cells 1 → 1000, {clock}", ratio, 2, least=False, note=note)
    return {**found, "layout": tiled}


def plot(path: Path, cases: dict[str, dict[str, dict[str, float]]]) -> None:
    """Processor time of each engine per sample, as a multiple of ours."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    cold = {name: took for name, took in cases.items() if name.startswith("cold")}
    figure, panels = pyplot.subplots(1, len(cold), figsize=(4 * len(cold), 4), sharey=True, layout="constrained")
    for panel, (name, took) in zip(panels, cold.items(), strict=True):
        engines = [e for e in took if e != "c-blosc, 1 thread"]
        values = [took[e]["cpu"] / took["ours"]["cpu"] for e in engines]
        colours = [
            "#1b6e5c" if e.startswith("ours") else "#9fb8c8" if "decoder" in e or "blosc" in e else "#c98a4b"
            for e in engines
        ]
        panel.barh(engines, values, color=colours)
        panel.axvline(1, color="black", linewidth=0.8)
        panel.set_xscale("log")
        panel.set_xlim(0.3, max(values) * 1.9)
        panel.set_title(name)
        for i, v in enumerate(values):
            panel.text(v * 1.06, i, f"{v:.2g}", va="center", fontsize=8, bbox={"color": "white", "pad": 0.5})
        panel.set_xlabel("processor time per window ÷ ours, log scale")
    panels[0].invert_yaxis()
    figure.suptitle(f"Windows of 256² from a local cube, {CORES} cores; limits blue, readers orange", fontsize=10)
    figure.savefig(path, dpi=110)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cube", type=Path, help="directory of the cube that is read; made there if there is none")
    parser.add_argument("--gb", type=float, default=4.2, help="decoded pixels of a cube that is made")
    parser.add_argument("--seconds", type=float, default=0.4, help="of each engine in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--commits", type=int, default=9, help="commits measured for each size")
    parser.add_argument("--skip", action="append", default=[], choices=("windows", "write", "commit"))
    parser.add_argument("--out", type=Path, default=TOP / "bench-out", help="folder for cube.json and cube.png")
    o = parser.parse_args()
    o.out.mkdir(exist_ok=True)
    load = psutil.getloadavg()[0]
    table, result = Table(), {}
    with tempfile.TemporaryDirectory(prefix="bench-cube-") as text:
        folder = Path(text)
        o.cube = o.cube or folder / "cube"
        programs = {
            name: Go(build(folder, tags), o.cube, o.gb) for name, tags in (("ours", ""), ("ours cgo", "cgo_codecs"))
        }
        noise = "noisy: processor time counts" if load > CORES / 2 else "quiet"
        print(f"{CORES} cores, load average {load:.1f}, {noise}\n")
        print(f"{'':66} {'figure':>10} {'goal':>8}")
        if "windows" not in o.skip:
            result["windows"] = windows(o, programs["ours"], programs["ours cgo"], folder, table)
            plot(o.out / "cube.png", result["windows"]["cases"])
        if "write" not in o.skip:
            result["write"] = writing(o, programs, folder, table)
        if "commit" not in o.skip:
            result["commit"] = committing(o, programs["ours"], folder, table)
        for program in programs.values():
            program.close()
    machine = {
        "cores": CORES,
        "processor": platform.processor() or platform.machine(),
        "load": [load, psutil.getloadavg()[0]],
    }
    result |= {"table": table.lines, "machine": machine, "when": time.strftime("%Y-%m-%d", time.gmtime())}
    (o.out / "cube.json").write_text(json.dumps(result, indent=1))
    missed = sum(line["verdict"] == "NOT met" for line in table.lines)
    print(f"\n{missed} goals not met; {o.out / 'cube.json'}, load average now {psutil.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
