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
	fields := []arrow.Field{
		tensor("image", s.DType, []string{"time", "band", "y", "x"}, s.Slots, s.Bands, s.Height, s.Width),
		tensor("valid", cube.Uint8, []string{"time", "y", "x"}, s.Slots, s.Height, s.Width),
		tensor("times", cube.Int64, []string{"time"}, s.Slots),
	}
	if s.Label != "" {
		fields = append(fields, tensor("label", s.Label, []string{"y", "x"}, s.Height, s.Width))
	}
	fields = append(fields,
		arrow.Field{Name: "id", Type: arrow.BinaryTypes.String},
		arrow.Field{Name: "position", Type: arrow.PrimitiveTypes.Int64})
	if s.Weighted {
		fields = append(fields, arrow.Field{Name: "weight", Type: arrow.PrimitiveTypes.Float32})
	}
	if s.Turned {
		fields = append(fields, arrow.Field{Name: "symmetry", Type: arrow.PrimitiveTypes.Uint8})
	}
	if s.Placed {
		for _, name := range placeColumns {
			fields = append(fields, arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Int64})
		}
	}
	md := arrow.NewMetadata([]string{metadataKey}, []string{string(info.Facts)})
	return arrow.NewSchema(fields, &md)
}

// recordOf wraps the arrays of a batch; nothing of the pixels is copied.
func recordOf(schema *arrow.Schema, b *stream.Batch) arrow.Record {
	w := wrapper{schema: schema, rows: b.Rows}
	w.tensor(b.Image)
	w.tensor(b.Valid)
	w.tensor(arrow.Int64Traits.CastToBytes(b.Times))
	if b.Label != nil {
		w.tensor(b.Label)
	}
	w.strings(b.IDs)
	w.plain(arrow.Int64Traits.CastToBytes(b.Positions))
	if b.Weights != nil {
		w.plain(arrow.Float32Traits.CastToBytes(b.Weights))
	}
	if b.Symmetries != nil {
		w.plain(b.Symmetries)
	}
	if b.Places != nil {
		w.places(b.Places)
	}
	return array.NewRecord(schema, w.columns, int64(b.Rows))
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
