package flight

import (
	"encoding/binary"
	"encoding/json"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/stream"
)

// metadataKey is the key of the schema metadata that describes a stream.
const metadataKey = "terrapin"

var arrowTypes = map[cube.DType]arrow.DataType{
	cube.Int8: arrow.PrimitiveTypes.Int8, cube.Uint8: arrow.PrimitiveTypes.Uint8,
	cube.Int16: arrow.PrimitiveTypes.Int16, cube.Uint16: arrow.PrimitiveTypes.Uint16,
	cube.Int32: arrow.PrimitiveTypes.Int32, cube.Uint32: arrow.PrimitiveTypes.Uint32,
	cube.Int64: arrow.PrimitiveTypes.Int64, cube.Uint64: arrow.PrimitiveTypes.Uint64,
	cube.Float32: arrow.PrimitiveTypes.Float32, cube.Float64: arrow.PrimitiveTypes.Float64,
}

// tensor is a column of the canonical extension type arrow.fixed_shape_tensor: every row an array of
// one shape. arrow/go v17 has no such type; the field's metadata is all that other readers need.
func tensor(name string, d cube.DType, dims []string, shape ...int) arrow.Field {
	size := 1
	for _, n := range shape {
		size *= n
	}
	ext, err := json.Marshal(map[string]any{"shape": shape, "dim_names": dims})
	if err != nil {
		panic("flight: a shape does not marshal: " + err.Error())
	}
	return arrow.Field{
		Name: name, Type: arrow.FixedSizeListOf(int32(size), arrowTypes[d]),
		Metadata: arrow.NewMetadata(
			[]string{"ARROW:extension:name", "ARROW:extension:metadata"},
			[]string{"arrow.fixed_shape_tensor", string(ext)}),
	}
}

// placeColumns are the names of the columns that say where a window and its core lie.
var placeColumns = []string{"row", "col", "height", "width", "core_row", "core_col", "core_height", "core_width"}

// schemaOf lays out the columns of a run. A message carries at most 1 GiB, so no list size leaves int32.
func schemaOf(info stream.Info) *arrow.Schema {
	s := info.Shape
	var fields []arrow.Field
	for _, c := range s.Columns() {
		switch formOf(c) {
		case ids:
			fields = append(fields, arrow.Field{Name: c.Name, Type: arrow.BinaryTypes.String})
		case places:
			for _, name := range placeColumns {
				fields = append(fields, arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Int64})
			}
		case plain:
			fields = append(fields, arrow.Field{Name: c.Name, Type: arrowTypes[cube.DType(c.DType)]})
		default:
			fields = append(fields, tensor(c.Name, cube.DType(c.DType), c.Dims, c.Shape...))
		}
	}
	md := arrow.NewMetadata([]string{metadataKey}, []string{string(info.Facts)})
	return arrow.NewSchema(fields, &md)
}

// recordOf wraps the arrays of a batch of a shape; nothing of the pixels is copied.
func recordOf(schema *arrow.Schema, s stream.Shape, b *stream.Batch) arrow.Record {
	w := wrapper{schema: schema, rows: b.Rows}
	arrays := b.Arrays()
	for i, c := range s.Columns() {
		switch formOf(c) {
		case ids:
			w.strings(b.IDs)
		case places:
			w.places(b.Places)
		case plain:
			w.plain(arrays[i])
		default:
			w.tensor(arrays[i])
		}
	}
	return array.NewRecord(schema, w.columns, int64(b.Rows))
}

// form is how a column of a batch is written with Arrow.
type form int

const (
	tensors form = iota // an array for each row
	plain               // a number
	ids                 // a string
	places              // a column for each of the numbers
)

func formOf(c stream.Column) form {
	switch {
	case c.Name == "id":
		return ids
	case c.Name == "place":
		return places
	case len(c.Shape) == 0:
		return plain
	}
	return tensors
}

// wrapper makes the columns of a schema one after the other out of finished buffers.
type wrapper struct {
	schema  *arrow.Schema
	rows    int
	columns []arrow.Array
}

func (w *wrapper) add(children []arrow.ArrayData, buffers ...[]byte) {
	bufs := []*memory.Buffer{nil} // nothing is null
	for _, b := range buffers {
		bufs = append(bufs, memory.NewBufferBytes(b))
	}
	d := array.NewData(w.schema.Field(len(w.columns)).Type, w.rows, bufs, children, 0, 0)
	w.columns = append(w.columns, array.MakeFromData(d))
}

func (w *wrapper) plain(values []byte) { w.add(nil, values) }

func (w *wrapper) tensor(values []byte) {
	list := w.schema.Field(len(w.columns)).Type.(*arrow.FixedSizeListType)
	child := array.NewData(list.Elem(), w.rows*int(list.Len()), []*memory.Buffer{nil, memory.NewBufferBytes(values)}, nil, 0, 0)
	w.add([]arrow.ArrayData{child})
}

func (w *wrapper) strings(all []string) {
	offsets := make([]byte, 4, 4*(len(all)+1))
	var text []byte
	for _, s := range all {
		text = append(text, s...)
		offsets = binary.LittleEndian.AppendUint32(offsets, uint32(len(text)))
	}
	w.add(nil, offsets, text)
}

func (w *wrapper) places(all []stream.Place) {
	column := func(get func(p stream.Place) int) {
		values := make([]int64, len(all))
		for i, p := range all {
			values[i] = int64(get(p))
		}
		w.plain(arrow.Int64Traits.CastToBytes(values))
	}
	column(func(p stream.Place) int { return p.Window.Row })
	column(func(p stream.Place) int { return p.Window.Col })
	column(func(p stream.Place) int { return p.Window.Height })
	column(func(p stream.Place) int { return p.Window.Width })
	column(func(p stream.Place) int { return p.Core.Row })
	column(func(p stream.Place) int { return p.Core.Col })
	column(func(p stream.Place) int { return p.Core.Height })
	column(func(p stream.Place) int { return p.Core.Width })
}
