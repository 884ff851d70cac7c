package geo

import (
	"math"
	"slices"

	"github.com/paulmach/orb"

	"github.com/terrapin-eo/terrapin/fault"
)

// plain is a geometry as it is looked at and stored: sound (see there), within longitudes −180 to 180, a collection with parts of one
// dimension as a list of these, a line that is all in one place as that point, and an area that is all on one line as that line.
func plain(g orb.Geometry) (orb.Geometry, error) {
	switch g := g.(type) {
	case orb.LineString:
		if still(g) {
			return plain(g[0])
		}
	case orb.MultiLineString:
		if slices.ContainsFunc(g, still) {
			return plainLines(g), nil
		}
	case orb.Polygon:
		if l, ok := flat(g[0]); ok {
			return plain(l)
		}
		return plainAreas(orb.MultiPolygon{g})
	case orb.MultiPolygon:
		return plainAreas(g)
	case orb.Collection:
		return plainCollection(g)
	}
	return split(g), nil
}

// Cut is the area within a ring whose longitudes may run on past ±180, as shapes are looked at and stored.
func Cut(ring orb.Ring) (orb.Geometry, error) {
	if err := checkRing(ring); err != nil {
		return nil, fault.New(fault.Invalid, "outline: %w", err)
	}
	return plain(orb.Polygon{ring})
}

// plainAreas are sound before they are cut, and after, as rounding may have moved what was cut.
func plainAreas(areas orb.MultiPolygon) (orb.Geometry, error) {
	g, err := sound(areas)
	if err != nil || withinWorld(g) {
		return g, err
	}
	switch cut := split(g).(type) {
	case orb.Polygon:
		return sound(orb.MultiPolygon{cut})
	case orb.MultiPolygon:
		return sound(cut)
	default: // lines and points that areas without an inside became
		return cut, nil
	}
}

func withinWorld(g orb.Geometry) bool {
	b := g.Bound()
	return b.Min[0] >= -180 && b.Max[0] <= 180
}

// flat is a ring that is all on one line as that line, from end to end.
func flat(r orb.Ring) (orb.LineString, bool) {
	from, to := r[0], r[0]
	for _, p := range r {
		if turn(from, to, p) != 0 {
			return nil, false
		}
		if p[0] < from[0] || p[0] == from[0] && p[1] < from[1] {
			from = p
		}
		if p[0] > to[0] || p[0] == to[0] && p[1] > to[1] {
			to = p
		}
	}
	return orb.LineString{from, to}, true
}

func still(l orb.LineString) bool {
	return !slices.ContainsFunc(l, func(p orb.Point) bool { return p != l[0] })
}

// plainLines leaves out lines without length, or makes points of them if there are no others.
func plainLines(lines orb.MultiLineString) orb.Geometry {
	var points orb.MultiPoint
	var kept orb.MultiLineString
	for _, l := range lines {
		if still(l) {
			points = append(points, l[0])
		} else {
			kept = append(kept, l)
		}
	}
	if len(kept) == 0 {
		return split(points)
	}
	return split(kept)
}

func plainCollection(c orb.Collection) (orb.Geometry, error) {
	var all orb.Collection // without collections in it
	var points orb.MultiPoint
	var lines orb.MultiLineString
	var areas orb.MultiPolygon
	for _, child := range c {
		child, err := plain(child)
		if err != nil {
			return nil, err
		}
		switch child := child.(type) {
		case orb.Point:
			points = append(points, child)
		case orb.MultiPoint:
			points = append(points, child...)
		case orb.LineString:
			lines = append(lines, child)
		case orb.MultiLineString:
			lines = append(lines, child...)
		case orb.Polygon:
			areas = append(areas, child)
		case orb.MultiPolygon:
			areas = append(areas, child...)
		case orb.Collection:
			all = append(all, child...)
			continue
		}
		all = append(all, child)
	}
	mixed := slices.ContainsFunc(all, func(g orb.Geometry) bool { return g.Dimensions() != all[0].Dimensions() })
	switch {
	case mixed:
		return all, nil
	case points != nil:
		return points, nil
	case lines != nil:
		return lines, nil
	}
	return sound(areas)
}

// split cuts out what lies in each strip of 360 degrees of longitude and moves it to the one around 0. What only touches a strip's edge
// from outside is not repeated there.
func split(g orb.Geometry) orb.Geometry {
	if withinWorld(g) {
		return g
	}
	switch g := g.(type) {
	case orb.Point:
		return orb.Point{turned(g[0]), g[1]}
	case orb.MultiPoint:
		out := make(orb.MultiPoint, len(g))
		for i, p := range g {
			out[i] = orb.Point{turned(p[0]), p[1]}
		}
		return out
	case orb.LineString:
		lines := splitLine(g)
		if len(lines) == 1 {
			return lines[0]
		}
		return lines
	case orb.MultiLineString:
		var out orb.MultiLineString
		for _, l := range g {
			out = append(out, splitLine(l)...)
		}
		return out
	case orb.Polygon:
		if world, ok := allAround(g); ok {
			return world
		}
		areas := splitArea(g)
		if len(areas) == 1 {
			return areas[0]
		}
		return areas
	case orb.MultiPolygon:
		var out orb.MultiPolygon
		for _, a := range g {
			out = append(out, splitArea(a)...)
		}
		return out
	}
	return g
}

// allAround is a rectangle that goes around the whole world, wherever it begins, as one without the seam
// that cutting it would leave.
func allAround(a orb.Polygon) (orb.Polygon, bool) {
	b := a.Bound()
	if len(a) > 1 || len(a[0]) != 5 || b.Max[0]-b.Min[0] < 360 {
		return nil, false
	}
	for i, p := range a[0] {
		q := a[0][max(i-1, 0)]
		if p[0] != b.Min[0] && p[0] != b.Max[0] || p[1] != b.Min[1] && p[1] != b.Max[1] || p[0] != q[0] && p[1] != q[1] {
			return nil, false
		}
	}
	b.Min[0], b.Max[0] = -180, 180
	return b.ToPolygon(), true
}

// turned brings a longitude into −180 to 180.
func turned(x float64) float64 {
	if x >= -180 && x <= 180 {
		return x
	}
	return x - 360*math.Floor((x+180)/360)
}

// strips yields the middle of each strip that a bound reaches into, −360, 0, 360 …. A bound without width that lies on
// an edge is in the strip nearer to 0.
func strips(b orb.Bound) (out []float64) {
	for k := math.Floor((b.Min[0] + 180) / 360); k <= math.Ceil((b.Max[0]-180)/360); k++ {
		out = append(out, 360*k)
	}
	if len(out) == 0 { // an edge, and nothing else
		k := math.Round((math.Abs(b.Min[0]) - 180) / 360)
		out = append(out, math.Copysign(360*k, b.Min[0]))
	}
	return out
}
