package geo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/paulmach/orb"
	"github.com/stretchr/testify/require"
)

var predicates = []string{"s_intersects", "s_disjoint", "s_equals", "s_touches", "s_crosses", "s_within", "s_contains", "s_overlaps"}

func wkt(t testing.TB, text string) *Shape {
	t.Helper()
	s, n, err := ReadWKT(text)
	require.NoError(t, err, text)
	require.Len(t, text, n)
	return s
}

func shaped(g orb.Geometry) *Shape {
	at, err := plain(g)
	if err != nil {
		panic(err)
	}
	return newShape(g, at)
}

// TestPredicates lists which predicates are true of two shapes, besides s_intersects or s_disjoint.
func TestPredicates(t *testing.T) {
	const square, donut = "POLYGON((0 0,4 0,4 4,0 4,0 0))", "POLYGON((0 0,9 0,9 9,0 9,0 0),(3 3,6 3,6 6,3 6,3 3))"
	for _, c := range []struct{ a, b, want string }{
		{"POINT(1 1)", "POINT(1 1)", "s_equals s_within s_contains"},
		{"POINT(1 1)", "POINT(1 2)", "s_disjoint"},
		{"MULTIPOINT((1 1),(2 2))", "MULTIPOINT((2 2),(3 3))", "s_overlaps"},
		{"MULTIPOINT((1 1),(2 2))", "MULTIPOINT((2 2),(1 1),(2 2))", "s_equals s_within s_contains"},
		{"POINT(0 0)", "LINESTRING(0 0,2 2)", "s_touches"}, // its end
		{"POINT(1 1)", "LINESTRING(0 0,2 2)", "s_within"},
		{"POINT(0 0)", "LINESTRING(0 0,2 0,2 2,0 0)", "s_within"}, // a closed line has no end
		{"POINT(1 1)", "MULTILINESTRING((0 0,1 1),(1 1,2 0))", "s_within"},
		{"POINT(1 1)", "MULTILINESTRING((0 0,1 1),(1 1,2 0),(1 1,3 3))", "s_touches"}, // three ends are an end
		{"MULTIPOINT((1 1),(5 5))", "LINESTRING(0 0,2 2)", "s_crosses"},
		{"POINT(0 2)", square, "s_touches"},
		{"POINT(1 2)", square, "s_within"},
		{"POINT(4 4)", donut, "s_disjoint"},
		{"MULTIPOINT((1 2),(7 7))", square, "s_crosses"},
		{"MULTIPOINT((1 2),(4 4))", square, "s_within"},
		{"LINESTRING(0 0,2 2)", "LINESTRING(0 2,2 0)", "s_crosses"},
		{"LINESTRING(0 0,2 2)", "LINESTRING(2 2,3 0)", "s_touches"},
		{"LINESTRING(0 0,2 2)", "LINESTRING(1 1,3 0)", "s_touches"},
		{"LINESTRING(0 0,2 2)", "LINESTRING(1 1,3 3)", "s_overlaps"},
		{"LINESTRING(0 0,2 2)", "LINESTRING(1 1,3 3,3 0,0 3)", "s_overlaps"},
		{"LINESTRING(0 0,2 2)", "LINESTRING(2 2,1 1,0 0)", "s_equals s_within s_contains"},
		{"LINESTRING(1 1,2 2)", "LINESTRING(0 0,3 3)", "s_within"},
		{"LINESTRING(0 0,1 1,2 2)", "MULTILINESTRING((0 0,1 1),(1 1,2 2))", "s_equals s_within s_contains"},
		{"LINESTRING(0 0,3 3)", "MULTILINESTRING((0 0,1 1),(2 2,3 3))", "s_contains"},
		{"LINESTRING(1 1,2 2)", square, "s_within"},
		{"LINESTRING(0 0,4 0)", square, "s_touches"},
		{"LINESTRING(0 0,4 0,2 2)", square, "s_within"},
		{"LINESTRING(-1 0,5 0)", square, "s_touches"},
		{"LINESTRING(-1 2,5 2)", square, "s_crosses"},
		{"LINESTRING(-1 1,1 -1)", square, "s_touches"}, // through the corner
		{"LINESTRING(-1 -1,1 1)", square, "s_crosses"},
		{"LINESTRING(4 4,5 5)", donut, "s_disjoint"},
		{"LINESTRING(4 4,6 6)", donut, "s_touches"},
		{"LINESTRING(3 3,6 3,6 6,3 6,3 3)", donut, "s_touches"},
		{square, square, "s_equals s_within s_contains"},
		{square, "POLYGON((0 0,0 4,4 4,4 2,4 0,0 0))", "s_equals s_within s_contains"},
		{square, "POLYGON((4 0,8 0,8 4,4 4,4 0))", "s_touches"},
		{square, "POLYGON((4 4,8 4,8 8,4 8,4 4))", "s_touches"},
		{square, "POLYGON((4 1,8 0,8 4,4 1))", "s_touches"},
		{square, "POLYGON((3 1,8 0,8 4,3 1))", "s_overlaps"},
		{square, "POLYGON((1 1,2 1,2 2,1 1))", "s_contains"},
		{square, "POLYGON((0 0,2 0,2 2,0 0))", "s_contains"},
		{square, "POLYGON((0 2,2 0,4 2,2 4,0 2))", "s_contains"},
		{"POLYGON((4 4,5 4,5 5,4 4))", donut, "s_disjoint"},
		{"POLYGON((3 3,6 3,6 6,3 6,3 3))", donut, "s_touches"},
		{"POLYGON((2 2,7 2,7 7,2 7,2 2))", donut, "s_overlaps"},
		{"POLYGON((2 2,7 2,7 7,2 7,2 2),(3 3,6 3,6 6,3 6,3 3))", donut, "s_within"},
		{"POLYGON((0 0,9 0,9 9,0 9,0 0))", donut, "s_contains"},
		{"MULTIPOLYGON(((0 0,9 0,9 9,0 9,0 0),(3 3,6 3,6 6,3 6,3 3)),((4 4,6 5,4 5,4 4)))", donut, "s_contains"}, // touches within the hole
		{"MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((8 8,9 8,9 9,8 8)))", "POLYGON((8 8,9 8,9 9,8 8))", "s_contains"},
		{"GEOMETRYCOLLECTION(POINT(1 1),MULTIPOINT((2 2)))", "MULTIPOINT((1 1),(2 2))", "s_equals s_within s_contains"},
		{"LINESTRING(1 1,1 1)", "POINT(1 1)", "s_equals s_within s_contains"}, // all in one place
	} {
		a, b := wkt(t, c.a), wkt(t, c.b)
		opposite := strings.NewReplacer("s_within", "s_contains", "s_contains", "s_within").Replace(c.want)
		require.ElementsMatch(t, strings.Fields(c.want), truths(t, a, b), "%s, %s", c.a, c.b)
		require.ElementsMatch(t, strings.Fields(opposite), truths(t, b, a), "%s, %s", c.b, c.a)
	}
}

