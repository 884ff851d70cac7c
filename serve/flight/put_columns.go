package flight

import (
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/predictions"
)

// putColumns are where the columns of a prediction stream stand; valid is -1 where there is none.
type putColumns struct {
	places      [8]int
	data, valid int
	dataSize    int // values of a row
	validSize   int
	spec        predictions.RunSpec
}

// rowBytes is what a row takes in the buffers of a message.
func (c putColumns) rowBytes() int64 {
	return int64(len(c.places)*8) + int64(c.dataSize)*int64(c.spec.DType.Size()) + int64(c.validSize)
}

func findPutColumns(schema *arrow.Schema, spec predictions.RunSpec) (putColumns, error) {
	c := putColumns{data: -1, valid: -1, spec: spec}
	known := slices.Concat(placeColumns, []string{"data", "valid"})
	for _, f := range schema.Fields() {
		if !slices.Contains(known, f.Name) {
			return c, fault.New(fault.Invalid, "predictions: unknown column %q", f.Name).WithCure("known columns: %s", strings.Join(known, ", "))
		}
	}
	for i, name := range placeColumns {
		at := schema.FieldIndices(name)
		if len(at) != 1 || schema.Field(at[0]).Type.ID() != arrow.INT64 {
			return c, fault.New(fault.Invalid, "predictions: no int64 column %q", name).
				WithCure("send the columns %s of the window that was read, unchanged", strings.Join(placeColumns, ", "))
		}
		c.places[i] = at[0]
	}
	var err error
	if c.data, c.dataSize, err = tensorColumn(schema, "data", spec.DType); err != nil {
		return c, err
	}
	if schema.HasField("valid") {
		c.valid, c.validSize, err = tensorColumn(schema, "valid", cube.Uint8)
	}
	return c, err
}

// tensorColumn finds a column of fixed-size lists of a type and says how many values a row has.
func tensorColumn(schema *arrow.Schema, name string, d cube.DType) (index, size int, err error) {
	if at := schema.FieldIndices(name); len(at) == 1 {
		list, ok := schema.Field(at[0]).Type.(*arrow.FixedSizeListType)
		if ok && arrow.TypeEqual(list.Elem(), arrowTypes[d]) {
			return at[0], int(list.Len()), nil
		}
		return 0, 0, fault.New(fault.Invalid, "predictions: column %q is %s", name, schema.Field(at[0]).Type).
			WithCure("send it as a fixed-shape tensor (a fixed-size list) of %s", d)
	}
	return 0, 0, fault.New(fault.Invalid, "predictions: no column %q", name).WithCure("send it as a fixed-shape tensor of %s", d)
}

// write hands the rows of a record batch on.
func (c putColumns) write(rec arrow.Record, run *predictions.Run) error {
	for i := range int(rec.NumCols()) {
		if rec.Column(i).NullN() > 0 {
			return fault.New(fault.Invalid, "predictions: column %q has nulls", rec.ColumnName(i)).WithCure("say what is missing in the column valid")
		}
	}
	for row := range int(rec.NumRows()) {
		var p [8]int
		for i, at := range c.places {
			p[i] = int(rec.Column(at).(*array.Int64).Value(row))
		}
		w := cube.Window{Row: p[0], Col: p[1], Height: p[2], Width: p[3]}
		core := cube.Window{Row: p[4], Col: p[5], Height: p[6], Width: p[7]}
		if err := c.check(w, core); err != nil {
			return err
		}
		pixels := w.Height * w.Width
		data := rowBytes(rec.Column(c.data), row, pixels*len(c.spec.Names), c.spec.DType)
		var valid []byte
		if c.valid >= 0 {
			valid = rowBytes(rec.Column(c.valid), row, pixels, cube.Uint8)
		}
		if data == nil || c.valid >= 0 && valid == nil {
			return fault.New(fault.Invalid, "predictions: the columns data and valid do not have %d×%d×%d and %d×%d values a row",
				len(c.spec.Names), w.Height, w.Width, w.Height, w.Width).WithCure("send data as [%d, height, width] and valid as [height, width]", len(c.spec.Names))
		}
		if err := run.Write(w, core, data, valid); err != nil {
			return err
		}
	}
	return nil
}

// check refuses figures that no window can have, before anything is multiplied.
func (c putColumns) check(w, core cube.Window) error {
	const most = 1 << 30
	for _, v := range []int{w.Row, w.Col, core.Row, core.Col} {
		if v < -most || v > most {
			return fault.New(fault.Invalid, "predictions: a window at %d lies nowhere", v).WithCure("send row and col of the window that was read")
		}
	}
	if w.Height < 1 || w.Width < 1 || w.Height > c.dataSize || w.Width > c.dataSize || core.Intersect(w) != core {
		return fault.New(fault.Invalid, "predictions: window %+v with core %+v is none", w, core).
			WithCure("send the columns %s of the window that was read, unchanged", strings.Join(placeColumns, ", "))
	}
	return nil
}

// rowBytes is one row of a tensor column, or nil if it does not have so many values.
func rowBytes(col arrow.Array, row, values int, d cube.DType) []byte {
	list := col.(*array.FixedSizeList)
	from, to := list.ValueOffsets(row)
	if int(to-from) != values || list.ListValues().NullN() > 0 {
		return nil
	}
	child := list.ListValues().Data()
	buf := child.Buffers()[1]
	size := int64(d.Size())
	from, to = (from+int64(child.Offset()))*size, (to+int64(child.Offset()))*size
	if buf == nil || to > int64(buf.Len()) {
		return nil
	}
	return buf.Bytes()[from:to]
}
