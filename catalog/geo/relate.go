package geo

import (
	"github.com/paulmach/orb"
)

// The parts of a plane that a shape makes, as rows (of the first shape) and columns (of the second) of a matrix.
const (
	inside = iota
	border
	outside
)

// matrix is the DE-9IM: the dimension of what the parts of two shapes share, −1 for nothing.
type matrix [3][3]int8

func (m *matrix) raise(row, column int, dimension int8) {
	m[row][column] = max(m[row][column], dimension)
}

func (m *matrix) turned() matrix {
	var out matrix
	for i := range 3 {
		for j := range 3 {
			out[j][i] = m[i][j]
		}
	}
	return out
}

// dimension of a shape whose parts are all of one: 0, 1 or 2; −1 if they are not.
func (s *Shape) dimension() int {
	switch p, l, a := len(s.points) > 0, len(s.lines) > 0, len(s.areas) > 0; {
	case p && !l && !a:
		return 0
	case l && !p && !a:
		return 1
	case a && !p && !l:
		return 2
	}
	return -1
}

// relate computes the matrix of two shapes, each of one dimension. It looks at the places where their outlines and lines
// meet, and, of those that meet nothing, at one corner; every decision is the side of a line that a
// corner lies on, so nothing is rounded.
func relate(s, o *Shape) matrix {
	if s.dimension() > o.dimension() {
		m := relate(o, s)
		return m.turned()
	}
	if s.done == nil {
		s = s.Until(o.done)
	}
	if o.done == nil {
		o = o.Until(s.done)
	}
	m := matrix{{-1, -1, -1}, {-1, -1, -1}, {-1, -1, 2}}
	switch o.dimension() {
	case 0:
		pointsPoints(&m, s, o)
	case 1:
		if s.dimension() == 0 {
			pointsLines(&m, s, o)
		} else {
			linesLines(&m, s, o)
		}
	default:
		switch s.dimension() {
		case 0:
			in := o.inAreas(len(s.points))
			for _, p := range s.points {
				m.raise(inside, in(p), 0)
			}
			m.raise(outside, inside, 2)
			m.raise(outside, border, 1)
		case 1:
			linesAreas(&m, s, o)
		default:
			areasAreas(&m, s, o)
		}
	}
	return m
}

func pointsPoints(m *matrix, s, o *Shape) {
	own, other := among(s.points), among(o.points)
	for _, p := range s.points {
		if other(p) {
			m.raise(inside, inside, 0)
		} else {
			m.raise(inside, outside, 0)
		}
	}
	for _, p := range o.points {
		if !own(p) {
			m.raise(outside, inside, 0)
		}
	}
}

func pointsLines(m *matrix, s, o *Shape) {
	ends := endsOf(o.lines)
	on := o.atLines(len(s.points), ends)
	for _, p := range s.points {
		m.raise(inside, on(p), 0)
	}
	m.raise(outside, inside, 1)
	own := among(s.points)
	for p := range ends {
		if !own(p) {
			m.raise(outside, border, 0)
		}
	}
}

// endsOf is the border of lines: the points that an odd number of lines begin or end at.
func endsOf(lines []orb.LineString) map[orb.Point]bool {
	out := map[orb.Point]bool{}
	for _, l := range lines {
		for _, p := range []orb.Point{l[0], l[len(l)-1]} {
			if p = place(p); out[p] {
				delete(out, p)
			} else {
				out[p] = true
			}
		}
	}
	return out
}

// place makes −0 and 0 the same key.
func place(p orb.Point) orb.Point { return orb.Point{p[0] + 0, p[1] + 0} }

// atLines tells points at the lines of a shape from others; it is to be asked about as often as said.
func (s *Shape) atLines(times int, ends map[orb.Point]bool) func(p orb.Point) int {
	on := s.onLines(times)
	return func(p orb.Point) int {
		switch {
		case ends[place(p)]:
			return border
		case !s.stopped() && on(p):
			return inside
		}
		return outside
	}
}

// inAreas tells where points are of the areas of a shape; it is to be asked about as often as said.
func (s *Shape) inAreas(times int) func(p orb.Point) int {
	return func(p orb.Point) int {
		at := outside
		for i, a := range s.areas {
			if s.stopped() || !s.areaBoxes[i].Contains(p) {
				continue
			}
			switch inArea(p, a, s.rows(i, times)) {
			case inside:
				return inside
			case border:
				at = border
			}
		}
		return at
	}
}

