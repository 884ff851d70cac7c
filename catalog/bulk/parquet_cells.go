package bulk

import (
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
)

// add puts an item's row at the end of a record.
func (s *rows) add(b *array.RecordBuilder, item gjson.Result) {
	root := s.root
	clear(root.values)
	each(item, func(name string, v gjson.Result) {
		if i, ok := root.index[name]; ok {
			root.values[i] = v
		}
	}, func(string) {})
	for i, f := range root.fields {
		switch v := root.values[i]; {
		case root.names[i] == "bbox":
			s.addBox(b.Field(i).(*array.StructBuilder), v.Array())
		case f.kind == list && isNothing(v) && (root.names[i] == "links" || root.names[i] == "stac_extensions"):
			b.Field(i).(*array.ListBuilder).Append(true) // which may be empty and not absent
		default:
			f.add(b.Field(i), v)
		}
	}
}

func isNothing(v gjson.Result) bool { return v.Type == gjson.Null }

// addBox writes a bbox as what it says of each of its sides.
func (s *rows) addBox(b *array.StructBuilder, box []gjson.Result) {
	if len(box) != 4 && len(box) != 6 {
		b.AppendNull()
		return
	}
	b.Append(true)
	have, want := len(box)/2, len(s.names)/2
	for i := range s.names {
		side, axis := i/want, i%want
		if into := b.FieldBuilder(i).(*array.Float64Builder); axis < have {
			into.Append(box[side*have+axis].Num)
		} else {
			into.AppendNull()
		}
	}
}

// add puts a value at the end of a column that was widened for it.
func (c *column) add(b array.Builder, v gjson.Result) {
	if isNothing(v) {
		b.AppendNull()
		return
	}
	switch c.kind {
	case boolean:
		b.(*array.BooleanBuilder).Append(v.Bool())
	case integer:
		b.(*array.Int64Builder).Append(v.Int())
	case number:
		b.(*array.Float64Builder).Append(v.Num)
	case text:
		b.(*array.StringBuilder).Append(v.String())
	case mixed:
		b.(*array.StringBuilder).Append(v.Raw)
	case moment:
		t, err := catalog.ParseTime(v.Str)
		if err != nil { // it was one when the column was made
			b.AppendNull()
			return
		}
		b.(*array.TimestampBuilder).Append(arrow.Timestamp(t.UnixMicro()))
	case geometry:
		wkb, _, err := toWKB([]byte(v.Raw))
		if err != nil {
			b.AppendNull()
			return
		}
		b.(*array.BinaryBuilder).Append(wkb)
	case list:
		into := b.(*array.ListBuilder)
		into.Append(true)
		v.ForEach(func(_, child gjson.Result) bool {
			c.item.add(into.ValueBuilder(), child)
			return true
		})
	case record:
		c.addRecord(b.(*array.StructBuilder), v)
	}
}

func (c *column) addRecord(b *array.StructBuilder, v gjson.Result) {
	b.Append(true)
	clear(c.values)
	v.ForEach(func(key, child gjson.Result) bool {
		if i, ok := c.index[key.String()]; ok {
			c.values[i] = child
		}
		return true
	})
	for i, f := range c.fields {
		f.add(b.FieldBuilder(i), c.values[i])
	}
}

// finite is a number that JSON has.
func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
