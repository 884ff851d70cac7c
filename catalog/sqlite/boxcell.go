package sqlite

import (
	"math"
	"slices"

	"github.com/paulmach/orb"
)

// bound is a box as the tree has it: longitude, latitude, time.
type bound struct{ low, high [boxDims]float32 }

// outward is a box in whole, rounded outward.
func outward(at orb.Bound, since, until float64) (b bound) {
	for i, v := range [...]float64{at.Min[0], at.Min[1], since} {
		if b.low[i] = float32(v); float64(b.low[i]) > v {
			b.low[i] = math.Nextafter32(b.low[i], float32(math.Inf(-1)))
		}
	}
	for i, v := range [...]float64{at.Max[0], at.Max[1], until} {
		if b.high[i] = float32(v); float64(b.high[i]) < v {
			b.high[i] = math.Nextafter32(b.high[i], float32(math.Inf(1)))
		}
	}
	return b
}

func (b *bound) with(o *bound) (out bound) {
	for i := range boxDims {
		out.low[i], out.high[i] = min(b.low[i], o.low[i]), max(b.high[i], o.high[i])
	}
	return out
}

func (b *bound) holds(o *bound) bool {
	for i := range boxDims {
		if b.low[i] > o.low[i] || b.high[i] < o.high[i] {
			return false
		}
	}
	return true
}

func (b *bound) size() float64 {
	size := 1.0
	for i := range boxDims {
		size *= float64(b.high[i]) - float64(b.low[i])
	}
	return size
}

// edges are the lengths of a bound's sides together.
func (b *bound) edges() (sum float64) {
	for i := range boxDims {
		sum += float64(b.high[i]) - float64(b.low[i])
	}
	return sum
}

// shared is the size of what two bounds have in common.
func (b *bound) shared(o *bound) float64 {
	size := 1.0
	for i := range boxDims {
		side := float64(min(b.high[i], o.high[i])) - float64(max(b.low[i], o.low[i]))
		if side < 0 {
			return 0
		}
		size *= side
	}
	return size
}

// boxCell is a row's box in a leaf, or what is around a node in the node above.
type boxCell struct {
	id int64
	bound
}

// around is the bound of some cells.
func around(cells []boxCell) bound {
	out := cells[0].bound
	for i := range cells[1:] {
		out = out.with(&cells[i+1].bound)
	}
	return out
}

// divide splits cells as an R*Tree does: across the side on which the halves have the shortest edges, where they share least. Each
// half has so many cells at least.
func divide(cells []boxCell, least int) (left, right []boxCell) {
	n := len(cells)
	var best []boxCell
	at, margin := 0, math.Inf(1)
	below, above := make([]bound, n), make([]bound, n)
	for side := range boxDims {
		sorted := slices.Clone(cells)
		slices.SortStableFunc(sorted, func(x, y boxCell) int {
			switch {
			case x.low[side] < y.low[side]:
				return -1
			case x.low[side] > y.low[side]:
				return 1
			case x.high[side] < y.high[side]:
				return -1
			case x.high[side] > y.high[side]:
				return 1
			}
			return 0
		})
		below[0], above[n-1] = sorted[0].bound, sorted[n-1].bound
		for i := 1; i < n; i++ {
			below[i], above[n-1-i] = below[i-1].with(&sorted[i].bound), above[n-i].with(&sorted[n-1-i].bound)
		}
		edges, cut := 0.0, 0
		shared, size := math.Inf(1), math.Inf(1)
		for k := least; k <= n-least; k++ { // so many on the left
			l, r := &below[k-1], &above[k]
			edges += l.edges() + r.edges()
			if s, z := l.shared(r), l.size()+r.size(); s < shared || s == shared && z < size {
				cut, shared, size = k, s, z
			}
		}
		if edges < margin {
			best, at, margin = sorted, cut, edges
		}
	}
	return best[:at], best[at:]
}
