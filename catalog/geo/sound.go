package geo

import (
	"bytes"
	"errors"
	"slices"

	"github.com/paulmach/orb"
)

// An area is what lies within its outline and in none of its holes, and several areas are all of these together; within a ring
// is what it goes around an odd number of times. So outlines that cross themselves, holes that reach out of their
// outline, areas over each other all mean something, and sound writes it as databases take it: outlines that cross and
// overlap nothing, holes within them, nothing between two parts of an area but points. What has no inside becomes lines. Areas
// that are sound already are returned as they are.
func sound(areas orb.MultiPolygon) (orb.Geometry, error) {
	if surelySound(areas) {
		return several(areas), nil
	}
	pieces, rings := piecesOf(areas)
	if len(pieces) == 0 {
		return areas[0][0][0], nil
	}
	l := sweep(pieces)
	if !l.clean {
		return mend(pieces, &rings)
	}
	if !l.touching && !rings.still && l.borders(pieces, &rings) {
		return several(areas), nil
	}
	if out, err := trace(l.directed(pieces, &rings)); err != nil || len(out) > 0 {
		return several(out), err
	}
	return flattened(pieces), nil
}

// Sound reports whether a shape that was stored has no areas that are stored otherwise today.
func (s *Shape) Sound() bool {
	at, err := plain(s.plain)
	return err == nil && bytes.Equal(AppendWKB(nil, at), s.WKB())
}

// several is a list of areas, or the one in it.
func several(areas orb.MultiPolygon) orb.Geometry {
	if len(areas) == 1 {
		return areas[0]
	}
	return areas
}

// flattened are the lines of what has no inside.
func flattened(pieces []piece) orb.Geometry {
	lines := make(orb.MultiLineString, len(pieces))
	for i, p := range pieces {
		lines[i] = orb.LineString{p.a, p.b}
	}
	if len(lines) == 1 {
		return lines[0]
	}
	return lines
}

// errTangled is said of what would take too long to put in order.
var errTangled = errors.New("its outlines cross themselves too often")

// surelySound knows most footprints at a glance: a few areas apart from each other, without holes, each of whose
// outlines turns one way and goes round once.
func surelySound(areas orb.MultiPolygon) bool {
	if len(areas) > 8 {
		return false
	}
	for i, a := range areas {
		if len(a) > 1 || !convex(a[0]) {
			return false
		}
		if len(areas) == 1 {
			return true
		}
		if b := a.Bound(); slices.ContainsFunc(areas[:i], func(other orb.Polygon) bool { return other.Bound().Intersects(b) }) {
			return false
		}
	}
	return true
}

// convex reports whether an outline turns one way only, without going back, and from west to east and to west again once.
func convex(r orb.Ring) bool {
	n := len(r) - 1
	way, reversals := 0, 0
	for i := range n {
		a, b, c := r[i], r[i+1], r[(i+2)%n]
		if a == b {
			return false
		}
		switch t := turn(a, b, c); {
		case t*way < 0:
			return false
		case t != 0:
			way = t
		}
		if (byPlace(a, b) < 0) != (byPlace(b, c) < 0) {
			if reversals++; turn(a, b, c) == 0 {
				return false
			}
		}
	}
	return way != 0 && reversals == 2
}
