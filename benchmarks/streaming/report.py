"""What was found: one table for each workload, a plot, and all of it as JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from .contract import Variant
from .pixels import TOP
from .workloads import Workload

GATHER = "gather, 1 thread"
COLOURS = {"limit": "#9fb8c8", "plain": "#e3c9ad", "tuned": "#c98a4b", "ours": "#1b6e5c"}


@dataclass
class Row:
    """One engine in one group of settings: the runs of its best setting, or why there are none."""

    workload: str
    engine: str
    group: str
    setting: str = ""
    runs: list[dict[str, Any]] = field(default_factory=list)
    conversion: dict[str, float] = field(default_factory=dict)
    reason: str = ""

    def of(self, key: str) -> float:
        return median(r[key] for r in self.runs)

    @property
    def rate(self) -> float:
        return self.of("rate") if self.runs else 0.0

    def document(self) -> dict[str, Any]:
        return {**self.__dict__, "rate": self.rate}


def label(variant: Variant) -> str:
    """A setting in a few words."""
    env = " +huge pages" if "GLIBC_TUNABLES" in variant.env else " +kept heap" if variant.env else ""
    return (variant.label + env).strip()


HEAD = (
    f"{'engine':38} {'':6} {'samples/s':>9} {'least–most':>15} {'÷gather':>7} {'by CPU':>6} {'CPU s/GB':>8} "
    f"{'server':>7} {'mixing':>6} {'PSS MB':>7} {'private':>7} {'first s':>7} {'convert':>15}  setting"
)


def line(row: Row, limit: Row | None) -> str:
    """One line of the table; by the wall and by processor time, which other work disturbs less, ÷ the gather limit."""
    start = f"{row.engine:38} {row.group:6} "
    if not row.runs:
        return f"{start}not available: {row.reason}"
    rates = [r["rate"] for r in row.runs]
    server = f"{row.of('server_cpu_per_gb'):7.2f}" if row.group == "ours" else " " * 7
    wall, cpu = 0.0, 0.0
    if limit and limit.runs:
        wall, cpu = row.rate / limit.rate, limit.of("cpu_per_gb") / row.of("cpu_per_gb")
    c = row.conversion
    convert = f"{c['seconds']:.1f} s, {c['bytes'] / 1e6:.0f} MB" if c.get("bytes") else ""
    return (
        f"{start}{row.rate:9.0f} {min(rates):7.0f}–{max(rates):<7.0f} {wall:7.2f} {cpu:6.2f} "
        f"{row.of('cpu_per_gb'):8.3f} {server} {row.of('mixing'):6.2f} {max(r['pss_mb'] for r in row.runs):7.0f} "
        f"{max(r['private_mb'] for r in row.runs):7.0f} {row.of('first_s'):7.3f} {convert:>15}  {row.setting}"
    )


def table(workload: Workload, rows: Sequence[Row]) -> str:
    """The table of one workload, limits first, then by rate."""
    limit = next((r for r in rows if r.engine == GATHER), None)
    ordered = sorted(rows, key=lambda r: (r.group != "limit", not r.runs, -r.rate))
    size = workload.sample_bytes / 1e6
    about = f"{workload.title}: {workload.samples} samples of {size:.2f} MB, batches of {workload.batch}"
    return "\n".join([f"\n{workload.name}  {about}", HEAD, *(line(r, limit) for r in ordered)])


def plot(path: Path, found: dict[str, tuple[Workload, list[Row]]]) -> None:
    """Samples per second as parts of the gather limit, one panel for each workload."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Patch

    shown = {n: [r for r in rows if r.runs] for n, (_, rows) in found.items()}
    shown = {n: rows for n, rows in shown.items() if rows}
    if not shown:
        return
    tall = max(len(rows) for rows in shown.values())
    figure, panels = pyplot.subplots(
        1, len(shown), figsize=(6.5 * len(shown), 1.5 + 0.27 * tall), layout="constrained", squeeze=False
    )
    for panel, (name, rows) in zip(panels[0], shown.items(), strict=True):
        limit = next((r.rate for r in rows if r.engine == GATHER), 0.0) or max(r.rate for r in rows)
        rows = sorted(rows, key=lambda r: r.rate)
        parts = [r.rate / limit for r in rows]
        names = [f"{r.engine} ({r.group})" if r.group in ("plain", "tuned") else r.engine for r in rows]
        panel.barh(names, parts, color=[COLOURS[r.group] for r in rows])
        for i, part in enumerate(parts):
            panel.text(part, i, f" {part:.2f}", va="center", fontsize=7)
        panel.tick_params(axis="y", labelsize=7)
        panel.set_xlim(0, max(parts) * 1.12)
        panel.set_xlabel("samples/s ÷ gather into one reused buffer")
        panel.set_title(f"{name}: {found[name][0].title}", fontsize=9)
    figure.legend([Patch(color=c) for c in COLOURS.values()], list(COLOURS), loc="outside lower center", ncols=4)
    figure.savefig(path, dpi=100)


def machine() -> dict[str, Any]:
    """What the figures belong to."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=TOP, capture_output=True, text=True, check=False)
    return {
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "kernel": platform.release(),
        "loadavg": os.getloadavg(),
        "commit": commit.stdout.strip(),
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def write(
    out: Path, begun: dict[str, Any], found: dict[str, tuple[Workload, list[Row]]], settings: dict[str, Any]
) -> None:
    """The tables, JSON and plot of a run, into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    document = {
        "machine": {"begun": begun, "ended": machine()},
        "settings": settings,
        "workloads": {
            n: {**w.__dict__, "sample_bytes": w.sample_bytes, "rows": [r.document() for r in rows]}
            for n, (w, rows) in found.items()
        },
    }
    (out / "streaming.json").write_text(json.dumps(document, indent=1, default=str))
    (out / "streaming.txt").write_text("\n".join(table(w, rows) for w, rows in found.values()) + "\n")
    plot(out / "streaming.png", found)