func truths(t testing.TB, a, b *Shape) (out []string) {
	for _, op := range predicates {
		answer, known := a.Test(op, b)
		require.True(t, known, op)
		if answer && op != "s_intersects" {
			out = append(out, op)
		}
	}
	meets, _ := a.Test("s_intersects", b)
	apart, _ := a.Test("s_disjoint", b)
	require.NotEqual(t, meets, apart)
	return out
}

// TestManyPoints looks for points in long lists, where −0 is 0 as it is in short ones, and in time that grows with their
// length alone: compared one by one, these would take minutes.
func TestManyPoints(t *testing.T) {
	grid := func(n int, west float64) orb.MultiPoint {
		out := orb.MultiPoint{}
		for i := range n {
			out = append(out, orb.Point{west + float64(i%300)/4, float64(i/300)/8 - 80})
		}
		return out
	}
	all, beside := grid(100_000, 0), grid(100_000, 0.125)
	require.False(t, shaped(all).Intersects(shaped(beside)))
	equal, _ := shaped(all).Test("s_equals", shaped(all))
	require.True(t, equal)
	both := append(orb.MultiPoint{{math.Copysign(0, -1), 85}}, all...)
	require.True(t, shaped(append(beside, orb.Point{0, 85})).Intersects(shaped(both)))
	for _, op := range []string{"s_within", "s_contains"} {
		within, _ := shaped(all).Test(op, shaped(both))
		require.Equal(t, op == "s_within", within, op)
	}
	touches, _ := shaped(all).Test("s_touches", shaped(orb.LineString{{-5, -85}, all[0]})) // at its end
	require.True(t, touches)
}

