package geo

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/paulmach/orb"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

func TestSound(t *testing.T) {
	for given, want := range map[string]string{
		"POLYGON((0 0,2 2,2 0,0 2,0 0))":                                               "MULTIPOLYGON(((0 0,1 1,0 2,0 0)),((1 1,2 0,2 2,1 1)))",
		"POLYGON((0 0,4 0,4 4,9 9,4 4,0 4,0 0))":                                       "POLYGON((0 0,4 0,4 4,0 4,0 0))",
		"POLYGON((0 0,4 0,4 0,4 4,0 4,0 4,0 0))":                                       "POLYGON((0 0,4 0,4 0,4 4,0 4,0 4,0 0))", // nothing is wrong with that
		"POLYGON((0 0,4 0,4 4,0 4,0 0),(0 1,1 1,1 2,0 2,0 1))":                         "POLYGON((0 0,4 0,4 4,0 4,0 2,1 2,1 1,0 1,0 0))",
		"POLYGON((0 0,4 0,4 4,0 4,0 0),(0 2,1 1,1 3,0 2))":                             "POLYGON((0 0,4 0,4 4,0 4,0 2,0 0),(0 2,1 3,1 1,0 2))",
		"POLYGON((0 0,4 0,4 4,0 4,0 0),(3 3,6 3,6 6,3 6,3 3))":                         "POLYGON((0 0,4 0,4 3,3 3,3 4,0 4,0 0))",
		"POLYGON((0 0,4 0,4 4,0 4,0 0),(7 7,8 7,8 8,7 7))":                             "POLYGON((0 0,4 0,4 4,0 4,0 0))",
		"POLYGON((0 0,4 0,4 4,0 4,0 0),(1 1,3 1,3 3,1 3,1 1),(2 2,2.5 2,2.5 2.5,2 2))": "POLYGON((0 0,4 0,4 4,0 4,0 0),(1 1,1 3,3 3,3 1,1 1))",
		"POLYGON((0 0,4 0,4 4,0 0),(0 0,4 0,4 4,0 0))":                                 "MULTILINESTRING((0 0,4 0),(0 0,4 4),(4 0,4 4))",
		"POLYGON((0 0,1 0,1 1,1 0,0 0))":                                               "MULTILINESTRING((0 0,1 0),(1 0,1 1))",
		"MULTIPOLYGON(((0 0,2 0,2 2,0 2,0 0)),((1 0,3 0,3 2,1 2,1 0)))":                "POLYGON((0 0,1 0,2 0,3 0,3 2,2 2,1 2,0 2,0 0))",
		"MULTIPOLYGON(((0 0,2 0,2 2,0 2,0 0)),((2 2,3 2,3 3,2 2)))":                    "MULTIPOLYGON(((0 0,2 0,2 2,0 2,0 0)),((2 2,3 2,3 3,2 2)))",
		"MULTIPOLYGON(((0 0,9 0,9 9,0 9,0 0)),((1 1,2 1,2 2,1 1)))":                    "POLYGON((0 0,9 0,9 9,0 9,0 0))",
		"MULTIPOLYGON(((1 1,1 1,1 1,1 1)))":                                            "POINT(1 1)",
		"MULTIPOLYGON(((1 1,1 1,1 1,1 1)),((0 0,2 0,2 2,0 0)))":                        "POLYGON((0 0,2 0,2 2,0 0))",
		"POLYGON((0 0,4 0,4 4,0 4,0 0,3 1,3 3,1 3,0 0))":                               "POLYGON((0 0,4 0,4 4,0 4,0 0),(0 0,1 3,3 3,3 1,0 0))",
		"POLYGON((178 0,182 2,182 0,178 2,178 0))":                                     "MULTIPOLYGON(((178 0,180 1,178 2,178 0)),((-180 1,-178 0,-178 2,-180 1)))",
		"GEOMETRYCOLLECTION(POLYGON((0 0,2 0,2 2,0 0)),POLYGON((0 0,2 0,2 2,0 0)))":    "POLYGON((0 0,2 0,2 2,0 0))",
		// Corners stay what they were, to the last bit; crossings are within 1e-12.
		"POLYGON((0.1 0.1,0.3 0.3,0.3 0.1,0.1 0.3,0.1 0.1))": "MULTIPOLYGON(((0.1 0.1,0.2000000000007276 0.2000000000007276,0.1 0.3,0.1 0.1)),((0.2000000000007276 0.2000000000007276,0.3 0.1,0.3 0.3,0.2000000000007276 0.2000000000007276)))",
	} {
		s, _, err := ReadWKT(given)
		require.NoError(t, err, given)
		require.Equal(t, given, s.String(), "what was given is kept")
		require.Equal(t, want, s.Split().String(), given)
		keeps(t, s)
		again, _, err := ReadWKT(want)
		require.NoError(t, err)
		require.True(t, again.Split().Sound(), want)
	}
}

