package cube_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

func grid() cube.Grid {
	return cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 500000, 0, -10, 5600000}, Width: 100, Height: 80}
}

func TestAffine(t *testing.T) {
	a := cube.Affine{10, 1, 500000, -2, -10, 5600000}
	inverse, err := a.Invert()
	require.NoError(t, err)
	for _, p := range [][2]float64{{0, 0}, {3.5, -7}, {1000, 2}} {
		x, y := a.Apply(p[0], p[1])
		col, row := inverse.Apply(x, y)
		assert.InDelta(t, p[0], col, 1e-6)
		assert.InDelta(t, p[1], row, 1e-6)
	}
	_, err = cube.Affine{1, 2, 0, 2, 4, 0}.Invert()
	assert.Equal(t, fault.Invalid, fault.KindOf(err))
}

func TestGridCheck(t *testing.T) {
	require.NoError(t, grid().Check())
	for name, change := range map[string]func(*cube.Grid){
		"no CRS": func(g *cube.Grid) { g.CRS = "" }, "empty": func(g *cube.Grid) { g.Width = 0 }, "rotated": func(g *cube.Grid) { g.Transform[1] = 1 },
		"south up": func(g *cube.Grid) { g.Transform[4] = 10 }, "NaN": func(g *cube.Grid) { g.Transform[0] = math.NaN() },
	} {
		g := grid()
		change(&g)
		assert.Error(t, g.Check(), name)
	}
}

func TestPlace(t *testing.T) {
	g := grid()
	shifted := func(cols, rows float64) cube.Grid {
		o := g
		o.Transform[2] += 10 * cols
		o.Transform[5] -= 10 * rows
		return o
	}
	for _, c := range []struct {
		cols, rows float64
		ok         bool
	}{{0, 0, true}, {5, -3, true}, {99, 79, true}, {100, 0, false}, {0, -80, false}, {0.5, 0, false}, {0.0005, 0, true}, {0.01, 0, false}} {
		w, err := g.Place(shifted(c.cols, c.rows))
		if !c.ok {
			assert.Equal(t, fault.Invalid, fault.KindOf(err), "%+v", c)
			continue
		}
		require.NoError(t, err, "%+v", c)
		assert.Equal(t, cube.Window{Row: int(math.Round(c.rows)), Col: int(math.Round(c.cols)), Height: 80, Width: 100}, w)
	}
	other := g
	other.CRS = "EPSG:32632"
	_, err := g.Place(other)
	assert.Error(t, err)
	coarse := g
	coarse.Transform[0], coarse.Transform[4] = 20, -20
	_, err = g.Place(coarse)
	assert.Error(t, err)
}

func TestWindows(t *testing.T) {
	a, b := cube.Window{Row: -2, Col: 3, Height: 5, Width: 4}, cube.Window{Height: 10, Width: 5}
	assert.Equal(t, cube.Window{Row: 0, Col: 3, Height: 3, Width: 2}, a.Intersect(b))
	assert.Equal(t, a.Intersect(b), b.Intersect(a))
	assert.True(t, a.Intersect(cube.Window{Row: 3, Col: 3, Height: 1, Width: 1}).Empty())
	minX, minY, maxX, maxY := grid().WindowBounds(cube.Window{Row: 1, Col: 2, Height: 3, Width: 4})
	assert.Equal(t, []float64{500020, 5599960, 500060, 5599990}, []float64{minX, minY, maxX, maxY})
}

// CopyPart touches the common pixels and no others.
func TestCopyPart(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	window := func() cube.Window {
		return cube.Window{Row: rng.IntN(9) - 4, Col: rng.IntN(9) - 4, Height: 1 + rng.IntN(7), Width: 1 + rng.IntN(7)}
	}
	inside := func(w cube.Window, row, col int) bool {
		return row >= w.Row && row < w.Row+w.Height && col >= w.Col && col < w.Col+w.Width
	}
	for range 500 {
		dw, sw, part, size := window(), window(), window(), 1+rng.IntN(4)
		src, dst := make([]byte, sw.Height*sw.Width*size), make([]byte, dw.Height*dw.Width*size)
		for i := range src {
			src[i] = byte(1 + rng.IntN(255))
		}
		cube.CopyPart(dst, dw, src, sw, part, size)
		for i := range dst {
			row, col := dw.Row+i/size/dw.Width, dw.Col+i/size%dw.Width
			want := byte(0)
			if inside(sw, row, col) && inside(part, row, col) {
				want = src[((row-sw.Row)*sw.Width+col-sw.Col)*size+i%size]
			}
			require.Equal(t, want, dst[i])
		}
	}
}

