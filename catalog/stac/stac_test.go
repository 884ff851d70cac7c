package stac

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/paulmach/orb"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/crs"
	"github.com/terrapin-eo/terrapin/cube/layout"
)

// validate runs the official schemas over documents and returns what they object to.
func validate(t *testing.T, docs ...json.RawMessage) string {
	t.Helper()
	python := os.Getenv("TERRAPIN_PYTHON")
	if python == "" {
		t.Skip("TERRAPIN_PYTHON not set: no official JSON schema validator")
	}
	in, err := json.Marshal(docs)
	require.NoError(t, err)
	cmd := exec.Command(python, "testdata/validate.py", "testdata/schemas")
	cmd.Stdin = bytes.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if cmd.Run() != nil && out.Len() == 0 {
		t.Fatalf("validate.py: %s", errs.String())
	}
	return out.String()
}

func sample() (layout.Spec, cube.Slice) {
	nodata := 65535.0
	grid := cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 500000, 0, -10, 5650000}, Width: 100, Height: 80}
	spec := layout.Spec{Name: "s2", Grid: grid, Bands: []cube.Band{{Name: "B02"}, {Name: "B08"}}, DType: cube.Uint16, Nodata: &nodata}
	s := cube.Slice{
		ID: "00112233445566778899aabbccddeeff", Time: time.Date(2021, 3, 1, 10, 50, 31, 123456000, time.UTC),
		Available: time.Date(2021, 3, 1, 16, 0, 0, 0, time.UTC), AvailableFrom: "latency", Source: "s2_20210301", Item: "s2_20210301",
		Content: "sha256:00", Contract: cube.Contract{Scale: 1e-4, Offset: -0.1, Baseline: "05.00"}, Footprint: cube.Window{Row: 10, Height: 70, Width: 100},
		Actor: "ada", Ingested: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC),
		Properties: map[string]any{"eo:cloud_cover": 3.5, "proj:epsg": 4326, "platform": "sentinel-2a"},
	}
	return spec, s
}

func TestDocumentsAreValid(t *testing.T) {
	spec, s := sample()
	item, err := SceneItem(spec, s)
	require.NoError(t, err)
	scene, err := item.JSON()
	require.NoError(t, err)
	full, err := cubeCollection(spec, []cube.Slice{s}, "SNAPSHOT")
	require.NoError(t, err)
	fullDoc, err := full.JSON()
	require.NoError(t, err)
	nan := math.NaN()
	spec.Nodata, spec.DType = &nan, cube.Float32
	empty, err := cubeCollection(spec, nil, "SNAPSHOT")
	require.NoError(t, err)
	emptyDoc, err := empty.JSON()
	require.NoError(t, err)
	root, err := Catalog{ID: "terrapin", Title: "Terrapin", Description: "d"}.JSON()
	require.NoError(t, err)
	require.Empty(t, validate(t, scene, fullDoc, emptyDoc, root))
}

// A scene of a cube with cells, resolutions and flags is one item over all of them.
func TestACubeOfManyCells(t *testing.T) {
	spec, s := sample()
	coarse, err := spec.NewGroup("20m", []cube.Band{{Name: "B05"}})
	require.NoError(t, err)
	spec.Further, spec.CellSize, spec.Chunk = []layout.Group{coarse}, 64, 16
	spec.Further[0].Chunk = 8
	spec.Flags = []layout.Flag{{Name: "cloud", Mask: 1}, {Name: "snow", Mask: 2}}
	require.NoError(t, spec.Check())
	item, err := SceneItem(spec, s)
	require.NoError(t, err)
	require.Equal(t, []string{"r0c0/10m", "r0c0/20m", "r0c1/10m", "r0c1/20m", "r1c0/10m", "r1c0/20m", "r1c1/10m", "r1c1/20m"}, item.Assets["cube"].Fields["terrapin:paths"])
	require.Equal(t, []int{70, 100}, item.Properties["proj:shape"], "the whole footprint, not a cell's part")
	require.Equal(t, 20.0, item.Assets["cube"].Bands[2].Fields["raster:spatial_resolution"])
	scene, err := item.JSON()
	require.NoError(t, err)
	c, err := cubeCollection(spec, []cube.Slice{s}, "SNAPSHOT")
	require.NoError(t, err)
	require.Equal(t, []float64{10, 20}, c.Summaries["gsd"])
	dims, vars := c.Fields["cube:dimensions"].(object), c.Fields["cube:variables"].(object)
	require.Equal(t, 20.0, dims["x_20m"].(object)["step"])
	require.Equal(t, []string{"B05"}, dims["band_20m"].(object)["values"])
	require.Equal(t, []string{"time", "band_20m", "y_20m", "x_20m"}, vars["valid_20m"].(object)["dimensions"])
	require.Contains(t, vars["flags"].(object)["description"], "snow (2)")
	doc, err := c.JSON()
	require.NoError(t, err)
	require.Empty(t, validate(t, scene, doc))
}

