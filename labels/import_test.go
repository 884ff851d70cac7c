package labels_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/crs"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/labels"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

// flanders is the grid of the bundled sample.
var flanders = cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 664000, 0, -10, 5612120}, Width: 100, Height: 100}

const sampleMask = "../demo/data/labels_cropland.tif"

func newConfig(t *testing.T, name string, g cube.Grid) labels.Config {
	t.Helper()
	driver, err := file.New(t.TempDir())
	require.NoError(t, err)
	return configOn(t, store.New(driver, "file:///data"), name, g)
}

func configOn(t *testing.T, root *store.Bucket, name string, g cube.Grid) labels.Config {
	t.Helper()
	c, err := layout.Create(context.Background(), root.Sub("cubes/"+name), layout.Spec{
		Name: name, Grid: g, Bands: []cube.Band{{Name: "B04"}}, DType: cube.Uint16, Created: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	})
	require.NoError(t, err)
	return labels.Config{Root: root, Cube: c}
}

// lonLat brings corners in columns and rows of a grid to a GeoJSON ring.
func lonLat(t *testing.T, g cube.Grid, colRow ...float64) [][2]float64 {
	t.Helper()
	to, err := crs.Transform(g.CRS, "OGC:CRS84")
	require.NoError(t, err)
	var ring [][2]float64
	for i := 0; i < len(colRow); i += 2 {
		x, y := g.Transform.Apply(colRow[i], colRow[i+1])
		lon, lat, err := to(x, y)
		require.NoError(t, err)
		ring = append(ring, [2]float64{lon, lat})
	}
	return append(ring, ring[0])
}

func box(t *testing.T, col, row, width, height float64) [][2]float64 {
	return lonLat(t, flanders, col, row, col+width, row, col+width, row+height, col, row+height)
}

type object = map[string]any

func polygon(rings ...[][2]float64) object { return object{"type": "Polygon", "coordinates": rings} }

func feat(id any, geometry object, properties object) object {
	f := object{"type": "Feature", "geometry": geometry, "properties": properties}
	if id != nil {
		f["id"] = id
	}
	return f
}

func writeFile(t *testing.T, name string, content any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	data, ok := content.(string)
	if !ok {
		raw, err := json.Marshal(content)
		require.NoError(t, err)
		data = string(raw)
	}
	require.NoError(t, os.WriteFile(path, []byte(data), 0o600))
	return path
}

func collection(features ...object) object {
	return object{"type": "FeatureCollection", "features": features}
}

func imported(t *testing.T, cfg labels.Config, q labels.ImportRequest) labels.ImportReport {
	t.Helper()
	if q.Set == "" {
		q.Set = "crops"
	}
	q.Actor = "tester"
	r, err := labels.Import(context.Background(), cfg, q)
	require.NoError(t, err)
	return r
}

// pixels reads a window of a revision as numbers.
func pixels(t *testing.T, cfg labels.Config, revision string, w cube.Window) []int {
	t.Helper()
	r, err := labels.Open(context.Background(), cfg.Root, "crops", revision)
	require.NoError(t, err)
	buf := make([]byte, w.Height*w.Width*r.DType.Size())
	require.NoError(t, r.Read(context.Background(), w, buf))
	var out []int
	for i := 0; i < len(buf); i += r.DType.Size() {
		out = append(out, int(r.DType.Get(buf[i:])))
	}
	return out
}

