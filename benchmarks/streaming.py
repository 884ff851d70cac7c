"""Batches of unaligned windows from one cube: Terrapin over Arrow Flight beside xarray and the limits.

    make bench            (or: streaming.py --binary bin/terrapin [--seconds 8] [--edge 1024] [--dates 8])

Everything runs in one process tree on the same cube, interleaved, several rounds; the machine's noise hits all
alike, so only the ratios mean something. Data: the bundled Sentinel-2 pixels, tiled with variation, in chunks of
256² × 9 bands. Each engine yields the same windows: image [8, T, 4, 128, 128] uint16 and validity.

    gather     the limit: the decoded cube in this process's memory, windows copied into one reused buffer
    c-blosc    numcodecs decodes the chunks that each batch touches, one thread, from memory, without a cache
    terrapin   `terrapin serve` and the Python client (Flight, one stream); CPU of both ends is counted
    xarray     official icechunk + zarr + xarray, isel per sample and np.stack, as most loaders do
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

TOP = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOP / "clients/python/src"), str(TOP / "demo")]

os.environ.setdefault("ICECHUNK_LOG", "error")

import psutil  # noqa: E402

import terrapin  # noqa: E402
from steps import Server, Terrapin  # noqa: E402

BANDS = ("B02", "B03", "B04", "B08")
BATCH, SIZE = 8, 128


def make_scenes(folder: Path, edge: int, dates: int) -> list[Path]:
    """Scenes of edge² pixels from the sample's pixels, mirrored, scaled and with a little sensor noise."""
    import rasterio

    sources = [f for f in sorted((TOP / "demo/data").glob("s2_*.tif")) if f.stem[3:9] > "202101"]
    noise = np.random.default_rng(1)
    scenes = []
    for date in range(dates):
        with rasterio.open(sources[date % len(sources)]) as src:
            pixels, profile, names = src.read(), src.profile, src.descriptions
        repeat = -(-edge // 200)
        block = np.concatenate([pixels, pixels[:, :, ::-1]], 2)
        block = np.concatenate([block, block[:, ::-1]], 1)
        image = np.tile(block, (1, repeat, repeat))[:, :edge, :edge].astype(np.float32)
        image *= 1 + 0.1 * np.sin(np.arange(edge) / 97)[None, None, :]
        image += noise.normal(0, 12, image.shape)
        profile.update(
            width=edge, height=edge, compress="zstd", predictor=2, tiled=True, blockxsize=256, blockysize=256
        )
        profile.pop("photometric", None)
        path = folder / f"s2_2021{date // 28 + 1:02d}{date % 28 + 1:02d}.tif"
        with rasterio.open(path, "w", **profile) as out:
            out.write(np.clip(image, 0, 65000).astype(np.uint16))
            out.descriptions = names
        scenes.append(path)
    return scenes


def window(row: dict[str, Any]) -> dict[str, slice]:
    """The pixels of a sample of the manifest."""
    return {"y": slice(row["row"], row["row"] + SIZE), "x": slice(row["col"], row["col"] + SIZE)}


RECIPE = f"""name: bench
cube: bench
features: [{", ".join(BANDS)}]
window: {{size: {SIZE}, stride: {SIZE}, jitter: 48}}
time: {{policy: all}}
values: raw
split: {{by: block, block_m: 2000, buffer_m: 0, train: 0.8, validate: 0.1, test: 0.1, salt: 1, allow_drop: true}}
"""


def cpu(process: psutil.Process | None) -> float:
    """CPU seconds of this process and of a server."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    used = own.ru_utime + own.ru_stime
    if process is not None:
        times = process.cpu_times()
        used += times.user + times.system
    return used


def measure(batches: Iterator[np.ndarray], seconds: float, server: psutil.Process | None) -> tuple[float, float]:
    """Samples per second and CPU seconds per GB of image, for a consumer that touches every page."""
    samples = size = 0
    touched = 0
    used, started = cpu(server), time.perf_counter()
    for image in batches:
        touched += int(image.reshape(-1).view(np.uint8)[::2048].sum(dtype=np.int64))
        samples += len(image)
        size += image.nbytes
        if time.perf_counter() - started > seconds:
            break
    return samples / (time.perf_counter() - started), (cpu(server) - used) / (size / 1e9)


def engines(client: terrapin.Client, cube: dict[str, Any]) -> dict[str, Callable[[int], Iterator[np.ndarray]]]:
    """The engines by name; each takes an epoch and yields images of batches."""
    import icechunk
    import xarray as xr
    import zarr

    loader = client.loader("bench@v1", batch_size=BATCH, seed=1, tensors="numpy")
    manifest = {row["id"]: row for row in client.dataset("bench@v1").manifest().to_pylist()}
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(cube["location"].removeprefix("file://")))
    store = repository.readonly_session("main").store
    ds = xr.open_zarr(store, group=cube["path"].strip("/"), consolidated=False, chunks=None)
    index = [list(ds.band.values).index(b) for b in BANDS]
    zarr.config.set({"async.concurrency": 128})

    def order(epoch: int) -> Iterator[list[dict[str, Any]]]:
        names = np.random.default_rng(epoch).permutation(
            sorted(k for k, r in manifest.items() if r["split"] == "train")
        )
        for i in range(0, len(names) - BATCH + 1, BATCH):
            yield [manifest[n] for n in names[i : i + BATCH]]

    def ours(epoch: int) -> Iterator[np.ndarray]:
        while True:
            loader.set_epoch(epoch)
            for batch in loader:
                yield batch["image"]
            epoch += 100

    def theirs(epoch: int) -> Iterator[np.ndarray]:
        while True:
            for rows in order(epoch):
                yield np.stack([ds.image.isel(band=index, **window(r)).values for r in rows])
            epoch += 100

    chunk = cube["arrays"][0]["chunks"]
    from numcodecs.blosc import Blosc

    whole = ds.image.isel(time=0, y=slice(0, chunk[2]), x=slice(0, chunk[3])).values
    packed = Blosc(cname="zstd", clevel=5, shuffle=Blosc.SHUFFLE).encode(np.ascontiguousarray(whole))
    codec, scratch = Blosc(), np.empty_like(whole)

    def decode(epoch: int) -> Iterator[np.ndarray]:
        batch = np.zeros((BATCH, ds.sizes["time"], len(BANDS), SIZE, SIZE), np.uint16)
        while True:
            for rows in order(epoch):
                touched = {(t, (r["row"] + dy) // chunk[2], (r["col"] + dx) // chunk[3])
                           for r in rows for t in range(ds.sizes["time"])
                           for dy in (0, SIZE - 1) for dx in (0, SIZE - 1)}  # fmt: skip
                for _ in touched:
                    codec.decode(packed, scratch)
                yield batch
            epoch += 100

    pixels = ds.image.isel(band=index).values

    def gather(epoch: int) -> Iterator[np.ndarray]:
        batch = np.empty((BATCH, pixels.shape[0], len(BANDS), SIZE, SIZE), np.uint16)
        while True:
            for rows in order(epoch):
                for i, r in enumerate(rows):
                    batch[i] = pixels[:, :, window(r)["y"], window(r)["x"]]
                yield batch
            epoch += 100

    return {"gather": gather, "c-blosc": decode, "terrapin": ours, "xarray": theirs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--edge", type=int, default=1024)
    parser.add_argument("--dates", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        run = Terrapin(options.binary.resolve(), work / "data")
        scenes = make_scenes(work, options.edge, options.dates)
        run("cube", "create", "bench", "--like", scenes[0])
        run("ingest", "bench", *scenes, "--datetime-pattern", "s2_%Y%m%d")
        (work / "recipe.yaml").write_text(RECIPE)
        run("dataset", "commit", work / "recipe.yaml")
        server = Server(options.binary.resolve(), work / "data", work / "server.log")
        try:
            report(engines(terrapin.connect(server.urls["http"]), run("cube", "show", "bench")), server, options)
        finally:
            server.stop()


def report(
    named: dict[str, Callable[[int], Iterator[np.ndarray]]], server: Server, options: argparse.Namespace
) -> None:
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in named}
    watched = psutil.Process(server.process.pid)
    for epoch in range(options.rounds):
        for name, engine in named.items():
            rates[name].append(measure(engine(epoch), options.seconds, watched if name == "terrapin" else None))
    limit = median(r for r, _ in rates["gather"])
    print(
        f"{options.edge}² × {options.dates} dates, windows {SIZE}² × {len(BANDS)} bands, "
        f"batch {BATCH}, {os.cpu_count()} cores"
    )
    print(f"{'engine':10} {'samples/s':>10} {'÷ gather':>9} {'CPU s/GB':>9}")
    for name, runs in rates.items():
        rate = median(r for r, _ in runs)
        print(f"{name:10} {rate:10.0f} {rate / limit:9.2f} {median(c for _, c in runs):9.2f}")
    ratio = median(r for r, _ in rates["terrapin"]) / median(r for r, _ in rates["xarray"])
    print(f"terrapin ÷ xarray = {ratio:.1f}")


if __name__ == "__main__":
    sys.exit(main())
