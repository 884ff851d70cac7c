package cube

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

func TestASpanHoldsBothItsEnds(t *testing.T) {
	at := func(text string) Slice {
		moment, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		return Slice{Time: moment}
	}
	for _, c := range []struct {
		first, last string
		in, out     []string
	}{
		{"2021-03-01", "2021-03-02", []string{"2021-03-01T00:00:00Z", "2021-03-02T23:59:59.999999Z"}, []string{"2021-02-28T23:59:59.999999Z", "2021-03-03T00:00:00Z"}},
		{"2021-03-01T10:00:00Z", "..", []string{"2021-03-01T10:00:00Z", "2999-01-01T00:00:00Z"}, []string{"2021-03-01T09:59:59Z"}},
		{"", "2021-03-01T10:00:00+02:00", []string{"1950-01-01T00:00:00Z", "2021-03-01T08:00:00Z"}, []string{"2021-03-01T08:00:01Z"}},
	} {
		span, err := ParseSpan(c.first, c.last)
		require.NoError(t, err)
		for _, text := range c.in {
			require.True(t, span.Holds(at(text)), text)
		}
		for _, text := range c.out {
			require.False(t, span.Holds(at(text)), text)
		}
	}
	for _, bad := range [][2]string{{"2021-03-02", "2021-03-01"}, {"March", ".."}, {"..", "2021-02-30"}} {
		_, err := ParseSpan(bad[0], bad[1])
		require.Equal(t, fault.Invalid, fault.KindOf(err), "%v", bad)
		require.NotEmpty(t, fault.CureOf(err))
	}
}

func TestBoundsAreSnappedOutwards(t *testing.T) {
	g := Grid{CRS: "EPSG:32631", Transform: Affine{10, 0, 500000, 0, -10, 5600000}, Width: 37, Height: 41}
	for _, c := range []struct {
		bounds [4]float64
		want   Window
	}{
		{[4]float64{500010, 5599950, 500030, 5599990}, Window{Row: 1, Col: 1, Height: 4, Width: 2}},
		{[4]float64{500011, 5599951, 500029, 5599989}, Window{Row: 1, Col: 1, Height: 4, Width: 2}},
		{[4]float64{500009.999, 5599950, 500030.001, 5599990}, Window{Row: 1, Col: 0, Height: 4, Width: 4}},
		{[4]float64{500010 - 1e-8, 5599950, 500030 + 1e-8, 5599990}, Window{Row: 1, Col: 1, Height: 4, Width: 2}},
		{[4]float64{499000, 5599990, 500005, 5700000}, Window{Height: 1, Width: 1}},
		{[4]float64{-1e300, -1e300, 1e300, 1e300}, g.All()},
	} {
		w, err := g.Snap(c.bounds)
		require.NoError(t, err)
		require.Equal(t, c.want, w)
	}
	for _, bad := range [][4]float64{{500030, 5599950, 500010, 5599990}, {0, 0, 1, 1}, {500370, 5599950, 500400, 5599990}} {
		_, err := g.Snap(bad)
		require.Equal(t, fault.Invalid, fault.KindOf(err), "%v", bad)
	}
}
