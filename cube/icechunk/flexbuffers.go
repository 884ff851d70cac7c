package icechunk

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// FlexBuffers types; typed vectors from 11 on are of flexInt+(t-11).
const (
	flexNull, flexInt, flexUint, flexFloat          = 0, 1, 2, 3
	flexKey, flexString                             = 4, 5
	flexIndirectInt, flexIndirectUint, flexIndirect = 6, 7, 8
	flexMap, flexVector                             = 9, 10
	flexVectorInt, flexVectorString                 = 11, 15
	flexTuple, flexTupleEnd                         = 16, 24
	flexBlob, flexBool, flexVectorBool              = 25, 26, 36
	flexDepth                                       = 64
	flexWide                                        = 3 // log2 of the width everything is written with
)

// encodeFlex writes a JSON-like value as a FlexBuffer. Everything is 8 bytes wide: such values are
// small, and every reader takes any width.
func encodeFlex(v any) (out []byte, err error) {
	var w flexWriter
	root, err := w.value(v, 0)
	if err != nil {
		return nil, err
	}
	w.align()
	w.place(root)
	return append(w.buf, root.packed(), 8), nil
}

type flexWriter struct{ buf []byte }

// flexSlot is a value to be placed: a scalar's bits, or the address its slot points back to.
type flexSlot struct {
	typ  byte
	bits uint64
}

func (s flexSlot) packed() byte { return s.typ<<2 | flexWide }

func (s flexSlot) scalar() bool { return s.typ <= flexFloat || s.typ == flexBool }

func (w *flexWriter) align() {
	for len(w.buf)%8 != 0 {
		w.buf = append(w.buf, 0)
	}
}

func (w *flexWriter) u64(v uint64) { w.buf = binary.LittleEndian.AppendUint64(w.buf, v) }

func (w *flexWriter) place(s flexSlot) {
	if s.scalar() {
		w.u64(s.bits)
		return
	}
	w.u64(uint64(len(w.buf)) - s.bits)
}

func (w *flexWriter) value(v any, depth int) (flexSlot, error) {
	if depth > flexDepth {
		return flexSlot{}, fault.New(fault.Invalid, "encode metadata: nested deeper than %d", flexDepth)
	}
	switch v := v.(type) {
	case nil:
		return flexSlot{flexNull, 0}, nil
	case bool:
		if v {
			return flexSlot{flexBool, 1}, nil
		}
		return flexSlot{flexBool, 0}, nil
	case int:
		return flexSlot{flexInt, uint64(v)}, nil
	case int64:
		return flexSlot{flexInt, uint64(v)}, nil
	case uint64:
		return flexSlot{flexUint, v}, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return flexSlot{}, fault.New(fault.Invalid, "encode metadata: %v is not a JSON number", v)
		}
		return flexSlot{flexFloat, math.Float64bits(v)}, nil
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return w.value(i, depth)
		}
		f, err := v.Float64()
		if err != nil {
			return flexSlot{}, fault.New(fault.Invalid, "encode metadata: %w", err)
		}
		return w.value(f, depth)
	case string:
		w.align()
		w.u64(uint64(len(v)))
		at := len(w.buf)
		w.buf = append(append(w.buf, v...), 0)
		return flexSlot{flexString, uint64(at)}, nil
	case []any:
		return w.vector(v, depth)
	case map[string]any:
		return w.dict(v, depth)
	}
	return w.viaJSON(v, depth)
}

