package ingest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/cubetest"
)

// equalsSources opens a cube on disk with the official icechunk and zarr and holds every pixel of every
// slice, and its validity, to what rasterio reads of the source: nodata and NaN are not observed, nor is
// what a per-dataset mask hides or the source does not cover.
func equalsSources(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	args := []string{dir}
	for source, file := range files {
		args = append(args, source+"="+file)
	}
	out := cubetest.Python(t, `
import json, sys
import icechunk, numpy as np, rasterio, zarr
from rasterio.enums import MaskFlags
repo = icechunk.Repository.open(icechunk.local_filesystem_storage(sys.argv[1]))
root = zarr.open_group(repo.readonly_session("main").store, mode="r")
group = root["r0c0"]
group = group[next(iter(group.group_keys()))]
image, valid, bands = group["image"], group["valid"], [str(b) for b in group["band"][:]]
transform = rasterio.Affine(*dict(group.attrs)["spatial:transform"])
records = [json.loads(bytes(r).rstrip(b"\0 ")) for r in group["records/slice"][:]]
files = dict(a.split("=", 1) for a in sys.argv[2:])
assert len(records) == len(files) == image.shape[0], (len(records), len(files), image.shape)
fill = np.array(image.fill_value, image.dtype)
compared = 0
for t, record in enumerate(records):
    with rasterio.open(files[record["source"]]) as ds:
        names = list(ds.descriptions)
        index = [names.index(b) + 1 for b in bands] if any(names) else list(range(1, ds.count + 1))
        data = ds.read(index)
        seen = np.ones(data.shape, bool)
        for i, b in enumerate(index):
            nodata = ds.nodatavals[b - 1]
            if nodata is not None and not np.isnan(nodata):
                seen[i] = data[i] != np.array(nodata).astype(data.dtype)
            if data.dtype.kind == "f":
                seen[i] &= ~np.isnan(data[i])
            flags = ds.mask_flag_enums[b - 1]
            if MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags:
                seen[i] &= ds.read_masks(b) != 0
        col, row = (round(v) for v in ~transform * (ds.transform.c, ds.transform.f))
    want = np.full(image.shape[1:], fill)
    mask = np.zeros(image.shape[1:], bool)
    r0, c0, r1, c1 = max(row, 0), max(col, 0), min(row + data.shape[1], want.shape[1]), min(col + data.shape[2], want.shape[2])
    want[:, r0:r1, c0:c1] = data[:, r0 - row:r1 - row, c0 - col:c1 - col]
    mask[:, r0:r1, c0:c1] = seen[:, r0 - row:r1 - row, c0 - col:c1 - col]
    np.testing.assert_array_equal(image[t], want, err_msg=record["source"])
    np.testing.assert_array_equal(valid[t] != 0, mask, err_msg=record["source"])
    compared += want.size
print(compared)`, args...)
	require.NotEqual(t, "0\n", string(out))
}
