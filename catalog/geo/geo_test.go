package geo

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/paulmach/orb"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

func TestIntersectsByHand(t *testing.T) {
	const donut = `{"type":"Polygon","coordinates":[[[0,0],[10,0],[10,10],[0,10],[0,0]],[[4,4],[6,4],[6,6],[4,6],[4,4]]]}`
	for _, c := range []struct {
		name, a, b string
		want       bool
	}{
		{"in the hole", donut, `{"type":"Point","coordinates":[5,5]}`, false},
		{"on the hole's edge", donut, `{"type":"Point","coordinates":[4,5]}`, true},
		{"on a corner", donut, `{"type":"Point","coordinates":[10,10]}`, true},
		{"area within the hole", donut, `{"type":"Polygon","coordinates":[[[4.5,4.5],[5,4.5],[5,5],[4.5,4.5]]]}`, false},
		{"area around all", donut, `{"type":"Polygon","coordinates":[[[-1,-1],[11,-1],[11,11],[-1,11],[-1,-1]]]}`, true},
		{"bounds meet, shapes do not", `{"type":"Polygon","coordinates":[[[0,0],[10,0],[0,10],[0,0]]]}`, `{"type":"Point","coordinates":[9,9]}`, false},
		{"lines cross", `{"type":"LineString","coordinates":[[0,0],[2,2]]}`, `{"type":"LineString","coordinates":[[0,2],[2,0]]}`, true},
		{"lines in one line, apart", `{"type":"LineString","coordinates":[[0,0],[1,1]]}`, `{"type":"LineString","coordinates":[[2,2],[3,3]]}`, false},
		{"heights do not count", `{"type":"Point","coordinates":[1,1,5]}`, `{"type":"Point","coordinates":[1,1,900]}`, true},
		{"collection", `{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[50,50]},` + donut + `]}`, `{"type":"Point","coordinates":[1,1]}`, true},
		{"past 180", `{"type":"Polygon","coordinates":[[[178,0],[182,0],[182,1],[178,1],[178,0]]]}`, `{"type":"Point","coordinates":[-179,0.5]}`, true},
		{"past -180", `{"type":"Polygon","coordinates":[[[-182,0],[-178,0],[-178,1],[-182,1],[-182,0]]]}`, `{"type":"Point","coordinates":[179,0.5]}`, true},
		{"both past, either side", `{"type":"Point","coordinates":[181,0]}`, `{"type":"Point","coordinates":[-179,0]}`, true},
	} {
		a, err := Parse(json.RawMessage(c.a), nil)
		require.NoError(t, err, c.name)
		b, err := Parse(json.RawMessage(c.b), nil)
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, a.Intersects(b), c.name)
		require.Equal(t, c.want, b.Intersects(a), "%s, turned round", c.name)
	}
}

func TestAntimeridianByBBox(t *testing.T) {
	jump := json.RawMessage(`{"type":"Polygon","coordinates":[[[179,0],[-179,0],[-179,1],[179,1],[179,0]]]}`)
	crossing, err := Parse(jump, []float64{179, 0, -179, 1})
	require.NoError(t, err)
	long, err := Parse(jump, []float64{-179, 0, 179, 1})
	require.NoError(t, err)
	greenwich, fiji := Box(-1, 0, 1, 1), Box(179.5, 0, -179.5, 1)
	require.False(t, crossing.Intersects(greenwich))
	require.True(t, crossing.Intersects(fiji))
	require.True(t, long.Intersects(greenwich))
	require.False(t, long.Intersects(Box(-179.9, 0, -179.5, 1)))
	require.Len(t, crossing.Bounds(), 2)
	require.Len(t, fiji.Bounds(), 2)
	require.Len(t, greenwich.Bounds(), 1)
}

