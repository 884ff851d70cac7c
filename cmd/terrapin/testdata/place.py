"""A cube as strangers see it: place.py REPOSITORY PLAIN CELL=SOURCE...

Opens each cell with the official icechunk, zarr and xarray, and asks rioxarray, odc-geo and GDAL where its pixels
lie. None of them is told anything. GDAL reads the snapshot's objects copied one by one to the folder PLAIN, as any
server of plain Zarr would give them. The truth is what rasterio reads of the source at places drawn in it, which
are looked up in the cube by longitude and latitude.
"""

import asyncio
import os
import random
import sys
import warnings

import icechunk
import numpy as np
import odc.geo.xr  # noqa: F401  # registers .odc
import rasterio
import rioxarray  # noqa: F401  # registers .rio
import xarray as xr
import zarr
from rasterio.warp import transform as warp

warnings.simplefilter("ignore")
places = 200
wanted = tuple(pair.split("=", 1)[0] + "/" for pair in sys.argv[3:])
repository, plain = sys.argv[1:3]
session = icechunk.Repository.open(icechunk.local_filesystem_storage(repository)).readonly_session("main")


async def copy():
    prototype = zarr.core.buffer.default_buffer_prototype()
    async for key in session.store.list():
        if not (key.endswith("zarr.json") or key.startswith(wanted)):
            continue
        path = os.path.join(plain, key)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write((await session.store.get(key, prototype)).to_bytes())


def same(got, want):
    scale = max(abs(v) for v in want)
    return np.allclose(tuple(got)[:6], tuple(want)[:6], rtol=0, atol=1e-12 * scale)


def check(cell, source):
    with rasterio.open(source) as src:
        ds = xr.open_zarr(session.store, group=cell, consolidated=False)
        a = ds.rio.transform()
        # The cell is a part of the source's grid, or the source a part of the cell's.
        col, row = ~src.transform * (a.c, a.f)
        assert abs(col - round(col)) < 1e-6 and abs(row - round(row)) < 1e-6, (col, row)
        want = src.transform * rasterio.Affine.translation(round(col), round(row))
        shape = (ds.sizes["y"], ds.sizes["x"])
        bands = [
            src.descriptions.index(b) + 1 if b in src.descriptions else i + 1 for i, b in enumerate(ds.band.values)
        ]

        spots = [
            (r, c)
            for r in range(round(row), round(row) + shape[0])
            for c in range(round(col), round(col) + shape[1])
            if 0 <= r < src.height and 0 <= c < src.width
        ]
        spots = random.Random(1).sample(spots, min(places, len(spots)))
        data = src.read(bands)
        truth = np.array([data[:, r, c] for r, c in spots])
        lon, lat = warp(src.crs, "EPSG:4326", *zip(*[src.xy(r, c) for r, c in spots], strict=True))

        for coords in ("coordinates", "all"):  # where the grid mapping is an auxiliary coordinate, and where it is not
            ds = xr.open_zarr(session.store, group=cell, consolidated=False, decode_coords=coords)
            arrays = [ds, ds.image, ds.valid] + ([ds.flags] if "flags" in ds else [])
            for what in arrays:
                assert what.rio.crs == src.crs, what.rio.crs
                assert same(what.rio.transform(), want), (what.rio.transform(), want)
                assert (what.rio.x_dim, what.rio.y_dim, what.rio.shape) == ("x", "y", shape)
                box = what.odc.geobox
                assert rasterio.crs.CRS.from_user_input(str(box.crs)) == src.crs, box.crs
                assert same(box.affine, want) and box.shape == shape, box
            x, y = warp("EPSG:4326", ds.image.rio.crs, lon, lat)
            at = {"x": xr.DataArray(list(x), dims="spot"), "y": xr.DataArray(list(y), dims="spot")}
            got = ds.image.isel(time=0).sel(at, method="nearest").transpose("spot", "band").values
            assert got.dtype == src.dtypes[0], got.dtype
            np.testing.assert_array_equal(got, truth)
            np.testing.assert_equal(ds.image.rio.nodata, src.nodata)
        centre = [want * (0.5, 0.5), want * (shape[1] - 0.5, shape[0] - 0.5)]
        np.testing.assert_allclose([ds.x[0], ds.x[-1]], [p[0] for p in centre], rtol=1e-12)
        np.testing.assert_allclose([ds.y[0], ds.y[-1]], [p[1] for p in centre], rtol=1e-12)

        with rasterio.open(f'ZARR:"{plain}":/{cell}/image') as gdal:
            assert gdal.crs == src.crs, gdal.crs
            assert same(gdal.transform, want) and gdal.shape == shape, (gdal.transform, want)
            if src.nodata is not None:  # else GDAL takes Zarr's fill value, which every array has
                np.testing.assert_equal(gdal.nodata, src.nodata)
            x, y = warp("EPSG:4326", gdal.crs, lon, lat)
            first = np.array(list(gdal.sample(zip(x, y, strict=True), indexes=list(range(1, len(bands) + 1)))))
            np.testing.assert_array_equal(first, truth)
        return len(spots)


asyncio.run(copy())
print(sum(check(*pair.split("=", 1)) for pair in sys.argv[3:]))