func TestUnknown(t *testing.T) {
	mixed := wkt(t, "GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))")
	for _, op := range predicates {
		answer, known := mixed.Test(op, mixed)
		require.Equal(t, op == "s_intersects" || op == "s_disjoint", known, op)
		require.Equal(t, op == "s_intersects", answer, op)
	}
	_, known := mixed.Test("s_near", mixed)
	require.False(t, known)
	_, known = wkt(t, "POINT(1 1)").Test("s_near", wkt(t, "POINT(1 1)"))
	require.False(t, known)
}

// TestNearlyInLine needs more digits than doubles have.
func TestNearlyInLine(t *testing.T) {
	line := wkt(t, "LINESTRING(0.1 0.1,0.3 0.3)")
	require.True(t, line.Intersects(wkt(t, "POINT(0.2 0.2)")))
	require.False(t, line.Intersects(wkt(t, "POINT(0.2 0.20000000000000004)")))
	long := wkt(t, "LINESTRING(-180 -90,180 89.99999999999999)")
	require.False(t, long.Intersects(wkt(t, "POINT(0 0)")), "it passes below")
	require.Equal(t, 0, turn(orb.Point{1e-300, 1e-300}, orb.Point{180, 180}, orb.Point{90, 90}))
	require.Equal(t, -1, turn(orb.Point{1e-300, 2e-300}, orb.Point{180, 180}, orb.Point{90, 90}))
}

// TestIndexesChangeNothing asks shapes of many corners again and again, so that they get their indexes, and once each.
func TestIndexesChangeNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 3))
	hits := 0
	for round := range 60 {
		d := drawer{r, 12}
		n := indexFrom + r.IntN(400)
		star := orb.Ring{}
		for i := range n {
			reach := 1 + 4*r.Float64()
			if i%2 == 0 {
				reach = math.Round(reach)
			}
			angle := 2 * math.Pi * float64(i) / float64(n)
			star = append(star, orb.Point{6 + reach*math.Cos(angle), 6 + reach*math.Sin(angle)})
		}
		star = append(star, star[0])
		many := shaped([]orb.Geometry{
			orb.Polygon{star, {{5.9, 5.9}, {6.1, 5.9}, {6.1, 6.1}, {5.9, 5.9}}},
			orb.LineString(star),
			orb.MultiLineString{orb.LineString(star[:n/2]), orb.LineString(star[n/2:])},
		}[round%3])
		for range 100 {
			g := d.geometry()
			if r.IntN(3) == 0 {
				g = star[r.IntN(len(star))]
			}
			o := shaped(g)
			fresh := shaped(many.plain)
			require.Equal(t, fresh.Intersects(o), many.Intersects(o), "%s, %s", many, o)
			if o.Intersects(many) {
				hits++
			}
			for _, op := range predicates {
				want, known := fresh.Test(op, o)
				got, also := many.Test(op, o)
				require.Equal(t, [2]bool{want, known}, [2]bool{got, also}, "%s %s, %s", op, many, o)
			}
			apart := wkt(t, "POINT(-50 -50)")
			require.Equal(t, fresh.Intersects(o), Any(apart, many).Intersects(o), "%s, %s", many, o)
			require.True(t, Any(many, apart, o).Intersects(apart))
		}
	}
	require.Greater(t, hits, 1000)
	require.Less(t, hits, 5500)
	// Long pieces, each through all latitudes, get few rows.
	zigzag := orb.Ring{}
	for i := range 5000 {
		zigzag = append(zigzag, orb.Point{float64(i) / 1000, float64(i%2) * 80})
	}
	rows := newRows(append(zigzag, orb.Point{5, -10}, zigzag[0]))
	require.LessOrEqual(t, len(rows.pieces), 16)
	flat := newRows(make(orb.Ring, indexFrom))
	require.True(t, flat.any(0, 0, func(int) bool { return true }))
}

