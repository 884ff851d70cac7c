package layout_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

func onDisk(t *testing.T, s layout.Spec) (*layout.Cube, string) {
	t.Helper()
	dir := t.TempDir()
	driver, err := file.New(dir)
	require.NoError(t, err)
	t.Cleanup(func() { driver.Close() })
	c, err := layout.Create(t.Context(), store.New(driver, "file://"+dir).Sub("cubes/s2"), s)
	require.NoError(t, err)
	return c, filepath.Join(dir, "cubes/s2")
}

// opens a cube as a user would, without Terrapin
const openCube = `
import sys, json, warnings, numpy as np, icechunk, xarray as xr
warnings.simplefilter("error")
warnings.filterwarnings("ignore", category=DeprecationWarning)
warnings.filterwarnings("ignore", category=PendingDeprecationWarning)
warnings.filterwarnings("ignore", message=".*numpy.ndarray size changed.*")
repo = icechunk.Repository.open(icechunk.local_filesystem_storage(sys.argv[1]))
session = repo.readonly_session("main")
ds = xr.open_zarr(session.store, group="r0c0/10m", consolidated=False)
`

// stored is a cube of a codec.
func stored(c layout.Codec) layout.Spec {
	s := uint16Spec()
	s.Codec = c
	return s
}

// What the official icechunk, zarr and xarray read is what was put in, for each kind of number and each codec.
func TestXarrayReadsTheCube(t *testing.T) {
	for _, s := range []layout.Spec{
		uint16Spec(), layouttest.Spec(cube.Int16, layouttest.Value(-9999)), layouttest.Spec(cube.Float32, layouttest.NaN()),
		layouttest.Spec(cube.Uint8, nil), layouttest.Spec(cube.Float64, layouttest.Value(-1e30)),
		stored(layout.Uncompressed), stored("zstd:9"), stored("gzip:1"), stored("blosc-lz4"), stored("blosc-zstd:1"),
	} {
		t.Run(string(s.DType)+" "+s.Codec.String(), func(t *testing.T) {
			c, dir := onDisk(t, s)
			all := scenes(s)
			layouttest.Commit(t, c, all[0], all[1])
			layouttest.Commit(t, c, all[2], all[3], all[4])
			layouttest.Commit(t, c, all[5])
			want := t.TempDir()
			for _, sc := range all {
				require.NoError(t, os.WriteFile(filepath.Join(want, sc.Meta.Source+".image"), sc.Image, 0o644))
				require.NoError(t, os.WriteFile(filepath.Join(want, sc.Meta.Source+".valid"), sc.Valid, 0o644))
			}
			var order []string
			var micros []int64
			for _, sl := range head(t, c).Cells()[0].Slices {
				order = append(order, sl.Source)
				micros = append(micros, sl.Micros())
			}
			expect, err := json.Marshal(map[string]any{"order": order, "micros": micros, "dtype": s.DType, "codec": s.Codec.String()})
			require.NoError(t, err)
			cubetest.Python(t, openCube+`
want, expect = sys.argv[2], json.loads(sys.argv[3])
assert dict(ds.sizes) == {"time": 6, "band": 3, "y": 41, "x": 37}, ds.sizes
assert ds.image.dims == ds.valid.dims == ("time", "band", "y", "x")
assert ds.image.dtype == expect["dtype"], ds.image.dtype
assert ds.valid.dtype == "uint8"
import zarr
for name in ("image", "valid"):
    codecs = [c.to_dict() for c in zarr.open_array(session.store, path="r0c0/10m/" + name, mode="r").metadata.codecs]
    assert codecs[0] == {"name": "bytes", "configuration": {"endian": "little"}} or ds[name].dtype == "uint8", codecs
    made = "/".join(c["name"] for c in codecs[1:])
    for c in codecs[1:]:
        config = c["configuration"]
        made += "-" + config["cname"] if made == "blosc" else ""
        made += "" if config.get("cname") == "lz4" else ":" + str(config.get("level", config.get("clevel")))
    assert (made or "bytes") == ("blosc-zstd:5" if name == "valid" and expect["codec"] == "bytes" else expect["codec"]), (name, made)
assert np.issubdtype(ds.time.dtype, np.datetime64), ds.time.dtype
assert ds.time.values.astype("datetime64[us]").astype("i8").tolist() == expect["micros"]
assert ds.band.values.tolist() == ["B02", "B03", "B08"]
assert ds.x.values.tolist() == [500005.0 + 10 * i for i in range(37)]
assert ds.y.values.tolist() == [5599995.0 - 10 * i for i in range(41)]
for i, source in enumerate(expect["order"]):
    image = np.fromfile(f"{want}/{source}.image", dtype=expect["dtype"]).reshape(3, 41, 37)
    valid = np.fromfile(f"{want}/{source}.valid", dtype="u1").reshape(3, 41, 37)
    assert ds.image[i].values.tobytes() == image.tobytes(), source
    assert ds.valid[i].values.tobytes() == valid.tobytes(), source
assert ds.image.sel(band="B08", time=ds.time[0]).shape == (41, 37)
assert ds.sel(time="2021-04").sizes["time"] == 1
`, dir, want, string(expect))
		})
	}
}

func TestXarrayOpensAnEmptyCube(t *testing.T) {
	_, dir := onDisk(t, uint16Spec())
	cubetest.Python(t, openCube+`
assert dict(ds.sizes) == {"time": 0, "band": 3, "y": 41, "x": 37}, ds.sizes
assert np.issubdtype(ds.time.dtype, np.datetime64), ds.time.dtype
assert ds.image.values.shape == (0, 3, 41, 37)
assert ds.band.values.tolist() == ["B02", "B03", "B08"]
`, dir)
}

