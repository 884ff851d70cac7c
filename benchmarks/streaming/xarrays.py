"""xbatcher over xarray over Zarr; windows at any place, which xbatcher does not lay, by xarray's isel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
import xbatcher
import zarr

from . import arrays
from .contract import Batch, Job

prepare = arrays.prepare


def _dataset(job: Job) -> Any:
    group = zarr.open_group(arrays.path(job), mode="r", zarr_format=3)
    names = ("time", "band", "y", "x") if job.workload.windows else ("chip", "time", "band", "y", "x")
    lazy = {}
    for name, dims in (("image", names), ("mask", tuple(d for d in names if d != "band"))):
        backend = xr.backends.zarr.ZarrArrayWrapper(group[name])
        lazy[name] = (dims, xr.core.indexing.LazilyIndexedArray(backend))
    return xr.Dataset(lazy)


class Isel:
    """An array that is indexed through xarray."""

    def __init__(self, variable: Any) -> None:
        self.variable = variable

    def __getitem__(self, at: tuple[slice, ...]) -> np.ndarray:
        values: np.ndarray = self.variable.isel(dict(zip(self.variable.dims, at, strict=True))).values
        return values


class Generated:
    """xbatcher's generator of one chip at a time as a map-style dataset."""

    def __init__(self, data: Any) -> None:
        # A dimension that is left out would be stacked into samples of single pixels.
        self.chips = xbatcher.BatchGenerator(data, input_dims={**data.sizes, "chip": 1}, preload_batch=False)

    def __len__(self) -> int:
        return len(self.chips)

    def __getitem__(self, i: int) -> tuple[Any, Any, int]:
        chip = self.chips[i]
        return chip["image"].values[0], chip["mask"].values[0], i


def batches(job: Job) -> Iterator[Batch]:
    data = _dataset(job)
    if job.workload.windows:
        return arrays.loaded(job, arrays.Windows(job, Isel(data["image"]), Isel(data["mask"])))
    return arrays.loaded(job, Generated(data))
