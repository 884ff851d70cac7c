"""tiers_check.py REPOSITORY SOURCES: every pixel of every cell is that of the files which tiers.py made."""

import glob
import os
import sys
import warnings

import icechunk
import numpy as np
import rasterio
import xarray as xr
import zarr

warnings.simplefilter("ignore")
repository, sources = sys.argv[1:3]
store = icechunk.Repository.open(icechunk.local_filesystem_storage(repository)).readonly_session("main").store
files = sorted(glob.glob(os.path.join(sources, "s2_*.json")))
root = zarr.open_group(store, mode="r")
compared = 0
for cell in sorted(root.group_keys()):
    for group in sorted(root[cell].group_keys()):
        ds = xr.open_zarr(store, group=f"{cell}/{group}", consolidated=False)
        assert ds.sizes["time"] == len(files)
        assert ("flags" in ds) == (group == "10m")
        for t, item in enumerate(files):
            with rasterio.open(item.replace(".json", f"_r{group[:-1]}.tif")) as s:
                row, col = s.index(ds.x[0].item(), ds.y[0].item())
                window = np.s_[row : row + ds.sizes["y"], col : col + ds.sizes["x"]]
                np.testing.assert_array_equal(ds.image[t], s.read()[(slice(None), *window)])
                assert ds.valid[t].values.all()
                compared += ds.image[t].size
            if "flags" not in ds:
                continue
            with rasterio.open(item.replace(".json", "_scl.tif")) as s:
                scl = s.read(1).repeat(2, 0).repeat(2, 1)[window]
            masks = dict(zip(ds.flags.attrs["flag_meanings"].split(), ds.flags.attrs["flag_masks"], strict=True))
            for name, classes in {"cloud": [8, 9, 10], "cloud_shadow": [3], "snow": [11], "water": [6]}.items():
                want = np.isin(scl, classes)
                np.testing.assert_array_equal((ds.flags[t] & masks[name]) != 0, want)
print(compared)
