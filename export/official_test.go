package export

import (
	"encoding/base64"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/cube/read"
)

// TestOfficialReadersOfAnExport opens both formats with stock tools, which have to find pixels, places and
// times by themselves.
func TestOfficialReadersOfAnExport(t *testing.T) {
	f := start(t)
	dir := t.TempDir()
	bounds := [4]float64{500030, 5599690, 500240, 5599940}
	for _, format := range []Format{COG, Zarr} {
		f.run(t, Request{Out: filepath.Join(dir, string(format)), Format: format, Bounds: &bounds})
	}
	f.run(t, Request{Out: filepath.Join(dir, "sharded"), Format: Zarr, Bounds: &bounds, Shard: 32})
	var image, valid []byte
	for _, sc := range f.scenes {
		image, valid = append(image, sc.Image...), append(valid, sc.Valid...)
	}
	cubetest.Python(t, `
import base64, glob, sys
import numpy as np, rasterio, rioxarray, xarray, zarr
folder = sys.argv[1]
area = (slice(None), slice(None), slice(6, 31), slice(3, 24))
image = np.frombuffer(base64.b64decode(sys.argv[2]), "<u2").reshape(4, 3, 41, 37)[area]
valid = np.frombuffer(base64.b64decode(sys.argv[3]), "u1").reshape(4, 3, 41, 37)[area]
place = (10, 0, 500030, 0, -10, 5599940)
for t, path in enumerate(sorted(glob.glob(folder + "/cog/*.tif"))):
    with rasterio.open(path) as raster:
        assert raster.crs.to_epsg() == 32631 and tuple(raster.transform)[:6] == place
        assert raster.descriptions == ("B02", "B03", "B08") and raster.nodatavals == (65535,) * 3
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert np.array_equal(raster.read(), image[t])
        assert np.array_equal(raster.dataset_mask(), valid[t].min(axis=0) * 255)
sharded = zarr.open_group(folder + "/sharded", mode="r")
assert sharded["image"].shards == (1, 3, 32, 32) and sharded["image"].chunks == (1, 3, 16, 16), sharded["image"].chunks
assert np.array_equal(sharded["image"][:], image) and np.array_equal(sharded["valid"][:], valid)
group = zarr.open_group(folder + "/zarr", mode="r")
assert group.metadata.consolidated_metadata is not None
assert np.array_equal(group["image"][:], image) and np.array_equal(group["valid"][:], valid)
assert [s["source"] for s in group.attrs["terrapin:export"]["scenes"]] == ["scene"] * 4
opened = xarray.open_zarr(folder + "/zarr", consolidated=True, mask_and_scale=False)
assert np.array_equal(opened["image"].values, image)
assert list(opened["band"].values) == ["B02", "B03", "B08"]
assert str(opened["time"].values[2])[:19] == "2021-06-13T12:00:00"
assert opened.rio.crs.to_epsg() == 32631 and tuple(opened.rio.transform())[:6] == place
for t in range(4):
    for b in range(3):
        with rasterio.open(f'ZARR:"{folder}/zarr":/image:{t}:{b}') as raster:
            assert raster.crs.to_epsg() == 32631 and tuple(raster.transform)[:6] == place and raster.nodata == 65535
            assert np.array_equal(raster.read(1), image[t, b])
`, dir, base64.StdEncoding.EncodeToString(image), base64.StdEncoding.EncodeToString(valid))
}

// TestFlagsAreExported has stock tools read the flags of tiled scenes, one of which does not reach every cell:
// a file of their own beside each GeoTIFF, an array in Zarr, with shards and without.
func TestFlagsAreExported(t *testing.T) {
	spec := layouttest.Spec(cube.Uint16, layouttest.Value(65535))
	spec.CellSize = 16
	spec.Flags = []layout.Flag{{Name: "cloud", Mask: 1}, {Name: "shadow", Mask: 256}}
	made, err := layout.Create(t.Context(), layouttest.Bucket(), spec)
	require.NoError(t, err)
	scenes := []layouttest.Scene{
		layouttest.RandomIn(spec, 1, "whole", layouttest.Date(6, 3, 0), spec.Grid.All()),
		layouttest.RandomIn(spec, 2, "part", layouttest.Date(6, 8, 0), cube.Window{Row: 2, Col: 5, Height: 20, Width: 9}),
	}
	layouttest.Commit(t, made, scenes...)
	f := &fixture{Config: Config{Cube: made, Reader: read.New(read.Config{})}}
	dir, window := t.TempDir(), cube.Window{Row: 3, Col: 4, Height: 30, Width: 31}
	report := f.run(t, Request{Out: filepath.Join(dir, "cog"), Format: COG, Window: &window})
	require.Equal(t, 2, report.Scenes)
	require.Len(t, report.Files, 4)
	again := f.run(t, Request{Out: filepath.Join(dir, "cog"), Format: COG, Window: &window, Resume: true})
	require.Equal(t, 4, again.Skipped)
	require.Equal(t, report.Files, again.Files)
	f.run(t, Request{Out: filepath.Join(dir, "zarr"), Format: Zarr, Window: &window})
	f.run(t, Request{Out: filepath.Join(dir, "sharded"), Format: Zarr, Window: &window, Shard: 32})
	cubetest.Python(t, `
import base64, glob, sys
import numpy as np, rasterio, zarr
folder = sys.argv[1]
flags = np.frombuffer(base64.b64decode(sys.argv[2]), "<u2").reshape(2, 41, 37)[:, 3:33, 4:35]
assert flags.any() and not flags[1].all()
files = sorted(glob.glob(folder + "/cog/*_flags.tif"))
assert len(files) == 2
for t, path in enumerate(files):
    with rasterio.open(path) as raster:
        assert raster.descriptions == ("flags",) and raster.tags()["TERRAPIN_FLAGS"] == "cloud=1,shadow=256"
        assert raster.dtypes == ("uint16",) and np.array_equal(raster.read(1), flags[t])
        assert raster.transform.c == 500040 and raster.crs.to_epsg() == 32631
for name in "zarr", "sharded":
    group = zarr.open_group(folder + "/" + name, mode="r")
    assert np.array_equal(group["flags"][:], flags), name
    assert group["flags"].attrs["flag_meanings"] == "cloud shadow" and list(group["flags"].attrs["flag_masks"]) == [1, 256]
    assert "flags" in group["image"].attrs["ancillary_variables"]
assert group["flags"].shards == (1, 32, 32)
`, dir, base64.StdEncoding.EncodeToString(append(scenes[0].Flags, scenes[1].Flags...)))
}
