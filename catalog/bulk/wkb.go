package bulk

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/tidwall/gjson"
)

// The geometries of tables are well-known binary, heights included, which catalog/geo has no use for. What is valid is
// its matter and not that of this file: here a geometry goes from one notation into the other and back as it is.

// wkbTypes are the types of GeoJSON by their numbers in well-known binary.
var wkbTypes = [...]string{1: "Point", 2: "LineString", 3: "Polygon", 4: "MultiPoint", 5: "MultiLineString", 6: "MultiPolygon", 7: "GeometryCollection"}

const (
	wkbCollection = 7
	// wkbHeights is what ISO adds to the number of a type that has heights; wkbFlags are how others say so, and more.
	wkbHeights   = 1000
	ewkbHeights  = 0x80000000
	ewkbMeasures = 0x40000000
	ewkbSystem   = 0x20000000
	// wkbDepth bounds collections within each other.
	wkbDepth = 16
)

var errGeometry = errors.New("it is no GeoJSON geometry")

// toWKB writes a GeoJSON geometry as well-known binary (ISO, little-endian). The second is its type as GeoParquet
// names it.
func toWKB(raw []byte) (wkb []byte, kind string, err error) {
	g := gjson.ParseBytes(raw)
	heights := hasHeights(g, 0)
	if wkb, err = appendWKB(nil, g, heights, 0); err != nil {
		return nil, "", err
	}
	if kind = g.Get("type").Str; heights {
		kind += " Z"
	}
	return wkb, kind, nil
}

// hasHeights looks for a position of three numbers.
func hasHeights(g gjson.Result, depth int) (yes bool) {
	if depth > wkbDepth {
		return false
	}
	if list := g.Get("geometries"); list.IsArray() {
		list.ForEach(func(_, child gjson.Result) bool {
			yes = hasHeights(child, depth+1)
			return !yes
		})
		return yes
	}
	return longPosition(g.Get("coordinates"), 0)
}

func longPosition(c gjson.Result, depth int) (yes bool) {
	n := 0
	c.ForEach(func(_, child gjson.Result) bool {
		n++
		if child.IsArray() {
			yes = depth < 4 && longPosition(child, depth+1)
		} else {
			yes = n > 2
		}
		return !yes
	})
	return yes
}

func appendWKB(out []byte, g gjson.Result, heights bool, depth int) ([]byte, error) {
	if depth > wkbDepth {
		return nil, errGeometry
	}
	name, number := g.Get("type").Str, uint32(0)
	for i, t := range wkbTypes {
		if t != "" && t == name {
			number = uint32(i)
		}
	}
	if number == 0 {
		return nil, errGeometry
	}
	out = appendHead(out, number, heights)
	if number == wkbCollection {
		list := g.Get("geometries")
		return appendEach(out, list, func(out []byte, child gjson.Result) ([]byte, error) { return appendWKB(out, child, heights, depth+1) })
	}
	return appendCoordinates(out, g.Get("coordinates"), number, heights)
}

func appendHead(out []byte, number uint32, heights bool) []byte {
	if heights {
		number += wkbHeights
	}
	return binary.LittleEndian.AppendUint32(append(out, 1), number)
}

func appendCoordinates(out []byte, c gjson.Result, number uint32, heights bool) ([]byte, error) {
	position := func(out []byte, c gjson.Result) ([]byte, error) { return appendPosition(out, c, heights) }
	line := func(out []byte, c gjson.Result) ([]byte, error) { return appendEach(out, c, position) }
	polygon := func(out []byte, c gjson.Result) ([]byte, error) { return appendEach(out, c, line) }
	switch number {
	case 1:
		return position(out, c)
	case 2:
		return line(out, c)
	case 3:
		return polygon(out, c)
	}
	return appendEach(out, c, func(out []byte, child gjson.Result) ([]byte, error) {
		return appendCoordinates(appendHead(out, number-3, heights), child, number-3, heights)
	})
}