// viaJSON takes any other type the way encoding/json sees it.
func (w *flexWriter) viaJSON(v any, depth int) (flexSlot, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return flexSlot{}, fault.New(fault.Invalid, "encode metadata: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var plain any
	if err := d.Decode(&plain); err != nil {
		return flexSlot{}, fault.New(fault.Invalid, "encode metadata: %w", err)
	}
	return w.value(plain, depth)
}

func (w *flexWriter) slots(slots []flexSlot) {
	for _, s := range slots {
		w.place(s)
	}
	for _, s := range slots {
		w.buf = append(w.buf, s.packed())
	}
}

func (w *flexWriter) vector(list []any, depth int) (flexSlot, error) {
	slots := make([]flexSlot, len(list))
	for i, v := range list {
		var err error
		if slots[i], err = w.value(v, depth+1); err != nil {
			return flexSlot{}, err
		}
	}
	w.align()
	w.u64(uint64(len(list)))
	at := len(w.buf)
	w.slots(slots)
	return flexSlot{flexVector, uint64(at)}, nil
}

func (w *flexWriter) dict(m map[string]any, depth int) (flexSlot, error) {
	names := slices.Sorted(maps.Keys(m))
	keys, slots := make([]flexSlot, len(names)), make([]flexSlot, len(names))
	for i, name := range names {
		if strings.ContainsRune(name, 0) {
			return flexSlot{}, fault.New(fault.Invalid, "encode metadata: key %q holds a NUL", name)
		}
		keys[i] = flexSlot{flexKey, uint64(len(w.buf))}
		w.buf = append(append(w.buf, name...), 0)
		var err error
		if slots[i], err = w.value(m[name], depth+1); err != nil {
			return flexSlot{}, err
		}
	}
	w.align()
	w.u64(uint64(len(keys)))
	keysAt := uint64(len(w.buf))
	for _, k := range keys {
		w.place(k)
	}
	w.u64(uint64(len(w.buf)) - keysAt)
	w.u64(8)
	w.u64(uint64(len(slots)))
	at := len(w.buf)
	w.slots(slots)
	return flexSlot{flexMap, uint64(at)}, nil
}

// decodeFlex reads a FlexBuffer into nil, bool, int64 (uint64 beyond its range), float64, string,
// []any and map[string]any. Blobs and deeper nesting than 64 are refused.
func decodeFlex(buf []byte) (v any, err error) {
	defer guard("metadata", &err)
	if len(buf) < 3 {
		broken("%d bytes are no FlexBuffer", len(buf))
	}
	width := int(buf[len(buf)-1])
	if width != 1 && width != 2 && width != 4 && width != 8 {
		broken("root width %d", width)
	}
	// Each value owns at least a byte, so more values than bytes can only come of a loop or a bomb.
	r := flexReader{buf: buf, left: len(buf)}
	return r.value(len(buf)-2-width, width, buf[len(buf)-2], 0), nil
}

type flexReader struct {
	buf  []byte
	left int
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

func (r *flexReader) float(at, width int) float64 {
	switch width {
	case 4:
		return float64(math.Float32frombits(uint32(r.raw(at, 4))))
	case 8:
		return math.Float64frombits(r.raw(at, 8))
	}
	broken("float of %d bytes", width)
	return 0
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
	if r.left--; r.left < 0 || depth > flexDepth {
		broken("nested too deep or endlessly")
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
		return string(r.buf[start : start+n])
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
		list := make([]any, 0, min(n, len(r.buf)))
		for i := range n {
			list = append(list, r.value(start+i*inner, inner, byte(elem<<2), depth+1))
		}
		return list
	}
	broken("FlexBuffers type %d", typ)
	return nil
}

// typedVector tells the element type of a typed vector and its fixed length (0: stated in place).
func typedVector(typ int) (elem, n int) {
	switch {
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
	return string(r.buf[at : at+n])
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

// metaItem is one entry of metadata, its value a FlexBuffer kept as it is.
type metaItem struct {
	name  string
	value []byte
}

func encodeMetadata(m map[string]any) ([]metaItem, error) {
	items := make([]metaItem, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		value, err := encodeFlex(m[name])
		if err != nil {
			return nil, fmt.Errorf("metadata %q: %w", name, err)
		}
		items = append(items, metaItem{name, value})
	}
	return items, nil
}

func decodeMetadata(items []metaItem) (map[string]any, error) {
	m := make(map[string]any, len(items))
	for _, it := range items {
		v, err := decodeFlex(it.value)
		if err != nil {
			return nil, fmt.Errorf("metadata %q: %w", it.name, err)
		}
		m[it.name] = v
	}
	return m, nil
}
