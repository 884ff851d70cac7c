"""Scenes of three resolutions: tiers.py OUT FILE... makes a STAC item for each Sentinel-2 file.

The files have B02, B03, B04, B08 and the scene classification SCL at 10 m. B02 to B04 stay as they are; B08 is
taken at every second pixel as B8A, SCL likewise, and B02 at every sixth as B01. So every number is a measured
one, and the coarser bands are derived in that they were not measured at that size.
"""

import json
import os
import sys

import rasterio

CLASSES = """no_data saturated_or_defective dark_area_pixels cloud_shadows vegetation not_vegetated water
unclassified cloud_medium_probability cloud_high_probability thin_cirrus snow"""

out = sys.argv[1]
for path in sys.argv[2:]:
    name = os.path.splitext(os.path.basename(path))[0]
    with rasterio.open(path) as s:
        height, width = s.height // 6 * 6, s.width // 6 * 6
        data = dict(zip(s.descriptions, s.read()[:, :height, :width], strict=True))
        transform, crs = s.transform, s.crs
    assets = {}
    for key, step, bands in (
        ("r10", 1, {"B02": "B02", "B03": "B03", "B04": "B04"}),
        ("r20", 2, {"B8A": "B08"}),
        ("r60", 6, {"B01": "B02"}),
        ("scl", 2, {"SCL": "SCL"}),
    ):
        file = f"{name}_{key}.tif"
        grid = transform * rasterio.Affine.scale(step)
        with rasterio.open(
            os.path.join(out, file), "w", driver="GTiff", crs=crs, transform=grid, dtype="uint16",
            width=width // step, height=height // step, count=len(bands),
        ) as d:  # fmt: skip
            for i, (band, source) in enumerate(bands.items(), 1):
                d.write(data[source][::step, ::step], i)
                d.set_band_description(i, band)
        assets[key] = {"href": file, "type": "image/tiff", "bands": [{"name": b} for b in bands]}
    assets["scl"]["classification:classes"] = [{"value": v, "name": n} for v, n in enumerate(CLASSES.split())]
    date = name.removeprefix("s2_")
    item = {
        "type": "Feature", "stac_version": "1.1.0", "id": name, "geometry": None, "links": [], "assets": assets,
        "properties": {"datetime": f"{date[:4]}-{date[4:6]}-{date[6:8]}T10:56:21Z"},
    }  # fmt: skip
    with open(os.path.join(out, name + ".json"), "w") as f:
        json.dump(item, f)