// What was put right holds the points that its definition says, and its outlines are sound.
func TestSoundIsWhatItMeans(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 2))
	grid := func() orb.Point {
		if r.IntN(3) == 0 {
			return orb.Point{6 * r.Float64(), 6 * r.Float64()}
		}
		return orb.Point{float64(r.IntN(7)), float64(r.IntN(7))}
	}
	ring := func() orb.Ring {
		out := orb.Ring{}
		for range 3 + r.IntN(8) {
			out = append(out, grid())
		}
		return append(out, out[0])
	}
	held := 0
	for range 2000 {
		var areas orb.MultiPolygon
		for range 1 + r.IntN(3) {
			a := orb.Polygon{}
			for range 1 + r.IntN(3) {
				a = append(a, ring())
			}
			areas = append(areas, a)
		}
		points := orb.MultiPoint{}
		for range 50 {
			points = append(points, orb.Point{6 * r.Float64(), 6 * r.Float64()})
		}
		held += meansTheSame(t, areas, points)
	}
	require.Greater(t, held, 20_000)
}

// meansTheSame puts areas right, and counts those of some points that are in them, by their definition and after it.
func meansTheSame(t testing.TB, areas orb.MultiPolygon, points []orb.Point) (held int) {
	at, err := plain(areas)
	require.NoError(t, err)
	s := newShape(areas, at)
	if len(s.areas) > 0 {
		pieces, rings := piecesOf(s.areas)
		l := sweep(pieces)
		require.True(t, l.clean && l.borders(pieces, &rings), s)
	}
	require.True(t, s.Sound(), "%s became %s", s, s.Split())
	in := s.inAreas(len(points))
	for _, p := range points {
		want, edge := false, false
		for _, a := range areas {
			here := true
			for k, r := range a {
				odd, on := pointInRing(p, r)
				edge, here = edge || on || beside(p, r), here && odd == (k == 0)
			}
			want = want || here
		}
		if edge {
			continue
		}
		require.Equal(t, want, in(p) == inside, "%v in %s, which became %s", p, s, s.Split())
		if want {
			held++
		}
	}
	return held
}

// beside reports whether a point is so near a ring that a crossing that was rounded may lie on its other side.
func beside(p orb.Point, r orb.Ring) bool {
	for i := 1; i < len(r); i++ {
		a, d := r[i-1], orb.Point{r[i][0] - r[i-1][0], r[i][1] - r[i-1][1]}
		t := max(0, min(1, ((p[0]-a[0])*d[0]+(p[1]-a[1])*d[1])/(d[0]*d[0]+d[1]*d[1])))
		if !math.IsNaN(t) && math.Hypot(p[0]-a[0]-t*d[0], p[1]-a[1]-t*d[1]) < 1e-9 {
			return true
		}
	}
	return false
}

