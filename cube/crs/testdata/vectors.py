"""Writes vectors.json: positions transformed by PROJ (pyproj), for crs_test.go.

Each system is compared with its own geographic base, so that no datum shift enters.
Usage: python vectors.py [points per system] [seed] > vectors.json
"""

import json
import random
import sys

import pyproj

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 40
rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 7)


def utm(zone: int, south: bool, reach: float) -> tuple[float, float, float, float]:
    middle = zone * 6 - 183
    return (middle - reach, middle + reach, -85 if south else -20, 20 if south else 84)


SYSTEMS = {
    "EPSG:32601": utm(1, False, 20), "EPSG:32631": utm(31, False, 30), "EPSG:32660": utm(60, False, 6),
    "EPSG:32701": utm(1, True, 6), "EPSG:32733": utm(33, True, 30), "EPSG:25832": utm(32, False, 10),
    "EPSG:26918": utm(18, False, 10), "EPSG:31972": utm(18, False, 10), "EPSG:31983": utm(23, True, 10),
    "EPSG:31976": utm(22, False, 5), "EPSG:31977": utm(17, True, 5), "EPSG:31985": utm(25, True, 5),
    "EPSG:3857": (-180, 180, -85, 85), "EPSG:6933": (-180, 180, -86, 86), "EPSG:3035": (-35, 60, 20, 85),
}

out = []
for code, (west, east, south, north) in SYSTEMS.items():
    crs = pyproj.CRS(code)
    forward = pyproj.Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)
    for _ in range(COUNT):
        lon = rng.uniform(west, east)
        lon = (lon + 180) % 360 - 180
        lat = rng.uniform(south, north)
        x, y = forward.transform(lon, lat)
        back = forward.transform(x, y, direction="INVERSE")
        out.append({"crs": code, "lon": lon, "lat": lat, "x": x, "y": y, "back": list(back)})
json.dump({"proj": pyproj.proj_version_str, "points": out}, sys.stdout, indent=0)