func TestValidatorCanFail(t *testing.T) {
	spec, s := sample()
	c, err := cubeCollection(spec, []cube.Slice{s}, "SNAPSHOT")
	require.NoError(t, err)
	c.Fields["cube:dimensions"] = map[string]any{"x": map[string]any{"type": "spatial"}}
	doc, err := c.JSON()
	require.NoError(t, err)
	require.Contains(t, validate(t, doc), ExtDatacube)
	item, err := SceneItem(spec, s)
	require.NoError(t, err)
	item.Properties["datetime"] = 7
	doc, err = item.JSON()
	require.NoError(t, err)
	require.Contains(t, validate(t, doc), "item.json")
}

func TestSceneItemSaysWhatTheSliceSays(t *testing.T) {
	spec, s := sample()
	item, err := SceneItem(spec, s)
	require.NoError(t, err)
	doc, err := item.JSON()
	require.NoError(t, err)
	var got struct {
		ID, Collection string
		BBox           []float64
		Extensions     []string `json:"stac_extensions"`
		Links          []struct{ Rel, Href string }
		Assets         map[string]struct {
			Href  string
			Bands []map[string]any
		}
		Properties map[string]any
	}
	require.NoError(t, json.Unmarshal(doc, &got))
	require.Equal(t, "s2_20210301", got.ID)
	require.Equal(t, "s2", got.Collection)
	require.Contains(t, got.Extensions, ExtEO)
	p := got.Properties
	require.Equal(t, "2021-03-01T10:50:31.123456Z", p["datetime"])
	require.Equal(t, "2021-03-01T16:00:00Z", p["published"])
	require.Equal(t, "EPSG:32631", p["proj:code"])
	require.NotContains(t, p, "proj:epsg", "projection 2.0.0 knows no such field, and the source's is not ours")
	require.Equal(t, []any{70.0, 100.0}, p["proj:shape"])
	require.Equal(t, []any{10.0, 0.0, 500000.0, 0.0, -10.0, 5649900.0}, p["proj:transform"])
	require.Equal(t, 3.5, p["eo:cloud_cover"])
	require.Equal(t, "assets/cubes/s2", got.Assets["cube"].Href)
	require.Equal(t, map[string]any{"name": "B02", "data_type": "uint16", "nodata": 65535.0, "raster:scale": 1e-4, "raster:offset": -0.1,
		"raster:spatial_resolution": 10.0}, got.Assets["cube"].Bands[0])
	require.Equal(t, "collections/s2", got.Links[0].Href)
	e, err := catalog.ParseItem(doc)
	require.NoError(t, err)
	b := e.Shape.Bounds()
	require.Len(t, b, 1)
	require.InDelta(t, got.BBox[0], b[0].Min[0], 1e-9)
	require.InDelta(t, 3.0, got.BBox[0], 1e-6, "easting 500000 of zone 31 is 3°E")
	require.InDelta(t, 51.0, got.BBox[1], 0.1)
}

func TestFootprintOverTheAntimeridian(t *testing.T) {
	grid := cube.Grid{CRS: "EPSG:32601", Transform: cube.Affine{1000, 0, 100000, 0, -1000, 8000000}, Width: 400, Height: 50}
	geometry, bbox, err := Footprint(grid, grid.All())
	require.NoError(t, err)
	require.Greater(t, bbox[0], bbox[2])
	var g struct {
		Type        string
		Coordinates [][][][2]float64
	}
	require.NoError(t, json.Unmarshal(geometry, &g))
	require.Equal(t, "MultiPolygon", g.Type)
	for _, part := range g.Coordinates {
		require.Equal(t, part[0][0], part[0][len(part[0])-1], "closed")
		for _, p := range part[0] {
			require.LessOrEqual(t, math.Abs(p[0]), 180.0)
		}
	}
}

func TestNumbersThatJSONLacks(t *testing.T) {
	require.Equal(t, "nan", Number(math.NaN()))
	require.Equal(t, "inf", Number(math.Inf(1)))
	require.Equal(t, "-inf", Number(math.Inf(-1)))
	require.Equal(t, 0.5, Number(0.5))
}

func TestIncompleteDocumentsAreRefused(t *testing.T) {
	_, err := Item{ID: "x"}.JSON()
	require.Error(t, err)
	_, err = Item{ID: "x", Collection: "y"}.JSON()
	require.ErrorContains(t, err, "datetime")
	_, err = Collection{ID: "x"}.JSON()
	require.Error(t, err)
	require.Equal(t, "collections/a%20b/items/c%2Fd", ItemHref("a b", "c/d"))
	require.Equal(t, "assets/labels/a%20b/r1/x", AssetHref("labels/a b/r1/x"))
}

