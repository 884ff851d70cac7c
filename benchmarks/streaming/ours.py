"""Terrapin: the same samples as a cube and a dataset version, served by `terrapin serve`.

Read through the Python client over one of its transports, or by a stock pyarrow.flight client that knows nothing of
ours but the ticket.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.flight as flight
import pyarrow.parquet as parquet

from .contract import Batch, Conversion, Job, Missing, done
from .pixels import NODATA, TOP, Source

sys.path[:0] = [str(TOP / "clients/python/src"), str(TOP / "demo")]

import terrapin  # noqa: E402
from steps import Terrapin  # noqa: E402

RECIPE = """name: bench
cube: bench
window: {{size: {size}, stride: {stride}, jitter: {jitter}}}
time: {{policy: all}}
values: raw
split: {{by: block, block_m: 1000000, buffer_m: 0, train: 1, validate: 0, test: 0, salt: 1}}
"""


def folder(job: Job) -> Path:
    """The data directory's folder; a cube of another codec is another one."""
    return job.folder / f"terrapin-{job.options.get('codec', 'default')}"


def prepare(job: Job) -> None:
    """Make the cube and commit the dataset version, and write down which of its ids is which sample."""
    if done(folder(job)):
        return
    binary = Path(job.server["binary"])
    w, root = job.workload, folder(job)
    codec = job.options.get("codec")
    if codec and "--codec" not in help_of(binary, "cube", "create"):
        raise Missing(f"cube create has no --codec, so there is no cube of {codec}")
    run = Terrapin(binary, root / "data")
    with Conversion(root):
        scenes = [_scene(job, t, root) for t in range(w.times)]
        more = ["--codec", codec] if codec else []
        run("cube", "create", "bench", "--like", scenes[0], "--chunk", str(w.chunk), *more)
        run("ingest", "bench", *scenes, "--datetime-pattern", "s2_%Y%m%d")
        for scene in scenes:
            scene.unlink()
        (root / "recipe.yaml").write_text(
            RECIPE.format(size=w.size, stride=w.stride, jitter=3 * w.stride // 8 if w.windows else 0)
        )
        run("dataset", "commit", root / "recipe.yaml")
        (root / "ids.json").write_text(json.dumps(_numbers(job, root / "data")))


def help_of(binary: Path, *verb: str) -> str:
    """What a verb says of its flags."""
    import subprocess

    return subprocess.run([binary, *verb, "--help"], capture_output=True, text=True, check=True).stdout


def _scene(job: Job, t: int, root: Path) -> Path:
    """One date of the cube as a GeoTIFF; chips lie side by side in it, row by row."""
    import rasterio
    from rasterio.windows import Window

    w, source = job.workload, Source(job)
    path = root / f"s2_2021{t // 28 + 1:02d}{t % 28 + 1:02d}.tif"
    profile: dict[str, Any] = {
        "driver": "GTiff", "width": w.edge, "height": w.edge, "count": w.bands, "dtype": "uint16", "nodata": NODATA,
        "crs": "EPSG:32631", "transform": rasterio.Affine(10, 0, 600000, 0, -10, 5700000), "interleave": "pixel",
        "tiled": True, "blockxsize": w.size, "blockysize": w.size, "bigtiff": "if_safer",
    }  # fmt: skip
    across = w.edge // w.size
    with rasterio.open(path, "w", **profile) as out:
        out.descriptions = [f"B{b + 1:02d}" for b in range(w.bands)]
        for i in range(w.tiles):
            y, x = i // across * w.size, i % across * w.size
            tile = source.image[t, :, y : y + w.size, x : x + w.size] if w.windows else source.image[i, t]
            out.write(tile, window=Window(x, y, w.size, w.size))
    return path


def _numbers(job: Job, data: Path) -> dict[str, int]:
    """The number of each sample by its id; of windows, whose places the version decides, they are written down."""
    w = job.workload
    rows = parquet.read_table(next(data.glob("datasets/bench/v1/manifest.parquet"))).to_pylist()
    if len(rows) != w.samples:
        raise Missing(f"the version has {len(rows)} samples, not {w.samples}")
    if w.windows:
        rows.sort(key=lambda r: r["id"])
        np.save(job.folder / "windows.npy", np.array([[r["row"], r["col"]] for r in rows]))
        return {r["id"]: i for i, r in enumerate(rows)}
    return {r["id"]: r["row"] // w.size * (w.edge // w.size) + r["col"] // w.size for r in rows}


def number(job: Job, ids: list[Any]) -> list[int]:
    """Which samples these ids are."""
    known = json.loads((folder(job) / "ids.json").read_text())
    return [known[i] for i in ids]


def serve_flags(job: Job) -> list[str]:
    """What `serve` is told of its cache; where it cannot be told, it keeps 512 MiB of decoded chunks."""
    flags, wanted = help_of(Path(job.server["binary"]), "serve"), job.options.get("cache", "all")
    data = job.workload.pixels
    if "--cache" in flags:
        if wanted == "none":
            return ["--cache", "0" if "0 keeps none" in flags else "1MiB"]
        # Kept whole, the validity of each band adds half: twice the data is room enough.
        return ["--cache", f"{max(1, {'all': data >> 19, 'part': data >> 22}[wanted])}MiB"]
    if wanted != "all" or data > 500 << 20:
        raise Missing("serve has no --cache: it keeps 512 MiB of decoded chunks")
    return []


def shuffle(job: Job) -> bool | str:
    """The uniform order, or one by windows as large as a cache of a quarter of the samples."""
    return f"window:{job.workload.pixels // 4}" if job.options.get("order") else True


def batches(job: Job) -> Iterator[Batch]:
    if job.options["transport"] == "stock":
        return _stock(job)
    return _loader(job)


def _loader(job: Job) -> Iterator[Batch]:
    try:
        client = terrapin.connect(job.server["http"], transport=job.options["transport"])
    except TypeError:
        if job.options["transport"] != "flight":
            raise Missing(f"this client has no transport {job.options['transport']}") from None
        client = terrapin.connect(job.server["http"])
    w = job.workload
    loader = client.loader(
        "bench@v1",
        batch_size=w.batch,
        seed=job.seed,
        rank=job.rank,
        world_size=w.ranks,
        shuffle=shuffle(job),
        tensors="numpy",
    )
    while True:
        for batch in loader:
            yield Batch(batch["image"], batch["valid"], batch["ids"])


def _stock(job: Job) -> Iterator[Batch]:
    """pyarrow.flight alone, as the specification of tickets shows it."""
    client, epoch = flight.connect(job.server["flight"]), 0
    ticket = {"dataset": "bench@v1", "seed": job.seed, "batch_size": job.workload.batch}
    ticket |= {"rank": job.rank, "world_size": job.workload.ranks, "shuffle": shuffle(job)}
    while True:
        for chunk in client.do_get(flight.Ticket(json.dumps({**ticket, "epoch": epoch}).encode())):
            batch = chunk.data
            image, valid = (batch.column(name).to_numpy_ndarray() for name in ("image", "valid"))
            yield Batch(image, valid, batch.column("id").to_pylist())
        epoch += 1
