package geo

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/paulmach/orb"

	"github.com/terrapin-eo/terrapin/fault"
)

// The types of geometry in well-known binary.
const (
	wkbPoint = 1 + iota
	wkbLineString
	wkbPolygon
	wkbMultiPoint
	wkbMultiLineString
	wkbMultiPolygon
	wkbCollection
)

// WKB is the shape within longitudes −180 to 180 (Split) in well-known binary: two dimensions, little endian, no
// reference system.
func (s *Shape) WKB() []byte { return AppendWKB(make([]byte, 0, 93), s.plain) }

// AppendWKB appends a geometry in the form of Shape.WKB, with the coordinates that it has.
func AppendWKB(out []byte, g orb.Geometry) []byte {
	head := func(kind uint32, n int) {
		out = binary.LittleEndian.AppendUint32(append(out, 1), kind)
		if kind != wkbPoint {
			out = binary.LittleEndian.AppendUint32(out, uint32(n))
		}
	}
	switch g := g.(type) {
	case orb.Point:
		head(wkbPoint, 1)
		return wkbPoints(out, g)
	case orb.MultiPoint:
		head(wkbMultiPoint, len(g))
		for _, p := range g {
			out = AppendWKB(out, p)
		}
	case orb.LineString:
		head(wkbLineString, len(g))
		return wkbPoints(out, g...)
	case orb.MultiLineString:
		head(wkbMultiLineString, len(g))
		for _, l := range g {
			out = AppendWKB(out, l)
		}
	case orb.Polygon:
		head(wkbPolygon, len(g))
		for _, r := range g {
			out = wkbPoints(binary.LittleEndian.AppendUint32(out, uint32(len(r))), r...)
		}
	case orb.MultiPolygon:
		head(wkbMultiPolygon, len(g))
		for _, a := range g {
			out = AppendWKB(out, a)
		}
	case orb.Collection:
		head(wkbCollection, len(g))
		for _, child := range g {
			out = AppendWKB(out, child)
		}
	}
	return out
}

func wkbPoints(out []byte, points ...orb.Point) []byte {
	for _, p := range points {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(p[0]))
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(p[1]))
	}
	return out
}

// ParseWKB reads what WKB wrote. It holds positions, lines and rings to the same rules as Parse.
func ParseWKB(data []byte) (*Shape, error) {
	g, err := readWKB(wkbReader{data: data, farEast: 180, farNorth: 90})
	if err != nil {
		return nil, fault.New(fault.Corrupt, "stored geometry: %w", err).WithCure("build the catalog again: terrapin store reindex")
	}
	return newShape(g, g), nil
}

// ParseOpenWKB reads well-known binary of the form of ParseWKB whose longitudes may run on past ±180; the shape is
// looked at within them.
func ParseOpenWKB(data []byte) (*Shape, error) {
	g, err := readWKB(wkbReader{data: data, farEast: turns * 360, farNorth: 90 + overshoot})
	if err != nil {
		return nil, fault.New(fault.Corrupt, "stored geometry: %w", err)
	}
	if withinWorld(g) {
		return newShape(g, g), nil
	}
	at, err := plain(g)
	if err != nil {
		return nil, fault.New(fault.Corrupt, "stored geometry: %w", err)
	}
	return newShape(g, at), nil
}

func readWKB(r wkbReader) (orb.Geometry, error) {
	g := r.geometry(0, 0)
	if r.err == nil && len(r.data) > 0 {
		r.err = fmt.Errorf("%d bytes are left over", len(r.data))
	}
	return g, r.err
}

type wkbReader struct {
	data              []byte
	farEast, farNorth float64 // of what is taken for a place
	err               error
}

func (r *wkbReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.data = nil
}

func (r *wkbReader) uint32() uint32 {
	if len(r.data) < 4 {
		r.fail("it ends too early")
		return 0
	}
	v := binary.LittleEndian.Uint32(r.data)
	r.data = r.data[4:]
	return v
}

// count reads a number of things, none of which is shorter than size bytes.
func (r *wkbReader) count(size int) int {
	n := int64(r.uint32())
	if r.err == nil && (n == 0 || n*int64(size) > int64(len(r.data))) {
		r.fail("a part has the length %d", n)
		return 0
	}
	return int(n)
}

func (r *wkbReader) points(n int) []orb.Point {
	if len(r.data) < 16*n {
		r.fail("it ends too early")
		return nil
	}
	out := make([]orb.Point, n)
	for i := range out {
		out[i][0] = math.Float64frombits(binary.LittleEndian.Uint64(r.data[16*i:]))
		out[i][1] = math.Float64frombits(binary.LittleEndian.Uint64(r.data[16*i+8:]))
		if !(math.Abs(out[i][0]) <= r.farEast && math.Abs(out[i][1]) <= r.farNorth) {
			r.fail("the position %v is out of range", out[i])
			return nil
		}
		out[i][1] = max(-90, min(out[i][1], 90))
	}
	r.data = r.data[16*n:]
	return out
}

// geometry reads one, of the type kind where that is not 0.
func (r *wkbReader) geometry(kind uint32, depth int) orb.Geometry {
	if len(r.data) > 0 && r.data[0] != 1 {
		r.fail("it is not little endian")
	}
	if len(r.data) > 0 {
		r.data = r.data[1:]
	}
	found := r.uint32()
	if r.err != nil {
		return nil
	}
	if kind != 0 && found != kind {
		r.fail("type %d is within a list of type %d", found, kind)
		return nil
	}
	switch found {
	case wkbPoint:
		if p := r.points(1); p != nil {
			return p[0]
		}
	case wkbLineString:
		l := orb.LineString(r.points(r.count(16)))
		if err := checkLine(l); err != nil {
			r.fail("%w", err)
		}
		return l
	case wkbPolygon:
		a := make(orb.Polygon, r.count(4))
		for i := range a {
			a[i] = r.points(r.count(16))
			if err := checkRing(a[i]); err != nil {
				r.fail("%w", err)
				break
			}
		}
		return a
	case wkbMultiPoint:
		return orb.MultiPoint(wkbList[orb.Point](r, wkbPoint, 21))
	case wkbMultiLineString:
		return orb.MultiLineString(wkbList[orb.LineString](r, wkbLineString, 41))
	case wkbMultiPolygon:
		return orb.MultiPolygon(wkbList[orb.Polygon](r, wkbPolygon, 77))
	case wkbCollection:
		if depth > maxDepth {
			r.fail("collections are nested more than %d deep", maxDepth)
			return nil
		}
		out := make(orb.Collection, r.count(21))
		for i := range out {
			if out[i] = r.geometry(0, depth+1); r.err != nil {
				return nil
			}
		}
		return out
	default:
		r.fail("unknown type %d", found)
	}
	return nil
}

func wkbList[G orb.Geometry](r *wkbReader, kind uint32, size int) []G {
	out := make([]G, r.count(size))
	for i := range out {
		g := r.geometry(kind, 0)
		if r.err != nil {
			return nil
		}
		out[i] = g.(G)
	}
	return out
}
