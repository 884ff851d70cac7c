"""What is read: the workloads of the benchmark and their sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

CHUNK = 256  # the largest edge of a chunk, in pixels


@dataclass(frozen=True)
class Workload:
    """Samples of one shape: image [times, bands, size, size] uint16 and mask [times, size, size] uint8.

    Chips lie one after the other; windows lie anywhere in a cube of ``edge`` pixels. ``stored`` is ``raw`` or ``zarr``
    (blosc-zstd-shuffle): what engines that read a format of their own convert is the same in both.
    """

    name: str
    title: str
    bands: int
    size: int
    samples: int
    times: int = 1
    stored: str = "raw"
    windows: bool = False
    batch: int = 32
    ranks: int = 1  # processes that share one epoch
    jobs: int = 1  # processes that each read an epoch of their own
    cold: bool = False
    overlap: int = 1  # windows begin every size / overlap pixels

    @property
    def edge(self) -> int:
        """Edge in pixels of the square that the samples lie in, side by side unless they overlap."""
        return (math.isqrt(self.samples) + self.overlap - 1) * self.stride

    @property
    def stride(self) -> int:
        """Pixels from one window to the next, before each is moved a little."""
        return self.size // self.overlap

    @property
    def tiles(self) -> int:
        """How many squares of a sample's size the pixels are made of."""
        return (self.edge // self.size) ** 2

    @property
    def chunk(self) -> int:
        """Edge in pixels of the chunks that the samples are stored in."""
        return min(CHUNK, self.size)

    @property
    def image_shape(self) -> tuple[int, ...]:
        return (self.times, self.bands, self.size, self.size)

    @property
    def mask_shape(self) -> tuple[int, ...]:
        return (self.times, self.size, self.size)

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample, image and mask."""
        return math.prod(self.image_shape) * 2 + math.prod(self.mask_shape)

    @property
    def pixels(self) -> int:
        """Bytes of all pixels and masks: a cache that holds a part of the samples holds that part of these."""
        return self.tiles * self.sample_bytes

    @property
    def folder(self) -> str:
        """Name of the folder of its pixels; workloads of the same pixels share it."""
        kind = "windows" if self.windows else "chips"
        overlapping = f"-overlap{self.overlap}" if self.overlap > 1 else ""
        return f"{kind}-{self.times}x{self.bands}x{self.size}-{self.samples}{overlapping}"


ALL = {
    w.name: w
    for w in (
        Workload("w1", "13×256² chips, raw", 13, 256, 576),
        Workload("w2", "4×256² chips, raw", 4, 256, 1024),
        Workload("w3", "13×256² chips, blosc-zstd-shuffle", 13, 256, 576, stored="zarr"),
        Workload("w4", "unaligned 13×256² windows, T = 1", 13, 256, 576, stored="zarr", windows=True),
        Workload(
            "w4o",
            "13×256² windows that overlap by half, T = 1",
            13,
            256,
            2209,
            stored="zarr",
            windows=True,
            overlap=2,
        ),
        Workload(
            "w4t8", "unaligned 8×13×256² windows, T = 8", 13, 256, 64, times=8, stored="zarr", windows=True, batch=4
        ),
        Workload("w5", "13×64² patches, raw", 13, 64, 4096),
        Workload("w6r2", "W1, 2 ranks of one epoch", 13, 256, 576, ranks=2),
        Workload("w6r4", "W1, 4 ranks of one epoch", 13, 256, 576, ranks=4),
        Workload("w6j2", "W3, 2 jobs at once", 13, 256, 576, stored="zarr", jobs=2),
        Workload("w7", "W1 from a cold page cache", 13, 256, 576, cold=True),
    )
}


def scaled(workload: Workload, factor: float) -> Workload:
    """The workload with about ``factor`` times the samples, always a square number that fills whole tiles."""
    across = max(4, round(math.sqrt(workload.samples * factor)))
    return replace(workload, samples=(across - (across - 1) % workload.overlap) ** 2)


def small(workload: Workload) -> Workload:
    """A few megabytes that show whether an engine yields the right samples: 16 of 64² by fours, or 9 by threes."""
    few = replace(workload, bands=min(workload.bands, 4), size=64, samples=16, times=min(workload.times, 2), batch=4)
    return replace(few, samples=9, batch=3) if workload.overlap > 1 else few