func FuzzSound(f *testing.F) {
	f.Add([]byte{0, 0, 9, 9, 9, 0, 0, 9}, 3.3, 4.1)
	f.Add([]byte{0, 0, 9, 0, 9, 9, 0, 9, 255, 255, 2, 2, 12, 3, 3, 7, 255, 254, 4, 4, 14, 4, 14, 14}, 5.5, 5.1)
	f.Add([]byte{0, 0, 9, 0, 9, 9, 15, 15, 9, 9, 0, 9, 0, 0, 8, 1, 1, 8}, 1.1, 0.3)
	f.Fuzz(func(t *testing.T, data []byte, x, y float64) {
		if len(data) > 200 || !(math.Abs(x) < 20 && math.Abs(y) < 20) {
			return
		}
		areas := orb.MultiPolygon{{{}}}
		for ; len(data) > 1; data = data[2:] {
			last := &areas[len(areas)-1]
			switch {
			case data[0] == 255 && data[1] == 255:
				*last = append(*last, orb.Ring{})
			case data[0] == 255:
				areas = append(areas, orb.Polygon{{}})
			default: // on the grid, or a third beside it
				ring := &(*last)[len(*last)-1]
				*ring = append(*ring, orb.Point{float64(data[0]%16) + float64(data[0]/128)/3, float64(data[1]%16) + float64(data[1]/128)/3})
			}
		}
		for i := range areas {
			for k := range areas[i] {
				for len(areas[i][k]) < 3 {
					areas[i][k] = append(areas[i][k], orb.Point{1, 1})
				}
				areas[i][k] = append(areas[i][k], areas[i][k][0])
			}
		}
		meansTheSame(t, areas, []orb.Point{{x, y}, {y, x}, {x / 2, y / 2}})
	})
}

// Large outlines are looked at in a time that goes with their size, and those that cross themselves too often are refused.
func TestSoundIsBounded(t *testing.T) {
	star := func(n, stride int) orb.Ring {
		out := orb.Ring{}
		for i := range n + 1 {
			at := 2 * math.Pi * float64(i*stride%n) / float64(n)
			out = append(out, orb.Point{10 * math.Cos(at), 10 * math.Sin(at)})
		}
		return out
	}
	comb := func(n int, flip bool) orb.Ring {
		out := orb.Ring{}
		for i := range n {
			p := orb.Point{float64(i) * 100 / float64(n), 10 + 80*float64(i%2)}
			if flip {
				p[0], p[1] = p[1], p[0]-50
			}
			out = append(out, p)
		}
		last, first := orb.Point{100, 0}, orb.Point{0, 0}
		if flip {
			last, first = orb.Point{0, 50}, orb.Point{0, -50}
		}
		return append(out, last, first, out[0])
	}
	crossed := comb(20_000, true)
	crossed[10], crossed[12] = crossed[12], crossed[10]
	for name, areas := range map[string]orb.MultiPolygon{
		"comb": {{comb(20_000, false)}}, "level comb": {{comb(20_000, true)}}, "one crossing": {{crossed}}, "star": {{star(41, 20)}},
		"chessboard": chessboard(100),
	} {
		begun := time.Now()
		s, err := sound(areas)
		require.NoError(t, err, name)
		require.Equal(t, 2, s.Dimensions(), name)
		t.Log(name, time.Since(begun))
		require.Less(t, time.Since(begun), 3*time.Minute, name)
	}
	begun := time.Now()
	_, err := Parse(must(json.Marshal(map[string]any{"type": "Polygon", "coordinates": orb.Polygon{star(301, 150)}})), nil)
	require.True(t, fault.Is(err, fault.Invalid), err)
	require.ErrorContains(t, err, "cross themselves too often")
	require.Contains(t, fault.CureOf(err), "simplify")
	t.Log("tangled", time.Since(begun))
	require.Less(t, time.Since(begun), 3*time.Minute)
}

// chessboard has n by n squares that touch in their corners.
func chessboard(n int) (out orb.MultiPolygon) {
	for x := range n {
		for y := range n {
			if (x+y)%2 == 0 {
				out = append(out, orb.Bound{Min: orb.Point{float64(x), float64(y) / 2}, Max: orb.Point{float64(x + 1), float64(y+1) / 2}}.ToPolygon())
			}
		}
	}
	return out
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func BenchmarkSound(b *testing.B) {
	for name, text := range map[string]string{
		"box":     "POLYGON((0 0,1 0,1 1,0 1,0 0))",
		"scene":   "POLYGON((0 0,1 0.1,1.2 1.1,0.1 1,0 0))",
		"swath":   "POLYGON((0 0,1 0,2 0.1,3 0.3,4 0.6,4.1 1.6,3.1 1.3,2.1 1.1,1.1 1,0.1 1,0 0))",
		"bow-tie": "POLYGON((0 0,2 2,2 0,0 2,0 0))",
	} {
		r := wktReader{text: text}
		g, err := r.tagged(0)
		require.NoError(b, err)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := plain(g); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
