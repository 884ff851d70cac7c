"""Plain values of the client: what a dataset stream is, and a window of a cube."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Affine", "Area", "Group", "Planned", "Spec", "State", "Window"]

Affine = tuple[float, float, float, float, float, float]
"""Six numbers (a, b, c, d, e, f): x = a*col + b*row + c, y = d*col + e*row + f, in the units of the CRS."""

State = dict[str, Any]
"""Where a loader stands: digest, split, filter, weights, seed, epoch, order and position; plain JSON values."""


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of pixels in a cell's grid: first row and column, and size."""

    row: int
    col: int
    height: int
    width: int


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """What one rank reads in one step of an epoch: the ids and positions of that batch, N of each."""

    step: int
    seed: int
    epoch: int
    position: npt.NDArray[np.int64]
    """[N] int64: positions in the epoch; -1 is padding."""
    ids: list[str]
    """N sample ids; ``""`` is padding."""


@dataclass(frozen=True, slots=True)
class Group:
    """What samples have of a further resolution: the same ground, in pixels of its own."""

    name: str
    """Name of the resolution, such as ``20m``."""
    image: str
    valid: str
    """Keys of its arrays in a batch, such as ``image_20m`` and ``valid_20m``."""
    bands: tuple[str, ...]
    """Band names, in the order of the image's third axis."""
    dtype: np.dtype[Any]
    """Dtype of the image."""
    scale: int
    """Pixels of the label and of ``image`` along the edge of one."""
    size: int
    """Height and width of a sample in pixels."""
    nodata: float | None
    """The stored number that means missing, where the resolution has one."""
    statistics: tuple[Mapping[str, Any], ...]
    """Per band: band, count, mean, std, min and max over the training split."""
    transform: Affine
    """Transform of the resolution's grid; its CRS is that of the :class:`Spec`."""

    @classmethod
    def from_metadata(cls, m: Mapping[str, Any]) -> "Group":
        """Read one of the ``groups`` of a stream's ``terrapin`` document."""
        return cls(
            name=m["name"],
            image=m["image"],
            valid=m["valid"],
            bands=tuple(m["bands"]),
            dtype=np.dtype(m["dtype"]),
            scale=int(m["scale"]),
            size=int(m["size"]),
            nodata=optional_float(m.get("nodata")),
            statistics=tuple(m["statistics"]),
            transform=affine(m["grid"]["transform"]),
        )


