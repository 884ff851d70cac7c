package geo

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/paulmach/orb"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

func TestSplit(t *testing.T) {
	for give, want := range map[string]string{
		"POINT(190 1)":                              "POINT(-170 1)",
		"POINT(180 1)":                              "POINT(180 1)",
		"POINT(-360 1)":                             "POINT(0 1)",
		"MULTIPOINT(0 0,-181 0)":                    "MULTIPOINT((0 0),(179 0))",
		"LINESTRING(170 0,190 10)":                  "MULTILINESTRING((170 0,180 5),(-180 5,-170 10))",
		"LINESTRING(180 0,190 10)":                  "LINESTRING(-180 0,-170 10)",
		"LINESTRING(170 0,180 10)":                  "LINESTRING(170 0,180 10)",
		"LINESTRING(-190 0,-170 0)":                 "MULTILINESTRING((170 0,180 0),(-180 0,-170 0))",
		"LINESTRING(170 0,180 0,180 5,190 5)":       "MULTILINESTRING((170 0,180 0,180 5),(-180 0,-180 5,-170 5))",
		"MULTILINESTRING((1 1,2 2),(170 0,190 0))":  "MULTILINESTRING((1 1,2 2),(170 0,180 0),(-180 0,-170 0))",
		"POLYGON((170 0,190 0,190 5,170 5,170 0))":  "MULTIPOLYGON(((180 5,170 5,170 0,180 0,180 5)),((-180 0,-170 0,-170 5,-180 5,-180 0)))",
		"POLYGON((180 0,190 0,190 5,180 5,180 0))":  "POLYGON((-180 0,-170 0,-170 5,-180 5,-180 0))",
		"POLYGON((170 0,180 0,180 5,170 5,170 0))":  "POLYGON((170 0,180 0,180 5,170 5,170 0))",
		"POLYGON((-185 0,-181 0,-181 5,-185 0))":    "POLYGON((175 0,179 0,179 5,175 0))",
		"POLYGON((170 0,190 5,170 10,175 5,170 0))": "MULTIPOLYGON(((180 7.5,170 10,175 5,170 0,180 2.5,180 7.5)),((-180 2.5,-170 5,-180 7.5,-180 2.5)))",
		"POLYGON((177 1,181 1,181 5,177 5,177 1),(178 2,180 2,180 4,178 4,178 2))": "MULTIPOLYGON(((180 5,177 5,177 1,180 1,180 2,178 2,178 4,180 4,180 5)),((-180 1,-179 1,-179 5,-180 5,-180 1)))",
		"POLYGON((177 1,181 1,181 5,177 5,177 1),(178 2,180 3,178 4,178 2))":       "MULTIPOLYGON(((-180 1,-179 1,-179 5,-180 5,-180 1)),((177 1,180 1,180 3,180 5,177 5,177 1),(180 3,178 2,178 4,180 3)))",
		"GEOMETRYCOLLECTION(POINT(190 1),POINT(3 1))":                              "MULTIPOINT((-170 1),(3 1))",
		"GEOMETRYCOLLECTION(POINT(1 1))":                                           "MULTIPOINT((1 1))",
		"GEOMETRYCOLLECTION(POINT(190 1),LINESTRING(170 0,190 0))":                 "GEOMETRYCOLLECTION(POINT(-170 1),MULTILINESTRING((170 0,180 0),(-180 0,-170 0)))",
		"GEOMETRYCOLLECTION(POINT(1 1),GEOMETRYCOLLECTION(LINESTRING(0 0,1 1)))":   "GEOMETRYCOLLECTION(POINT(1 1),MULTILINESTRING((0 0,1 1)))",
		"MULTILINESTRING((1 1,1 1),(2 2,3 3))":                                     "MULTILINESTRING((2 2,3 3))",
		"MULTILINESTRING((1 1,1 1),(2 2,2 2))":                                     "MULTIPOINT((1 1),(2 2))",
	} {
		s := wkt(t, give)
		require.Equal(t, want, s.Split().String(), give)
		keeps(t, s)
	}
	// Where an outline touches the cut from within, it falls into areas that touch each other there.
	notched := wkt(t, "POLYGON((181 0,180 2,181 3,179 3,181 0))").Split()
	require.Equal(t, "MULTIPOLYGON(((-180 1.5,-179 0,-180 2,-180 1.5)),((-180 2,-179 3,-180 3,-180 2)),((179 3,180 1.5,180 3,179 3)))", notched.String())
	// A hole all of whose corners are on what becomes the outline is kept.
	cornered := wkt(t, "POLYGON((176 0,185 0,185 9,176 9,176 0),(184 8,177 8,177 5,184 5,184 8),(180 2,181 5,184 0,180 2))")
	require.False(t, cornered.Intersects(wkt(t, "POINT(-178.5 2)")))
	require.True(t, cornered.Intersects(wkt(t, "POINT(-175.5 2)")))
	// A notch beyond the meridian leaves two pieces on the far side, and a hole over it becomes part of the outlines.
	fork := wkt(t, "POLYGON((170 0,190 0,190 3,175 4,190 5,190 8,170 8,170 0))").Split()
	require.Len(t, fork.areas, 3)
	ring := wkt(t, "POLYGON((170 0,190 0,190 9,170 9,170 0),(175 3,185 3,185 6,175 6,175 3),(171 1,172 1,172 2,171 1),(188 1,189 1,189 2,188 1))").Split()
	require.Len(t, ring.areas, 2)
	require.Len(t, ring.areas[0], 2)
	require.Len(t, ring.areas[1], 2)
	require.False(t, ring.Intersects(wkt(t, "POINT(180 4)")))
	require.True(t, ring.Intersects(wkt(t, "POINT(180 2)")))
	require.True(t, ring.Intersects(wkt(t, "POINT(-180 8)")))
	require.False(t, ring.Intersects(wkt(t, "POINT(-171.5 1.1)").Split()), "in the hole of the east")
}

