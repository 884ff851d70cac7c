package geo

import (
	"slices"

	"github.com/paulmach/orb"
)

// Intersects reports whether two shapes share at least a point, within longitudes −180 to 180. Shapes that only end
// at ±180 are not looked at across it.
func (s *Shape) Intersects(o *Shape) bool {
	if !s.whole.Intersects(o.whole) {
		return false
	}
	return pointsMeet(s.points, o.points) || s.holdsPoint(o) || o.holdsPoint(s) || s.holdsPart(o) || o.holdsPart(s) || s.bordersMeet(o)
}

// holdsPoint reports whether one of the other's single points is on the shape's lines or areas.
func (s *Shape) holdsPoint(o *Shape) bool {
	if len(o.points) == 0 || len(s.lines)+len(s.areas) == 0 {
		return false
	}
	lines := s.onLines(len(o.points))
	for _, p := range o.points {
		if !s.whole.Contains(p) {
			continue
		}
		if s.stopped() || o.stopped() || lines(p) {
			return true
		}
		for i, a := range s.areas {
			if s.areaBoxes[i].Contains(p) && pointInArea(p, a, s.rows(i, len(o.points))) {
				return true
			}
		}
	}
	return false
}

// onLines tells points on the shape's lines; it is to be asked about as often as said.
func (s *Shape) onLines(times int) func(p orb.Point) bool {
	if x := s.index(times); x != nil {
		return func(p orb.Point) bool {
			return x.tree.any(p.Bound(), func(i int) bool {
				return i < x.lines && onSegment(p, x.pieces[i][0], x.pieces[i][1])
			})
		}
	}
	return func(p orb.Point) bool {
		for i, l := range s.lines {
			if s.lineBoxes[i].Contains(p) && pointOnLine(p, l) {
				return true
			}
		}
		return false
	}
}

func pointsMeet(a, b []orb.Point) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return len(a) > 0 && slices.ContainsFunc(b, among(a))
}

// among tells points that are in a list; long ones are looked through once and not for each point.
func among(points []orb.Point) func(orb.Point) bool {
	const long = 16
	if len(points) < long {
		return func(p orb.Point) bool { return slices.Contains(points, p) }
	}
	set := make(map[orb.Point]struct{}, len(points))
	for _, p := range points {
		set[place(p)] = struct{}{}
	}
	return func(p orb.Point) bool {
		_, found := set[place(p)]
		return found
	}
}

// holdsPart reports whether the first point of a line or an outline of the other is in an area of the shape. Where no borders meet, such
// is wholly in an area or out of it.
func (s *Shape) holdsPart(o *Shape) bool {
	times := len(o.lines) + len(o.areas)
	for i, a := range s.areas {
		box := s.areaBoxes[i]
		for k, l := range o.lines {
			if box.Intersects(o.lineBoxes[k]) && pointInArea(l[0], a, s.rows(i, times)) {
				return true
			}
		}
		for k, b := range o.areas {
			if box.Intersects(o.areaBoxes[k]) && pointInArea(b[0][0], a, s.rows(i, times)) {
				return true
			}
		}
		if s.stopped() || o.stopped() {
			return true
		}
	}
	return false
}

// bordersMeet reports whether a line or an outline of the shape meets one of the other.
func (s *Shape) bordersMeet(o *Shape) bool {
	if s.pieces > o.pieces {
		s, o = o, s
	}
	x := o.index(1)
	if x == nil { // the smaller one is indexed sooner
		if x = s.index(s.pieces); x != nil {
			s, o = o, s
		}
	}
	if x != nil {
		return s.eachPiece(func(a, b orb.Point) bool {
			return s.stopped() || o.stopped() || x.tree.any(segmentBound(a, b), func(i int) bool {
				return segmentsMeet(a, b, x.pieces[i][0], x.pieces[i][1])
			})
		})
	}
	return s.eachPath(func(l orb.LineString, around orb.Bound) bool {
		return o.eachPath(func(m orb.LineString, box orb.Bound) bool {
			return around.Intersects(box) && linesMeet(m, l, around)
		})
	})
}