func TestImportNamesAndOrder(t *testing.T) {
	cfg := newConfig(t, "s2", flanders)
	path := writeFile(t, "fields.geojson", collection(
		feat("a", polygon(box(t, 10, 10, 4, 4)), object{"class": "wheat"}),
		feat(7, polygon(box(t, 12, 12, 4, 4)), object{"class": "maize"}),
	))
	r := imported(t, cfg, labels.ImportRequest{Files: []string{path}})
	require.Empty(t, r.Rejected)
	require.True(t, r.Created)
	require.Equal(t, "r1", r.Revision)
	require.Equal(t, 2, r.Accepted)
	require.Equal(t, []labels.Class{{Value: 1, Name: "maize"}, {Value: 2, Name: "wheat"}}, r.Classes)
	require.Equal(t, []int{
		2, 2, 2, 2, 255,
		2, 2, 2, 2, 255,
		2, 2, 1, 1, 1,
		2, 2, 1, 1, 1,
		255, 255, 1, 1, 1,
	}, pixels(t, cfg, "", cube.Window{Row: 10, Col: 10, Height: 5, Width: 5}), "the later feature lies on top")
	require.Equal(t, []int{255, 255}, pixels(t, cfg, "", cube.Window{Row: -1, Col: -1, Height: 1, Width: 2}), "outside of the grid")

	t.Run("the same again is no revision", func(t *testing.T) {
		again := imported(t, cfg, labels.ImportRequest{Files: []string{path}})
		require.False(t, again.Created)
		require.Equal(t, r.Revision, again.Revision)
		require.Equal(t, r.Digest, again.Digest)
	})
	t.Run("same name replaces in place, others are added", func(t *testing.T) {
		path := writeFile(t, "fields.geojson", collection(
			feat("a", polygon(box(t, 10, 10, 3, 3)), object{"class": "wheat"}),
			feat("b", polygon(box(t, 0, 0, 1, 1)), object{"class": "maize"}),
		))
		next := imported(t, cfg, labels.ImportRequest{Files: []string{path}})
		require.Equal(t, "r2", next.Revision)
		require.Equal(t, []int{2, 2, 2, 255, 2, 2, 2, 255, 2, 2, 1, 1, 255, 255, 1, 1},
			pixels(t, cfg, "", cube.Window{Row: 10, Col: 10, Height: 4, Width: 4}))
		require.Equal(t, []int{1}, pixels(t, cfg, "", cube.Window{Height: 1, Width: 1}))
		require.Equal(t, 2, pixels(t, cfg, "r1", cube.Window{Row: 13, Col: 10, Height: 1, Width: 1})[0], "r1 is as it was")
	})
	t.Run("unknown class", func(t *testing.T) {
		path := writeFile(t, "more.geojson", collection(feat("x", polygon(box(t, 1, 1, 3, 3)), object{"class": "Wheat"})))
		bad := imported(t, cfg, labels.ImportRequest{Files: []string{path}})
		require.False(t, bad.Created)
		require.Len(t, bad.Rejected, 1)
		require.Contains(t, bad.Rejected[0].Reason, `unknown class "Wheat"; the set knows 1 = maize, 2 = wheat`)
		require.Contains(t, bad.Rejected[0].Cure, "did you mean wheat?")
	})
	t.Run("replace starts anew", func(t *testing.T) {
		path := writeFile(t, "new.geojson", collection(feat(nil, polygon(box(t, 1, 1, 3, 3)), object{"class": 300})))
		anew := imported(t, cfg, labels.ImportRequest{Files: []string{path}, Replace: true})
		require.Empty(t, anew.Rejected)
		require.Equal(t, []labels.Class{{Value: 300, Name: "300"}}, anew.Classes)
		rev, err := labels.Open(context.Background(), cfg.Root, "crops", "")
		require.NoError(t, err)
		require.Equal(t, cube.Uint16, rev.DType, "widened")
		require.Equal(t, 255.0, rev.Ignore)
		require.Equal(t, []int{255, 300}, pixels(t, cfg, "", cube.Window{Row: 1, Height: 1, Width: 2}))
	})
}