// CRS and transform are found by name conventions alone; PROJ reads them.
func TestCRSAndTransformAreFound(t *testing.T) {
	c, dir := onDisk(t, uint16Spec())
	layouttest.Commit(t, c, scenes(c.Spec())[0])
	cubetest.Python(t, openCube+`
import zarr, importlib.util
from rasterio.crs import CRS
assert "spatial_ref" in ds.coords
assert ds.image.attrs["grid_mapping"] == "spatial_ref"
assert CRS.from_wkt(ds.spatial_ref.attrs["crs_wkt"]).to_epsg() == 32631
assert ds.spatial_ref.attrs["GeoTransform"].split() == ["500000", "10", "0", "5600000", "0", "-10"]
group = zarr.open_group(session.store, path="r0c0/10m", mode="r")
a = dict(group.attrs)
assert a["proj:code"] == "EPSG:32631"
assert a["spatial:transform"] == [10, 0, 500000, 0, -10, 5600000]
assert a["spatial:shape"] == [41, 37] and a["spatial:dimensions"] == ["y", "x"] and a["spatial:registration"] == "pixel"
assert a["spatial:bbox"] == [500000, 5599590, 500370, 5600000]
assert {c["uuid"] for c in a["zarr_conventions"]} == {"f17cb550-5864-4468-aeb7-f3180cfb622f", "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4"}
if importlib.util.find_spec("rioxarray"):
    import rioxarray
    assert ds.rio.crs.to_epsg() == 32631 and tuple(ds.rio.transform())[:6] == (10, 0, 500000, 0, -10, 5600000)
    assert ds.image.rio.nodata == 65535
`, dir)
}

// A stranger recomputes every digest and id with hashlib, from docs/spec/cube-layout.md alone.
func TestAStrangerRecomputesTheDigests(t *testing.T) {
	s := layouttest.Spec(cube.Float32, layouttest.NaN())
	c, dir := onDisk(t, s)
	all := scenes(s)
	all[1].Meta.Contract = cube.Contract{Scale: 0.0001, Offset: -0.1, Baseline: "05.00"}
	layouttest.Commit(t, c, all...)
	out := cubetest.Python(t, openCube+recompute(t)+`
import zarr
group = zarr.open_group(session.store, path="r0c0/10m", mode="r")
image, valid, records = group["image"], group["valid"], group["records"]
edge = image.chunks[-1]
for i in range(image.shape[0]):
    record = json.loads(bytes(records["slice"][i]))
    sums = {}
    for name, array in (("image", image), ("valid", valid)):
        stored = records[name + "_sha256"][i]
        sums[name] = b""
        for cy in range(stored.shape[0]):
            for cx in range(stored.shape[1]):
                chunk = array[i, :, cy*edge:(cy+1)*edge, cx*edge:(cx+1)*edge]
                digest = hashlib.sha256(np.ascontiguousarray(chunk).tobytes()).digest()
                assert digest == stored[cy, cx].tobytes(), (i, name, cy, cx)
                sums[name] += digest
    content = content_digest(sums["image"], sums["valid"], record["contract"])
    assert content == record["content"]
    assert slice_id(content, record["source"], int(group["time"][i])) == record["id"]
print(image.shape[0])
`, dir)
	assert.Equal(t, "6", out)
}

// The official library commits on top, and the cube goes on from there.
func TestAForeignCommitOnTop(t *testing.T) {
	s := uint16Spec()
	c, dir := onDisk(t, s)
	layouttest.Commit(t, c, scenes(s)[0])
	cubetest.Python(t, `
import sys, icechunk, zarr
repo = icechunk.Repository.open(icechunk.local_filesystem_storage(sys.argv[1]))
session = repo.writable_session("main")
zarr.open_group(session.store, mode="a").attrs["note"] = "somebody was here"
session.commit("a note")
`, dir)
	result := layouttest.Commit(t, c, scenes(s)[4])
	log, err := c.Log(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, log, 5)
	assert.Equal(t, result.Snapshot, log[0].ID.String())
	assert.Equal(t, "a note", log[1].Message)
	cubetest.Python(t, openCube+`
import zarr
assert ds.sizes["time"] == 2
assert zarr.open_group(session.store, mode="r").attrs["note"] == "somebody was here"
`, dir)
}

// What another program changed without records is refused, not guessed.
func TestAForeignSliceIsRefused(t *testing.T) {
	s := uint16Spec()
	c, dir := onDisk(t, s)
	good := layouttest.Commit(t, c, scenes(s)[0])
	cubetest.Python(t, `
import sys, icechunk, zarr
repo = icechunk.Repository.open(icechunk.local_filesystem_storage(sys.argv[1]))
session = repo.writable_session("main")
a = zarr.open_array(session.store, path="r0c0/10m/image", mode="a")
a.resize((2, *a.shape[1:]))
session.commit("one more")
`, dir)
	_, err := c.At(t.Context(), "")
	require.Error(t, err)
	assert.Contains(t, err.Error(), "image has 2 slices, the time axis 1")
	_, err = c.At(t.Context(), good.Snapshot)
	assert.NoError(t, err)
	_, err = c.Commit(t.Context(), []*layout.Staged{layouttest.Stage(t, c, scenes(s)[1])}, "refused")
	assert.Error(t, err)
}
