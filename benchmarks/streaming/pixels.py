"""The samples: real Sentinel-2 pixels, mirrored, shaded and with a sensor's noise, so that none is another's copy.

Written once for each shape, as plain files: ``image.npy`` and ``mask.npy`` of chips [sample, time, band, y, x], or of
a cube [time, band, y, x] in which windows lie. A mask is 0 where a pixel was not observed, and the image 65535 there.
"""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from pathlib import Path

import numpy as np

from .contract import Batch, Conversion, Job, done
from .workloads import Workload

TOP = Path(__file__).resolve().parents[2]
NODATA = 65535
NOISE = 9.0  # standard deviation in digital numbers: what brings blosc-zstd to about half


def _scenes(bands: int) -> list[np.ndarray]:
    """Scenes [band, y, x] with that many bands: chips of 13 bands from TERRAPIN_DATA, else the bundled ones."""
    import rasterio

    chips = sorted(Path(os.environ.get("TERRAPIN_DATA", "/nowhere")).glob("chips/terramind/S2L1C/*.tif"))
    files = chips or sorted((TOP / "demo/data").glob("s2_2021*.tif"))
    scenes = []
    for file in files:
        with rasterio.open(file) as source:
            scenes.append(source.read().astype(np.float32))
    if not chips:  # nine bands each: the next date lends what is missing
        scenes = [np.concatenate([a, b]) for a, b in zip(scenes, [*scenes[1:], scenes[0]], strict=True)]
    return [s[:bands] for s in scenes]


class Maker:
    """Tiles of any edge and number, each made anew from its number alone."""

    def __init__(self, bands: int, size: int) -> None:
        self.size = size
        self.blocks = []
        for scene in _scenes(bands):
            block = np.concatenate([scene, scene[:, :, ::-1]], 2)
            block = np.concatenate([block, block[:, ::-1]], 1)
            repeat = -(-2 * size // block.shape[1]) + 1
            self.blocks.append(np.tile(block, (1, repeat, repeat)))
        self.noise = np.random.default_rng(1).normal(0, NOISE, (bands, 2 * size, 2 * size)).astype(np.float32)

    def tile(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Image [band, size, size] and mask [size, size]."""
        rng = np.random.default_rng((7, number))
        n, block = self.size, self.blocks[number % len(self.blocks)]
        y, x = rng.integers(0, block.shape[1] - n), rng.integers(0, block.shape[2] - n)
        v, u = rng.integers(0, n, 2)
        image = block[:, y : y + n, x : x + n] * rng.uniform(0.8, 1.2) + self.noise[:, v : v + n, u : u + n]
        pixels = np.clip(np.rint(image), 0, 20000).astype(np.uint16)
        mask = np.ones((n, n), np.uint8)
        if number % 8 == 3:  # the ragged edge of a swath
            edge = (np.arange(n) // 3 + rng.integers(0, 5, n)).astype(np.int64)
            mask = (np.arange(n)[None, :] >= edge[:, None]).astype(np.uint8)
            pixels[:, mask == 0] = NODATA
        return pixels, mask


def make(workload: Workload, folder: Path) -> None:
    """Write the pixels of a workload, unless they are there."""
    if done(folder):
        return
    maker = Maker(workload.bands, workload.size)
    w, n = workload, workload.size
    with Conversion(folder):
        image = np.lib.format.open_memmap(folder / "image.npy", "w+", np.uint16, _stored(w, w.bands))
        mask = np.lib.format.open_memmap(folder / "mask.npy", "w+", np.uint8, _stored(w, 0))
        for i in range(w.tiles):
            row, col = divmod(i, w.edge // n)
            for t in range(w.times):
                pixels, observed = maker.tile(i * w.times + t)
                if w.windows:
                    image[t, :, row * n : (row + 1) * n, col * n : (col + 1) * n] = pixels
                    mask[t, row * n : (row + 1) * n, col * n : (col + 1) * n] = observed
                else:
                    image[i, t], mask[i, t] = pixels, observed
        image.flush()
        mask.flush()
        if w.windows:
            np.save(folder / "windows.npy", _anywhere(w))


def _stored(w: Workload, bands: int) -> tuple[int, ...]:
    plane = (bands,) if bands else ()
    if w.windows:
        return (w.times, *plane, w.edge, w.edge)
    return (w.samples, w.times, *plane, w.size, w.size)


def _anywhere(w: Workload) -> np.ndarray:
    """Upper left corners of windows; an engine that lays its own writes them in place of these."""
    return np.random.default_rng(3).integers(0, w.edge - w.size + 1, (w.samples, 2))


class Source:
    """The pixels of a workload, mapped: what engines are made from and compared with."""

    def __init__(self, job: Job) -> None:
        self.workload, self.folder = job.workload, job.folder
        self.image = np.load(job.folder / "image.npy", mmap_mode="r")
        self.mask = np.load(job.folder / "mask.npy", mmap_mode="r")

    @cached_property
    def windows(self) -> np.ndarray:
        """Row and column of every window [sample, 2]."""
        windows: np.ndarray = np.load(self.folder / "windows.npy")
        return windows

    def sample(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Views of image and mask."""
        if not self.workload.windows:
            return self.image[i], self.mask[i]
        (y, x), n = self.windows[i], self.workload.size
        return self.image[:, :, y : y + n, x : x + n], self.mask[:, y : y + n, x : x + n]

    def gather(self, samples: np.ndarray, batch: Batch) -> None:
        """Copy samples into the arrays of a batch."""
        for slot, i in enumerate(samples):
            batch.image[slot], batch.mask[slot] = self.sample(i)

    def touched(self, i: int) -> list[tuple[int, int, int]]:
        """The chunks (time, row, column) that a sample touches in the cube."""
        w = self.workload
        if not w.windows:
            return [(i, 0, 0)]
        (y, x), last, edge = self.windows[i], w.size - 1, w.chunk
        rows, cols = range(y // edge, (y + last) // edge + 1), range(x // edge, (x + last) // edge + 1)
        return [(t, r, c) for t in range(w.times) for r in rows for c in cols]


def buffers(workload: Workload) -> Batch:
    """Arrays of one batch, every page of them touched, to be used again and again."""
    image = np.ones((workload.batch, *workload.image_shape), np.uint16)
    return Batch(image, np.ones((workload.batch, *workload.mask_shape), np.uint8), ())


def digest(image: np.ndarray, mask: np.ndarray) -> str:
    """SHA-256 of a sample."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes() + np.ascontiguousarray(mask).tobytes()).hexdigest()