func TestImportRefusesFeatures(t *testing.T) {
	crop := object{"class": 1}
	good := polygon(box(t, 1, 1, 3, 3))
	far := func(lon, lat float64) object {
		return polygon([][2]float64{{lon, lat}, {lon + 0.01, lat}, {lon + 0.01, lat + 0.01}, {lon, lat}})
	}
	centre := box(t, 50, 50, 1, 1)[0]
	for _, c := range []struct {
		name, reason, cure string
		feature            object
	}{
		{"point", "a Point covers no area", "ST_Buffer", feat(1, object{"type": "Point", "coordinates": centre}, crop)},
		{"line", "a LineString covers no area", "ST_Buffer", feat(1, object{"type": "LineString", "coordinates": box(t, 1, 1, 2, 2)}, crop)},
		{"collection with a point", "a Point covers no area", "ST_Buffer", feat(1, object{"type": "GeometryCollection", "geometries": []object{good, {"type": "Point", "coordinates": centre}}}, crop)},
		{"no geometry", "no geometry", "draw it", feat(1, nil, crop)},
		{"empty", "the geometry is empty", "draw it", feat(1, object{"type": "MultiPolygon", "coordinates": []any{}}, crop)},
		{"bow tie", "crosses or overlaps itself at ", "makevalid", feat(1, polygon(lonLat(t, flanders, 10, 10, 14, 14, 14, 10, 10, 14)), crop)},
		{"spike", "crosses or overlaps itself", "makevalid", feat(1, polygon([][2]float64{{4, 50}, {4.5, 50}, {5, 50}, {4.5, 50}, {4.5, 51}, {4, 50}}), crop)},
		{"open ring", "is not closed", "makevalid", feat(1, polygon(box(t, 1, 1, 3, 3)[:4]), crop)},
		{"three positions", "has 3 positions", "makevalid", feat(1, polygon(box(t, 1, 1, 3, 3)[:3]), crop)},
		{"flat", "encloses no area", "makevalid", feat(1, polygon([][2]float64{{5, 50}, {5.5, 50}, {5, 50}, {5, 50}}), crop)},
		{"hole outside", "hole 1 of part 0 lies outside", "makevalid", feat(1, polygon(box(t, 1, 1, 3, 3), box(t, 9, 9, 2, 2)), crop)},
		{"hole across", "crosses or overlaps itself", "makevalid", feat(1, polygon(box(t, 1, 1, 9, 9), box(t, 5, 5, 9, 2)), crop)},
		{"parts in each other", "parts 0 and 1 cover the same place", "makevalid",
			feat(1, object{"type": "MultiPolygon", "coordinates": []any{[]any{box(t, 1, 1, 9, 9)}, []any{box(t, 3, 3, 2, 2)}}}, crop)},
		{"metres", "no longitude, latitude", "-t_srs EPSG:4326", feat(1, polygon([][2]float64{{664000, 5612000}, {664100, 5612000}, {664100, 5612100}, {664000, 5612000}}), crop)},
		{"one coordinate", "a position has 1 coordinates", "again", feat(1, object{"type": "Polygon", "coordinates": []any{[]any{[]any{5}}}}, crop)},
		{"coordinates of another depth", "coordinates do not parse", "again", feat(1, object{"type": "Polygon", "coordinates": []any{5, 50}}, crop)},
		{"elsewhere", "wholly outside of the cube", "cube of its own area", feat(1, far(7, 51), crop)},
		{"swapped", "wholly outside of the cube", "latitude and longitude are swapped", feat(1, far(centre[1], centre[0]), crop)},
		{"no class", "property class or label is missing or null; it has name", "--class-property", feat(1, good, object{"name": "x"})},
		{"class null", "missing or null", "--class-property", feat(1, good, object{"class": nil})},
		{"class 1.5", "neither a whole number nor a name", "whole number", feat(1, good, object{"class": 1.5})},
		{"class true", "neither a whole number nor a name", "whole number", feat(1, good, object{"class": true})},
		{"empty name", "is empty", "leave it out", feat(1, good, object{"class": " "})},
		{"name among numbers", "numbers without names", "--classes", feat(1, good, object{"class": "wheat"})},
		{"unlabelled", "value 255 is the set's value for unlabelled", "another value", feat(1, good, object{"class": 255})},
		{"no feature", `its type is "Polygon"`, "GeoJSON features", good},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := newConfig(t, "s2", flanders)
			path := writeFile(t, "f.geojson", collection(c.feature, feat("good", polygon(box(t, 20, 20, 3, 3)), crop)))
			r := imported(t, cfg, labels.ImportRequest{Files: []string{path}, Strict: true})
			require.False(t, r.Created, "strict")
			require.Zero(t, r.Accepted)
			r = imported(t, cfg, labels.ImportRequest{Files: []string{path}})
			require.Len(t, r.Rejected, 1, "the good one stands alone")
			require.Equal(t, "f.geojson", r.Rejected[0].Source)
			require.NotEmpty(t, r.Rejected[0].Feature)
			require.Contains(t, r.Rejected[0].Reason, c.reason)
			require.Contains(t, r.Rejected[0].Cure, c.cure)
			require.Equal(t, 1, r.Accepted)
			require.Equal(t, []int{1}, pixels(t, cfg, "r1", cube.Window{Row: 21, Col: 21, Height: 1, Width: 1}))
		})
	}
}