func inArea(p orb.Point, a orb.Polygon, rows *rows) int {
	switch in, edge := pointInRows(p, a[0], rows.of(0)); {
	case edge:
		return border
	case !in:
		return outside
	}
	at := inside
	for i, hole := range a[1:] {
		if within, edge := pointInRows(p, hole, rows.of(i+1)); edge {
			at = border
		} else if within {
			return outside
		}
	}
	return at
}

func linesLines(m *matrix, s, o *Shape) {
	a, b := lineEdges(s.lines), lineEdges(o.lines)
	own, other := endsOf(s.lines), endsOf(o.lines)
	x := cross(a, b, s.stopped)
	atOther, atOwn := o.atLines(len(own), other), s.atLines(len(other), own)
	for p := range own {
		m.raise(border, atOther(p), 0)
	}
	for p := range other {
		m.raise(atOwn(p), border, 0)
	}
	for p := range x.nodes {
		row, column := inside, inside
		if own[p] {
			row = border
		}
		if other[p] {
			column = border
		}
		m.raise(row, column, 0)
	}
	if len(x.crossings) > 0 {
		m.raise(inside, inside, 0)
	}
	if len(x.overlaps) > 0 {
		m.raise(inside, inside, 1)
	}
	if !covered(a, x.onA) {
		m.raise(inside, outside, 1)
	}
	if !covered(b, x.onB) {
		m.raise(outside, inside, 1)
	}
}

func linesAreas(m *matrix, s, o *Shape) {
	a, b := lineEdges(s.lines), areaEdges(o.areas)
	ends := endsOf(s.lines)
	x := cross(a, b, s.stopped)
	in := o.inAreas(len(ends) + len(s.lines))
	m.raise(outside, inside, 2)
	for p := range ends {
		m.raise(border, in(p), 0)
	}
	if len(x.crossings) > 0 {
		m.raise(inside, inside, 1)
		m.raise(inside, outside, 1)
		m.raise(inside, border, 0)
	}
	if len(x.overlaps) > 0 {
		m.raise(inside, border, 1)
	}
	for p, n := range x.nodes {
		if s.stopped() {
			return
		}
		if !ends[p] {
			m.raise(inside, border, 0)
		}
		for _, q := range rays(p, n.a, a) {
			if at := sector(p, q, n.b, b); at != border {
				m.raise(inside, at, 1)
			}
		}
	}
	for i, l := range s.lines {
		if !x.metA[i] {
			m.raise(inside, in(l[0]), 1)
		}
	}
	if !covered(b, x.onB) {
		m.raise(outside, border, 1)
	}
}

func areasAreas(m *matrix, s, o *Shape) {
	a, b := areaEdges(s.areas), areaEdges(o.areas)
	x := cross(a, b, s.stopped)
	// A piece of an outline within the other area has its own inside and outside there, beside it.
	own := func(at int) {
		m.raise(border, at, 1)
		if at == inside {
			m.raise(inside, inside, 2)
			m.raise(outside, inside, 2)
		} else {
			m.raise(inside, outside, 2)
		}
	}
	other := func(at int) {
		m.raise(at, border, 1)
		if at == inside {
			m.raise(inside, inside, 2)
			m.raise(inside, outside, 2)
		} else {
			m.raise(outside, inside, 2)
		}
	}
	if len(x.crossings) > 0 {
		m.raise(border, border, 0)
		for _, at := range []int{inside, outside} {
			own(at)
			other(at)
		}
	}
	if len(x.overlaps) > 0 {
		m.raise(border, border, 1)
	}
	if x.sameSide {
		m.raise(inside, inside, 2)
	}
	if x.otherSide {
		m.raise(inside, outside, 2)
		m.raise(outside, inside, 2)
	}
	for p, n := range x.nodes {
		if s.stopped() {
			return
		}
		m.raise(border, border, 0)
		for _, q := range rays(p, n.a, a) {
			if at := sector(p, q, n.b, b); at != border {
				own(at)
			}
		}
		for _, q := range rays(p, n.b, b) {
			if at := sector(p, q, n.a, a); at != border {
				other(at)
			}
		}
	}
	apart(s, o, x.metA, own)
	apart(o, s, x.metB, other)
}

// apart looks where rings are that meet no other.
func apart(s, o *Shape, met map[int]bool, at func(int)) {
	in := o.inAreas(len(s.areas))
	i := 0
	for _, area := range s.areas {
		for _, ring := range area {
			if !met[i] {
				at(in(ring[0]))
			}
			i++
		}
	}
}