func TestParseRefuses(t *testing.T) {
	for give, want := range map[string]string{
		`[]`: "not a GeoJSON object", `{}`: "no type", `{"type":"Circle"}`: `unknown type "Circle"`,
		`{"type":"Point"}`: "no coordinates", `{"type":"Point","coordinates":[1]}`: "needs 2 numbers",
		`{"type":"Point","coordinates":[1,91]}`: "latitude 91", `{"type":"Point","coordinates":[400,1]}`: "longitude 400",
		`{"type":"LineString","coordinates":[[1,1]]}`:                                                        "needs 2 positions",
		`{"type":"Polygon","coordinates":[]}`:                                                                "without rings",
		`{"type":"Polygon","coordinates":[[[0,0],[1,0],[0,0]]]}`:                                             "needs 4 positions",
		`{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1]]]}`:                                       "not closed",
		`{"type":"MultiPoint","coordinates":[]}`:                                                             "empty",
		`{"type":"Point","coordinates":["1",2]}`:                                                             "coordinates",
		`{"type":"GeometryCollection"}`:                                                                      "without geometries",
		strings.Repeat(`{"type":"GeometryCollection","geometries":[`, 10) + `{}` + strings.Repeat(`]}`, 10):  "nested",
		`{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[0,0]},{"type":"Point"}]}`: "geometries[1]",
	} {
		_, err := Parse(json.RawMessage(give), nil)
		require.ErrorContains(t, err, want, give)
		require.True(t, fault.Is(err, fault.Invalid), give)
		require.NotEmpty(t, fault.CureOf(err))
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"type":"Point","coordinates":[1,2]}`))
	f.Add([]byte(`{"type":"MultiPolygon","coordinates":[[[[170,0],[190,0],[190,5],[170,0]]]]}`))
	f.Add([]byte(`{"type":"Polygon","coordinates":[[[-190,0],[200,0],[200,5],[170,9],[-190,5],[-190,0]],[[175,1],[185,1],[185,2],[175,1]]]}`))
	f.Add([]byte(`{"type":"GeometryCollection","geometries":[{"type":"LineString","coordinates":[[170,0],[190,0]]},{"type":"MultiLineString","coordinates":[[[1,1],[1,1]]]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data, nil)
		if err != nil {
			return
		}
		keeps(t, s)
	})
}

// keeps holds a shape to what is true of all.
func keeps(t testing.TB, s *Shape) {
	require.True(t, s.Intersects(s), s)
	for _, b := range s.Bounds() {
		require.True(t, b.Min[0] >= -180 && b.Max[0] <= 180 && b.Min[0] <= b.Max[0], s)
	}
	stored, err := ParseWKB(s.WKB())
	require.NoError(t, err, s)
	require.Equal(t, s.WKB(), stored.WKB(), s)
	require.Equal(t, s.Split().String(), stored.String())
	require.Equal(t, s.Bounds(), stored.Bounds())
	for _, text := range []string{s.String(), s.Split().String()} {
		again, n, err := ReadWKT(text)
		require.NoError(t, err, text)
		require.Len(t, text, n)
		require.Equal(t, text, again.String())
		require.Equal(t, s.WKB(), again.WKB(), text)
	}
	again, err := Parse(s.GeoJSON(), nil)
	require.NoError(t, err, s)
	require.Equal(t, s.String(), again.String())
	if len(data(s)) < 200 {
		for _, op := range predicates {
			s.Test(op, s)
		}
	}
}

// data are all points of a shape.
func data(s *Shape) (out []orb.Point) {
	out = append(out, s.points...)
	for _, l := range s.lines {
		out = append(out, l...)
	}
	for _, a := range s.areas {
		for _, r := range a {
			out = append(out, r...)
		}
	}
	return out
}

func FuzzReadWKT(f *testing.F) {
	for _, s := range []string{
		"POINT(1 2)", "POINT Z (1 2 3)", "MULTIPOINT((1 2),3 4)", "LINESTRING(170 0, 190 1e1)", "POLYGON((0 0,1 0,1 1,0 0))",
		"MULTIPOLYGON Z(((0 0 1,1 0 1,1 1 1,0 0 1)))", "GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))", "POINT EMPTY", "MULTILINESTRING((0 0,0 0),(1 1,1 1))",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if s, _, err := ReadWKT(text); err == nil {
			keeps(t, s)
		}
	})
}

func FuzzParseWKB(f *testing.F) {
	for _, s := range []string{
		"POINT(1 2)", "MULTIPOINT((1 2),(3 4))", "LINESTRING(170 0,190 1)", "POLYGON((0 0,1 0,1 1,0 0))", "MULTILINESTRING((0 0,1 1),(1 1,2 2))",
		"MULTIPOLYGON(((0 0,1 0,1 1,0 0)))", "GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))",
	} {
		shape, _, err := ReadWKT(s)
		require.NoError(f, err)
		f.Add(shape.WKB())
	}
	f.Add(AppendWKB(nil, orb.Polygon{{{170, 0}, {190, 0}, {190, 90.5}, {170, 0}}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := ParseWKB(data); err == nil {
			keeps(t, s)
		}
		if s, err := ParseOpenWKB(data); err == nil {
			keeps(t, s)
		}
	})
}