func TestImportRefusesFiles(t *testing.T) {
	utm := object{"type": "name", "properties": object{"name": "urn:ogc:def:crs:EPSG::32631"}}
	truncated := func(t *testing.T) string {
		data, err := os.ReadFile(sampleMask)
		require.NoError(t, err)
		return writeFile(t, "mask.tif", string(data[:len(data)*2/3]))
	}
	for _, c := range []struct {
		name, reason, cure string
		path               string
	}{
		{"missing", "cannot be read", "check the path", "/nonexistent/mask.tif"},
		{"folder", "empty or a folder", "name a GeoJSON", t.TempDir()},
		{"empty", "empty", "name a GeoJSON", writeFile(t, "e.geojson", "")},
		{"broken JSON", "line 2, column", "json.tool", writeFile(t, "b.geojson", "{\"type\":\n \"Feat")},
		{"another format", "neither GeoJSON nor GeoTIFF", "ogr2ogr", writeFile(t, "f.kml", "<kml/>")},
		{"another CRS", "urn:ogc:def:crs:EPSG::32631", "-t_srs EPSG:4326", writeFile(t, "utm.geojson", object{"type": "FeatureCollection", "crs": utm, "features": []any{}})},
		{"TopoJSON", `type is "Topology"`, "ogr2ogr", writeFile(t, "t.json", object{"type": "Topology"})},
		{"no feature", "holds no feature", "export", writeFile(t, "n.geojson", collection())},
		{"truncated raster", "mask.tif", "again", truncated(t)},
		{"bands", "9 bands", "gdal_translate -b 1", "../demo/data/s2_20210401.tif"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := newConfig(t, "s2", flanders)
			r := imported(t, cfg, labels.ImportRequest{Files: []string{c.path, sampleMask}})
			require.Len(t, r.Rejected, 1)
			require.Equal(t, filepath.Base(c.path), r.Rejected[0].Source)
			require.Empty(t, r.Rejected[0].Feature)
			require.Contains(t, r.Rejected[0].Reason, c.reason)
			require.NotContains(t, r.Rejected[0].Reason, filepath.Dir(c.path)+"/mask.tif", "the owner's name, not ours")
			require.Contains(t, r.Rejected[0].Cure, c.cure)
			require.Equal(t, 1, r.Accepted, "the good file stands alone")
		})
	}
}

func TestImportRequestRefused(t *testing.T) {
	cfg := newConfig(t, "s2", flanders)
	fields := writeFile(t, "f.geojson", collection(feat(1, polygon(box(t, 1, 1, 3, 3)), object{"class": "wheat"})))
	for _, c := range []struct {
		name, what string
		q          labels.ImportRequest
	}{
		{"name", "bad label set name", labels.ImportRequest{Set: "Bad Name", Files: []string{fields}}},
		{"files", "no file is given", labels.ImportRequest{Set: "x"}},
		{"state", "unknown state", labels.ImportRequest{Set: "x", Files: []string{fields}, State: "maybe"}},
		{"classes missing", "no such file", labels.ImportRequest{Set: "x", Files: []string{fields}, ClassesFile: "none.json"}},
		{"classes value", `"wheat" has the value "x"`, labels.ImportRequest{Set: "x", Files: []string{fields}, ClassesFile: writeFile(t, "c.json", `{"wheat": "x"}`)}},
		{"classes shared", "share the value 1", labels.ImportRequest{Set: "x", Files: []string{fields}, ClassesFile: writeFile(t, "c.csv", "name,value\na,1\nb,1\n")}},
		{"classes list", "not a map", labels.ImportRequest{Set: "x", Files: []string{fields}, ClassesFile: writeFile(t, "c.yaml", "- a\n")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := labels.Import(context.Background(), cfg, c.q)
			require.ErrorContains(t, err, c.what)
			require.Equal(t, fault.Invalid, fault.KindOf(err))
			require.NotEmpty(t, fault.CureOf(err))
		})
	}
	_, err := labels.Open(context.Background(), cfg.Root, "x", "")
	require.True(t, fault.Is(err, fault.NotFound), "nothing came of it: %v", err)
}

