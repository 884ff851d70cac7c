"""Cubes: what they hold, opening one as xarray, and reading an area window by window."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ._prefetch import Arrays, Prefetch, Steps, cut
from .errors import InvalidError, UnsupportedError
from .order import Plan
from .types import Area, Window, affine, shifted

if TYPE_CHECKING:
    import xarray

    from .client import Client

__all__ = ["Cube", "Windows"]

Time = str | datetime | date | np.datetime64 | None


class Cube:
    """A cube: imagery on one grid, by time and band, in an Icechunk repository."""

    def __init__(self, client: "Client", name: str) -> None:
        """Use :meth:`terrapin.Client.cube`."""
        self._client = client
        self.name = name
        self.info: dict[str, Any] = self._show(None)
        """Its location, newest snapshot, bands and cells (path, crs, transform, times, arrays), when it was opened."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Band names in stored order, one resolution after the other."""
        groups = self.info.get("groups") or [self.info]
        return tuple(band for group in groups for band in group["bands"])

    def xarray(
        self,
        version: str | None = None,
        *,
        cell: str | None = None,
        via: Literal["icechunk", "zarr"] = "icechunk",
    ) -> "xarray.Dataset":
        """Open the cube lazily as an xarray.Dataset, at one snapshot.

        ``version`` is a tag, a branch or a snapshot id; the newest by default. ``cell`` is the path of a cell where
        there are several. Variables: ``image`` (time, band, y, x) with the source's numbers, ``valid`` alike, 1 where
        observed. Needs the extra ``terrapin[xarray]``.

        ``via="icechunk"`` reads the repository with the official Icechunk library: directly where its files are on
        this machine, else over HTTP. ``via="zarr"`` reads the server's plain Zarr view, see :meth:`zarr_url`.
        """
        try:
            from .xarray import open_cell, open_view
        except ImportError as e:
            raise UnsupportedError(
                f"cube(...).xarray() needs icechunk, zarr and xarray: {e}", "pip install 'terrapin[xarray]'"
            ) from None
        if via == "zarr":
            return open_view(self.zarr_url(version, cell=cell))
        if via != "icechunk":
            raise InvalidError(f"via={via!r} is no way to open a cube", 'use "icechunk" or "zarr"')
        info = self._show(version)
        return open_cell(
            location=info["location"],
            http=f"{self._client.url}/assets/cubes/{self.name}",
            snapshot=info["snapshot"],
            group=_pick(info["cells"], cell)["path"],
        )

    def zarr_url(self, version: str | None = None, *, cell: str | None = None) -> str:
        """The address of a version as a plain Zarr v3 group, for zarr, xarray, GDAL (``/vsicurl/``) and others.

        ``version`` is a tag, a branch or a snapshot id; the newest by default. The address names the snapshot that it
        is now, so that what is read there never changes. With ``cell``, or where there is one cell, it is the group
        with ``image``, ``valid``, ``time``, ``band``, ``y`` and ``x``; else the topmost group.
        """
        info = self._show(version)
        url = f"{self._client.url}/zarr/{self.name}/@{info['snapshot']}"
        if cell is None and len(info["cells"]) != 1:
            return url
        return f"{url}/{_pick(info['cells'], cell)['path']}"

    def windows(
        self,
        bounds: Sequence[float] | None = None,
        time: tuple[Time, Time] | None = None,
        *,
        size: int = 256,
        overlap: int = 0,
        bands: Sequence[str] | None = None,
        version: str | None = None,
        cell: str | None = None,
        batch_size: int = 8,
        dtype: Literal["float32"] | None = None,
        values: Literal["raw", "physical"] | None = None,
        normalise: str | None = None,
        patience: float = 5.0,
    ) -> "Windows":
        """Read an area once, window by window, row by row; for inference.

        ``bounds``      min x, min y, max x, max y in the cube's CRS, snapped outward to pixels; default: everything
        ``time``        first and last acquisition time, both included (str, date, datetime or datetime64; None leaves
                        an end open); default: everything
        ``size``        height and width of a window in pixels
        ``overlap``     pixels that neighbouring windows share; ``Window.core`` is the part that is a window's own
        ``bands``       names, in the order wanted; default: all
        ``batch_size``  windows fetched at once
        ``dtype``       ``float32``: the server converts images, whatever else is done to their numbers
        ``values``      ``physical``: scale and offset of each scene are applied, as float32; ``raw``: stored numbers
        ``normalise``   a dataset version, such as ``crops@v3``: its values, and mean and standard deviation of its
                        training split, band by band, as a model that was trained on it has seen them

        Returns an iterable of :class:`terrapin.Window` with a length. It is pinned to one snapshot.
        """
        ticket: dict[str, Any] = {"cube": self.name, "size": size, "overlap": overlap}
        if bounds is not None:
            ticket["bounds"] = [float(v) for v in bounds]
        if time is not None:
            ticket["time"] = [_moment(t) for t in time]
        if bands is not None:
            ticket["bands"] = list(bands)
        if version is not None:
            ticket["version"] = version
        if cell is not None:
            ticket["cell"] = cell
        asked = {"dtype": dtype, "values": values, "normalise": normalise}
        ticket |= {key: value for key, value in asked.items() if value is not None}
        return Windows(self._client, ticket, batch_size, patience)

    def _show(self, version: str | None) -> dict[str, Any]:
        args = {"cube": self.name} if version is None else {"cube": self.name, "version": version}
        document: dict[str, Any] = self._client.verb("cube.show", args).document
        return document

    def __repr__(self) -> str:
        times = len({scene for cell in self.info["cells"] for scene in cell["slices"]})
        return f"<terrapin.Cube {self.name}: {times} times, bands {', '.join(self.bands)}>"


