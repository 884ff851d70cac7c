package geo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

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

// randomGeometry draws on a coarse grid of whole degrees, so that shapes often touch.
func randomGeometry(r *rand.Rand) string {
	pt := func() string { return fmt.Sprintf("[%d,%d]", r.IntN(9), r.IntN(9)) }
	ring := func() string { // a triangle, never flat
		for {
			a, b, c := [2]int{r.IntN(9), r.IntN(9)}, [2]int{r.IntN(9), r.IntN(9)}, [2]int{r.IntN(9), r.IntN(9)}
			if (b[0]-a[0])*(c[1]-a[1]) != (b[1]-a[1])*(c[0]-a[0]) {
				return fmt.Sprintf("[[%d,%d],[%d,%d],[%d,%d],[%d,%d]]", a[0], a[1], b[0], b[1], c[0], c[1], a[0], a[1])
			}
		}
	}
	switch r.IntN(6) {
	case 0:
		return `{"type":"Point","coordinates":` + pt() + `}`
	case 1:
		return `{"type":"MultiPoint","coordinates":[` + pt() + `,` + pt() + `]}`
	case 2:
		return `{"type":"LineString","coordinates":[` + pt() + `,` + pt() + `,` + pt() + `]}`
	case 3:
		return `{"type":"MultiLineString","coordinates":[[` + pt() + `,` + pt() + `],[` + pt() + `,` + pt() + `]]}`
	case 4:
		return `{"type":"Polygon","coordinates":[` + ring() + `]}`
	}
	return `{"type":"Polygon","coordinates":[[[0,0],[8,0],[8,8],[0,8],[0,0]],[[1,1],[7,1],[7,7],[1,7],[1,1]]]}`
}

// TestAgainstGEOS asks shapely the same questions.
func TestAgainstGEOS(t *testing.T) {
	python := os.Getenv("TERRAPIN_PYTHON")
	if python == "" {
		t.Skip("TERRAPIN_PYTHON not set: no official GEOS to compare with")
	}
	r := rand.New(rand.NewPCG(3, 1))
	var in bytes.Buffer
	var ours []bool
	for range 4000 {
		a, b := randomGeometry(r), randomGeometry(r)
		fmt.Fprintf(&in, "[%s,%s]\n", a, b)
		sa, err := Parse(json.RawMessage(a), nil)
		require.NoError(t, err, a)
		sb, err := Parse(json.RawMessage(b), nil)
		require.NoError(t, err, b)
		ours = append(ours, sa.Intersects(sb))
	}
	lines := strings.Split(strings.TrimSpace(in.String()), "\n")
	cmd := exec.Command(python, "-c", `
import json, sys
from shapely.geometry import shape
for line in sys.stdin:
    a, b = json.loads(line)
    print(int(shape(a).intersects(shape(b))))
`)
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	theirs := strings.Fields(string(out))
	require.Len(t, theirs, len(ours))
	hits := 0
	for i, o := range ours {
		require.Equal(t, theirs[i] == "1", o, lines[i])
		if o {
			hits++
		}
	}
	require.Greater(t, hits, 500)
	require.Less(t, hits, 3500)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"type":"Point","coordinates":[1,2]}`))
	f.Add([]byte(`{"type":"MultiPolygon","coordinates":[[[[170,0],[190,0],[190,5],[170,0]]]]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data, nil)
		if err != nil {
			return
		}
		require.True(t, s.Intersects(s))
		for _, b := range s.Bounds() {
			require.True(t, b.Min[0] >= -180 && b.Max[0] <= 180 && b.Min[0] <= b.Max[0])
		}
	})
}
