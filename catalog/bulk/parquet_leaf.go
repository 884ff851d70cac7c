package bulk

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/parquet"
	parquetfile "github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/schema"
	"github.com/tidwall/gjson"
)

// leaf is a column of a row group as it is read: for each value the levels that say where it belongs.
type leaf struct {
	column *schema.Column
	form   leafForm
	// bad takes the first value that cannot be written, so that the others of its row are passed all the same.
	bad *error
	// read fills the buffers anew and returns how many levels there are; it is nil between row groups.
	read func() (int64, error)
	// write appends a value of the buffer as JSON; nil is null.
	write    func(out []byte, i int) ([]byte, error)
	def, rep []int16
	// at is the next level of n, value the next value.
	at, n, value int
}

// leafRows is how many levels of a column are decoded at a time.
const leafRows = 512

var errShortColumn = errors.New("a column ends before the others")

// peek returns the levels of the next value.
func (l *leaf) peek() (rep, def int16, err error) {
	if l.at == l.n {
		n, err := l.read()
		if l.at, l.n, l.value = 0, int(n), 0; err != nil {
			return 0, 0, err
		}
		if n == 0 {
			return 0, 0, errShortColumn
		}
	}
	return l.rep[l.at], l.def[l.at], nil
}

// ended reports whether there is no further value.
func (l *leaf) ended() bool {
	if l.at < l.n {
		return false
	}
	_, _, err := l.peek()
	return errors.Is(err, errShortColumn)
}

// next takes a value; nil is null.
func (l *leaf) next() ([]byte, error) {
	_, def, err := l.peek()
	if err != nil {
		return nil, err
	}
	l.at++
	if def < l.column.MaxDefinitionLevel() {
		return nil, nil
	}
	l.value++
	v, err := l.write(nil, l.value-1)
	if err == nil || errors.Is(err, errShortColumn) {
		return v, err
	}
	if *l.bad == nil {
		*l.bad = fmt.Errorf("column %s: %w", l.column.Path(), err)
	}
	return nil, nil
}

// values are what decodes a column's values of one type.
func values[T any](l *leaf, read func(int64, []T, []int16, []int16) (int64, int, error), write func([]byte, T) ([]byte, error)) {
	buffer := make([]T, leafRows)
	l.def, l.rep = make([]int16, leafRows), make([]int16, leafRows)
	l.at, l.n, l.value = 0, 0, 0
	there := 0
	l.read = func() (int64, error) {
		n, values, err := read(leafRows, buffer, l.def, l.rep)
		there = values
		return n, err
	}
	l.write = func(out []byte, i int) ([]byte, error) {
		if i >= there {
			return nil, errShortColumn
		}
		return write(out, buffer[i])
	}
}

// open begins a row group's part of the column.
func (l *leaf) open(r parquetfile.ColumnChunkReader) error {
	logical := l.column.LogicalType()
	switch r := r.(type) {
	case *parquetfile.BooleanColumnChunkReader:
		values(l, r.ReadBatch, func(out []byte, v bool) ([]byte, error) { return strconv.AppendBool(out, v), nil })
	case *parquetfile.Int32ColumnChunkReader:
		values(l, r.ReadBatch, func(out []byte, v int32) ([]byte, error) {
			switch t := logical.(type) {
			case schema.DateLogicalType:
				return append(out, quoted(time.Unix(int64(v)*24*60*60, 0).UTC().Format(time.DateOnly))...), nil
			case *schema.DecimalLogicalType:
				return appendDecimal(out, int64(v), int(t.Scale())), nil
			case *schema.IntLogicalType:
				if !t.IsSigned() {
					return strconv.AppendUint(out, uint64(uint32(v)), 10), nil
				}
			}
			return strconv.AppendInt(out, int64(v), 10), nil
		})
	case *parquetfile.Int64ColumnChunkReader:
		values(l, r.ReadBatch, func(out []byte, v int64) ([]byte, error) { return appendLong(out, v, logical), nil })
	case *parquetfile.Int96ColumnChunkReader:
		values(l, r.ReadBatch, func(out []byte, v parquet.Int96) ([]byte, error) { return appendTime(out, v.ToTime()), nil })
	case *parquetfile.Float32ColumnChunkReader:
		values(l, r.ReadBatch, func(out []byte, v float32) ([]byte, error) { return appendFinite(out, float64(v), 32), nil })
	case *parquetfile.Float64ColumnChunkReader:
		values(l, r.ReadBatch, func(out []byte, v float64) ([]byte, error) { return appendFinite(out, v, 64), nil })
	case *parquetfile.ByteArrayColumnChunkReader:
		values(l, r.ReadBatch, func(out []byte, v parquet.ByteArray) ([]byte, error) { return l.form.bytes(out, v) })
	case *parquetfile.FixedLenByteArrayColumnChunkReader:
		values(l, r.ReadBatch, func(out []byte, v parquet.FixedLenByteArray) ([]byte, error) { return l.form.bytes(out, v) })
	default:
		return fmt.Errorf("column %s has values of a type that is not known", l.column.Path())
	}
	return nil
}

func appendLong(out []byte, v int64, logical schema.LogicalType) []byte {
	switch t := logical.(type) {
	case *schema.TimestampLogicalType:
		switch t.TimeUnit() {
		case schema.TimeUnitMillis:
			return appendTime(out, time.UnixMilli(v))
		case schema.TimeUnitMicros:
			return appendTime(out, time.UnixMicro(v))
		}
		return appendTime(out, time.Unix(0, v))
	case *schema.DecimalLogicalType:
		return appendDecimal(out, v, int(t.Scale()))
	case *schema.IntLogicalType:
		if !t.IsSigned() {
			return strconv.AppendUint(out, uint64(v), 10)
		}
	}
	return strconv.AppendInt(out, v, 10)
}

func appendTime(out []byte, t time.Time) []byte {
	return append(out, quoted(t.UTC().Format(time.RFC3339Nano))...)
}

// appendDecimal writes a number with so many digits behind its point.
func appendDecimal(out []byte, v int64, scale int) []byte {
	digits := strconv.FormatInt(v, 10)
	if scale <= 0 {
		return append(append(out, digits...), strings.Repeat("0", min(-scale, 20))...)
	}
	if v < 0 {
		out, digits = append(out, '-'), digits[1:]
	}
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", min(missing, 40)) + digits
	}
	point := max(len(digits)-scale, 1)
	return append(append(append(out, digits[:point]...), '.'), digits[point:]...)
}

// appendFinite writes a number; those that JSON has not are null, as tables made by pandas mean them.
func appendFinite(out []byte, v float64, width int) []byte {
	switch {
	case !finite(v):
		return nil
	case width == 32:
		return strconv.AppendFloat(out, v, 'g', -1, 32)
	}
	return appendNumber(out, v)
}

// leafForm says what bytes are.
type leafForm struct{ json, geometry, text bool }

func (f leafForm) bytes(out, b []byte) ([]byte, error) {
	switch {
	case f.json && !TooDeep(b, maxNesting) && gjson.ValidBytes(b):
		if string(b) == "null" {
			return nil, nil
		}
		return append(out, b...), nil
	case f.geometry:
		g, err := fromWKB(b)
		return append(out, g...), err
	case utf8.Valid(b):
		return append(out, quoted(string(b))...), nil
	case f.text:
		return nil, fmt.Errorf("a string is not UTF-8")
	}
	return append(out, quoted(base64.StdEncoding.EncodeToString(b))...), nil
}
