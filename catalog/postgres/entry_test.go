package postgres

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/geo"
)

func TestDoubles(t *testing.T) {
	for give, want := range map[string]string{
		`{"a":1,"b":-0.5,"c":[1.50,true,"1e5"]}`:                    `{"a":1,"b":-0.5,"c":[1.50,true,"1e5"]}`,
		`{"a":1e400}`:                                               `{"a":1e400}`, // catalog.ParseItem refuses it
		`{"a":1e-400,"b":1E5,"c":-0}`:                               `{"a":0,"b":100000,"c":-0}`,
		`{"a":0.1000000000000000055511151231257827,"b":"\"1e-400"}`: `{"a":0.1,"b":"\"1e-400"}`,
		`[9007199254740993,12345678901234567890,1e300]`:             `[9.007199254740992e+15,1.2345678901234567e+19,1e+300]`,
		`{"x1e5":"\\","y":123456789012345}`:                         `{"x1e5":"\\","y":123456789012345}`,
	} {
		require.Equal(t, want, string(doubles([]byte(give))), give)
	}
}

func FuzzDoubles(f *testing.F) {
	f.Add([]byte(`{"a":1e-400,"b":[1,2.5e3,"x\\\"1e5"],"c":{"d":-0.10000000000000001}}`))
	f.Add([]byte(`"\u0031e5"`))
	f.Add([]byte(`12345678901234567890`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var before, after any
		if json.Unmarshal(text, &before) != nil {
			return
		}
		require.NoError(t, json.Unmarshal(doubles(text), &after), "%s", text)
		require.True(t, reflect.DeepEqual(before, after), "%s", text)
	})
}

// The box of what meets a place meets the place's, wherever the antimeridian is.
func TestPlaces(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 8))
	meets := func(a, b box) bool {
		for i := range a.low {
			if a.high[i] < b.low[i] || b.high[i] < a.low[i] {
				return false
			}
		}
		return true
	}
	arc := func(s *geo.Shape, blur float64) (b box) {
		b.round(s.Bounds(), blur)
		return b
	}
	apart := 0
	for range 20_000 {
		shape := func() *geo.Shape {
			west, south := float64(r.IntN(36)*10-180), float64(r.IntN(16)*10-80)
			if r.IntN(2) == 0 {
				west += r.Float64()
			}
			return geo.Box(west, south, min(540, west+[]float64{0, 1e-9, 1, 30, 100, 179, 200, 360}[r.IntN(8)]), south+float64(r.IntN(3)*5))
		}
		a, b := shape(), shape()
		if near := meets(arc(a, 0), arc(b, blur)); a.Intersects(b) {
			require.True(t, near, "%s %s", a, b)
		} else if !near {
			apart++
		}
	}
	require.Greater(t, apart, 5000, "what is far is not near")

	greenwich := arc(geo.Box(-1, 50, 1, 52), 0)
	require.False(t, meets(greenwich, arc(geo.Box(2, 50, 3, 52), blur)))
	require.False(t, meets(greenwich, arc(geo.Box(179, 50, -179, 52), blur)))
	require.InDelta(t, math.Cos(math.Pi/180), greenwich.low[0], 1e-15)
}
