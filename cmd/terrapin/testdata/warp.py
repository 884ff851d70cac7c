"""Real imagery on another grid: warp.py IN CRS RESOLUTION OUT. Nearest neighbours: every value is a measured one."""

import sys

import rasterio
from rasterio.warp import calculate_default_transform, reproject

given, crs, resolution, out = sys.argv[1:5]
with rasterio.open(given) as s:
    transform, width, height = calculate_default_transform(
        s.crs, crs, s.width, s.height, *s.bounds, resolution=float(resolution)
    )
    profile = {"crs": crs, "transform": transform, "width": width, "height": height, "count": s.count}
    with rasterio.open(out, "w", driver="GTiff", dtype=s.dtypes[0], nodata=s.nodata, **profile) as d:
        for i in range(1, s.count + 1):
            reproject(rasterio.band(s, i), rasterio.band(d, i))
        d.descriptions = s.descriptions
