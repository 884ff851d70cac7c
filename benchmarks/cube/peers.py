"""Other readers of the same windows. Each yields image [band..., row, col] and validity of every sample of a batch.

All of them but the official Icechunk stack read a plain Zarr v3 copy of the touched chunks, the same encoded bytes
with one file each and nothing to look up: what is easiest for them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

Batch = Callable[[int], list[tuple[np.ndarray, np.ndarray]]]


class Case:
    """The windows of one case, batch by batch, and the chunks they touch."""

    def __init__(self, about: dict[str, Any], case: dict[str, Any], chunks: list[list[str]]) -> None:
        self.name, self.times, self.size, self.bands = case["name"], case["times"], about["size"], about["bands"]
        n = about["batch"]
        self.batches = [case["samples"][i : i + n] for i in range(0, len(case["samples"]) - n + 1, n)]
        self.chunks = chunks

    def at(self, s: dict[str, int]) -> tuple[slice, slice, slice, slice]:
        return (
            slice(s["date"], s["date"] + self.times),
            slice(0, self.bands),
            slice(s["row"], s["row"] + self.size),
            slice(s["col"], s["col"] + self.size),
        )


def c_blosc(case: Case, plain: Path, threads: int) -> Batch:
    """The limit: numcodecs decodes the chunks a batch touches, from memory into one reused buffer per thread."""
    import numcodecs.blosc

    numcodecs.blosc.use_threads = False
    data = {name: (plain / name).read_bytes() for names in case.chunks for name in names if (plain / name).exists()}
    out = [np.empty(2 << 20, np.uint8) for _ in range(threads)]
    sizes = {name: int.from_bytes(text[4:8], "little") for name, text in data.items()}

    def work(names: list[str], k: int) -> None:
        for name in names[k::threads]:
            if name in data:
                numcodecs.blosc.decompress(data[name], out[k][: sizes[name]])

    def batch(i: int) -> list[tuple[np.ndarray, np.ndarray]]:
        rest = [threading.Thread(target=work, args=(case.chunks[i], k)) for k in range(1, threads)]
        for t in rest:
            t.start()
        work(case.chunks[i], 0)
        for t in rest:
            t.join()
        return []

    return batch


def tensorstore(case: Case, plain: Path, threads: int, keep: int = 0) -> Batch:
    """All windows of a batch asked for at once; as many copying and reading threads as cores helped most."""
    import tensorstore as ts

    context = ts.Context(
        {
            "cache_pool": {"total_bytes_limit": keep},
            "data_copy_concurrency": {"limit": threads},
            "file_io_concurrency": {"limit": 2 * threads},
        }
    )
    arrays = [
        ts.open(
            {
                "driver": "zarr3",
                "kvstore": {"driver": "file", "path": f"{plain}/{name}/"},
                "recheck_cached_data": False,
            },
            context=context,
            open=True,
            read=True,
        ).result()
        for name in ("image", "valid")
    ]

    def batch(i: int) -> list[tuple[np.ndarray, np.ndarray]]:
        asked = []
        with ts.Batch() as together:
            for s in case.batches[i]:
                asked.append([a[case.at(s)].read(batch=together) for a in arrays])
        return [(image.result(), valid.result()) for image, valid in asked]

    return batch


def zarrs(case: Case, plain: Path, threads: int) -> Batch:
    """zarr-python with the Rust codec pipeline."""
    import zarr
    import zarrs as _  # noqa: F401

    with zarr.config.set(
        {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "threading.max_workers": threads, "async.concurrency": 8}
    ):
        group = zarr.open_group(plain, mode="r", zarr_format=3)
        image, valid = group["image"], group["valid"]

    def batch(i: int) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(image[case.at(s)], valid[case.at(s)]) for s in case.batches[i]]

    return batch


def xarray(case: Case, repository: Path, cell: str, threads: int) -> Batch:
    """Official icechunk, zarr-python 3 and xarray on the cube itself, windows on as many threads as cores."""
    os.environ.setdefault("ICECHUNK_LOG", "error")
    import icechunk
    import xarray as xr

    repo = icechunk.Repository.open(icechunk.local_filesystem_storage(str(repository)))
    store = repo.readonly_session("main").store
    data = xr.open_zarr(store, group=cell, consolidated=False, chunks=None, mask_and_scale=False)
    pool = ThreadPoolExecutor(threads)

    def one(s: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        part = data[["image", "valid"]].isel(dict(zip(data["image"].dims, case.at(s), strict=True)))
        return part["image"].values, part["valid"].values

    def batch(i: int) -> list[tuple[np.ndarray, np.ndarray]]:
        return list(pool.map(one, case.batches[i]))

    return batch


def same(case: Case, ours: Path, theirs: list[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Whether the first batch is what ours is, pixel for pixel; their validity is per band, ours of all together."""
    n = case.times * case.size**2
    bytes_ = np.fromfile(ours, np.uint8)
    images = bytes_[: len(theirs) * n * case.bands * 2].view("<u2")
    valids = bytes_[images.nbytes :]
    return all(
        np.array_equal(np.ravel(image), images[i * n * case.bands : (i + 1) * n * case.bands])
        and np.array_equal(np.ravel(np.asarray(valid).min(axis=1)), valids[i * n : (i + 1) * n])
        for i, (image, valid) in enumerate(theirs)
    )