// TestSplitKeepsTheShape compares points of a fine grid in a shape and in what Split makes of it.
func TestSplitKeepsTheShape(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 2))
	for range 3000 {
		d := drawer{r, 9}
		move := func(p orb.Point) orb.Point { return orb.Point{p[0] + 176, p[1]} }
		var area orb.Polygon
		for _, ring := range d.area() {
			out := make(orb.Ring, len(ring))
			for i, p := range ring {
				out[i] = move(p)
			}
			area = append(area, out)
		}
		s := shaped(area)
		for x := 176.2371; x < 185; x += 0.5 { // never on an edge, whose place at 180 is rounded
			for y := 0.0931; y < 9; y += 0.5 {
				p := orb.Point{x, y}
				require.Equal(t, pointInArea(p, area, nil), shaped(p).Intersects(s), "%v in %s, %s", p, s, s.Split())
			}
		}
	}
}

func TestBox(t *testing.T) {
	for _, c := range []struct {
		box  []float64
		want string
	}{
		{[]float64{0, 1, 2, 3}, "POLYGON((0 1,2 1,2 3,0 3,0 1))"},
		{[]float64{0, 1, -5, 2, 3, 9}, "POLYGON((0 1,2 1,2 3,0 3,0 1))"},
		{[]float64{170, 0, -170, 1}, "MULTIPOLYGON(((180 1,170 1,170 0,180 0,180 1)),((-180 0,-170 0,-170 1,-180 1,-180 0)))"},
		{[]float64{-180, -90, 180, 90}, "POLYGON((-180 -90,180 -90,180 90,-180 90,-180 -90))"},
		{[]float64{-1000, 0, 1000, 1}, "POLYGON((-180 0,180 0,180 1,-180 1,-180 0))"},
		{[]float64{190, 0, 200, 1}, "POLYGON((-170 0,-160 0,-160 1,-170 1,-170 0))"},
		{[]float64{180, 0, 180, 1}, "LINESTRING(180 0,180 1)"},
		{[]float64{1, 1, 1, 1}, "POINT(1 1)"},
	} {
		s, err := ParseBox(c.box)
		require.NoError(t, err)
		require.Equal(t, c.want, s.Split().String(), c.box)
		keeps(t, s)
	}
	require.True(t, Box(1, 1, 1, 1).Intersects(wkt(t, "POINT(1 1)")))
}