// Every outline lies within the world and covers what its window does, also where that crosses the antimeridian or holds a
// pole; its box has west greater than east where it crosses.
func TestOutlines(t *testing.T) {
	metres := func(code string, x, y float64) cube.Grid {
		return cube.Grid{CRS: code, Transform: cube.Affine{1000, 0, x, 0, -1000, y}, Width: 100, Height: 100}
	}
	degrees := cube.Grid{CRS: "EPSG:4326", Transform: cube.Affine{1, 0, 100, 0, -1, 90.5}, Width: 180, Height: 181}
	for _, c := range []struct {
		name   string
		grid   cube.Grid
		window cube.Window
		kind   string
		box    [4]float64
	}{
		{"within", metres("EPSG:32631", 500000, 5600000), cube.Window{Height: 50, Width: 50}, "Polygon", [4]float64{3, 50.1, 3.7, 50.55}},
		{"zone 1", metres("EPSG:32601", 250000, 5600000), cube.Window{Height: 100, Width: 100}, "MultiPolygon", [4]float64{179.47, 49.6, -179.1, 50.52}},
		{"zone 60", metres("EPSG:32660", 700000, 5600000), cube.Window{Height: 50, Width: 50}, "MultiPolygon", [4]float64{179.79, 50.02, -179.46, 50.52}},
		{"north pole", metres("EPSG:3035", 4271000, 7421000), cube.Window{Height: 100, Width: 100}, "Polygon", [4]float64{-180, 89.36, 180, 90}},
		{"degrees, across", degrees, cube.Window{Row: 5, Col: 70, Height: 10, Width: 20}, "MultiPolygon", [4]float64{170, 75.5, -170, 85.5}},
		{"degrees, up to", degrees, cube.Window{Row: 5, Col: 70, Height: 10, Width: 10}, "Polygon", [4]float64{170, 75.5, 180, 85.5}},
		{"degrees, from", degrees, cube.Window{Row: 5, Col: 80, Height: 10, Width: 10}, "Polygon", [4]float64{-180, 75.5, -170, 85.5}},
		{"degrees, beyond", degrees, cube.Window{Col: 90, Height: 10, Width: 10}, "Polygon", [4]float64{-170, 80.5, -160, 90}},
	} {
		shape, box, err := Outline(c.grid, c.window)
		require.NoError(t, err, c.name)
		require.InDeltaSlice(t, c.box[:], box[:], 0.1, c.name)
		require.Equal(t, c.kind, shape.GeoJSONType(), c.name)
		areas, ok := shape.(orb.MultiPolygon)
		if !ok {
			areas = orb.MultiPolygon{shape.(orb.Polygon)}
		}
		for _, a := range areas {
			require.Len(t, a, 1, c.name)
			require.Equal(t, a[0][0], a[0][len(a[0])-1], c.name)
			require.Equal(t, orb.CCW, a[0].Orientation(), c.name)
			for _, p := range a[0] {
				require.True(t, math.Abs(p[0]) <= 180 && math.Abs(p[1]) <= 90, "%s: %v", c.name, p)
			}
		}
		stored, err := geo.ParseWKB(geo.AppendWKB(nil, shape))
		require.NoError(t, err, c.name)
		to, err := crs.Transform(c.grid.CRS, "OGC:CRS84")
		require.NoError(t, err)
		for row := -1; row <= c.window.Height; row++ { // the middle of every pixel, and of those around the window
			for col := -1; col <= c.window.Width; col++ {
				x, y := c.grid.Transform.Apply(float64(c.window.Col+col)+0.5, float64(c.window.Row+row)+0.5)
				lon, lat, err := to(x, y)
				require.NoError(t, err, c.name)
				if lat > 90 || lat < -90 {
					continue
				}
				at, err := geo.Parse(fmt.Appendf(nil, `{"type":"Point","coordinates":[%.12f,%.12f]}`, lon, lat), nil)
				require.NoError(t, err)
				in := row >= 0 && row < c.window.Height && col >= 0 && col < c.window.Width
				require.Equal(t, in, stored.Intersects(at), "%s: pixel %d, %d at %v, %v", c.name, row, col, lon, lat)
			}
		}
		document, rounded, err := Footprint(c.grid, c.window)
		require.NoError(t, err, c.name)
		require.InDeltaSlice(t, box[:], rounded, 1e-9, c.name)
		again, err := geo.Parse(document, rounded)
		require.NoError(t, err, c.name)
		require.True(t, again.Intersects(stored), c.name)
	}
}
