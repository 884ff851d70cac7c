package ingest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/cube/layout"
)

var cloudFlags = []layout.Flag{{Name: "cloud", Mask: 1}, {Name: "cloud_shadow", Mask: 2}, {Name: "snow", Mask: 4}}

// linkItem writes a STAC item beside copies of its assets.
func linkItem(t *testing.T, id string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	assets := map[string]any{}
	for key, file := range files {
		full, err := filepath.Abs(file)
		require.NoError(t, err)
		name := key + filepath.Ext(file)
		data, err := os.ReadFile(full)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
		assets[key] = map[string]any{"href": name, "type": "image/tiff"}
	}
	text, err := json.Marshal(map[string]any{"type": "Feature", "stac_version": "1.0.0", "id": id, "assets": assets, "properties": map[string]any{"datetime": "2018-04-28T15:40:00Z"}})
	require.NoError(t, err)
	path := filepath.Join(dir, id+".json")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

// Landsat's own quality band, as it was measured: its bits become flags, pixel for pixel.
func TestFlagsFromARealQualityBand(t *testing.T) {
	scene := cubetest.Real(t, "ts/l8-newyork-gdalcubes/L8NY18/LC08_L1TP_014031_20180428_20180502_01_T1")
	b4, bqa := filepath.Join(scene, "LC08_L1TP_014031_20180428_B4.TIF"), filepath.Join(scene, "LC08_L1TP_014031_20180428_BQA.TIF")
	spec := like(t, b4, "B4")
	spec.Flags, spec.CellSize, spec.Chunk = cloudFlags, 64, 32
	c, dir := newCube(t, spec)
	item := linkItem(t, "ny", map[string]string{"B4": b4, "BQA": bqa})
	rep := ingest(t, c, Request{Sources: []string{item}})
	require.Len(t, rep.Rejected, 1)
	require.Contains(t, rep.Rejected[0].Reason, "nothing says which pixels")
	rep = ingest(t, c, Request{Sources: []string{item}, FlagsFrom: []string{"BQA=bits:cloud=4,cloud_shadow=7-8:3,snow=9-10:3"}})
	require.Empty(t, rep.Rejected)
	require.Equal(t, "flags cloud, cloud_shadow, snow from BQA", rep.Accepted[0].Note)
	cubetest.Python(t, `
import sys, icechunk, numpy as np, rasterio, xarray as xr, zarr
store = icechunk.Repository.open(icechunk.local_filesystem_storage(sys.argv[1])).readonly_session("main").store
qa = rasterio.open(sys.argv[2])
bits = qa.read(1)
root = zarr.open_group(store, mode="r")
cells = [f"{c}/{g}" for c in root.group_keys() for g in root[c].group_keys()]
assert len(cells) == 4, cells
seen = 0
for cell in cells:
    ds = xr.open_zarr(store, group=cell, consolidated=False)
    row, col = qa.index(ds.x[0].item(), ds.y[0].item())
    here = bits[row:row + ds.sizes["y"], col:col + ds.sizes["x"]]
    want = ((here >> 4) & 1) | ((here >> 7 & 3) == 3) * 2 | ((here >> 9 & 3) == 3) * 4
    np.testing.assert_array_equal(ds.flags[0], want)
    assert ds.flags.attrs["flag_meanings"] == "cloud cloud_shadow snow"
    seen += int((want != 0).sum())
assert seen > 100, seen
`, dir, bqa)
}

// A mask of larger pixels covers the smaller ones that lie in it, wherever it begins; what it does not cover has no flag.
func TestACoarseMaskIsSpread(t *testing.T) {
	files := demoScenes(t)
	spec := like(t, files[0])
	spec.Flags, spec.Chunk = cloudFlags, 32
	dir := t.TempDir()
	cubetest.Python(t, `
import sys, numpy as np, rasterio
with rasterio.open(sys.argv[1]) as s:
    names, crs, t = s.descriptions, s.crs, s.transform
for name, size, row, col, n in (("coarse", 30, 4, -5, 30), ("off", 30, 4.5, 0, 30), ("odd", 25, 0, 0, 30), ("same", 10, 0, 0, 100)):
    at = t * rasterio.Affine.translation(col, row) * rasterio.Affine.scale(size / 10)
    with rasterio.open(f"{sys.argv[2]}/{name}.tif", "w", driver="GTiff", crs=crs, transform=at, width=n, height=n, count=1, dtype="uint8") as d:
        d.write((np.arange(n * n).reshape(n, n) % 12).astype("u1"), 1)
with rasterio.open(f"{sys.argv[2]}/float.tif", "w", driver="GTiff", crs=crs, transform=t, width=100, height=100, count=1, dtype="float32") as d:
    d.write(np.zeros((100, 100), "f4"), 1)
`, files[0], dir)
	for name, why := range map[string]string{"off": "off the cube's grid", "odd": "pixel size", "float": "whole numbers"} {
		c, _ := newCube(t, spec)
		item := linkItem(t, "x", map[string]string{"all": files[0], "scl": filepath.Join(dir, name+".tif")})
		rep := ingest(t, c, Request{Sources: []string{item}, FlagsFrom: []string{"scl=scl"}})
		require.Len(t, rep.Rejected, 1, name)
		require.Contains(t, rep.Rejected[0].Reason, why, name)
	}
	c, cubeDir := newCube(t, spec)
	item := linkItem(t, "x", map[string]string{"all": files[0], "scl": filepath.Join(dir, "coarse.tif")})
	rep := ingest(t, c, Request{Sources: []string{item}, FlagsFrom: []string{"scl=scl"}})
	require.Empty(t, rep.Rejected)
	cubetest.Python(t, `
import sys, icechunk, numpy as np, zarr
store = icechunk.Repository.open(icechunk.local_filesystem_storage(sys.argv[1])).readonly_session("main").store
flags = zarr.open_group(store, mode="r")["r0c0/10m/flags"][0]
scl = (np.arange(900).reshape(30, 30) % 12).repeat(3, 0).repeat(3, 1)
whole = np.zeros((100, 100), "i8")
whole[4:94, 0:85] = scl[:, 5:]
want = np.isin(whole, (8, 9, 10)) * 1 | (whole == 3) * 2 | (whole == 11) * 4
np.testing.assert_array_equal(flags, want)
`, cubeDir)
	view, err := c.At(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, cube.Window{Height: 100, Width: 100}, view.Slices()[0].Footprint, "a mask adds nothing to what the scene covers")
}
