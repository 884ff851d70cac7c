package stream

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// Every pixel of the area is in exactly one core, every core in its window, and nothing outside of the
// area is in a core.
func TestCoresPartitionTheArea(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		size := 1 + r.IntN(20)
		tl := tiling{
			area: cube.Window{Row: r.IntN(9), Col: r.IntN(9), Height: 1 + r.IntN(50), Width: 1 + r.IntN(50)},
			size: size, overlap: r.IntN(size),
		}
		seen := map[[2]int]int{}
		for i := range tl.len() {
			p := tl.at(i)
			require.Equal(t, size, p.Window.Height)
			require.Equal(t, size, p.Window.Width)
			require.False(t, p.Core.Empty())
			require.Equal(t, p.Core, p.Core.Intersect(p.Window), "%+v", tl)
			for y := range p.Core.Height {
				for x := range p.Core.Width {
					seen[[2]int{p.Core.Row + y, p.Core.Col + x}]++
				}
			}
		}
		require.Len(t, seen, tl.area.Height*tl.area.Width, "%+v", tl)
		for at, n := range seen {
			require.Equal(t, 1, n, "%+v %v", tl, at)
			one := cube.Window{Row: at[0], Col: at[1], Height: 1, Width: 1}
			require.Equal(t, one, one.Intersect(tl.area))
		}
	}
}

func TestBoundsSnapOutward(t *testing.T) {
	g := cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 500000, 0, -10, 5600000}, Width: 100, Height: 80}
	for _, c := range []struct {
		bounds []float64
		want   cube.Window
	}{
		{[]float64{500000, 5599200, 501000, 5600000}, cube.Window{Height: 80, Width: 100}},
		{[]float64{500010, 5599970, 500030, 5599990}, cube.Window{Row: 1, Col: 1, Height: 2, Width: 2}},
		{[]float64{500011, 5599971, 500029, 5599989}, cube.Window{Row: 1, Col: 1, Height: 2, Width: 2}},
		{[]float64{500009.999, 5599970, 500030.001, 5599990}, cube.Window{Row: 1, Col: 0, Height: 2, Width: 4}},
		{[]float64{500010 - 1e-8, 5599970, 500030 + 1e-8, 5599990}, cube.Window{Row: 1, Col: 1, Height: 2, Width: 2}},
		{[]float64{-1e300, -1e300, 1e300, 1e300}, cube.Window{Height: 80, Width: 100}},
		{[]float64{499000, 5599990, 500005, 5700000}, cube.Window{Height: 1, Width: 1}},
	} {
		w, err := snap(g, c.bounds)
		require.NoError(t, err)
		require.Equal(t, c.want, w, "%v", c.bounds)
	}
	_, err := snap(g, []float64{501000, 5599990, 501010, 5600000})
	require.True(t, fault.Is(err, fault.Invalid))
	require.Contains(t, fault.CureOf(err), "501000")
}

func TestTimeSpanIncludesBothEnds(t *testing.T) {
	var all []cube.Slice
	for _, s := range []string{"2021-03-01T10:00:00Z", "2021-03-02T00:00:00Z", "2021-03-02T23:59:59.999999Z", "2021-03-03T00:00:00Z"} {
		at, err := time.Parse(time.RFC3339Nano, s)
		require.NoError(t, err)
		all = append(all, cube.Slice{Time: at})
	}
	for _, c := range []struct {
		span        []string
		first, last int
	}{
		{nil, 0, 3},
		{[]string{"..", ".."}, 0, 3},
		{[]string{"2021-03-02", "2021-03-02"}, 1, 2},
		{[]string{"2021-03-01T10:00:00Z", "2021-03-02T00:00:00Z"}, 0, 1},
		{[]string{"2021-03-01T11:00:00+01:00", "2021-03-02T01:00:00+01:00"}, 0, 1},
		{[]string{"2021-03-03", ".."}, 3, 3},
	} {
		got, err := between(all, c.span)
		require.NoError(t, err)
		require.Equal(t, all[c.first:c.last+1], got, "%v", c.span)
	}
	_, err := between(all, []string{"2022-01-01", ".."})
	require.True(t, fault.Is(err, fault.NotFound))
	require.Contains(t, fault.CureOf(err), "2021-03-01T10:00:00Z to 2021-03-03T00:00:00Z")
	_, err = between(all, []string{"2022-01-01", "2021-01-01"})
	require.True(t, fault.Is(err, fault.Invalid))
	_, err = between(all, []string{"yesterday", ".."})
	require.ErrorContains(t, err, `"yesterday"`)
	_, err = between(nil, nil)
	require.True(t, fault.Is(err, fault.NotFound))
}
