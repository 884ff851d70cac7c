package compact

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func ones(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = 1
	}
	return out
}

// laid is what becomes of runs once windows were laid together.
func laid(runs []int, todo []span) []int {
	begins := map[int]bool{}
	n := 0
	for _, r := range runs {
		begins[n] = true
		n += r
	}
	for _, w := range todo {
		for i := w.from; i < w.to; i++ {
			delete(begins, i)
		}
		begins[w.from], begins[w.to] = true, true
	}
	var out []int
	for i, last := 1, 0; i <= n; i++ {
		if begins[i] || i == n {
			out, last = append(out, i-last), i
		}
	}
	return out
}

func TestWindowsOfDates(t *testing.T) {
	for _, c := range []struct {
		name    string
		runs    []int
		all     bool
		want    []span
		waiting int
	}{
		{"nothing", nil, false, nil, 0},
		{"too few wait", ones(31), false, nil, 31},
		{"unless all are wanted", ones(31), true, []span{{0, 31}}, 0},
		{"full windows", ones(70), false, []span{{0, 32}, {32, 64}}, 6},
		{"all: about equal ones", ones(70), true, []span{{0, 35}, {35, 70}}, 0},
		{"done", []int{32, 32, 1, 1}, false, nil, 2},
		{"done, all", []int{32, 32, 5}, true, nil, 0},
		{"one more after a short rest", []int{32, 5, 1}, true, []span{{32, 38}}, 0},
		{"a late scene in a window", []int{6, 1, 26, 32}, false, []span{{0, 33}}, 0},
		{"a late scene in the middle of one", []int{16, 1, 16, 32, 32}, false, []span{{0, 33}}, 0},
		{"a late scene in the last window waits with it", []int{32, 16, 1, 16}, false, []span{{32, 64}}, 1},
		{"a late scene between two", []int{32, 1, 32}, false, []span{{32, 65}}, 0},
	} {
		got, waiting := windows(c.runs, 32, c.all)
		assert.Equal(t, c.want, got, c.name)
		assert.Equal(t, c.waiting, waiting, c.name)
	}
}

// Whatever lies there: once done nothing is wanted again, windows neither overlap nor grow beyond half as
// long again, and no run is short but the last and those that wait.
func TestWindowsSettle(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for range 20_000 {
		var runs []int
		for range rng.IntN(30) {
			runs = append(runs, 1+rng.IntN(1+rng.IntN(60)))
		}
		dates, all := MinDates+rng.IntN(MaxDates-MinDates+1), rng.IntN(2) == 0
		todo, waiting := windows(runs, dates, all)
		end := 0
		for _, w := range todo {
			require.GreaterOrEqual(t, w.from, end, "%v", runs)
			require.Greater(t, w.to, w.from)
			require.LessOrEqual(t, 2*(w.to-w.from), 3*dates+2)
			end = w.to
		}
		after := laid(runs, todo)
		again, waits := windows(after, dates, all)
		require.Empty(t, again, "%v, %d dates, all %v: %v, then %v", runs, dates, all, todo, after)
		require.Equal(t, waiting, waits)
		total := 0
		for _, n := range after {
			total += n
		}
		for at, i := 0, 0; i < len(after)-1; i++ { // the last may be short
			if at += after[i]; at <= total-waiting {
				require.GreaterOrEqual(t, 4*after[i], 3*dates, "%v → %v", runs, after)
			}
		}
	}
}

// The curve meets every place once and goes to a neighbour with each step.
func TestHilbertCurve(t *testing.T) {
	for _, side := range []uint32{1, 2, 4, 32} {
		at := make([][2]int, side*side)
		seen := map[uint32]bool{}
		for row := range side {
			for col := range side {
				d := hilbert(side, row, col)
				require.Less(t, d, side*side)
				seen[d], at[d] = true, [2]int{int(row), int(col)}
			}
		}
		require.Len(t, seen, int(side*side))
		for i := 1; i < len(at); i++ {
			dy, dx := at[i][0]-at[i-1][0], at[i][1]-at[i-1][1]
			require.Equal(t, 1, dy*dy+dx*dx, "side %d step %d", side, i)
		}
	}
}
