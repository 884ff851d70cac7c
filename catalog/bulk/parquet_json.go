package bulk

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/tidwall/gjson"
)

// cellWriter writes values of Arrow columns as JSON.
type cellWriter struct {
	texts         map[string]bool
	geometry, box bool
}

// value appends one value; nil is null. path is the column's, name its field's.
func (w cellWriter) value(out []byte, a arrow.Array, i int, path, name string) ([]byte, error) {
	if a.IsNull(i) {
		return nil, nil
	}
	switch a := a.(type) {
	case *array.Null:
		return nil, nil
	case *array.Boolean:
		return strconv.AppendBool(out, a.Value(i)), nil
	case *array.Int8:
		return strconv.AppendInt(out, int64(a.Value(i)), 10), nil
	case *array.Int16:
		return strconv.AppendInt(out, int64(a.Value(i)), 10), nil
	case *array.Int32:
		return strconv.AppendInt(out, int64(a.Value(i)), 10), nil
	case *array.Int64:
		return strconv.AppendInt(out, a.Value(i), 10), nil
	case *array.Uint8:
		return strconv.AppendUint(out, uint64(a.Value(i)), 10), nil
	case *array.Uint16:
		return strconv.AppendUint(out, uint64(a.Value(i)), 10), nil
	case *array.Uint32:
		return strconv.AppendUint(out, uint64(a.Value(i)), 10), nil
	case *array.Uint64:
		return strconv.AppendUint(out, a.Value(i), 10), nil
	case *array.Float32:
		return appendFinite(out, float64(a.Value(i)), 32), nil
	case *array.Float64:
		return appendFinite(out, a.Value(i), 64), nil
	case *array.Decimal128:
		t := a.DataType().(*arrow.Decimal128Type)
		return append(out, a.Value(i).ToString(t.Scale)...), nil
	case *array.String:
		return w.text(out, a.Value(i), path)
	case *array.LargeString:
		return w.text(out, a.Value(i), path)
	case *array.Binary:
		return w.bytes(out, a.Value(i), name)
	case *array.LargeBinary:
		return w.bytes(out, a.Value(i), name)
	case *array.FixedSizeBinary:
		return w.bytes(out, a.Value(i), name)
	case *array.Timestamp:
		t := a.DataType().(*arrow.TimestampType)
		return append(out, quoted(a.Value(i).ToTime(t.Unit).UTC().Format(time.RFC3339Nano))...), nil
	case *array.Date32:
		return append(out, quoted(a.Value(i).ToTime().Format(time.DateOnly))...), nil
	case *array.Date64:
		return append(out, quoted(a.Value(i).ToTime().Format(time.DateOnly))...), nil
	case *array.Dictionary:
		return w.value(out, a.Dictionary(), a.GetValueIndex(i), path, name)
	case *array.Map:
		return w.pairs(out, a, i, path)
	case array.ListLike:
		return w.list(out, a, i, path, name)
	case *array.Struct:
		return w.record(out, a, i, path)
	}
	return nil, fmt.Errorf("values of type %s are none that JSON has", a.DataType())
}

// appendFinite writes a number; those that JSON has not are null, as tables made by pandas mean them.
func appendFinite(out []byte, v float64, bits int) []byte {
	switch {
	case !finite(v):
		return nil
	case bits == 32:
		return strconv.AppendFloat(out, v, 'g', -1, 32)
	}
	return appendNumber(out, v)
}

func (w cellWriter) text(out []byte, s, path string) ([]byte, error) {
	if w.texts[path] && gjson.Valid(s) {
		if s == "null" {
			return nil, nil
		}
		return append(out, s...), nil
	}
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("a string is not UTF-8")
	}
	return append(out, quoted(s)...), nil
}

func (w cellWriter) bytes(out, b []byte, name string) ([]byte, error) {
	if w.geometry || name == "proj:geometry" || name == "geometry" {
		g, err := fromWKB(b)
		return append(out, g...), err
	}
	if utf8.Valid(b) {
		return append(out, quoted(string(b))...), nil
	}
	return append(out, quoted(base64.StdEncoding.EncodeToString(b))...), nil
}

func (w cellWriter) list(out []byte, a array.ListLike, i int, path, name string) ([]byte, error) {
	begin, end := a.ValueOffsets(i)
	out = append(out, '[')
	for k := begin; k < end; k++ {
		if k > begin {
			out = append(out, ',')
		}
		v, err := w.value(nil, a.ListValues(), int(k), path, name)
		if err != nil {
			return nil, err
		}
		if v == nil {
			v = []byte("null")
		}
		out = append(out, v...)
	}
	return append(out, ']'), nil
}

func (w cellWriter) pairs(out []byte, a *array.Map, i int, path string) ([]byte, error) {
	begin, end := a.ValueOffsets(i)
	return w.members(out, int(end-begin), func(k int) (string, error) {
		key, ok := a.Keys().(*array.String)
		if !ok {
			return "", fmt.Errorf("the keys of a map are %s and not strings", a.Keys().DataType())
		}
		return key.Value(int(begin) + k), nil
	}, func(k int) (arrow.Array, int) { return a.Items(), int(begin) + k }, path)
}

func (w cellWriter) record(out []byte, a *array.Struct, i int, path string) ([]byte, error) {
	t := a.DataType().(*arrow.StructType)
	if w.box {
		return w.sides(out, a, t, i)
	}
	return w.members(out, a.NumField(), func(k int) (string, error) { return t.Field(k).Name, nil },
		func(k int) (arrow.Array, int) { return a.Field(k), i }, path)
}

// members writes an object; what is null is left out, as tables do not tell it from what is not there.
func (w cellWriter) members(out []byte, n int, name func(int) (string, error), value func(int) (arrow.Array, int), path string) ([]byte, error) {
	out = append(out, '{')
	first := true
	for k := range n {
		key, err := name(k)
		if err != nil {
			return nil, err
		}
		a, i := value(k)
		v, err := w.value(nil, a, i, pathOf(path, key), key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		if v == nil {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(append(append(out, quoted(key)...), ':'), v...)
	}
	return append(out, '}'), nil
}

// sides writes a bbox from what is said of each of its sides.
func (w cellWriter) sides(out []byte, a *array.Struct, t *arrow.StructType, i int) ([]byte, error) {
	var box []float64
	for _, names := range [][]string{{"xmin", "ymin", "zmin", "xmax", "ymax", "zmax"}, {"xmin", "ymin", "xmax", "ymax"}} {
		box = box[:0]
		for _, name := range names {
			k, ok := t.FieldIdx(name)
			if !ok || a.Field(k).IsNull(i) {
				break
			}
			switch side := a.Field(k).(type) {
			case *array.Float64:
				box = append(box, side.Value(i))
			case *array.Float32:
				box = append(box, float64(side.Value(i)))
			}
		}
		if len(box) == len(names) && !slices.ContainsFunc(box, func(v float64) bool { return !finite(v) }) {
			raw, err := json.Marshal(box)
			return append(out, raw...), err
		}
	}
	return nil, nil
}

// sortByID orders documents so that a file always gives them in the same order.
func sortByID(docs []json.RawMessage) {
	slices.SortFunc(docs, func(a, b json.RawMessage) int {
		return cmp.Or(cmp.Compare(gjson.GetBytes(a, "id").Str, gjson.GetBytes(b, "id").Str), bytes.Compare(a, b))
	})
}