// appendEach writes how many children there are, and them.
func appendEach(out []byte, list gjson.Result, each func([]byte, gjson.Result) ([]byte, error)) (_ []byte, err error) {
	if !list.IsArray() {
		return nil, errGeometry
	}
	at, n := len(out), uint32(0)
	out = append(out, 0, 0, 0, 0)
	list.ForEach(func(_, child gjson.Result) bool {
		n++
		out, err = each(out, child)
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	binary.LittleEndian.PutUint32(out[at:], n)
	return out, nil
}

func appendPosition(out []byte, c gjson.Result, heights bool) ([]byte, error) {
	p, n := [3]float64{0, 0, math.NaN()}, 0
	c.ForEach(func(_, v gjson.Result) bool {
		if v.Type != gjson.Number {
			n = -1
			return false
		}
		p[n] = v.Num
		n++
		return n < len(p)
	})
	if !c.IsArray() || n < 2 {
		return nil, errGeometry
	}
	for _, v := range p[:2] {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
	}
	if heights {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(p[2]))
	}
	return out, nil
}

// fromWKB writes well-known binary, ISO's or PostGIS's, as a GeoJSON geometry.
func fromWKB(wkb []byte) (json.RawMessage, error) {
	r := wkbReader{rest: wkb}
	out, _, err := r.geometry(nil, 0)
	if err == nil && len(r.rest) > 0 {
		err = fmt.Errorf("%d bytes follow it", len(r.rest))
	}
	if err != nil {
		return nil, fmt.Errorf("the geometry is no well-known binary: %w", err)
	}
	return out, nil
}

type wkbReader struct {
	rest  []byte
	order binary.ByteOrder
	// width is the number of values in a position, of which the first kept are written.
	width, kept int
}

var errShort = errors.New("it breaks off")

func (r *wkbReader) take(n int) ([]byte, error) {
	if len(r.rest) < n {
		return nil, errShort
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out, nil
}

func (r *wkbReader) number() (uint32, error) {
	b, err := r.take(4)
	if err != nil {
		return 0, err
	}
	return r.order.Uint32(b), nil
}

// head reads what a geometry begins with.
func (r *wkbReader) head() (kind uint32, err error) {
	b, err := r.take(1)
	if err != nil {
		return 0, err
	}
	if r.order = binary.LittleEndian; b[0] == 0 {
		r.order = binary.BigEndian
	} else if b[0] != 1 {
		return 0, fmt.Errorf("byte order %d", b[0])
	}
	if kind, err = r.number(); err != nil {
		return 0, err
	}
	flags := kind & (ewkbHeights | ewkbMeasures | ewkbSystem)
	if kind &^= flags; flags&ewkbSystem != 0 {
		if _, err := r.number(); err != nil {
			return 0, err
		}
	}
	iso := kind / wkbHeights
	heights, measures := flags&ewkbHeights != 0 || iso == 1 || iso == 3, flags&ewkbMeasures != 0 || iso == 2 || iso == 3
	r.width, r.kept = 2, 2
	if heights {
		r.width, r.kept = 3, 3
	}
	if measures {
		r.width++
	}
	if kind %= wkbHeights; iso > 3 || kind == 0 || int(kind) >= len(wkbTypes) {
		return 0, fmt.Errorf("type %d", kind)
	}
	return kind, nil
}

func (r *wkbReader) geometry(out []byte, depth int) ([]byte, uint32, error) {
	if depth > wkbDepth {
		return nil, 0, fmt.Errorf("more than %d collections within each other", wkbDepth)
	}
	kind, err := r.head()
	if err != nil {
		return nil, 0, err
	}
	out = append(append(append(out, `{"type":"`...), wkbTypes[kind]...), `",`...)
	if kind == wkbCollection {
		out = append(out, `"geometries":`...)
		out, err = r.each(out, func(out []byte) ([]byte, error) {
			out, _, err := r.geometry(out, depth+1)
			return out, err
		})
	} else {
		out, err = r.coordinates(append(out, `"coordinates":`...), kind)
	}
	return append(out, '}'), kind, err
}

func (r *wkbReader) coordinates(out []byte, kind uint32) ([]byte, error) {
	line := func(out []byte) ([]byte, error) { return r.each(out, r.position) }
	switch kind {
	case 1:
		return r.position(out)
	case 2:
		return line(out)
	case 3:
		return r.each(out, line)
	}
	return r.each(out, func(out []byte) ([]byte, error) {
		child, err := r.head()
		if err == nil && child != kind-3 {
			err = fmt.Errorf("a %s in a %s", wkbTypes[child], wkbTypes[kind])
		}
		if err != nil {
			return nil, err
		}
		return r.coordinates(out, child)
	})
}

// each reads as many children as it says there are; every one takes bytes, so that no count is believed beyond them.
func (r *wkbReader) each(out []byte, child func([]byte) ([]byte, error)) ([]byte, error) {
	n, err := r.number()
	if err != nil {
		return nil, err
	}
	out = append(out, '[')
	for i := range n {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = child(out); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

func (r *wkbReader) position(out []byte) ([]byte, error) {
	b, err := r.take(8 * r.width)
	if err != nil {
		return nil, err
	}
	out = append(out, '[')
	for i := range r.kept {
		v := math.Float64frombits(r.order.Uint64(b[8*i:]))
		if math.IsNaN(v) && i == 2 {
			break
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("a coordinate that is not finite")
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = appendNumber(out, v)
	}
	return append(out, ']'), nil
}

// appendNumber writes a finite number in the shortest way that is read as the same, as encoding/json does.
func appendNumber(out []byte, v float64) []byte {
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(out, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(out, v, 'f', -1, 64)
}
