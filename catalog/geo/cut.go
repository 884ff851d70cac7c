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

// chain is a piece of a ring on the kept side, from edge to edge.
type chain struct {
	points orb.LineString
	used   bool
}

// cutArea keeps the part of an area on one side of longitude x. Its rings fall into chains that begin and end on the
// edge; in the order of latitude, the area's inside lies between the first and the second end, the third and the fourth, …, so these are joined.
func cutArea(a orb.Polygon, x, way float64) orb.MultiPolygon {
	if b := a[0].Bound(); (b.Max[0]-x)*way <= 0 && (b.Min[0]-x)*way <= 0 {
		return orb.MultiPolygon{a}
	}
	var chains []*chain
	var whole []orb.Ring // rings that are kept as they are; the outline is the first of all
	outline := false
	for i, r := range a {
		pieces, uncut := cutRing(r, x, way)
		if uncut && i > 0 && !outline { // the edge becomes outline where the hole touches it
			if pieces = touching(r, x, way); pieces != nil {
				uncut = false
			}
		}
		if uncut {
			whole = append(whole, r)
			outline = outline || i == 0
		}
		chains = append(chains, pieces...)
	}
	if outline { // it touches the edge at most, and so do the holes
		return orb.MultiPolygon{orb.Polygon(whole)}
	}
	var out orb.MultiPolygon
	for _, r := range joined(chains) {
		out = append(out, orb.Polygon{r})
	}
	for _, hole := range whole {
		for i := range out {
			if in, _ := pointInRing(inner(hole, out[i][0]), out[i][0]); in || len(out) == 1 {
				out[i] = append(out[i], hole)
				break
			}
		}
	}
	return out
}

// inner is a point of a hole that is not on an outline, if there is one.
func inner(hole, outline orb.Ring) orb.Point {
	for _, p := range hole {
		if _, edge := pointInRing(p, outline); !edge {
			return p
		}
	}
	return hole[0]
}

// cutRing cuts a ring into chains; uncut says that no point of it is beyond the edge and one at least is before it.
func cutRing(r orb.Ring, x, way float64) (chains []*chain, uncut bool) {
	points := r[:len(r)-1]
	n := len(points)
	beyond := slices.IndexFunc(points, func(p orb.Point) bool { return side(p, x, way) > 0 })
	if beyond < 0 {
		return nil, slices.ContainsFunc(points, func(p orb.Point) bool { return side(p, x, way) < 0 })
	}
	var piece orb.LineString
	for i := 1; i <= n; i++ {
		from, to := points[(beyond+i-1)%n], points[(beyond+i)%n]
		was, is := side(from, x, way), side(to, x, way)
		switch {
		case is < 0 && was > 0:
			piece = orb.LineString{crossing(from, to, x), to}
		case is < 0 && was == 0 && piece == nil:
			piece = orb.LineString{from, to}
		case is <= 0 && piece != nil:
			piece = append(piece, to)
		case is > 0 && piece != nil:
			for len(piece) > 1 && side(piece[len(piece)-2], x, way) == 0 && was == 0 {
				piece = piece[:len(piece)-1] // along the edge
			}
			if was < 0 {
				piece = append(piece, crossing(from, to, x))
			}
			chains = append(chains, &chain{points: piece})
			piece = nil
		}
	}
	return chains, false
}

// touching cuts a ring that is on the kept side where it lies along the edge or touches it twice.
func touching(r orb.Ring, x, way float64) (chains []*chain) {
	points := r[:len(r)-1]
	n := len(points)
	var on []int
	for i, p := range points {
		if side(p, x, way) == 0 {
			on = append(on, i)
		}
	}
	if len(on) < 2 {
		return nil
	}
	for k, from := range on {
		to := on[(k+1)%len(on)]
		piece := orb.LineString{points[from]}
		for i := (from + 1) % n; i != to; i = (i + 1) % n {
			piece = append(piece, points[i])
		}
		if len(piece) > 1 {
			chains = append(chains, &chain{points: append(piece, points[to])})
		}
	}
	return chains
}

// joined makes rings of chains.
func joined(chains []*chain) (out []orb.Ring) {
	type tip struct {
		at    *chain
		first bool
		y     float64
	}
	var tips []tip
	for _, c := range chains {
		tips = append(tips, tip{c, true, c.points[0][1]}, tip{c, false, c.points[len(c.points)-1][1]})
	}
	slices.SortStableFunc(tips, func(a, b tip) int {
		switch {
		case a.y < b.y:
			return -1
		case a.y > b.y:
			return 1
		}
		return 0
	})
	partner := func(c *chain, first bool) tip {
		i := slices.IndexFunc(tips, func(t tip) bool { return t.at == c && t.first == first })
		return tips[i^1]
	}
	for _, c := range chains {
		var ring orb.Ring
		for next, first := c, true; !next.used; {
			next.used = true
			points := slices.Clone(next.points)
			if !first {
				slices.Reverse(points)
			}
			ring = append(ring, points...)
			t := partner(next, !first)
			next, first = t.at, t.first
		}
		if ring != nil {
			if ring = append(ring, ring[0]); len(ring) > 3 {
				out = append(out, ring)
			}
		}
	}
	return out
}
