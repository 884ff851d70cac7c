package icechunk

import (
	"bytes"
	"encoding/binary"
	"math"
)

// decodeFlex reads a FlexBuffer into nil, bool, int64 (uint64 beyond its range), float64, string,
// []any and map[string]any. A float that is no number is nil, for JSON has none; the official library
// reads it so. Blobs and deeper nesting than 64 are refused.
func decodeFlex(buf []byte) (v any, err error) {
	defer guard("metadata", &err)
	if len(buf) < 3 {
		broken("%d bytes are no FlexBuffer", len(buf))
	}
	width := int(buf[len(buf)-1])
	if width != 1 && width != 2 && width != 4 && width != 8 {
		broken("root width %d", width)
	}
	// Each value owns at least a byte, so many more values than bytes can only come of a loop or a bomb.
	r := flexReader{buf: buf, text: string(buf), left: budget(4 * len(buf))}
	return r.value(len(buf)-2-width, width, buf[len(buf)-2], 0), nil
}

type flexReader struct {
	buf  []byte
	text string // the same bytes; strings are parts of it, however often they are shared
	left budget
}

func (r *flexReader) raw(at, width int) uint64 {
	if at < 0 || at+width > len(r.buf) {
		broken("value at %d leaves the buffer", at)
	}
	var word [8]byte
	copy(word[:], r.buf[at:at+width])
	return binary.LittleEndian.Uint64(word[:])
}

func (r *flexReader) follow(at, width int) int {
	back := r.raw(at, width)
	if back > uint64(at) {
		broken("offset at %d leaves the buffer", at)
	}
	return at - int(back)
}

func (r *flexReader) signed(at, width int) int64 {
	shift := 64 - 8*width
	return int64(r.raw(at, width)<<shift) >> shift
}

func (r *flexReader) float(at, width int) any {
	var f float64
	switch width {
	case 2:
		f = half(uint16(r.raw(at, 2)))
	case 4:
		f = float64(math.Float32frombits(uint32(r.raw(at, 4))))
	case 8:
		f = math.Float64frombits(r.raw(at, 8))
	default:
		broken("float of %d bytes", width)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return f
}

// half widens an IEEE half: some writers pack small floats so.
func half(bits uint16) float64 {
	fraction, exponent := float64(bits&0x3ff), int(bits>>10&0x1f)
	f := math.Ldexp(1024+fraction, exponent-25)
	switch exponent {
	case 0:
		f = math.Ldexp(fraction, -24)
	case 31:
		return math.NaN()
	}
	if bits>>15 == 1 {
		return -f
	}
	return f
}

// unsigned is int64 wherever it fits: whether a writer took a positive number for signed is chance.
func unsigned(v uint64) any {
	if v <= math.MaxInt64 {
		return int64(v)
	}
	return v
}

// value reads the slot at a position, width bytes wide, of a packed type.
func (r *flexReader) value(at, width int, packed byte, depth int) any {
	if depth > flexDepth {
		broken("nested deeper than %d", flexDepth)
	}
	typ, inner := int(packed>>2), 1<<(packed&3)
	switch typ {
	case flexNull:
		return nil
	case flexBool:
		return r.raw(at, width) != 0
	case flexInt:
		return r.signed(at, width)
	case flexUint:
		return unsigned(r.raw(at, width))
	case flexFloat:
		return r.float(at, width)
	case flexIndirectInt:
		return r.signed(r.follow(at, width), inner)
	case flexIndirectUint:
		return unsigned(r.raw(r.follow(at, width), inner))
	case flexIndirect:
		return r.float(r.follow(at, width), inner)
	case flexKey:
		return r.key(r.follow(at, width))
	case flexString:
		start := r.follow(at, width)
		n := r.size(start, inner, 1)
		return r.text[start : start+n]
	case flexMap:
		return r.dict(r.follow(at, width), inner, depth)
	case flexVector:
		start := r.follow(at, width)
		return r.vector(start, inner, r.size(start, inner, inner+1), depth)
	}
	if elem, n := typedVector(typ); elem >= 0 {
		start := r.follow(at, width)
		if n == 0 {
			n = r.size(start, inner, inner)
		}
		r.left.spend(n)
		list := make([]any, n)
		for i := range list {
			list[i] = r.value(start+i*inner, inner, byte(elem<<2), depth+1)
		}
		return list
	}
	broken("FlexBuffers type %d", typ)
	return nil
}

// typedVector tells the element type of a typed vector and its fixed length (0: stated in place).
func typedVector(typ int) (elem, n int) {
	switch {
	case typ == flexVectorString: // its strings state no width of their length; they end like keys
		return flexKey, 0
	case typ >= flexVectorInt && typ < flexVectorString:
		return flexInt + typ - flexVectorInt, 0
	case typ >= flexTuple && typ <= flexTupleEnd:
		return flexInt + (typ-flexTuple)%3, 2 + (typ-flexTuple)/3
	case typ == flexVectorBool:
		return flexBool, 0
	}
	return -1, 0
}

// size reads the length before a vector or string and checks that the elements are inside.
func (r *flexReader) size(start, width, elem int) int {
	n := r.raw(start-width, width)
	if n > uint64(len(r.buf)) || start+int(n)*elem > len(r.buf) {
		broken("length %d at %d leaves the buffer", n, start)
	}
	return int(n)
}

func (r *flexReader) vector(start, width, n, depth int) []any {
	r.left.spend(n)
	list := make([]any, n)
	for i := range list {
		list[i] = r.value(start+i*width, width, r.buf[start+n*width+i], depth+1)
	}
	return list
}

func (r *flexReader) key(at int) string {
	n := bytes.IndexByte(r.buf[at:], 0)
	if n < 0 {
		broken("key at %d does not end", at)
	}
	r.left.spend(n / 64) // a long one is not read over and over
	return r.text[at : at+n]
}

func (r *flexReader) dict(start, width, depth int) map[string]any {
	n := r.size(start, width, width+1)
	keys, keyWidth := r.follow(start-3*width, width), int(r.raw(start-2*width, width))
	if keyWidth != 1 && keyWidth != 2 && keyWidth != 4 && keyWidth != 8 {
		broken("key width %d", keyWidth)
	}
	values := r.vector(start, width, n, depth)
	m := make(map[string]any, n)
	for i, v := range values {
		m[r.key(r.follow(keys+i*keyWidth, keyWidth))] = v
	}
	return m
}