class Windows:
    """An area cut into windows; every iteration reads it from the beginning, with its own connection."""

    def __init__(self, client: "Client", ticket: dict[str, Any], batch_size: int, patience: float) -> None:
        """Use :meth:`terrapin.Cube.windows`."""
        if batch_size < 1:
            raise InvalidError(f"batch_size {batch_size} is less than one", "ask for at least one window at once")
        self._client = client
        self._patience = patience
        self._facts = client._transports().facts({**ticket, "batch_size": 1})
        f = self._facts
        self._ticket = {**ticket, "version": f["snapshot"], "cell": f["cell"], "batch_size": batch_size}
        if f.get("dataset"):
            self._ticket["normalise"] = f["dataset"]
        pixels = batch_size * f["slots"] * f["size"] ** 2
        self._ticket |= cut(pixels * (len(f["bands"]) * np.dtype(f["dtype"]).itemsize + 1))
        self._plan = Plan(int(f["samples"]), batch_size, tail="short")

    @property
    def bands(self) -> tuple[str, ...]:
        """Band names, in the order of the image's second axis."""
        return tuple(self._facts["bands"])

    @property
    def area(self) -> Area:
        """The area in pixels of the cell's grid."""
        return Area(**self._facts["area"])

    def __len__(self) -> int:
        """Number of windows."""
        return self._plan.n

    def __iter__(self) -> Iterator[Window]:
        pinned = ("snapshot", str(self._facts["snapshot"]))
        prefetch = Prefetch(Steps(self._client._transports(), self._ticket, self._plan, 0, pinned, self._patience))
        try:
            while (arrays := prefetch.next()) is not None:
                for name in ("image", "valid", "times"):
                    arrays[name].flags.writeable = False
                for i in range(len(arrays["ids"])):
                    yield self._window(arrays, i)
        finally:
            prefetch.close()

    def _window(self, arrays: Arrays, i: int) -> Window:
        f = self._facts
        row, col, height, width = (int(arrays[k][i]) for k in ("row", "col", "height", "width"))
        return Window(
            image=arrays["image"][i],
            valid=arrays["valid"][i],
            times=arrays["times"][i],
            row=row,
            col=col,
            height=height,
            width=width,
            core=Area(*(int(arrays[f"core_{k}"][i]) for k in ("row", "col", "height", "width"))),
            area=self.area,
            bands=self.bands,
            crs=f["grid"]["crs"],
            transform=shifted(affine(f["grid"]["transform"]), row, col),
            cube=f["cube"],
            snapshot=f["snapshot"],
            cell=f["cell"],
            slices=tuple(str(c["slice"]) for c in f["contracts"]),
        )


def _pick(cells: list[dict[str, Any]], path: str | None) -> dict[str, Any]:
    paths = [str(cell["path"]) for cell in cells]
    if path is None and len(cells) == 1:
        return cells[0]
    if path not in paths:
        what = f"the cube has {len(paths)} cells" if path is None else f"cell {path!r} is not in the cube"
        most = 12
        more = f" and {len(paths) - most} more" if len(paths) > most else ""
        raise InvalidError(what, f"name one with cell=: {', '.join(paths[:most])}{more}")
    return cells[paths.index(path)]


def _moment(time: Time) -> str:
    """A time as the ticket wants it: RFC 3339 in UTC, a date, or ".." for an open end."""
    if time is None:
        return ".."
    if isinstance(time, np.datetime64):
        return f"{np.datetime_as_string(time.astype('datetime64[us]'))}Z"
    if isinstance(time, datetime):
        aware = time if time.tzinfo else time.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return time.isoformat() if isinstance(time, date) else time
