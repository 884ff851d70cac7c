"""Scenes that overlap, out of one: cut.py IN OUT NAME=ROW,COL,HEIGHT,WIDTH... Every pixel is the file's own."""

import sys

import rasterio
from rasterio.windows import Window

given, out = sys.argv[1:3]
with rasterio.open(given) as s:
    for part in sys.argv[3:]:
        name, place = part.split("=")
        row, col, height, width = map(int, place.split(","))
        w = Window(col, row, width, height)
        profile = {**s.profile, "height": height, "width": width, "transform": s.window_transform(w), "tiled": False}
        with rasterio.open(f"{out}/{name}.tif", "w", **profile) as d:
            d.write(s.read(window=w))
