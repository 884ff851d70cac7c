package geo

import (
	"cmp"
	"math"
	"slices"

	"github.com/paulmach/orb"
)

// boxTree finds those of many boxes that meet another.
type boxTree struct {
	items  []int32       // in the order of the lowest level
	levels [][]orb.Bound // around each boxesInNode of the level below, the lowest first
	each   []orb.Bound   // of the items, in their order
}

const boxesInNode = 8

// newBoxTree sorts n boxes into columns from west to east, and these from south to north.
func newBoxTree(n int, box func(i int) orb.Bound) *boxTree {
	t := &boxTree{items: make([]int32, n), each: make([]orb.Bound, n)}
	all := make([]orb.Bound, n)
	for i := range n {
		t.items[i], all[i] = int32(i), box(i)
	}
	by := func(axis int) func(i, j int32) int {
		return func(i, j int32) int {
			return cmp.Compare(all[i].Min[axis]+all[i].Max[axis], all[j].Min[axis]+all[j].Max[axis])
		}
	}
	slices.SortStableFunc(t.items, by(0))
	column := boxesInNode * max(1, int(math.Sqrt(float64(n)/boxesInNode)))
	for some := range slices.Chunk(t.items, column) {
		slices.SortStableFunc(some, by(1))
	}
	for k, i := range t.items {
		t.each[k] = all[i]
	}
	for below := t.each; len(below) > boxesInNode; {
		var level []orb.Bound
		for some := range slices.Chunk(below, boxesInNode) {
			around := some[0]
			for _, b := range some[1:] {
				around = around.Union(b)
			}
			level = append(level, around)
		}
		t.levels, below = append(t.levels, level), level
	}
	return t
}

// any asks the items whose boxes meet another until one says yes.
func (t *boxTree) any(b orb.Bound, ask func(i int) bool) bool {
	if len(t.levels) == 0 {
		return t.leaf(b, 0, len(t.each), ask)
	}
	top := len(t.levels) - 1
	return t.node(b, top, 0, len(t.levels[top]), ask)
}

func (t *boxTree) node(b orb.Bound, level, from, to int, ask func(i int) bool) bool {
	for k := from; k < to; k++ {
		if !t.levels[level][k].Intersects(b) {
			continue
		}
		first := k * boxesInNode
		if level == 0 {
			if t.leaf(b, first, min(first+boxesInNode, len(t.each)), ask) {
				return true
			}
		} else if t.node(b, level-1, first, min(first+boxesInNode, len(t.levels[level-1])), ask) {
			return true
		}
	}
	return false
}

func (t *boxTree) leaf(b orb.Bound, from, to int, ask func(i int) bool) bool {
	for k := from; k < to; k++ {
		if t.each[k].Intersects(b) && ask(int(t.items[k])) {
			return true
		}
	}
	return false
}
