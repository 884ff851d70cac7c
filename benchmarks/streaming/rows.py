"""Does memory grow with the rows of a version? Versions of 10⁴ to 10⁷ windows of one cube, each served.

``python -m benchmarks.streaming.rows --binary bin/terrapin`` prints, for each number of rows, what the commit took, how
large its files are, how long opening and the first batch take, and the memory of server and client while they stream.
The cube is the same for all, and the windows of a version lie all over it: memory that grew with the chunks that are
read would else look like memory of rows. Memory is the proportional set size without mapped files: `samples.idx` is
mapped, and the kernel may drop its pages.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .ours import terrapin
from .pixels import TOP, Maker
from .process import _memory as memory

SIZE, STRIDE = 64, 4
BATCH, BATCHES = 256, 100
ORDERS: tuple[tuple[str, Any], ...] = (("uniform", True), ("window:32000000", "window:32000000"))

RECIPE = """name: rows{rows}
cube: {cube}
window: {{size: {size}, stride: {stride}}}
time: {{policy: all}}
values: raw
split: {{by: block, block_m: 1000000, buffer_m: 0, train: 1, validate: 0, test: 0, salt: 1}}
"""


def edge(rows: int) -> int:
    """Edge in pixels of the square that holds so many windows, and not a row of them more."""
    return SIZE + (across(rows) - 1) * STRIDE


def across(rows: int) -> int:
    """How many windows lie along the edge of a square of so many, or a few more."""
    return int(np.ceil(np.sqrt(rows)))


def stride(rows: int, most: int) -> int:
    """What lays about so many windows over the square of the most."""
    return int(np.ceil((edge(most) - SIZE) / (across(rows) - 1)))


def scene(path: Path, pixels: int) -> None:
    """A square GeoTIFF of one band of bundled Sentinel-2 pixels."""
    import rasterio
    from rasterio.windows import Window

    tile, maker = 512, Maker(1, 512)
    profile: dict[str, Any] = {
        "driver": "GTiff", "width": pixels, "height": pixels, "count": 1, "dtype": "uint16", "nodata": 65535,
        "crs": "EPSG:32631", "transform": rasterio.Affine(1, 0, 600000, 0, -1, 5700000),
        "tiled": True, "blockxsize": tile, "blockysize": tile,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as out:
        out.descriptions = ["B02"]
        for y in range(0, pixels, tile):
            for x in range(0, pixels, tile):
                image = maker.tile(8 * ((y // tile) * 1000 + x // tile))[0][:, : pixels - y, : pixels - x]
                out.write(image, window=Window(x, y, image.shape[2], image.shape[1]))


def timed(binary: Path, data: Path, *verb: str | Path) -> tuple[float, float]:
    """Run a verb: seconds of processor time, and the peak of its memory in MB."""
    process = subprocess.Popen([binary, "--data", data, "--json", *verb], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(map(str, verb))} ended with status {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


@contextmanager
def serving(binary: Path, data: Path) -> Iterator[tuple[str, int]]:
    """`terrapin serve` on free ports: its URL and its pid."""
    command = [binary, "serve", "--data", data, "--json", "--http", "127.0.0.1:0", "--flight", "127.0.0.1:0"]
    process = subprocess.Popen(
        [*command, "--cache", "8MiB"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["http"], process.pid
    finally:
        process.terminate()
        process.wait(timeout=60)


def stream(url: str, version: str, shuffle: Any) -> None:
    """What the process of a client does; prints the seconds to its first batch and its memory and the samples' rate."""
    began = time.monotonic()
    loader = terrapin.connect(url).loader(version, batch_size=BATCH, seed=1, shuffle=shuffle, tensors="numpy")
    opened = time.monotonic() - began
    batches = iter(loader)
    next(batches)
    first, began = time.monotonic() - began, time.monotonic()
    count = 0
    for batch in batches:
        count += len(batch["image"])
        if count >= BATCH * BATCHES:
            break
    rate = count / (time.monotonic() - began)
    found = {"rows": loader.spec.samples, "open": opened, "first": first, "rate": rate}
    print(json.dumps({**found, "client": memory([os.getpid()])["private_mb"]}))


def row(binary: Path, data: Path, rows: int, committed: tuple[float, float]) -> None:
    """Stream a version in each order, and print a line for each."""
    folder = next(data.glob(f"datasets/rows{rows}/v1"))
    index, manifest = ((folder / name).stat().st_size / 1e6 for name in ("samples.idx", "manifest.parquet"))
    for name, shuffle in ORDERS:
        with serving(binary, data) as (url, pid):
            started = memory([pid])["private_mb"]
            asked = ["--stream", url, f"rows{rows}@v1", str(shuffle)]
            command = [sys.executable, "-m", "benchmarks.streaming.rows", *asked]
            out = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True).stdout
            found, server = json.loads(out.splitlines()[-1]), memory([pid])["private_mb"]
        sizes = f"{committed[0]:>9.1f} {committed[1]:>9.0f} {index:>9.1f} {manifest:>11.1f}"
        times = f"{found['open']:>7.3f} {found['first']:>8.3f} {found['rate']:>10.0f}"
        print(
            f"{found['rows']:>10,} {sizes}  {name:16} {times} {started:>9.0f} {server:>9.0f} {found['client']:>9.0f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path)
    parser.add_argument("--rows", default="10000,100000,1000000,10000000")
    parser.add_argument("--work", type=Path, help="keep cube and versions in this folder")
    parser.add_argument("--stream", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stream:
        url, version, shuffle = options.stream
        stream(url, version, shuffle if shuffle != "True" else True)
        return
    with tempfile.TemporaryDirectory(prefix="rows-") as text:
        work, binary = options.work or Path(text), options.binary.resolve()
        data = work / "data"
        print(
            f"{'rows':>10} {'commit s':>9} {'peak MB':>9} {'index MB':>9} {'manifest MB':>11}  {'order':16} "
            f"{'open s':>7} {'first s':>8} {'samples/s':>10} {'server MB':>9} {'streaming':>9} {'client':>9}"
        )
        counts = list(map(int, options.rows.split(",")))
        most = max(counts)
        cube = f"rows{most}"
        if not (data / "cubes" / cube).exists():
            work.mkdir(parents=True, exist_ok=True)
            make(binary, data, work, cube, edge(most))
        for rows in counts:
            recipe = work / f"{rows}.yaml"
            recipe.write_text(RECIPE.format(rows=rows, cube=cube, size=SIZE, stride=stride(rows, most)))
            there = (data / f"datasets/rows{rows}/v1").exists()  # of an earlier run into --work
            row(binary, data, rows, (0, 0) if there else timed(binary, data, "dataset", "commit", recipe))


def make(binary: Path, data: Path, work: Path, cube: str, pixels: int) -> None:
    """A cube of one square scene."""
    path = work / "s2_20210101.tif"
    scene(path, pixels)
    timed(binary, data, "cube", "create", cube, "--like", path)
    timed(binary, data, "ingest", cube, path, "--datetime-pattern", "s2_%Y%m%d")
    path.unlink()


if __name__ == "__main__":
    main()
