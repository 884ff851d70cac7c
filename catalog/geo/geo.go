// Package geo is the geometry of footprints and filters: GeoJSON, WKT and WKB in and out, and the eight
// spatial predicates. It computes in the plane of longitude and latitude, as GeoJSON means its edges, and
// takes no notice of heights. A shape that runs on past ±180 is cut there and brought into −180 to 180 (Split),
// and only so is it looked at and stored, here and in every database. An area whose outlines
// cross is what lies within them (sound). It refuses geometry that
// has not the form of one, with the reason. The invariants: Intersects is symmetric, and two shapes that
// intersect have bounds that do; a predicate is decided by exact arithmetic on the coordinates as they are.
package geo

import (
	"math"

	"github.com/paulmach/orb"

	"github.com/terrapin-eo/terrapin/fault"
)

// Shape is a geometry. It never changes.
type Shape struct {
	// geometry is what was given, without heights; plain is the same, sound and within longitudes −180 to 180.
	geometry, plain orb.Geometry
	// The parts of plain, and a rectangle around each line and each area and around everything.
	points               []orb.Point
	lines                []orb.LineString
	areas                []orb.Polygon
	lineBoxes, areaBoxes []orb.Bound
	whole                orb.Bound
	pieces, corners      int // of lines and outlines
	prepared             *prepared
	done                 <-chan struct{} // see Until
}

// Until is the shape for questions that end, with any answer, when done is closed.
func (s *Shape) Until(done <-chan struct{}) *Shape {
	if done == nil {
		return s
	}
	out := *s
	out.done = done
	return &out
}

func (s *Shape) stopped() bool {
	if s.done == nil {
		return false
	}
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// newShape takes a geometry that was checked, and how it is looked at.
func newShape(g, plain orb.Geometry) *Shape {
	s := &Shape{geometry: g, plain: plain}
	s.whole.Min = orb.Point{math.Inf(1), math.Inf(1)}
	s.whole.Max = orb.Point{math.Inf(-1), math.Inf(-1)}
	s.add(plain)
	if s.pieces >= indexFrom {
		s.prepared = &prepared{}
	}
	return s
}

// add takes a geometry apart.
func (s *Shape) add(g orb.Geometry) {
	switch g := g.(type) {
	case orb.Point:
		s.points = append(s.points, g)
		s.around(g.Bound())
	case orb.MultiPoint:
		s.points = append(s.points, g...)
		s.around(g.Bound())
	case orb.LineString:
		s.lines, s.pieces, s.corners = append(s.lines, g), s.pieces+len(g)-1, s.corners+len(g)
		s.lineBoxes = append(s.lineBoxes, s.around(g.Bound()))
	case orb.MultiLineString:
		for _, l := range g {
			s.add(l)
		}
	case orb.Polygon:
		s.areas = append(s.areas, g)
		for _, r := range g {
			s.pieces, s.corners = s.pieces+len(r)-1, s.corners+len(r)
		}
		s.areaBoxes = append(s.areaBoxes, s.around(g[0].Bound()))
	case orb.MultiPolygon:
		for _, a := range g {
			s.add(a)
		}
	case orb.Collection:
		for _, child := range g {
			s.add(child)
		}
	}
}

func (s *Shape) around(b orb.Bound) orb.Bound {
	s.whole.Min = orb.Point{min(s.whole.Min[0], b.Min[0]), min(s.whole.Min[1], b.Min[1])}
	s.whole.Max = orb.Point{max(s.whole.Max[0], b.Max[0]), max(s.whole.Max[1], b.Max[1])}
	return b
}

// Corners is the number of positions that the shape has as it is looked at.
func (s *Shape) Corners() int { return len(s.points) + s.corners }

// Any is a shape that meets what one of some shapes meets, for Intersects alone: areas may lie over each other.
func Any(shapes ...*Shape) *Shape {
	var all orb.Collection
	for _, s := range shapes {
		if c, ok := s.plain.(orb.Collection); ok {
			all = append(all, c...)
		} else {
			all = append(all, s.plain)
		}
	}
	return newShape(all, all)
}

// turns are how often a box may go around the Earth, as maps that show it several times ask; overshoot is how far beyond
// a pole boxes and shapes may reach, in degrees: half a pixel of a coarse raster, or what computing an extent adds.
const turns, overshoot = 10, 0.5

// Box is the rectangle between two corners, with longitudes of a few turns at most; west greater than east crosses the
// antimeridian.
func Box(west, south, east, north float64) *Shape {
	for west > east {
		east += 360
	}
	if east-west >= 360 {
		west, east = -180, 180
	} else if math.Abs(west) > 180 {
		turn := 360 * math.Floor((west+180)/360)
		west, east = west-turn, east-turn
	}
	ring := orb.Ring{{west, south}, {east, south}, {east, north}, {west, north}, {west, south}}
	box := orb.Polygon{ring}
	at, _ := plain(box) // a rectangle is sound, or flat
	return newShape(box, at)
}

// ParseBox reads a bounding box of 4 numbers (west, south, east, north, in degrees) or 6 (west, south, low, east,
// north, high; the heights are not used). West greater than east crosses the antimeridian.
func ParseBox(b []float64) (*Shape, error) {
	bad := func(format string, args ...any) (*Shape, error) {
		return nil, fault.New(fault.Invalid, format, args...).
			WithCure("give west,south,east,north or west,south,low,east,north,high in degrees")
	}
	if len(b) != 4 && len(b) != 6 {
		return bad("bbox has %d numbers", len(b))
	}
	for _, v := range b {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return bad("bbox holds a number that is not finite")
		}
	}
	half := len(b) / 2
	for _, at := range []int{0, half} {
		if math.Abs(b[at]) > turns*360 || math.Abs(b[at+1]) > 90+overshoot {
			return bad("bbox: %g, %g is no place on Earth", b[at], b[at+1])
		}
	}
	if b[1] > b[half+1] {
		return bad("bbox: south %g is greater than north %g", b[1], b[half+1])
	}
	if half == 3 && b[2] > b[5] {
		return bad("bbox: low %g is greater than high %g", b[2], b[5])
	}
	return Box(b[0], b[1], b[half], b[half+1]), nil
}

// Split returns the shape within longitudes −180 to 180, cut where it passes them. All predicates look at that, so it
// answers them like the shape itself.
func (s *Shape) Split() *Shape {
	out := *s
	out.geometry = s.plain
	return &out
}

// Bounds returns a rectangle around the shape within longitudes −180 to 180, or two where it lies on
// both sides of the antimeridian.
func (s *Shape) Bounds() []orb.Bound {
	if s.whole.Max[0]-s.whole.Min[0] <= 180 {
		return []orb.Bound{s.whole}
	}
	var west, east []orb.Bound
	side := func(b orb.Bound) {
		if b.Min[0]+b.Max[0] < 0 {
			west = append(west, b)
		} else {
			east = append(east, b)
		}
	}
	for _, p := range s.points {
		side(p.Bound())
	}
	for _, b := range s.lineBoxes {
		side(b)
	}
	for _, b := range s.areaBoxes {
		side(b)
	}
	var out []orb.Bound
	for _, boxes := range [][]orb.Bound{west, east} {
		if len(boxes) == 0 {
			continue
		}
		all := boxes[0]
		for _, b := range boxes[1:] {
			all = all.Union(b)
		}
		out = append(out, all)
	}
	return out
}

// String writes out the whole shape as WKT; equal shapes have equal texts.
func (s *Shape) String() string { return s.WKT() }
