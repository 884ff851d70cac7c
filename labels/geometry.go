package labels

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/crs"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/labels/burn"
)

// shape is the coordinates of a MultiPolygon: polygons, rings, positions of longitude and latitude.
type shape [][][][2]float64

func (s shape) equal(o shape) bool {
	return slices.EqualFunc(s, o, func(a, b [][][2]float64) bool {
		return slices.EqualFunc(a, b, func(r, q [][2]float64) bool { return slices.Equal(r, q) })
	})
}

// bounds returns west, south, east, north.
func (s shape) bounds() (b [4]float64) {
	b = [4]float64{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	for _, p := range s {
		for _, q := range p[0] {
			b[0], b[1] = min(b[0], q[0]), min(b[1], q[1])
			b[2], b[3] = max(b[2], q[0]), max(b[3], q[1])
		}
	}
	return b
}

const fixGeometry = "mend it in the tool it comes from, or with ogr2ogr -makevalid -f GeoJSON FIXED.geojson SOURCE"

// check refuses what is no area of its own: open or flat rings, edges that cross or lie on each
// other, holes outside of their shell, parts within each other. Rings may touch in points.
func (s shape) check() error {
	if len(s) == 0 {
		return fault.New(fault.Invalid, "the geometry is empty").WithCure("leave the feature out or draw it")
	}
	for i, p := range s {
		where := ""
		if len(s) > 1 {
			where = fmt.Sprintf(" of part %d", i)
		}
		if len(p) == 0 {
			return fault.New(fault.Invalid, "the polygon%s has no ring", where).WithCure(fixGeometry)
		}
		for k, ring := range p {
			if err := checkRing(ring); err != nil {
				return fault.New(fault.Invalid, "ring %d%s %w", k, where, err).WithCure(fixGeometry)
			}
		}
	}
	if at, crossed := s.crossing(); crossed {
		return fault.New(fault.Invalid, "the outline crosses or overlaps itself at %g, %g", at[0], at[1]).WithCure(fixGeometry)
	}
	return s.checkNesting()
}

func checkRing(ring [][2]float64) error {
	switch n := len(ring); {
	case n < 4:
		return fmt.Errorf("has %d positions; a closed ring needs at least 4", n)
	case ring[0] != ring[n-1]:
		return fmt.Errorf("is not closed: it begins at %g, %g and ends at %g, %g", ring[0][0], ring[0][1], ring[n-1][0], ring[n-1][1])
	}
	if area(ring) == 0 {
		return fmt.Errorf("encloses no area (at %g, %g)", ring[0][0], ring[0][1])
	}
	return nil
}

func area(ring [][2]float64) (twice float64) {
	o := ring[0]
	for i := 1; i+1 < len(ring); i++ {
		a, b := ring[i], ring[i+1]
		twice += (a[0]-o[0])*(b[1]-o[1]) - (b[0]-o[0])*(a[1]-o[1])
	}
	return twice
}

// checkNesting holds holes to their shell and parts apart. Edges are known not to cross, so one
// position that is not on the other ring decides.
func (s shape) checkNesting() error {
	for i, p := range s {
		for k, hole := range p[1:] {
			if side(hole, p[0]) < 0 {
				return fault.New(fault.Invalid, "hole %d of part %d lies outside of its polygon, at %g, %g", k+1, i, hole[0][0], hole[0][1]).WithCure(fixGeometry)
			}
		}
		for j := range i {
			if within(s[j], p) || within(p, s[j]) {
				return fault.New(fault.Invalid, "parts %d and %d cover the same place, at %g, %g", j, i, p[0][0][0], p[0][0][1]).WithCure(fixGeometry)
			}
		}
	}
	return nil
}

// within reports whether polygon a lies in polygon b and not in one of its holes.
func within(a, b [][][2]float64) bool {
	if side(a[0], b[0]) < 0 {
		return false
	}
	for _, hole := range b[1:] {
		if side(a[0], hole) >= 0 {
			return false
		}
	}
	return true
}

// side is 1 if a ring lies inside another, −1 if outside and 0 if all its positions are on it.
func side(a, ring [][2]float64) int {
	for _, p := range a {
		in, on := false, false
		for i := 0; i+1 < len(ring); i++ {
			u, v := ring[i], ring[i+1]
			if orient(u, v, p) == 0 && between(u, v, p) {
				on = true
				break
			}
			if (u[1] > p[1]) != (v[1] > p[1]) && p[0] < (v[0]-u[0])*(p[1]-u[1])/(v[1]-u[1])+u[0] {
				in = !in
			}
		}
		switch {
		case on:
		case in:
			return 1
		default:
			return -1
		}
	}
	return 0
}

// segment is an edge with its smaller x first, and where it stands.
type segment struct {
	a, b       [2]float64
	part, ring int
}

// crossing finds two edges that cross inside of both, or lie on each other within one polygon. It
// sweeps along x, so that only edges near each other are compared.
func (s shape) crossing() ([2]float64, bool) {
	var all []segment
	for i, p := range s {
		for k, ring := range p {
			for n := 0; n+1 < len(ring); n++ {
				a, b := ring[n], ring[n+1]
				if a == b {
					continue
				}
				if a[0] > b[0] || a[0] == b[0] && a[1] > b[1] {
					a, b = b, a
				}
				all = append(all, segment{a, b, i, k})
			}
		}
	}
	slices.SortFunc(all, func(u, v segment) int {
		return cmp.Or(cmp.Compare(u.a[0], v.a[0]), cmp.Compare(u.a[1], v.a[1]))
	})
	var active []segment
	for _, e := range all {
		active = slices.DeleteFunc(active, func(o segment) bool { return o.b[0] < e.a[0] })
		for _, o := range active {
			if at, bad := meet(o, e); bad {
				return at, true
			}
		}
		active = append(active, e)
	}
	return [2]float64{}, false
}

// meet reports whether two edges cross, or run on each other.
func meet(u, v segment) ([2]float64, bool) {
	if max(u.a[1], u.b[1]) < min(v.a[1], v.b[1]) || max(v.a[1], v.b[1]) < min(u.a[1], u.b[1]) {
		return [2]float64{}, false
	}
	a, b := orient(u.a, u.b, v.a), orient(u.a, u.b, v.b)
	c, d := orient(v.a, v.b, u.a), orient(v.a, v.b, u.b)
	if a*b < 0 && c*d < 0 {
		dx, dy := u.b[0]-u.a[0], u.b[1]-u.a[1]
		ex, ey := v.b[0]-v.a[0], v.b[1]-v.a[1]
		t := ((v.a[0]-u.a[0])*ey - (v.a[1]-u.a[1])*ex) / (dx*ey - dy*ex)
		return [2]float64{u.a[0] + t*dx, u.a[1] + t*dy}, true
	}
	if a == 0 && b == 0 && u.part == v.part {
		// On one line: overlapping if the later start lies strictly before the earlier end.
		from, to := maxPoint(u.a, v.a), minPoint(u.b, v.b)
		return from, less(from, to)
	}
	return [2]float64{}, false
}

func less(p, q [2]float64) bool { return p[0] < q[0] || p[0] == q[0] && p[1] < q[1] }

func maxPoint(p, q [2]float64) [2]float64 {
	if less(p, q) {
		return q
	}
	return p
}

func minPoint(p, q [2]float64) [2]float64 {
	if less(q, p) {
		return q
	}
	return p
}

// orient tells on which side of a line a point lies: −1, 0 or 1.
func orient(a, b, p [2]float64) int {
	d := (b[0]-a[0])*(p[1]-a[1]) - (b[1]-a[1])*(p[0]-a[0])
	switch {
	case d > 0:
		return 1
	case d < 0:
		return -1
	}
	return 0
}

func between(a, b, p [2]float64) bool {
	return p[0] >= min(a[0], b[0]) && p[0] <= max(a[0], b[0]) && p[1] >= min(a[1], b[1]) && p[1] <= max(a[1], b[1])
}

// placed is a shape on a grid.
type placed struct {
	polygons []burn.Polygon
	bounds   [4]float64
}

// place brings a shape to a grid's CRS, position by position as GDAL does.
func (s shape) place(g cube.Grid) (placed, error) {
	to, err := crs.Transform("OGC:CRS84", g.CRS)
	if err != nil {
		return placed{}, err
	}
	out := placed{bounds: [4]float64{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}}
	for _, p := range s {
		var poly burn.Polygon
		for _, ring := range p {
			line := make(burn.Ring, len(ring))
			for i, q := range ring {
				x, y, err := to(q[0], q[1])
				if err != nil {
					return placed{}, err
				}
				line[i] = burn.Point{X: x, Y: y}
				b := &out.bounds
				b[0], b[1], b[2], b[3] = min(b[0], x), min(b[1], y), max(b[2], x), max(b[3], y)
			}
			poly = append(poly, line)
		}
		out.polygons = append(out.polygons, poly)
	}
	return out, nil
}

// on tells how a placed shape lies to a grid: wholly outside, or reaching over its edge.
func (p placed) on(g cube.Grid) (outside, clipped bool) {
	x0, y0, x1, y1 := g.Bounds()
	b := p.bounds
	outside = b[2] <= x0 || b[0] >= x1 || b[3] <= y0 || b[1] >= y1
	clipped = !outside && (b[0] < x0 || b[2] > x1 || b[1] < y0 || b[3] > y1)
	return outside, clipped
}
