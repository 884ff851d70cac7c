package geo

import (
	"cmp"
	"slices"
	"sort"

	"github.com/paulmach/orb"
)

// piece is of the border of areas: from a to b, which comes after a by longitude, then latitude; and the rings that go along it an
// odd number of times, in order.
type piece struct {
	a, b  orb.Point
	rings []int32
}

func byPlace(p, q orb.Point) int {
	if n := cmp.Compare(p[0], q[0]); n != 0 {
		return n
	}
	return cmp.Compare(p[1], q[1])
}

func newPiece(a, b orb.Point, rings ...int32) piece {
	if byPlace(a, b) > 0 {
		a, b = b, a
	}
	return piece{a, b, rings}
}

// layout is what a sweep over pieces finds.
type layout struct {
	// clean: pieces meet in their ends and nowhere else. Else nothing more is known.
	clean bool
	// touching: more than two pieces end in one point.
	touching bool
	// below are, for each piece, the rings around the place below it, or east of it where it goes north; in order.
	below [][]int32
}

// mostAround bounds the rings around places, of all pieces together.
const mostAround = 1 << 22

// sweep looks at pieces from west to east. Those that reach over the longitude it is at are in active, from south to north, and
// stay so as long as none cross; before two of them can, they are neighbours, and then they are looked at.
func sweep(pieces []piece) layout {
	s := sweeper{pieces: pieces, out: layout{below: make([][]int32, len(pieces))}}
	order := make([]int32, len(pieces))
	points := make([]orb.Point, 0, 2*len(pieces))
	for i, p := range pieces {
		order[i] = int32(i)
		points = append(points, p.a, p.b)
	}
	slices.SortFunc(order, func(i, j int32) int {
		if n := byPlace(pieces[i].a, pieces[j].a); n != 0 {
			return n
		}
		if n := -turn(pieces[i].a, pieces[i].b, pieces[j].b); n != 0 {
			return n
		}
		return cmp.Compare(i, j)
	})
	slices.SortFunc(points, byPlace)
	for _, p := range slices.Compact(points) {
		n := 0
		for n < len(order) && pieces[order[n]].a == p {
			n++
		}
		if !s.at(p, order[:n]) {
			return s.out
		}
		order = order[n:]
	}
	s.out.clean = true
	return s.out
}

type sweeper struct {
	pieces []piece
	active []int32
	around int
	out    layout
}

// at passes over a point, where some pieces begin. It reports whether all is clean.
func (s *sweeper) at(p orb.Point, begin []int32) bool {
	first := sort.Search(len(s.active), func(k int) bool {
		e := &s.pieces[s.active[k]]
		return turn(e.a, e.b, p) <= 0
	})
	end := first
	for ; end < len(s.active); end++ {
		e := &s.pieces[s.active[end]]
		if turn(e.a, e.b, p) != 0 {
			break
		}
		if e.b != p {
			return false
		}
	}
	s.out.touching = s.out.touching || end-first+len(begin) > 2
	for k, i := range begin {
		if k > 0 && turn(p, s.pieces[begin[k-1]].b, s.pieces[i].b) == 0 {
			return false
		}
		switch {
		case k > 0:
			s.out.below[i] = s.above(begin[k-1])
		case first > 0:
			s.out.below[i] = s.above(s.active[first-1])
		}
		if s.around += len(s.out.below[i]); s.around > mostAround {
			return false
		}
	}
	s.active = slices.Replace(s.active, first, end, begin...)
	last := first + len(begin) // the neighbour above
	if len(begin) == 0 {
		return s.apart(first-1, first)
	}
	return s.apart(first-1, first) && s.apart(last-1, last)
}

// above are the rings around the place above a piece.
func (s *sweeper) above(i int32) []int32 { return either(s.out.below[i], s.pieces[i].rings) }

// apart reports whether two neighbours meet in their ends at most.
func (s *sweeper) apart(low, high int) bool {
	if low < 0 || high >= len(s.active) {
		return true
	}
	e, f := &s.pieces[s.active[low]], &s.pieces[s.active[high]]
	// Ends in the middle of others are found when they are passed over, and pieces that begin together lie apart.
	return e.a == f.a || e.b == f.b || !segmentsMeet(e.a, e.b, f.a, f.b)
}

// either are the rings that are in one list and not in both.
func either(a, b []int32) []int32 {
	if len(a) == 0 {
		return b
	}
	out := make([]int32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			out, a = append(out, a[0]), a[1:]
		case a[0] > b[0]:
			out, b = append(out, b[0]), b[1:]
		default:
			a, b = a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// ringsOf numbers the rings of areas, the outline of each first: of holds the area of each ring, hole whether it is one. Still is
// whether one of them is a point.
type ringsOf struct {
	of    []int32
	hole  []bool
	still bool
}

// inside reports whether a place with rings around it is in an area: within its outline and in none of its holes.
func (r *ringsOf) inside(around []int32) bool {
	for k := 0; k < len(around); k++ {
		area, outline := r.of[around[k]], !r.hole[around[k]]
		alone := true
		for ; k+1 < len(around) && r.of[around[k+1]] == area; k++ {
			alone = false
		}
		if outline && alone {
			return true
		}
	}
	return false
}

// piecesOf are the pieces of areas as they are.
func piecesOf(areas []orb.Polygon) (pieces []piece, rings ringsOf) {
	for i, area := range areas {
		for k, r := range area {
			ring := int32(len(rings.of))
			rings.of, rings.hole = append(rings.of, int32(i)), append(rings.hole, k > 0)
			rings.still = rings.still || still(orb.LineString(r))
			along := []int32{ring}
			for j := 1; j < len(r); j++ {
				if r[j-1] != r[j] {
					pieces = append(pieces, newPiece(r[j-1], r[j], along...))
				}
			}
		}
	}
	return pieces, rings
}

// borders reports whether each piece has an area on one of its sides only.
func (l *layout) borders(pieces []piece, rings *ringsOf) bool {
	for i := range pieces {
		if rings.inside(l.below[i]) == rings.inside(either(l.below[i], pieces[i].rings)) {
			return false
		}
	}
	return true
}
