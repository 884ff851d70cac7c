"""What the demo is made of: the command line, the server process, and the check on disk."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np


class DemoError(Exception):
    """A step did not do what it must."""


def must(condition: bool, message: str) -> None:
    """End the demo with a message unless a condition holds."""
    if not condition:
        raise DemoError(message)


@dataclass
class Terrapin:
    """The command line on one data directory."""

    binary: Path
    data: Path

    def __call__(self, *args: str | Path, expect: int = 0) -> Any:
        """Run a verb with --json and return its document."""
        command = [str(self.binary), *map(str, args), "--data", str(self.data), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != expect:
            raise DemoError(f"{' '.join(command)}\nexit {done.returncode}, {expect} expected\n{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None


def clear(out: Path) -> None:
    """Make an empty folder for a run, in place of what an earlier run left; nothing else is ever deleted."""
    lock = out / "data/terrapin.lock"
    if lock.exists():
        with lock.open() as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DemoError(f"{out}/data is being served; stop that server (make demo-serve) first") from None
        shutil.rmtree(out)
    must(not out.exists() or not any(out.iterdir()), f"{out} holds something else; give another folder with --out")
    out.mkdir(parents=True, exist_ok=True)


class Server:
    """`terrapin serve` on free ports."""

    def __init__(self, binary: Path, data: Path, log: Path) -> None:
        with log.open("a") as errors:
            self.process = subprocess.Popen(
                [binary, "serve", "--data", data, "--json", "--http", "127.0.0.1:0", "--flight", "127.0.0.1:0"],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        must(bool(line), f"the server did not start; see {log}")
        self.urls: dict[str, str] = json.loads(line)

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Signal the server and return its exit status."""
        if self.process.poll() is None:
            os.kill(self.process.pid, how)
        return self.process.wait(timeout=60)


PATTERNS = (
    ("%Y%m%dT%H%M%S", r"(?<!\d)(\d{8}T\d{6})(?!\d)"),
    ("%Y-%m-%dT%H:%M:%S", r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)"),
    ("%Y%m%d", r"(?<!\d)(\d{8})(?!\d)"),
    ("%Y-%m-%d", r"(\d{4}-\d\d-\d\d)"),
    ("%Y%j", r"(?<!\d)(\d{7})(?!\d)"),
)


def file_time(path: Path, pattern: str) -> datetime | None:
    """The time in a file's name by a strptime pattern, or None."""
    expression = dict(PATTERNS)[pattern]
    for text in re.findall(expression, path.stem):
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def find_pattern(files: list[Path]) -> str:
    """The first usual pattern that finds a time in every file's name."""
    for pattern, _ in PATTERNS:
        if files and all(file_time(f, pattern) for f in files):
            return pattern
    raise DemoError(
        "no time found in the names of: "
        + ", ".join(f.name for f in files[:5])
        + "\nname the scenes with a date such as 20210401 or 2021-04-01"
    )


def same_kind(folder: Path) -> list[Path]:
    """The largest group of rasters in a folder that share grid, bands and data type."""
    import rasterio

    groups: dict[Any, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in (".tif", ".tiff", ".jp2"):
            continue
        try:
            with rasterio.open(path) as src:
                key = (src.crs, src.transform, src.shape, src.dtypes, src.descriptions)
        except rasterio.errors.RasterioIOError:
            continue
        groups.setdefault(key, []).append(path)
    must(bool(groups), f"no raster that opens in {folder}")
    return max(groups.values(), key=len)


def compare_on_disk(cube: dict[str, Any], scenes: dict[datetime, Path]) -> tuple[int, int]:
    """Open a cube with the official icechunk, zarr and xarray and compare it with its GeoTIFFs.

    No server takes part. Returns the number of scenes and of pixel values that were compared; any
    difference ends the demo.
    """
    import icechunk
    import rasterio
    import xarray as xr

    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(cube["location"].removeprefix("file://")))
    session = repository.readonly_session("main")
    ds = xr.open_zarr(session.store, group=cube["path"].strip("/"), consolidated=False)
    values = 0
    for time, path in scenes.items():
        stamp = np.datetime64(time.replace(tzinfo=None), "ns")
        found = np.flatnonzero(ds.time.values == stamp)
        must(len(found) == 1, f"{path.name}: {len(found)} slices at {time}")
        with rasterio.open(path) as src:
            want, nodata = src.read(), src.nodata
            must(tuple(ds.image.shape[1:]) == want.shape, f"{path.name}: another shape in the cube")
        got = ds.image.isel(time=found[0]).values
        must(got.dtype == want.dtype, f"{path.name}: {got.dtype} in the cube, {want.dtype} in it")
        must(np.array_equal(got, want, equal_nan=want.dtype.kind == "f"), f"{path.name} differs")
        observed = np.ones(want.shape, bool) if nodata is None else want != nodata
        if want.dtype.kind == "f":
            observed &= ~np.isnan(want)
        valid = ds.valid.isel(time=found[0]).values.astype(bool)
        must(np.array_equal(valid, observed), f"validity of {path.name} differs")
        values += want.size
    return len(scenes), values
