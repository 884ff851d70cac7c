package icechunk

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
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
		if u, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return w.value(u, depth)
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
