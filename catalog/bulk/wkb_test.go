package bulk

import (
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/cube/cubetest"
)

var geometries = map[string]string{
	`{"type":"Point","coordinates":[1.5,-2]}`:                                                                                         "Point",
	`{"type":"Point","coordinates":[1.5,-2,3e+300]}`:                                                                                  "Point Z",
	`{"type":"LineString","coordinates":[[1,2],[3,4]]}`:                                                                               "LineString",
	`{"type":"Polygon","coordinates":[[[0,0],[4,0],[4,4],[0,0]],[[1,1],[2,1],[2,2],[1,1]]]}`:                                          "Polygon",
	`{"type":"MultiPoint","coordinates":[[1,2],[3,4]]}`:                                                                               "MultiPoint",
	`{"type":"MultiPoint","coordinates":[]}`:                                                                                          "MultiPoint",
	`{"type":"MultiLineString","coordinates":[[[1,2],[3,4]],[[5,6],[7,8]]]}`:                                                          "MultiLineString",
	`{"type":"MultiPolygon","coordinates":[[[[0,0,1],[4,0,1],[4,4,2],[0,0,1]]]]}`:                                                     "MultiPolygon Z",
	`{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[1,2]},{"type":"GeometryCollection","geometries":[]}]}`: "GeometryCollection",
	`{"type":"LineString","coordinates":[[1,2],[3,4,5]]}`:                                                                             "LineString Z",
}

func TestGeometryGoesIntoWKBAndBack(t *testing.T) {
	for in, kind := range geometries {
		wkb, got, err := toWKB([]byte(in))
		require.NoError(t, err, in)
		require.Equal(t, kind, got)
		back, err := fromWKB(wkb)
		require.NoError(t, err)
		require.JSONEq(t, in, string(back))
	}
	for _, bad := range []string{`null`, `{}`, `{"type":"Circle","coordinates":[1,2]}`, `{"type":"Point","coordinates":[1]}`, `{"type":"Point","coordinates":["a","b"]}`,
		`{"type":"Point"}`, `{"type":"Polygon","coordinates":[[1,2],[3,4]]}`, `{"type":"GeometryCollection"}`, `{"type":"GeometryCollection","geometries":[1]}`} {
		_, _, err := toWKB([]byte(bad))
		require.Error(t, err, bad)
	}
}

func TestForeignWKB(t *testing.T) {
	for in, want := range map[string]string{
		"00000000013ff00000000000004000000000000000":                                      `{"type":"Point","coordinates":[1,2]}`,   // big-endian
		"0101000020E6100000000000000000F03F0000000000000040":                              `{"type":"Point","coordinates":[1,2]}`,   // with a reference system
		"01010000C0000000000000F03F00000000000000400000000000000840" + "0000000000001040": `{"type":"Point","coordinates":[1,2,3]}`, // heights and measures
		"01D1070000000000000000F03F00000000000000400000000000000840":                      `{"type":"Point","coordinates":[1,2]}`,   // ISO's measures
	} {
		wkb, err := hex.DecodeString(in)
		require.NoError(t, err)
		got, err := fromWKB(wkb)
		require.NoError(t, err, in)
		require.JSONEq(t, want, string(got))
		for cut := range wkb {
			_, err := fromWKB(wkb[:cut])
			require.Error(t, err, "cut at %d", cut)
		}
		_, err = fromWKB(append(wkb, 0))
		require.Error(t, err)
	}
	for _, bad := range []string{"02", "0108000000", "0100000000", "01A1A10000", "0104000000FFFFFFFF", "0104000000010000000102000000", "0101000000000000000000F87F0000000000000040"} {
		wkb, err := hex.DecodeString(bad)
		require.NoError(t, err)
		_, err = fromWKB(wkb)
		require.Error(t, err, bad)
	}
}

// TestWKBIsWhatShapelyReads holds both ways against shapely, on the footprints of real items.
func TestWKBIsWhatShapelyReads(t *testing.T) {
	pairs := [][2]string{}
	add := func(geometry string) {
		wkb, _, err := toWKB([]byte(geometry))
		require.NoError(t, err)
		pairs = append(pairs, [2]string{geometry, hex.EncodeToString(wkb)})
	}
	require.NoError(t, filepath.WalkDir(cubetest.Real(t, "stac"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		if g := gjson.GetBytes(text, "geometry"); g.IsObject() {
			add(g.Raw)
		}
		return nil
	}))
	require.Greater(t, len(pairs), 100)
	for g, kind := range geometries {
		if kind != "LineString Z" { // of mixed heights, which GEOS has no notion of
			add(g)
		}
	}
	raw, err := json.Marshal(pairs)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "pairs.json")
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	back := cubetest.Python(t, `
import json, sys, shapely, shapely.geometry
out = []
for geojson, wkb in json.load(open(sys.argv[1])):
    given = shapely.geometry.shape(json.loads(geojson))
    try:
        ours = shapely.from_wkb(bytes.fromhex(wkb))
    except shapely.errors.GEOSException as e:  # shape() closes rings itself
        assert "closed" in str(e), geojson
        out.append("")
        continue
    assert shapely.to_wkb(given, flavor="iso") == shapely.to_wkb(ours, flavor="iso"), geojson
    out.append(shapely.to_wkb(given, flavor="extended", include_srid=True, byte_order=0, hex=True))
print(json.dumps(out))`, file)
	var theirs []string
	require.NoError(t, json.Unmarshal([]byte(back), &theirs))
	for i, text := range theirs {
		if text == "" {
			continue
		}
		wkb, err := hex.DecodeString(text)
		require.NoError(t, err)
		got, err := fromWKB(wkb)
		require.NoError(t, err)
		require.JSONEq(t, pairs[i][0], string(got))
	}
}

func FuzzWKB(f *testing.F) {
	for g := range geometries {
		wkb, _, err := toWKB([]byte(g))
		require.NoError(f, err)
		f.Add(wkb)
	}
	f.Fuzz(func(t *testing.T, wkb []byte) {
		got, err := fromWKB(wkb)
		if err != nil {
			return
		}
		require.True(t, json.Valid(got), "%s", got)
		again, _, err := toWKB(got)
		require.NoError(t, err)
		back, err := fromWKB(again)
		require.NoError(t, err)
		require.JSONEq(t, string(got), string(back))
	})
}
