package datasets

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// audit looks for leakage in the samples as they will be written. It shares nothing with the code
// that drops samples: pixels are painted and counted one by one, and the distance is the exact
// least one.
func audit(samples []sample, g cube.Grid, r ruler) Leakage {
	l := Leakage{SharedPixels: sharedPixels(samples, g), Blocks: map[string]int{}, DroppedFrom: map[string]int{}}
	owners := map[block][3]bool{}
	for _, s := range samples {
		o := owners[s.block]
		o[s.split] = true
		owners[s.block] = o
	}
	for i, name := range Splits() {
		l.Blocks[name] = 0
		for _, o := range owners {
			if o[i] {
				l.Blocks[name]++
			}
		}
	}
	for _, o := range owners {
		if o[0] && o[1] || o[1] && o[2] || o[0] && o[2] {
			l.SharedBlocks++
		}
	}
	if d := leastDistance(samples, r); !math.IsInf(d, 1) {
		l.MinDistance = &d
	}
	return l
}

// check refuses a split that the audit finds wanting.
func (l Leakage) check(rule SplitRule) error {
	var err *fault.Error
	switch {
	case l.SharedPixels > 0:
		err = fault.New(fault.Conflict, "leakage: %d source pixels lie in samples of two splits", l.SharedPixels)
	case l.SharedBlocks > 0:
		err = fault.New(fault.Conflict, "leakage: %d blocks hold samples of two splits", l.SharedBlocks)
	case l.MinDistance != nil && *l.MinDistance < rule.BufferMetres:
		err = fault.New(fault.Conflict, "leakage: samples of two splits are %g m apart, split.buffer_m is %g", *l.MinDistance, rule.BufferMetres)
	default:
		return nil
	}
	return err.WithCure("set window.stride to window.size or more, or make split.block_m larger")
}

// sharedPixels paints every sample on strips of the grid and counts the pixels that more than one
// split painted.
func sharedPixels(samples []sample, g cube.Grid) int64 {
	if !several(samples) {
		return 0
	}
	const strip = 64
	order := samples
	if byRow := func(a, b sample) int { return cmp.Compare(a.row, b.row) }; !slices.IsSortedFunc(order, byRow) {
		order = slices.SortedFunc(slices.Values(samples), byRow)
	}
	tallest := 0
	for _, s := range order {
		tallest = max(tallest, int(s.height))
	}
	paint := make([]byte, strip*g.Width)
	shared := int64(0)
	for top := 0; top < g.Height; top += strip {
		first := sort.Search(len(order), func(i int) bool { return int(order[i].row) > top-tallest })
		if first == len(order) || int(order[first].row) >= top+strip {
			continue // no sample begins in reach
		}
		clear(paint)
		for _, s := range order[first:] {
			if int(s.row) >= top+strip {
				break
			}
			w := s.window().Intersect(cube.Window{Row: top, Height: min(strip, g.Height-top), Width: g.Width})
			for row := w.Row; row < w.Row+w.Height; row++ {
				line := paint[(row-top)*g.Width:]
				for col := w.Col; col < w.Col+w.Width; col++ {
					line[col] |= 1 << s.split
				}
			}
		}
		for _, p := range paint {
			if p&(p-1) != 0 {
				shared++
			}
		}
	}
	return shared
}

// leastDistance searches, for every sample, tiles in growing rings until no nearer sample of
// another split can come; +Inf where there is only one split.
func leastDistance(samples []sample, r ruler) float64 {
	best := math.Inf(1)
	if !several(samples) {
		return best
	}
	edge := 1
	for _, s := range samples {
		edge = max(edge, int(s.height), int(s.width))
	}
	type tile struct{ row, col int }
	tiles, last := map[tile][]int32{}, tile{} // by index
	for i, s := range samples {
		k := tile{int(s.row) / edge, int(s.col) / edge}
		tiles[k] = append(tiles[k], int32(i))
		if r.turn > 0 { // those to the west of it lie to the east of others, too
			k.col = (int(s.col) + r.turn) / edge
			tiles[k] = append(tiles[k], int32(i))
		}
		last = tile{max(last.row, k.row), max(last.col, k.col)}
	}
	for _, s := range samples {
		k := tile{int(s.row) / edge, int(s.col) / edge}
		for ring := 0; ring <= max(last.row, last.col); ring++ {
			// A window that begins ring tiles away is at least ring-2 tiles of pixels off.
			if ring > 2 && float64((ring-2)*edge)*r.least >= best {
				break
			}
			for row := max(0, k.row-ring); row <= min(last.row, k.row+ring); row++ {
				step := 2 * ring // only the two ends of the rows between the first and the last
				if row == k.row-ring || row == k.row+ring || ring == 0 {
					step = 1
				}
				for col := k.col - ring; col <= k.col+ring; col += step {
					for _, i := range tiles[tile{row, col}] {
						if o := &samples[i]; o.split != s.split {
							best = min(best, r.distance(s.window(), o.window()))
						}
					}
				}
			}
		}
	}
	return best
}

// several says whether the samples are of more than one split.
func several(samples []sample) bool {
	return slices.ContainsFunc(samples, func(s sample) bool { return s.split != samples[0].split })
}