func TestClassesFiles(t *testing.T) {
	fields := writeFile(t, "f.geojson", collection(feat(1, polygon(box(t, 1, 1, 3, 3)), object{"crop": "wheat"})))
	for _, file := range []string{
		writeFile(t, "c.json", `{"wheat": 40, "maize": 7}`),
		writeFile(t, "c.yaml", "wheat: 40\nmaize: 7\n"),
		writeFile(t, "c.csv", "name,value\nwheat,40\nmaize,7\n"),
		writeFile(t, "c.csv", "wheat, 40\nmaize, 7\n"),
	} {
		cfg := newConfig(t, "s2", flanders)
		r := imported(t, cfg, labels.ImportRequest{Files: []string{fields}, ClassesFile: file, ClassProperty: "crop"})
		require.Empty(t, r.Rejected)
		require.Equal(t, []labels.Class{{Value: 7, Name: "maize"}, {Value: 40, Name: "wheat"}}, r.Classes)
		require.Equal(t, []int{40}, pixels(t, cfg, "", cube.Window{Row: 2, Col: 2, Height: 1, Width: 1}))
		_, err := labels.Import(context.Background(), cfg, labels.ImportRequest{Set: "crops", Files: []string{fields}, ClassesFile: writeFile(t, "d.json", `{"wheat": 41}`)})
		require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	}
}

