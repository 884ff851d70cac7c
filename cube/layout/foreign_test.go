package layout_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

// foreign commits what each script does to the group of the cell r0c0/10m, to a copy of the cube of its own. It
// returns the copies.
func foreign(t *testing.T, dir string, scripts ...string) []string {
	t.Helper()
	text, err := json.Marshal(scripts)
	require.NoError(t, err)
	out := cubetest.Python(t, `
import sys, icechunk, json, shutil, zarr
copies = []
for i, script in enumerate(json.loads(sys.argv[2])):
    copies.append(shutil.copytree(sys.argv[1], f"{sys.argv[1]}-{i}"))
    repo = icechunk.Repository.open(icechunk.local_filesystem_storage(copies[i]))
    session = repo.writable_session("main")
    root = zarr.open_group(session.store, mode="a")
    exec(script, {"root": root, "group": root["r0c0/10m"]})
    session.commit("foreign")
print(json.dumps(copies))
`, dir, string(text))
	var copies []string
	require.NoError(t, json.Unmarshal([]byte(out), &copies))
	return copies
}

func reopen(t *testing.T, dir string) *layout.Cube {
	t.Helper()
	d, err := file.New(dir)
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	c, err := layout.Open(t.Context(), store.New(d, "file://"+dir))
	require.NoError(t, err)
	return c
}

// Attributes that others give our arrays stay when a scene lengthens them.
func TestForeignAttributesStay(t *testing.T) {
	s := uint16Spec()
	c, dir := onDisk(t, s)
	layouttest.Commit(t, c, scenes(s)[0])
	dir = foreign(t, dir, `
group["image"].attrs["note"] = {"big": 2**60 + 1}
group["time"].attrs["note"] = "mine"
group["records/slice"].attrs["note"] = None
`)[0]
	c = reopen(t, dir)
	layouttest.Commit(t, c, scenes(s)[1])
	view, err := c.At(t.Context(), "")
	require.NoError(t, err)
	require.NoError(t, view.CheckArrays(t.Context(), "r0c0/10m"))
	cubetest.Python(t, openCube+`
import zarr
group = zarr.open_group(session.store, path="r0c0/10m", mode="r")
assert group["image"].shape[0] == 2
assert group["image"].attrs["note"] == {"big": 2**60 + 1}
assert group["time"].attrs["note"] == "mine"
assert group["records/slice"].attrs["note"] is None
`, dir)
}

// What other programs change of arrays, places and bands is named, though no pixel is touched.
func TestForeignChangesOfArraysAreNamed(t *testing.T) {
	s := uint16Spec()
	c, dir := onDisk(t, s)
	layouttest.Commit(t, c, scenes(s)[0])
	view, err := c.At(t.Context(), "")
	require.NoError(t, err)
	require.NoError(t, view.CheckArrays(t.Context(), "r0c0/10m"))
	describe := func(change string) string {
		return `d = dict(root.attrs["terrapin"]); d.update(` + change + `); root.attrs["terrapin"] = d`
	}
	cases := []struct{ script, says string }{
		{`a = group["image"]; a.resize((*a.shape[:3], a.shape[3] + 7))`, "image: its shape is"},
		{`group["x"][:] = group["x"][:] + 10`, "x: its values are not"},
		{`group["band"][0] = "B99"`, "band: its values are not"},
		{`group["spatial_ref"].attrs["crs_wkt"] = "elsewhere"`, "spatial_ref: its attribute crs_wkt is elsewhere"},
		{`group.attrs["proj:code"] = "EPSG:4326"`, "10m: its attribute proj:code is EPSG:4326"},
		{`group["valid"].attrs.clear()`, "valid: its attribute"},
		{`del group["y"]`, "10m/y: "},
		{describe(`nodata=7`), "image: its fill_value is 65535"},
		{describe(`chunk=8`), "image: its chunk_grid is"},
		{describe(`dtype="int32"`), "image: its data_type is"},
	}
	var scripts []string
	for _, c := range cases {
		scripts = append(scripts, c.script)
	}
	for i, dir := range foreign(t, dir, scripts...) {
		says := cases[i].says
		c := reopen(t, dir)
		view, err := c.At(t.Context(), "")
		require.NoError(t, err, says)
		err = view.CheckArrays(t.Context(), "r0c0/10m")
		require.ErrorContains(t, err, says)
		require.True(t, fault.Is(err, fault.Corrupt), says)
		if says == "image: its chunk_grid is" { // a scene on top would leave the old chunks undecodable
			_, err = c.Commit(t.Context(), []*layout.Staged{layouttest.Stage(t, c, scenes(c.Spec())[1])}, "refused")
			require.ErrorContains(t, err, "chunk_grid")
		}
	}
}
