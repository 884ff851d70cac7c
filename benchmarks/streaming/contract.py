"""What an engine is and what it is given: the only thing that the files of engines share."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from .workloads import Workload


class Missing(Exception):
    """An engine cannot run here, or not this workload; the text says why."""


class Batch(NamedTuple):
    """What a training step gets. The arrays may be used until the next batch is asked for."""

    image: Any  # array or tensor, uint16, [batch, …]
    mask: Any  # array or tensor, uint8
    index: Any  # which samples, a sequence: their numbers, or ids that Module.number translates


@dataclass(frozen=True)
class Job:
    """One run: which samples, from where, with which settings."""

    workload: Workload
    folder: Path  # of the workload's pixels; engines keep what they convert below it
    workers: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    server: Mapping[str, Any] = field(default_factory=dict)  # addresses and pid of `terrapin serve`
    rank: int = 0
    seed: int = 1

    def orders(self) -> Iterator[np.ndarray]:
        """The order of each epoch, for engines that take one: uniform, this rank's part."""
        epoch = 0
        while True:
            order = np.random.default_rng((self.seed, epoch)).permutation(self.workload.samples)
            yield order[self.rank :: self.workload.ranks]
            epoch += 1

    def steps(self) -> Iterator[np.ndarray]:
        """The samples of each batch, without end; what does not fill one is left out."""
        size = self.workload.batch
        for order in self.orders():
            for i in range(0, len(order) - size + 1, size):
                yield order[i : i + size]


class Module(Protocol):
    """The functions of an engine's file."""

    def prepare(self, job: Job) -> None:
        """Convert the pixels to what the engine reads; leaves alone what is whole already."""

    def batches(self, job: Job) -> Iterator[Batch]:
        """Batches without end, epoch after epoch."""


@dataclass(frozen=True)
class Variant:
    """A setting of an engine: ``plain`` is as its documentation shows it, ``tuned`` as far as it goes."""

    group: str  # limit, plain, tuned or ours
    workers: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        parts = [f"{k}={v}" for k, v in self.options.items()]
        return ", ".join([*parts, f"{self.workers} workers"] if self.workers else parts)


@dataclass(frozen=True)
class Engine:
    """A way to get batches, by the file that knows it."""

    name: str
    module: str
    variants: tuple[Variant, ...]
    workloads: frozenset[str]
    python: str = "peers"  # which of the two environments: peers or mosaic
    served: bool = False  # needs `terrapin serve`
    converts: str = ""  # the folder of the copy that it makes of the pixels, where it reads a format of its own


def done(folder: Path) -> bool:
    """Whether a conversion into a folder ended."""
    return (folder / "complete.txt").exists()


class Conversion:
    """Times a conversion and marks its folder as whole: ``with Conversion(folder):``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Path:
        if self.folder.exists():  # from a conversion that was cut off
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.started = time.perf_counter()
        return self.folder

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            (self.folder / "complete.txt").write_text(f"{time.perf_counter() - self.started}\n")


def cost(folder: Path) -> dict[str, float]:
    """Seconds and bytes of a conversion, zeros where there was none."""
    if not done(folder):
        return {"seconds": 0.0, "bytes": 0}
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    return {"seconds": float((folder / "complete.txt").read_text()), "bytes": size}