func TestMaskAndPolygons(t *testing.T) {
	cfg := newConfig(t, "s2", flanders)
	r := imported(t, cfg, labels.ImportRequest{Files: []string{sampleMask}})
	require.Empty(t, r.Rejected)
	require.Equal(t, 1, r.Accepted)
	whole := pixels(t, cfg, "", flanders.All())
	fields := writeFile(t, "f.geojson", collection(feat(1, polygon(box(t, 90, 90, 20, 20)), object{"class": 9})))
	r = imported(t, cfg, labels.ImportRequest{Files: []string{fields}})
	require.Empty(t, r.Rejected)
	require.Len(t, r.Notes, 1, "clipped")
	after := pixels(t, cfg, "", flanders.All())
	for i := range whole {
		want := whole[i]
		if i%100 >= 90 && i/100 >= 90 {
			want = 9
		}
		require.Equal(t, want, after[i])
	}
	again := imported(t, cfg, labels.ImportRequest{Files: []string{sampleMask}})
	require.False(t, again.Created, "the raster keeps its place below the polygon")

	for name, c := range map[string]struct{ reason, cure, script string }{
		"nodata":   {"nodata 254, but the set's raster labels_cropland.tif is uint8 with nodata 255", "gdal_translate -ot Byte -a_nodata 255 m.tif", "p['nodata']=254"},
		"dtype":    {"it is int16", "-ot Byte", "p['dtype']='int16'"},
		"float":    {"its values are Float32", "gdal_translate -ot Byte", "p['dtype']='float32'"},
		"shifted":  {"pixels lie off the cube's grid by -0.500 columns", "gdalwarp -t_srs EPSG:32631 -te 664000 5611120 665000 5612120 -ts 100 100 -r near m.tif OUT.tif", "p['transform']=p['transform']*Affine.translation(0.5,0)"},
		"filled":   {"pixels lie off", "-r near -dstnodata 255 m.tif OUT.tif", "p['nodata']=None;p['transform']=p['transform']*Affine.translation(0.5,0)"},
		"size":     {"pixel size 20", "gdalwarp", "p['transform']=p['transform']*Affine.scale(2)"},
		"crs":      {"CRS EPSG:32632", "gdalwarp -t_srs EPSG:32631", "p['crs']='EPSG:32632'"},
		"far":      {"wholly outside of the cube", "cube of its own area", "p['transform']=p['transform']*Affine.translation(500,0)"},
		"no CRS":   {"no CRS", "gdal_translate -a_srs", "p['crs']=None"},
		"nothing":  {"every pixel on the cube is unlabelled", "gdalinfo", "a[:]=255"},
		"both 255": {"declares no nodata value and holds the value 255", "-a_nodata", "p['nodata']=None;a[0]=255"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.tif")
			rasterio(t, "a=s.read()\np=s.profile\n"+c.script+"\nwith rasterio.open(sys.argv[2],'w',**p) as d: d.write(a.astype(p['dtype']))", sampleMask, path)
			r := imported(t, cfg, labels.ImportRequest{Files: []string{path}})
			require.Len(t, r.Rejected, 1)
			require.Contains(t, r.Rejected[0].Reason, c.reason)
			require.Contains(t, r.Rejected[0].Cure, c.cure)
		})
	}
	t.Run("partly covering", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "m.tif")
		rasterio(t, "a=s.read()\np=s.profile\na[:]=3\np['transform']=p['transform']*Affine.translation(-60,70)\nwith rasterio.open(sys.argv[2],'w',**p) as d: d.write(a)", sampleMask, path)
		r := imported(t, cfg, labels.ImportRequest{Set: "crops", Files: []string{path}})
		require.Empty(t, r.Rejected)
		require.Equal(t, []int{3, 3}, pixels(t, cfg, "", cube.Window{Row: 70, Col: 38, Height: 1, Width: 2}))
		require.Equal(t, after[69*100+39], pixels(t, cfg, "", cube.Window{Row: 69, Col: 39, Height: 1, Width: 1})[0])
		require.Equal(t, after[70*100+40], pixels(t, cfg, "", cube.Window{Row: 70, Col: 40, Height: 1, Width: 1})[0])
	})
}

func TestDraftsAndRevert(t *testing.T) {
	ctx := context.Background()
	cfg := newConfig(t, "s2", flanders)
	file := func(id string, col float64) string {
		return writeFile(t, id+".geojson", collection(feat(id, polygon(box(t, col, 0, 2, 2)), object{"class": 1})))
	}
	at := func(rev string, col int) int {
		return pixels(t, cfg, rev, cube.Window{Col: col, Height: 1, Width: 1})[0]
	}
	imported(t, cfg, labels.ImportRequest{Files: []string{file("a", 0)}})
	imported(t, cfg, labels.ImportRequest{Files: []string{file("b", 10)}, State: labels.Draft})
	require.Equal(t, 255, at("", 10), "a draft is not the newest accepted one")
	require.Equal(t, 1, at("r2", 10))
	imported(t, cfg, labels.ImportRequest{Files: []string{file("c", 20)}})
	require.Equal(t, []int{1, 255, 1}, []int{at("", 0), at("", 10), at("", 20)}, "drafts do not slip in")
	e, err := labels.Revert(ctx, cfg, "crops", "r2", "lead")
	require.NoError(t, err)
	require.Equal(t, "r4", e.Revision)
	require.Equal(t, []int{1, 1, 255}, []int{at("", 0), at("", 10), at("", 20)})
	again, err := labels.Revert(ctx, cfg, "crops", "r2", "lead")
	require.NoError(t, err)
	require.Equal(t, e, again)
	log, err := labels.Log(ctx, cfg.Root, "crops")
	require.NoError(t, err)
	require.Len(t, log, 4)
	require.Equal(t, "r4", log[0].Revision)
	require.Equal(t, "import b.geojson", log[2].Message)
	list, err := labels.List(ctx, cfg.Root)
	require.NoError(t, err)
	require.Equal(t, log[:1], list)
	_, err = labels.Open(ctx, cfg.Root, "crops", "r9")
	require.True(t, fault.Is(err, fault.NotFound))
	require.Contains(t, fault.CureOf(err), "r4 (accepted), r3 (accepted), r2 (draft)")
	_, err = labels.Open(ctx, cfg.Root, "nope", "")
	require.Contains(t, fault.CureOf(err), "crops")
}