// drawer draws on a coarse grid, so that shapes often touch.
type drawer struct {
	*rand.Rand
	size int
}

func (d drawer) point() orb.Point {
	return orb.Point{float64(d.IntN(d.size)), float64(d.IntN(d.size))}
}

func (d drawer) ring() orb.Ring {
	for {
		a, b, c := d.point(), d.point(), d.point()
		switch {
		case turn(a, b, c) == 0:
		case d.IntN(2) == 0:
			return orb.Ring{a, b, c, a}
		case a[0] != b[0] && a[1] != b[1]:
			return orb.Ring{a, {b[0], a[1]}, b, {a[0], b[1]}, a}
		}
	}
}

func (d drawer) line() orb.LineString {
	l := orb.LineString{d.point()}
	for range 1 + d.IntN(4) {
		l = append(l, d.point())
	}
	if d.IntN(4) == 0 {
		l = append(l, l[0])
	}
	return l
}

func (d drawer) area() orb.Polygon {
	if d.IntN(4) == 0 {
		return orb.Polygon{{{0, 0}, {8, 0}, {8, 8}, {0, 8}, {0, 0}}, {{1, 1}, {7, 1}, {7, 7}, {1, 7}, {1, 1}}}
	}
	return orb.Polygon{d.ring()}
}

func (d drawer) geometry() orb.Geometry {
	switch d.IntN(8) {
	case 0:
		return d.point()
	case 1:
		return orb.MultiPoint{d.point(), d.point(), d.point()}
	case 2:
		return d.line()
	case 3:
		return orb.MultiLineString{d.line(), d.line()}
	case 4:
		return orb.MultiPolygon{{d.ring()}, {d.ring()}}
	}
	return d.area()
}

// TestAgainstGEOS asks shapely the same questions, of geometries that are valid by OGC's rules.
func TestAgainstGEOS(t *testing.T) {
	python := os.Getenv("TERRAPIN_PYTHON")
	if python == "" {
		t.Skip("TERRAPIN_PYTHON not set: no official GEOS to compare with")
	}
	r := rand.New(rand.NewPCG(3, 1))
	var in bytes.Buffer
	var pairs [][2]*Shape
	for range 6000 {
		d := drawer{r, 3 + r.IntN(7)}
		a, b := shaped(d.geometry()), shaped(d.geometry())
		if r.IntN(20) == 0 {
			b = a
		}
		pairs = append(pairs, [2]*Shape{a, b})
		fmt.Fprintf(&in, "%s;%s\n", a.Split(), b.Split())
	}
	cmd := exec.Command(python, "-c", `
import json, sys
from shapely import wkt
names = ["intersects", "disjoint", "equals", "touches", "crosses", "within", "contains", "overlaps"]
for line in sys.stdin:
    a, b = map(wkt.loads, line.split(";"))
    print(json.dumps([bool(getattr(a, n)(b)) for n in names] if a.is_valid and b.is_valid and a.is_simple and b.is_simple else None))
`)
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	answers := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Len(t, answers, len(pairs))
	count, asked := map[string]int{}, 0
	for i, p := range pairs {
		var theirs []bool
		require.NoError(t, json.Unmarshal([]byte(answers[i]), &theirs))
		if theirs == nil {
			continue
		}
		asked++
		for j, op := range predicates {
			ours, known := p[0].Test(op, p[1])
			require.True(t, known)
			require.Equal(t, theirs[j], ours, "%s(%s, %s)", op, p[0], p[1])
			if ours {
				count[op]++
			}
		}
	}
	require.Greater(t, asked, 3000)
	for _, op := range predicates {
		require.Greater(t, count[op], 100, op)
	}
}
