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
	return pointsMeet(s.points, o.points) || s.holdsPoint(o) || o.holdsPoint(s) || s.linesMeet(o) || s.lineMeetsArea(o) || o.lineMeetsArea(s) || s.areasMeet(o)
}

// holdsPoint reports whether one of the other's single points is on the shape's lines or areas.
func (s *Shape) holdsPoint(o *Shape) bool {
	for _, p := range o.points {
		if !s.whole.Contains(p) {
			continue
		}
		for i, l := range s.lines {
			if s.lineBoxes[i].Contains(p) && pointOnLine(p, l) {
				return true
			}
		}
		for i, a := range s.areas {
			if s.areaBoxes[i].Contains(p) && pointInArea(p, a, s.rows(i)) {
				return true
			}
		}
	}
	return false
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

func (s *Shape) linesMeet(o *Shape) bool {
	for i, l := range s.lines {
		for j, m := range o.lines {
			if s.lineBoxes[i].Intersects(o.lineBoxes[j]) && linesMeet(l, m, o.lineBoxes[j]) {
				return true
			}
		}
	}
	return false
}

func (s *Shape) lineMeetsArea(o *Shape) bool {
	for i, l := range s.lines {
		for j, a := range o.areas {
			if !s.lineBoxes[i].Intersects(o.areaBoxes[j]) {
				continue
			}
			rows := o.rows(j)
			if pointInArea(l[0], a, rows) {
				return true
			}
			for k, r := range a {
				if ringMeets(r, rows.of(k), l, s.lineBoxes[i]) {
					return true
				}
			}
		}
	}
	return false
}

func (s *Shape) areasMeet(o *Shape) bool {
	for i, a := range s.areas {
		for j, b := range o.areas {
			if s.areaBoxes[i].Intersects(o.areaBoxes[j]) && areasMeet(a, b, s.areaBoxes[i], o.areaBoxes[j], s.rows(i), o.rows(j)) {
				return true
			}
		}
	}
	return false
}

// areasMeet: if no outlines meet, one area is within the other or they are apart, and a corner tells.
func areasMeet(a, b orb.Polygon, aroundA, aroundB orb.Bound, rowsA, rowsB *rows) bool {
	if pointInArea(a[0][0], b, rowsB) || pointInArea(b[0][0], a, rowsA) {
		return true
	}
	for i, r := range a {
		if i > 0 {
			if aroundA = r.Bound(); !aroundA.Intersects(aroundB) {
				continue
			}
		}
		for j, q := range b {
			box := aroundB
			if j > 0 {
				if box = q.Bound(); !box.Intersects(aroundA) {
					continue
				}
			}
			if len(r) >= len(q) && ringMeets(r, rowsA.of(i), q, box) || len(r) < len(q) && ringMeets(q, rowsB.of(j), r, aroundA) {
				return true
			}
		}
	}
	return false
}

// ringMeets is linesMeet that looks only at the pieces of the ring beside the line, if it has rows.
func ringMeets[L ~[]orb.Point](r orb.Ring, rows *ringRows, l L, around orb.Bound) bool {
	if rows == nil {
		return linesMeet(r, l, around)
	}
	return rows.any(around.Min[1], around.Max[1], func(i int) bool {
		return linesMeet(r[i:i+2], l, around)
	})
}

// linesMeet is told the bounds of its second line.
func linesMeet[L ~[]orb.Point, M ~[]orb.Point](l L, m M, around orb.Bound) bool {
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
