// Package geo is the geometry of footprints: GeoJSON in, and whether two shapes share a point. It
// computes in the plane of longitude and latitude, as GeoJSON means its edges, takes no notice of
// heights, and knows the antimeridian: longitudes that run on past ±180 are looked at on both sides.
// It refuses GeoJSON that is not valid, with the reason. The invariant: Intersects is symmetric, and
// two shapes that intersect have bounds that do.
package geo

import (
	"fmt"
	"math"

	"github.com/paulmach/orb"
)

// Shape is a geometry taken apart into points, lines and areas. It never changes.
type Shape struct {
	points []orb.Point
	lines  []orb.LineString
	areas  []orb.Polygon
	// whole is around everything; over says that it leaves longitudes −180 to 180.
	whole orb.Bound
	over  bool
}

// Box is the rectangle between two corners; west greater than east crosses the antimeridian.
func Box(west, south, east, north float64) *Shape {
	if west > east {
		east += 360
	}
	ring := orb.Ring{{west, south}, {east, south}, {east, north}, {west, north}, {west, south}}
	return newShape(&Shape{areas: []orb.Polygon{{ring}}})
}

func newShape(s *Shape) *Shape {
	first := true
	for _, b := range s.parts() {
		if first {
			s.whole, first = b, false
			continue
		}
		s.whole = s.whole.Union(b)
	}
	s.over = s.whole.Min[0] < -180 || s.whole.Max[0] > 180
	return s
}

// parts returns a rectangle around each part.
func (s *Shape) parts() []orb.Bound {
	out := make([]orb.Bound, 0, len(s.points)+len(s.lines)+len(s.areas))
	for _, p := range s.points {
		out = append(out, p.Bound())
	}
	for _, l := range s.lines {
		out = append(out, l.Bound())
	}
	for _, a := range s.areas {
		out = append(out, a[0].Bound())
	}
	return out
}

// Bounds returns a rectangle around the shape within longitudes −180 to 180, or two where it lies on
// both sides of the antimeridian.
func (s *Shape) Bounds() []orb.Bound {
	if !s.over && s.whole.Max[0]-s.whole.Min[0] <= 180 {
		return []orb.Bound{s.whole}
	}
	var west, east []orb.Bound
	for _, part := range s.parts() {
		for _, b := range wrap(part) {
			if b.Min[0]+b.Max[0] < 0 {
				west = append(west, b)
			} else {
				east = append(east, b)
			}
		}
	}
	var out []orb.Bound
	for _, side := range [][]orb.Bound{west, east} {
		if len(side) == 0 {
			continue
		}
		all := side[0]
		for _, b := range side[1:] {
			all = all.Union(b)
		}
		out = append(out, all)
	}
	return out
}

// wrap brings a rectangle into longitudes −180 to 180, in two parts if need be.
func wrap(b orb.Bound) []orb.Bound {
	if b.Max[0]-b.Min[0] >= 360 {
		b.Min[0], b.Max[0] = -180, 180
		return []orb.Bound{b}
	}
	var out []orb.Bound
	for _, turn := range []float64{-360, 0, 360} {
		lo, hi := max(b.Min[0]+turn, -180), min(b.Max[0]+turn, 180)
		if lo <= hi {
			out = append(out, orb.Bound{Min: orb.Point{lo, b.Min[1]}, Max: orb.Point{hi, b.Max[1]}})
		}
	}
	return out
}

// Intersects reports whether two shapes share at least a point. Shapes that only end at ±180 are not
// looked at across it.
func (s *Shape) Intersects(o *Shape) bool {
	if s.meets(o) {
		return true
	}
	if !s.over && !o.over {
		return false
	}
	for _, turn := range []float64{-720, -360, 360, 720} {
		moved := o.whole
		moved.Min[0] += turn
		moved.Max[0] += turn
		if s.whole.Intersects(moved) && s.meets(o.shifted(turn)) {
			return true
		}
	}
	return false
}

func (s *Shape) shifted(by float64) *Shape {
	move := func(in []orb.Point) []orb.Point {
		out := make([]orb.Point, len(in))
		for i, p := range in {
			out[i] = orb.Point{p[0] + by, p[1]}
		}
		return out
	}
	out := &Shape{points: move(s.points)}
	for _, l := range s.lines {
		out.lines = append(out.lines, move(l))
	}
	for _, a := range s.areas {
		moved := make(orb.Polygon, len(a))
		for i, r := range a {
			moved[i] = move(r)
		}
		out.areas = append(out.areas, moved)
	}
	return newShape(out)
}