func TestConcurrentImportsLoseNothing(t *testing.T) {
	cfg := newConfig(t, "s2", flanders)
	var group sync.WaitGroup
	reports := make([]labels.ImportReport, 8)
	for i := range reports {
		path := writeFile(t, fmt.Sprintf("f%d.geojson", i), collection(feat("a", polygon(box(t, float64(10*i), 0, 2, 2)), object{"class": i + 1})))
		group.Go(func() {
			var err error
			reports[i], err = labels.Import(context.Background(), cfg, labels.ImportRequest{Set: "crops", Files: []string{path}, Actor: "t"})
			if err != nil {
				t.Errorf("import %d: %v", i, err)
			}
		})
	}
	group.Wait()
	seen := map[string]bool{}
	for i, r := range reports {
		require.True(t, r.Created && !seen[r.Revision], "%+v", r)
		seen[r.Revision] = true
		require.Equal(t, []int{i + 1}, pixels(t, cfg, "", cube.Window{Col: 10 * i, Height: 1, Width: 1}))
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	cfg := newConfig(t, "s2", flanders)
	r := imported(t, cfg, labels.ImportRequest{Files: []string{sampleMask}, DryRun: true})
	require.Equal(t, 1, r.Accepted)
	require.NotEmpty(t, r.Digest)
	for info, err := range cfg.Root.List(context.Background(), "labels/") {
		require.NoError(t, err)
		t.Fatalf("%s was written", info.Key)
	}
	require.Equal(t, r.Digest, imported(t, cfg, labels.ImportRequest{Files: []string{sampleMask}}).Digest)
}

// The raster of a revision is drawn in memory: a frame that is too large for it is refused before.
func TestAFrameTooLargeIsRefused(t *testing.T) {
	g := cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 0, 0, -10, 5612120}, Width: 100_000, Height: 100_000}
	cfg := newConfig(t, "wide", g)
	file := writeFile(t, "one.geojson", collection(feat(1, polygon(lonLat(t, g, 66400, 10, 66410, 10, 66410, 20, 66400, 20)), object{"class": 1})))
	_, err := labels.Import(context.Background(), cfg, labels.ImportRequest{Set: "crops", Files: []string{file}, ClassProperty: "class"})
	require.True(t, fault.Is(err, fault.TooLarge), "%v", err)
	require.Contains(t, fault.CureOf(err), "make a cube of the area")
}

func TestOneCubeForEver(t *testing.T) {
	cfg := newConfig(t, "s2", flanders)
	imported(t, cfg, labels.ImportRequest{Files: []string{sampleMask}})
	other := configOn(t, cfg.Root, "s3", flanders)
	_, err := labels.Import(context.Background(), other, labels.ImportRequest{Set: "crops", Files: []string{sampleMask}})
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
}

// rasterio runs a Python program that has the file of the first argument open as s.
func rasterio(t *testing.T, program string, args ...string) string {
	t.Helper()
	python := os.Getenv("TERRAPIN_PYTHON")
	if python == "" {
		t.Skip("TERRAPIN_PYTHON not set: no official rasterio to make rasters with")
	}
	program = "import sys, json, rasterio, numpy as np\nfrom affine import Affine\ns=rasterio.open(sys.argv[1])\n" + program
	out, err := exec.Command(python, append([]string{"-W", "ignore", "-c", program}, args...)...).CombinedOutput()
	require.NoError(t, err, string(out))
	return strings.TrimSpace(string(out))
}
