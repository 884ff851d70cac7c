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