func TestDTypes(t *testing.T) {
	for _, d := range cube.DTypes() {
		parsed, err := cube.ParseDType(string(d))
		require.NoError(t, err)
		buf := make([]byte, parsed.Size())
		for _, v := range []float64{0, 1, 100, -1, -128, 65535, 1.5, math.Inf(1), -9999} {
			if !d.Holds(v) {
				continue
			}
			d.Put(buf, v)
			assert.Equal(t, v, d.Get(buf), "%s", d)
		}
		assert.Equal(t, d.Float(), d.Holds(math.NaN()))
		assert.Equal(t, d.Float(), d.Holds(0.5))
	}
	_, err := cube.ParseDType("complex64")
	assert.NotEmpty(t, fault.CureOf(err))
	assert.False(t, cube.Uint16.Holds(65536))
	assert.False(t, cube.Int16.Holds(-32769))
}

func TestNames(t *testing.T) {
	for _, name := range []string{"s2", "s2-flanders", "a.b_c", "0", "models2", strings.Repeat("a", 63)} {
		assert.NoError(t, cube.CheckCubeName(name), name)
	}
	for _, name := range []string{"", "S2", "a b", "../x", "a..b", "-a", ".a", "ü", strings.Repeat("a", 64), "labels-x", "dataset-x-v1", "predictions-x", "models"} {
		assert.Equal(t, fault.Invalid, fault.KindOf(cube.CheckCubeName(name)), name)
	}
	assert.Equal(t, "10m", grid().ResolutionName(false))
	g := grid()
	g.Transform[0] = 0.0001
	assert.Equal(t, "0.0001deg", g.ResolutionName(true))
}

func TestSliceOrder(t *testing.T) {
	at := time.Date(2021, 1, 1, 0, 0, 0, 1000, time.UTC)
	a, b, c := cube.Slice{ID: "b", Time: at}, cube.Slice{ID: "c", Time: at}, cube.Slice{ID: "a", Time: at.Add(time.Microsecond)}
	assert.True(t, a.Less(b) && b.Less(c) && a.Less(c))
	assert.False(t, b.Less(a) || a.Less(a))
	assert.EqualValues(t, 1609459200000001, a.Micros())
}

// The examples of RFC 8785 and of ECMAScript's Number::toString.
func TestCanonical(t *testing.T) {
	for text, want := range map[string]string{
		`{"b":1,"a":[true,null,"x"]}`: `{"a":[true,null,"x"],"b":1}`,
		`{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}`: "{\"\\r\":2,\"1\":4,\"\u0080\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\ufb33\":3}",
		`"\u20ac$\u000f\nA'B\"\\\\\"/"`:                                               `"€$\u000f\nA'B\"\\\\\"/"`,
		`"<&>\u2028"`:                                                                 "\"<&>\u2028\"",
		`[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001]`:           `[333333333.3333333,1e+30,4.5,0.002,1e-27]`,
		`[-0.0,0,1e21,1e20,1e-6,1e-7,123456789012345680000,-1.5e-9,100]`:              `[0,0,1e+21,100000000000000000000,0.000001,1e-7,123456789012345680000,-1.5e-9,100]`,
	} {
		got, err := cube.Canonical(json.RawMessage(text))
		require.NoError(t, err, text)
		assert.Equal(t, want, string(got))
	}
	for _, bad := range []any{math.NaN(), int64(1)<<53 + 1, json.RawMessage(`1e999`)} {
		_, err := cube.Canonical(bad)
		assert.Equal(t, fault.Invalid, fault.KindOf(err), "%v", bad)
	}
}