func TestStoredRefuses(t *testing.T) {
	good := wkt(t, "MULTIPOLYGON(((0 0,1 0,1 1,0 0)))").WKB()
	for i := range good {
		_, err := ParseWKB(good[:i])
		require.True(t, fault.Is(err, fault.Corrupt), "the first %d bytes", i)
	}
	_, err := ParseWKB(append(good, 0))
	require.ErrorContains(t, err, "left over")
	big := append([]byte(nil), good...)
	big[0] = 0
	_, err = ParseWKB(big)
	require.ErrorContains(t, err, "little endian")
	deep := []byte{}
	for range 1000 {
		deep = append(deep, 1, 7, 0, 0, 0, 1, 0, 0, 0)
	}
	_, err = ParseWKB(append(deep, wkt(t, "POINT(1 1)").WKB()...))
	require.ErrorContains(t, err, "nested")
}

func TestWKTRefuses(t *testing.T) {
	for give, want := range map[string]string{
		"POINT EMPTY": "lies nowhere", "POINT M (1 2)": "unexpected M", "POINT(1)": "a number is missing", "POINT(1 2 3 4)": "a comma or a closing bracket",
		"POINT(1 91)": "latitude 91", "POINT(1 2,3 4)": "one position", "LINESTRING(1 2)": "needs 2 positions", "POLYGON((0 0,1 0,1 1,0 1))": "not closed",
		"POLYGON((0 0,1 0,0 0))": "needs 4 positions", "CIRCLE(1 2)": "no geometry here", "MULTIPOINT((1 2)": "a comma or a closing bracket", "POINT": "a bracket is missing",
		strings.Repeat("GEOMETRYCOLLECTION(", 20): "nested",
	} {
		_, n, err := ReadWKT(give)
		require.ErrorContains(t, err, want, give)
		require.LessOrEqual(t, n, len(give))
	}
	_, n, err := ReadWKT("LINESTRING(0 0, 1 91, 2 2)")
	require.Error(t, err)
	require.Equal(t, strings.Index("LINESTRING(0 0, 1 91, 2 2)", "1 91"), n, "the place of the fault")
	s, n, err := ReadWKT("  point z ( 1e0 -2.5 7 ) , more")
	require.NoError(t, err)
	require.Equal(t, "POINT(1 -2.5)", s.String())
	require.Equal(t, len("  point z ( 1e0 -2.5 7 )"), n)
}

func TestCrossingByBoxIsSplit(t *testing.T) {
	s, err := Parse(json.RawMessage(`{"type":"Polygon","coordinates":[[[179,0],[-179,0],[-179,1],[179,1],[179,0]]]}`), []float64{179, 0, -179, 1})
	require.NoError(t, err)
	require.Equal(t, "MULTIPOLYGON(((180 1,179 1,179 0,180 0,180 1)),((-180 0,-179 0,-179 1,-180 1,-180 0)))", s.Split().String())
}

// footprint is like a scene's: a quadrangle that is a little turned.
const footprint = "POLYGON((14.1 47.8,15.6 47.9,15.5 48.9,14 48.7,14.1 47.8))"

func BenchmarkIntersectsStored(b *testing.B) {
	data := wkt(b, footprint).WKB()
	for name, text := range map[string]string{
		"box around": "POLYGON((10 40,20 40,20 50,10 50,10 40))", "box across": "POLYGON((15 48,16 48,16 50,15 50,15 48))",
		"box apart": "POLYGON((30 48,31 48,31 50,30 50,30 48))", "box near": "POLYGON((14 47.8,14.05 47.8,14.05 47.9,14 47.9,14 47.8))",
	} {
		query := wkt(b, text)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s, err := ParseWKB(data)
				if err != nil {
					b.Fatal(err)
				}
				query.Intersects(s)
			}
		})
	}
}

// BenchmarkIntersectsMany has an area of ten thousand corners.
func BenchmarkIntersectsMany(b *testing.B) {
	var ring orb.Ring
	for i := range 10_000 {
		angle := 2 * math.Pi * float64(i) / 10_000
		reach := 10 + math.Sin(300*angle)
		ring = append(ring, orb.Point{15 + reach*math.Cos(angle), 48 + reach*math.Sin(angle)})
	}
	query := shaped(orb.Polygon{append(ring, ring[0])})
	for name, text := range map[string]string{"within": footprint, "beside": "POLYGON((23.5 56.5,24.5 56.5,24.5 57,23.5 57,23.5 56.5))"} {
		data := wkt(b, text).WKB()
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s, err := ParseWKB(data)
				if err != nil {
					b.Fatal(err)
				}
				query.Intersects(s)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	data := wkt(b, footprint).GeoJSON()
	for b.Loop() {
		if _, err := Parse(data, nil); err != nil {
			b.Fatal(err)
		}
	}
}