// meets is Intersects with the longitudes as they stand.
func (s *Shape) meets(o *Shape) bool {
	if !s.whole.Intersects(o.whole) {
		return false
	}
	return s.oneWay(o) || o.oneWay(s) || anyPair(s.lines, o.lines, linesMeet) || anyPair(s.areas, o.areas, areasMeet)
}

// oneWay looks at the pairs whose first part is of a lower dimension, and at points.
func (s *Shape) oneWay(o *Shape) bool {
	return anyPair(s.points, o.points, func(a, b orb.Point) bool { return a == b }) ||
		anyPair(s.points, o.lines, pointOnLine) ||
		anyPair(s.points, o.areas, pointInArea) ||
		anyPair(s.lines, o.areas, lineMeetsArea)
}

func anyPair[A, B any](as []A, bs []B, meet func(A, B) bool) bool {
	for _, a := range as {
		for _, b := range bs {
			if meet(a, b) {
				return true
			}
		}
	}
	return false
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
func pointInArea(p orb.Point, a orb.Polygon) bool {
	inside, edge := pointInRing(p, a[0])
	if edge || !inside {
		return edge
	}
	for _, hole := range a[1:] {
		if in, edge := pointInRing(p, hole); edge {
			return true
		} else if in {
			return false
		}
	}
	return true
}

func pointInRing(p orb.Point, r orb.Ring) (inside, edge bool) {
	for i := 1; i < len(r); i++ {
		a, b := r[i-1], r[i]
		if onSegment(p, a, b) {
			return false, true
		}
		if (a[1] > p[1]) != (b[1] > p[1]) && (turn(a, b, p) > 0) == (b[1] > a[1]) {
			inside = !inside
		}
	}
	return inside, false
}

func linesMeet(a, b orb.LineString) bool {
	bb := b.Bound()
	for i := 1; i < len(a); i++ {
		if !segmentBound(a[i-1], a[i]).Intersects(bb) {
			continue
		}
		for j := 1; j < len(b); j++ {
			if segmentsMeet(a[i-1], a[i], b[j-1], b[j]) {
				return true
			}
		}
	}
	return false
}

func lineMeetsArea(l orb.LineString, a orb.Polygon) bool {
	if !l.Bound().Intersects(a[0].Bound()) {
		return false
	}
	if pointInArea(l[0], a) {
		return true
	}
	for _, r := range a {
		if linesMeet(l, orb.LineString(r)) {
			return true
		}
	}
	return false
}

func areasMeet(a, b orb.Polygon) bool {
	return lineMeetsArea(orb.LineString(a[0]), b) || lineMeetsArea(orb.LineString(b[0]), a)
}

func segmentsMeet(a, b, c, d orb.Point) bool {
	if !segmentBound(a, b).Intersects(segmentBound(c, d)) {
		return false
	}
	t1, t2, t3, t4 := turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)
	return t1*t2 <= 0 && t3*t4 <= 0 || onSegment(a, c, d) || onSegment(b, c, d) || onSegment(c, a, b) || onSegment(d, a, b)
}

func onSegment(p, a, b orb.Point) bool {
	return segmentBound(a, b).Contains(p) && turn(a, b, p) == 0
}

// turn is −1, 0 or 1 as c lies right of, on or left of the line from a to b.
func turn(a, b, c orb.Point) int {
	cross := (b[0]-a[0])*(c[1]-a[1]) - (b[1]-a[1])*(c[0]-a[0])
	switch {
	case cross > 0:
		return 1
	case cross < 0:
		return -1
	}
	return 0
}

func segmentBound(a, b orb.Point) orb.Bound {
	return orb.Bound{
		Min: orb.Point{math.Min(a[0], b[0]), math.Min(a[1], b[1])},
		Max: orb.Point{math.Max(a[0], b[0]), math.Max(a[1], b[1])},
	}
}

// String writes out the whole shape; equal shapes have equal texts.
func (s *Shape) String() string { return fmt.Sprint(s.points, s.lines, s.areas) }