// eachPath asks lines, then outlines, with the bounds of each, until one says yes.
func (s *Shape) eachPath(ask func(l orb.LineString, around orb.Bound) bool) bool {
	for i, l := range s.lines {
		if ask(l, s.lineBoxes[i]) {
			return true
		}
	}
	for i, a := range s.areas {
		for k, r := range a {
			box := s.areaBoxes[i]
			if k > 0 {
				box = r.Bound()
			}
			if ask(orb.LineString(r), box) {
				return true
			}
		}
	}
	return false
}

func (s *Shape) eachPiece(ask func(a, b orb.Point) bool) bool {
	return s.eachPath(func(l orb.LineString, _ orb.Bound) bool {
		for i := 1; i < len(l); i++ {
			if ask(l[i-1], l[i]) {
				return true
			}
		}
		return false
	})
}

// linesMeet is told the bounds of its second line.
func linesMeet(l, m orb.LineString, around orb.Bound) bool {
	for i := 1; i < len(l); i++ {
		a, b := l[i-1], l[i]
		if max(a[0], b[0]) < around.Min[0] || min(a[0], b[0]) > around.Max[0] ||
			max(a[1], b[1]) < around.Min[1] || min(a[1], b[1]) > around.Max[1] {
			continue
		}
		for j := 1; j < len(m); j++ {
			if segmentsMeet(a, b, m[j-1], m[j]) {
				return true
			}
		}
	}
	return false
}

func segmentsMeet(a, b, c, d orb.Point) bool {
	if max(a[0], b[0]) < min(c[0], d[0]) || min(a[0], b[0]) > max(c[0], d[0]) ||
		max(a[1], b[1]) < min(c[1], d[1]) || min(a[1], b[1]) > max(c[1], d[1]) {
		return false
	}
	// The bounds meet, so segments in one line meet as well.
	return turn(a, b, c)*turn(a, b, d) <= 0 && turn(c, d, a)*turn(c, d, b) <= 0
}

func pointOnLine(p orb.Point, l orb.LineString) bool {
	for i := 1; i < len(l); i++ {
		if onSegment(p, l[i-1], l[i]) {
			return true
		}
	}
	return false
}

// pointInArea counts the outline and the outlines of holes as inside.
func pointInArea(p orb.Point, a orb.Polygon, rows *rows) bool {
	inside, edge := pointInRows(p, a[0], rows.of(0))
	if edge || !inside {
		return edge
	}
	for i, hole := range a[1:] {
		if in, edge := pointInRows(p, hole, rows.of(i+1)); edge {
			return true
		} else if in {
			return false
		}
	}
	return true
}

func pointInRows(p orb.Point, r orb.Ring, rows *ringRows) (inside, edge bool) {
	if rows == nil {
		return pointInRing(p, r)
	}
	edge = rows.any(p[1], p[1], func(i int) bool {
		passes, on := pass(p, r[i], r[i+1])
		inside = inside != passes
		return on
	})
	return inside && !edge, edge
}

// pointInRing counts how often the outline passes east of the point.
func pointInRing(p orb.Point, r orb.Ring) (inside, edge bool) {
	for i := 1; i < len(r); i++ {
		passes, on := pass(p, r[i-1], r[i])
		if on {
			return false, true
		}
		inside = inside != passes
	}
	return inside, false
}

// pass reports whether a piece of an outline passes east of a point, and whether the point is on it.
func pass(p, a, b orb.Point) (passes, on bool) {
	if a[1] > p[1] && b[1] > p[1] || a[1] < p[1] && b[1] < p[1] || a[0] < p[0] && b[0] < p[0] {
		return false, false
	}
	t := turn(a, b, p)
	if t == 0 && segmentBound(a, b).Contains(p) {
		return false, true
	}
	return (a[1] > p[1]) != (b[1] > p[1]) && (t > 0) == (b[1] > a[1]), false
}
