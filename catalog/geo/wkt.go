package geo

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/paulmach/orb"
)

// ReadWKT reads a geometry in well-known text from the beginning of a text, with or without Z and heights, which
// are not kept. n is the length of what was read, or where the fault is.
func ReadWKT(text string) (s *Shape, n int, err error) {
	r := wktReader{text: text}
	g, err := r.tagged(0)
	if err != nil {
		return nil, r.at, err
	}
	at, err := plain(g)
	if err != nil {
		return nil, r.at, err
	}
	return newShape(g, at), r.at, nil
}

type wktReader struct {
	text string
	at   int
}

// space passes over white space.
func (r *wktReader) space() {
	for r.at < len(r.text) && strings.IndexByte(" \t\n\r\v\f", r.text[r.at]) >= 0 {
		r.at++
	}
}

// next reports whether a character follows, and passes over it.
func (r *wktReader) next(c byte) bool {
	r.space()
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

// word reads letters, in upper case.
func (r *wktReader) word() string {
	r.space()
	from := r.at
	for r.at < len(r.text) && (r.text[r.at]|0x20) >= 'a' && (r.text[r.at]|0x20) <= 'z' {
		r.at++
	}
	return strings.ToUpper(r.text[from:r.at])
}

func (r *wktReader) tagged(depth int) (orb.Geometry, error) {
	r.space()
	from := r.at
	kind := r.word()
	before := r.at
	switch modifier := r.word(); modifier {
	case "", "Z":
	case "EMPTY":
		return nil, fmt.Errorf("an empty %s lies nowhere", kind)
	default:
		r.at = before
		return nil, fmt.Errorf("unexpected %s after %s", modifier, kind)
	}
	switch kind {
	case "POINT":
		points, err := r.points()
		if err == nil && len(points) != 1 {
			err = fmt.Errorf("a POINT has one position, not %d", len(points))
		}
		if err != nil {
			return nil, err
		}
		return points[0], nil
	case "MULTIPOINT":
		points, err := wktList(r, func() (orb.Point, error) {
			if !r.next('(') {
				return r.point()
			}
			p, err := r.point()
			if err == nil && !r.next(')') {
				err = fmt.Errorf("the bracket is not closed")
			}
			return p, err
		})
		return orb.MultiPoint(points), err
	case "LINESTRING":
		l, err := r.line()
		return l, err
	case "MULTILINESTRING":
		lines, err := wktList(r, r.line)
		return orb.MultiLineString(lines), err
	case "POLYGON":
		a, err := r.area()
		return a, err
	case "MULTIPOLYGON":
		areas, err := wktList(r, r.area)
		return orb.MultiPolygon(areas), err
	case "GEOMETRYCOLLECTION":
		if depth == maxDepth {
			return nil, fmt.Errorf("GEOMETRYCOLLECTIONs are nested more than %d deep", maxDepth)
		}
		children, err := wktList(r, func() (orb.Geometry, error) { return r.tagged(depth + 1) })
		return orb.Collection(children), err
	}
	r.at = from
	return nil, fmt.Errorf("there is no geometry here")
}

// wktList reads a list in brackets.
func wktList[T any](r *wktReader, read func() (T, error)) ([]T, error) {
	if !r.next('(') {
		return nil, fmt.Errorf("a bracket is missing")
	}
	var out []T
	for {
		v, err := read()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if r.next(',') {
			continue
		}
		if r.next(')') {
			return out, nil
		}
		return nil, fmt.Errorf("a comma or a closing bracket is missing")
	}
}

func (r *wktReader) points() ([]orb.Point, error) { return wktList(r, r.point) }

func (r *wktReader) line() (orb.LineString, error) {
	r.space()
	from := r.at
	points, err := r.points()
	if err == nil {
		if err = checkLine(points); err != nil {
			r.at = from
		}
	}
	return points, err
}

func (r *wktReader) area() (orb.Polygon, error) {
	return wktList(r, func() (orb.Ring, error) {
		r.space()
		from := r.at
		points, err := r.points()
		if err == nil {
			if err = checkRing(points); err != nil {
				r.at = from
			}
		}
		return points, err
	})
}

// point reads two numbers or three.
func (r *wktReader) point() (p orb.Point, err error) {
	r.space()
	from := r.at
	for i := range p {
		if p[i], err = r.number(); err != nil {
			return p, err
		}
	}
	r.space()
	if r.at < len(r.text) && strings.IndexByte("+-.0123456789", r.text[r.at]) >= 0 {
		if _, err = r.number(); err != nil {
			return p, err
		}
	}
	if p, err = onEarth(p); err != nil {
		r.at = from
	}
	return p, err
}

func (r *wktReader) number() (float64, error) {
	r.space()
	from := r.at
	for r.at < len(r.text) && strings.IndexByte("+-.0123456789eE", r.text[r.at]) >= 0 {
		r.at++
	}
	v, err := strconv.ParseFloat(r.text[from:r.at], 64)
	if err != nil {
		r.at = from
		return 0, fmt.Errorf("a number is missing")
	}
	return v, nil
}

// WKT is the shape as it was given, in well-known text without heights.
func (s *Shape) WKT() string { return string(appendWKT(nil, s.geometry)) }

func appendWKT(out []byte, g orb.Geometry) []byte {
	switch g := g.(type) {
	case orb.Point:
		return wktPoints(append(out, "POINT"...), []orb.Point{g})
	case orb.MultiPoint:
		out = append(out, "MULTIPOINT("...)
		for i, p := range g {
			if i > 0 {
				out = append(out, ',')
			}
			out = wktPoints(out, []orb.Point{p})
		}
		return append(out, ')')
	case orb.LineString:
		return wktPoints(append(out, "LINESTRING"...), g)
	case orb.MultiLineString:
		out = append(out, "MULTILINESTRING("...)
		for i, l := range g {
			if i > 0 {
				out = append(out, ',')
			}
			out = wktPoints(out, l)
		}
		return append(out, ')')
	case orb.Polygon:
		return wktArea(append(out, "POLYGON"...), g)
	case orb.MultiPolygon:
		out = append(out, "MULTIPOLYGON("...)
		for i, a := range g {
			if i > 0 {
				out = append(out, ',')
			}
			out = wktArea(out, a)
		}
		return append(out, ')')
	case orb.Collection:
		out = append(out, "GEOMETRYCOLLECTION("...)
		for i, child := range g {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendWKT(out, child)
		}
		return append(out, ')')
	}
	return out
}

func wktArea(out []byte, a orb.Polygon) []byte {
	out = append(out, '(')
	for i, r := range a {
		if i > 0 {
			out = append(out, ',')
		}
		out = wktPoints(out, r)
	}
	return append(out, ')')
}

func wktPoints(out []byte, points []orb.Point) []byte {
	out = append(out, '(')
	for i, p := range points {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendNumber(append(appendNumber(out, p[0]), ' '), p[1])
	}
	return append(out, ')')
}

// appendNumber writes the shortest text that reads as the same number.
func appendNumber(out []byte, v float64) []byte { return strconv.AppendFloat(out, v, 'g', -1, 64) }
