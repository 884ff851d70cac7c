package geo

import (
	"slices"

	"github.com/paulmach/orb"
)

func splitArea(a orb.Polygon) orb.MultiPolygon {
	middles := strips(a[0].Bound())
	if len(middles) == 1 {
		return orb.MultiPolygon{movedArea(a, -middles[0])}
	}
	var out orb.MultiPolygon
	for _, middle := range middles {
		for _, left := range cutArea(a, middle+180, 1) {
			for _, piece := range cutArea(left, middle-180, -1) {
				out = append(out, movedArea(piece, -middle))
			}
		}
	}
	if len(out) == 0 { // no width, and a strip's edge goes through it
		return orb.MultiPolygon{movedArea(a, -middles[0])}
	}
	return out
}

func movedArea(a orb.Polygon, by float64) orb.Polygon {
	if by == 0 {
		return a
	}
	out := make(orb.Polygon, len(a))
	for i, r := range a {
		out[i] = orb.Ring(moved(orb.LineString(r), by))
	}
	return out
}

// moved keeps points that were on a strip's edge there, whatever rounding does.
func moved(l orb.LineString, by float64) orb.LineString {
	if by == 0 {
		return l
	}
	out := make(orb.LineString, len(l))
	for i, p := range l {
		out[i] = orb.Point{min(max(p[0]+by, -180), 180), p[1]}
	}
	return out
}

// side is −1, 0 or 1 as a point is kept, on the edge or beyond it. Way 1 keeps what is west of x, −1 what is east.
func side(p orb.Point, x, way float64) int {
	switch d := (p[0] - x) * way; {
	case d < 0:
		return -1
	case d > 0:
		return 1
	}
	return 0
}

// crossing is where the line from a to b has longitude x; the same for b to a.
func crossing(a, b orb.Point, x float64) orb.Point {
	if a[0] > b[0] {
		a, b = b, a
	}
	return orb.Point{x, a[1] + (x-a[0])*((b[1]-a[1])/(b[0]-a[0]))}
}

func splitLine(l orb.LineString) orb.MultiLineString {
	var out orb.MultiLineString
	for _, middle := range strips(l.Bound()) {
		for _, left := range cutLine(l, middle+180, 1) {
			for _, piece := range cutLine(left, middle-180, -1) {
				out = append(out, moved(piece, -middle))
			}
		}
	}
	if len(out) == 0 { // all on a strip's edge
		return orb.MultiLineString{moved(l, -strips(l.Bound())[0])}
	}
	return out
}

// cutLine keeps the pieces on one side of longitude x that are not all on it.
func cutLine(l orb.LineString, x, way float64) (out orb.MultiLineString) {
	var piece orb.LineString
	kept := false // a point of the piece is not on the edge
	end := func() {
		if kept && len(piece) > 1 {
			out = append(out, piece)
		}
		piece, kept = nil, false
	}
	for i, p := range l {
		s := side(p, x, way)
		if i > 0 {
			if before := side(l[i-1], x, way); s*before < 0 {
				piece = append(piece, crossing(l[i-1], p, x))
			}
		}
		if s > 0 {
			end()
			continue
		}
		kept = kept || s < 0
		piece = append(piece, p)
	}
	end()
	return out
}

// chain is a piece of a ring on the kept side, from edge to edge and without a point there between.
type chain struct {
	points orb.LineString
	tips   [2]int // where its first and its last point stand in the order of latitude
	used   bool
}

// cutArea keeps the part of an area on one side of longitude x. Its rings fall into chains that begin and end on the
// edge; in the order of latitude, the area's inside lies between the first and the second end, the third and the fourth, …, so these are joined.
func cutArea(a orb.Polygon, x, way float64) orb.MultiPolygon {
	var chains []*chain
	var holes []orb.Ring // that stay as they are
	for i, r := range a {
		pieces, beyond := cutRing(r, x, way)
		touches := len(pieces) > 0
		switch {
		case i == 0 && !beyond:
			return orb.MultiPolygon{a}
		case !beyond && (!touches || len(pieces) == 1 && pieces[0].points[0] == pieces[0].points[len(pieces[0].points)-1]):
			holes = append(holes, r)
		default:
			chains = append(chains, pieces...)
		}
	}
	var out orb.MultiPolygon
	for _, r := range joined(chains, way) {
		out = append(out, orb.Polygon{r})
	}
	for _, hole := range holes {
		if i := slices.IndexFunc(out, func(a orb.Polygon) bool { return holds(a[0], hole, false) }); i >= 0 {
			out[i] = append(out[i], hole)
		} else if i := slices.IndexFunc(out, func(a orb.Polygon) bool { return holds(a[0], hole, true) }); i >= 0 {
			out[i] = append(out[i], hole)
		}
	}
	return out
}

// holds reports whether a corner of a hole is inside an outline, or all are on it. One that was on it may have come to lie
// outside by the rounding of a crossing.
func holds(outline, hole orb.Ring, on bool) bool {
	for _, p := range hole {
		in, edge := pointInRing(p, outline)
		if in || on && !edge {
			return in
		}
	}
	return on
}

// cutRing cuts a ring into chains where it touches or passes longitude x, and reports whether it goes beyond.
func cutRing(r orb.Ring, x, way float64) (chains []*chain, beyond bool) {
	points := r[:len(r)-1]
	n := len(points)
	first := slices.IndexFunc(points, func(p orb.Point) bool { return side(p, x, way) >= 0 })
	if first < 0 {
		return nil, false
	}
	var piece orb.LineString
	for i := range n {
		from, to := points[(first+i)%n], points[(first+i+1)%n]
		was, is := side(from, x, way), side(to, x, way)
		beyond = beyond || is > 0
		switch {
		case is < 0 && was > 0:
			piece = orb.LineString{crossing(from, to, x), to}
		case is < 0 && was == 0:
			piece = orb.LineString{from, to}
		case is < 0:
			piece = append(piece, to)
		case was < 0 && is > 0:
			chains = append(chains, &chain{points: append(piece, crossing(from, to, x))})
		case was < 0:
			chains = append(chains, &chain{points: append(piece, to)})
		}
	}
	return chains, beyond
}

// tip is an end of a chain, and the point that comes next.
type tip struct {
	chain    *chain
	end      int // 0 is the first, 1 the last
	at, next orb.Point
}

// joined makes rings of chains.
func joined(chains []*chain, way float64) (out []orb.Ring) {
	var tips []tip
	for _, c := range chains {
		n := len(c.points)
		tips = append(tips, tip{c, 0, c.points[0], c.points[1]}, tip{c, 1, c.points[n-1], c.points[n-2]})
	}
	slices.SortStableFunc(tips, func(a, b tip) int {
		if a.at[1] != b.at[1] {
			return sign(a.at[1] - b.at[1])
		}
		return turn(a.at, a.next, b.next) * int(way) // what leads south is south
	})
	for i, t := range tips {
		t.chain.tips[t.end] = i
	}
	for _, c := range chains {
		var ring orb.Ring
		for next, end := c, 0; !next.used; {
			next.used = true
			points := slices.Clone(next.points)
			if end == 1 {
				slices.Reverse(points)
			}
			if len(ring) > 0 && ring[len(ring)-1] == points[0] {
				points = points[1:]
			}
			ring = append(ring, points...)
			partner := tips[next.tips[1-end]^1]
			next, end = partner.chain, partner.end
		}
		if ring == nil {
			continue
		}
		if ring[0] != ring[len(ring)-1] {
			ring = append(ring, ring[0])
		}
		if len(ring) > 3 {
			out = append(out, ring)
		}
	}
	return out
}