@dataclass(frozen=True, slots=True)
class Spec:
    """What a loader streams: one split of one immutable dataset version."""

    dataset: str
    """Name and version, such as ``crops@v3``."""
    digest: str
    """Digest of the version; the same digest means the same samples, values and order."""
    split: str
    samples: int
    """Samples in the split."""
    bands: tuple[str, ...]
    """Band names of the finest resolution, in the order of the image's third axis."""
    dtype: np.dtype[Any]
    """Dtype of the image."""
    groups: tuple[Group, ...]
    """The further resolutions, the finer first; empty where the features are of one."""
    slots: int
    """Time slots of a sample, the T of the shapes."""
    size: int
    """Height and width of a sample, and of its label, in pixels of the finest resolution."""
    nodata: float | None
    """The stored number that means missing, where the cube has one; ``valid`` is what to trust."""
    values: str
    """``raw`` (stored numbers) or ``physical``."""
    normalised: bool
    """Whether the image is ``(x - mean) / std`` with the statistics below."""
    label_dtype: np.dtype[Any] | None
    """Dtype of the label, None without labels."""
    classes: Mapping[int, str]
    """Class value → name."""
    ignore: float | None
    """The label value of unlabelled pixels."""
    statistics: tuple[Mapping[str, Any], ...]
    """Per band: band, count, mean, std, min and max over the training split."""
    contracts: tuple[Mapping[str, Any], ...]
    """Per pinned scene, in time order: slice id, datetime, item, scale, offset, baseline."""
    order: str
    """Name of the order's algorithm."""
    shuffle: bool | str
    """How the epoch is mixed: True is uniform, False the base order, else ``window:BYTES``."""
    filter: str | None
    """Canonical text of the filter; None keeps every sample."""
    weights: str | None
    """Name of the weights, or their canonical text where they are by class; None has every sample once."""
    cube: str
    snapshot: str
    """The cube and the snapshot of it that the version pins."""
    crs: str
    transform: Affine
    """CRS and transform of the cell's grid."""
    metadata: Mapping[str, Any] = field(repr=False)
    """Everything that the server says about the stream."""

    def shapes(self, n: int) -> dict[str, tuple[int, ...]]:
        """Shapes of a batch of n samples, by key."""
        t, c, s = self.slots, len(self.bands), self.size
        shapes: dict[str, tuple[int, ...]] = {"image": (n, t, c, s, s), "valid": (n, t, s, s), "times": (n, t)}
        for g in self.groups:
            shapes |= {g.image: (n, t, len(g.bands), g.size, g.size), g.valid: (n, t, g.size, g.size)}
        if self.label_dtype is not None:
            shapes["label"] = (n, s, s)
        return shapes

    def pixel_bytes(self, n: int) -> int:
        """Bytes of the images and their validity in a batch of n samples."""
        return sum(
            n * self.slots * size**2 * (len(bands) * dtype.itemsize + 1)
            for bands, size, dtype in [
                (self.bands, self.size, self.dtype),
                *((g.bands, g.size, g.dtype) for g in self.groups),
            ]
        )

    @classmethod
    def from_metadata(cls, m: Mapping[str, Any]) -> "Spec":
        """Read the ``terrapin`` document of a stream's schema."""
        labels = m.get("labels")
        return cls(
            dataset=m["dataset"],
            digest=m["digest"],
            split=m["split"],
            samples=int(m["samples"]),
            bands=tuple(m["bands"]),
            dtype=np.dtype(m["dtype"]),
            groups=tuple(map(Group.from_metadata, m.get("groups") or ())),
            slots=int(m["slots"]),
            size=int(m["size"]),
            nodata=optional_float(m.get("nodata")),
            values=m["values"],
            normalised=bool(m["normalise"]),
            label_dtype=np.dtype(labels["dtype"]) if labels else None,
            classes={int(c["value"]): str(c["name"]) for c in m.get("classes") or ()},
            ignore=optional_float(m.get("ignore")),
            statistics=tuple(m.get("statistics") or ()),
            contracts=tuple(m.get("contracts") or ()),
            order=m["order"],
            shuffle=m["shuffle"],
            filter=m.get("filter"),
            weights=m.get("weights"),
            cube=m["cube"],
            snapshot=m["snapshot"],
            crs=m["grid"]["crs"],
            transform=affine(m["grid"]["transform"]),
            metadata=m,
        )


@dataclass(frozen=True, slots=True)
class Window:
    """One window of an area: its pixels, where it lies, and the part of it that is its own.

    The cores of all windows of an area partition it; what windows overlap lies outside their cores. A window may
    reach beyond the grid: there the image holds the nodata value and ``valid`` is 0.
    """

    image: npt.NDArray[Any]
    """[T, C, height, width] in the cube's dtype, read-only."""
    valid: npt.NDArray[np.uint8]
    """[T, height, width], 1 where every requested band is observed."""
    times: npt.NDArray[np.int64]
    """[T] acquisition times, µs since 1970 UTC; ``times.view("datetime64[us]")`` for dates."""
    row: int
    col: int
    height: int
    width: int
    """Place in the cell's grid, in pixels; row and col may be negative at the edges."""
    core: Area
    """The window's own part, in the cell's grid."""
    area: Area
    """The whole area that is read, in the cell's grid."""
    bands: tuple[str, ...]
    crs: str
    transform: Affine
    """CRS of the grid, and the transform of this window's pixels."""
    cube: str
    snapshot: str
    cell: str
    slices: tuple[str, ...]
    """The cube, snapshot, cell and slices that were read: the lineage of what is predicted from it."""

    @property
    def core_slices(self) -> tuple[slice, slice]:
        """Rows and columns of the core inside this window, to cut ``array[..., rows, cols]``."""
        top, left = self.core.row - self.row, self.core.col - self.col
        return slice(top, top + self.core.height), slice(left, left + self.core.width)


def optional_float(value: Any) -> float | None:
    """A number of the server's JSON, where NaN and the infinities are strings."""
    return None if value is None else float(value)


def affine(values: Any) -> Affine:
    """Six numbers of the server's JSON as an affine transform."""
    a, b, c, d, e, f = (float(v) for v in values[:6])
    return a, b, c, d, e, f


def shifted(transform: Affine, row: int, col: int) -> Affine:
    """The transform of a window that begins at a row and column of a grid."""
    a, b, c, d, e, f = transform
    return a, b, a * col + b * row + c, d, e, d * col + e * row + f
