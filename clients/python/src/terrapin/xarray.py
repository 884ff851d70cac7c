"""xarray: a cell of a cube through the official Icechunk library, or through the server's plain Zarr view."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import icechunk
import xarray

__all__ = ["open_cell", "open_view"]


def open_cell(*, location: str, http: str, snapshot: str, group: str) -> xarray.Dataset:
    """Open one cell of a cube at a snapshot: from its files where they are here, else from the server."""
    parts = urlsplit(location)
    path = Path(unquote(parts.path))
    if parts.scheme == "file" and path.is_dir():
        storage = icechunk.local_filesystem_storage(str(path))
    else:
        storage = icechunk.http_storage(http)
    session = icechunk.Repository.open(storage).readonly_session(snapshot_id=snapshot)
    return xarray.open_dataset(
        session.store,  # type: ignore[arg-type]
        engine="zarr",
        group=group,
        consolidated=False,
        zarr_format=3,
        chunks=None,
        # The numbers are the source's: nodata stays nodata, and `valid` tells it.
        mask_and_scale=False,
    )


def open_view(url: str) -> xarray.Dataset:
    """Open a group of plain Zarr at a server; its metadata comes in one request."""
    return xarray.open_dataset(url, engine="zarr", consolidated=True, zarr_format=3, chunks=None, mask_and_scale=False)
