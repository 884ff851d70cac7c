package geo

import (
	"cmp"
	"slices"

	"github.com/paulmach/orb"
)

// step is a piece of a border with the area to its left.
type step struct{ from, to orb.Point }

// directed are the pieces with an area on one side.
func (l *layout) directed(pieces []piece, rings *ringsOf) (out []step) {
	for i, p := range pieces {
		below, above := rings.inside(l.below[i]), rings.inside(either(l.below[i], p.rings))
		switch {
		case above && !below:
			out = append(out, step{p.a, p.b})
		case below && !above:
			out = append(out, step{p.b, p.a})
		}
	}
	return out
}

// trace makes areas of their borders, which meet in their ends only. It goes along the border of one connected inside after the
// other, and makes a ring of each part of the way that comes back to a point: those to the left are outlines, and
// the others holes.
func trace(steps []step) (orb.MultiPolygon, error) {
	slices.SortFunc(steps, func(s, t step) int {
		if n := byPlace(s.from, t.from); n != 0 {
			return n
		}
		return byPlace(s.to, t.to)
	})
	t := tracer{steps: steps, ring: make([]int32, len(steps))}
	for i := range t.ring {
		t.ring[i] = -1
	}
	used := make([]bool, len(steps))
	for i := range steps {
		if !used[i] {
			t.walk(i, used)
		}
	}
	return t.areas, t.placeHoles()
}

type tracer struct {
	steps []step
	ring  []int32 // of each step
	rings int32
	areas orb.MultiPolygon
	// outlines are the areas of rings that are such, loose the holes that are in no area yet.
	outlines map[int32]int
	loose    map[int32]orb.Ring
}

// walk goes along a border from a step until it is there again.
func (t *tracer) walk(first int, used []bool) {
	var outlines, holes []int32
	rings := map[int32]orb.Ring{}
	var way []int // the steps since the start, without those that are in a ring already
	at := map[orb.Point]int{}
	close := func(from int) {
		ring := make(orb.Ring, 0, len(way)-from+1)
		for _, i := range way[from:] {
			t.ring[i] = t.rings
			ring = append(ring, t.steps[i].from)
			delete(at, t.steps[i].from)
		}
		ring = append(ring, ring[0])
		if counterclockwise(ring) {
			outlines = append(outlines, t.rings)
		} else {
			holes = append(holes, t.rings)
		}
		rings[t.rings] = ring
		t.rings++
		way = way[:from]
	}
	for i := first; !used[i]; i = t.next(t.steps[i]) {
		used[i] = true
		if from, there := at[t.steps[i].from]; there {
			close(from)
		}
		at[t.steps[i].from] = len(way)
		way = append(way, i)
	}
	close(0)
	if t.outlines == nil {
		t.outlines, t.loose = map[int32]int{}, map[int32]orb.Ring{}
	}
	for _, r := range outlines {
		t.outlines[r] = len(t.areas)
		t.areas = append(t.areas, orb.Polygon{rings[r]})
	}
	for _, r := range holes {
		if len(outlines) == 1 {
			i := len(t.areas) - 1
			t.areas[i] = append(t.areas[i], rings[r])
		} else {
			t.loose[r] = rings[r]
		}
	}
}

// next is the step that goes on along the same inside: the first to the right of where s came from.
func (t *tracer) next(s step) int {
	k, _ := slices.BinarySearchFunc(t.steps, s.to, func(e step, p orb.Point) int { return byPlace(e.from, p) })
	best, rank := k, clockwise(s.to, s.from, t.steps[k].to)
	for k++; k < len(t.steps) && t.steps[k].from == s.to; k++ {
		r := clockwise(s.to, s.from, t.steps[k].to)
		if n := cmp.Compare(r, rank); n < 0 || n == 0 && turn(s.to, t.steps[best].to, t.steps[k].to) > 0 {
			best, rank = k, r
		}
	}
	return best
}

// placeHoles puts holes into the innermost outline around them, which is the one with the most rings around itself.
func (t *tracer) placeHoles() error {
	if len(t.loose) == 0 {
		return nil
	}
	pieces := make([]piece, len(t.steps))
	for i, s := range t.steps {
		pieces[i] = newPiece(s.from, s.to, t.ring[i])
	}
	l := sweep(pieces)
	if !l.clean {
		return errTangled
	}
	around := make([][]int32, t.rings) // the inside of each ring's border
	for i, s := range t.steps {
		if around[t.ring[i]] != nil {
			continue
		}
		around[t.ring[i]] = l.below[i]
		if pieces[i].a == s.from {
			around[t.ring[i]] = either(l.below[i], pieces[i].rings)
		}
	}
	for r := range t.rings {
		hole, ok := t.loose[r]
		if !ok {
			continue
		}
		best, depth := -1, 0
		for _, outer := range around[r] {
			if i, is := t.outlines[outer]; is && len(around[outer]) > depth {
				best, depth = i, len(around[outer])
			}
		}
		if best < 0 {
			return errTangled
		}
		t.areas[best] = append(t.areas[best], hole)
	}
	return nil
}
