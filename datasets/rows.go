package datasets

import (
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/fault"
)

// Rows are some rows of a manifest, by column.
type Rows struct {
	ref    string
	labels *LabelPin // nil of a version without labels
	of     map[string]arrow.Array
	one    Row
}

// Rows finds columns in a record of the version's manifest. One that it does not have, as those of older releases have no
// classes, is an error, and so is one of another type than is written.
func (v *Version) Rows(record arrow.Record, columns []string) (*Rows, error) {
	return rowsOf(v.Ref(), v.Labels, record, columns)
}

func rowsOf(ref string, labels *LabelPin, record arrow.Record, columns []string) (*Rows, error) {
	out := &Rows{ref: ref, labels: labels, of: map[string]arrow.Array{}}
	for _, name := range columns {
		at := record.Schema().FieldIndices(name)
		if len(at) > 0 {
			out.of[name] = record.Column(at[0])
			continue
		}
		if name == ClassColumn || name == CountsColumn {
			return nil, fault.New(fault.Precondition, "the manifest of %s does not say which classes its samples have: it was committed by an older release", ref).
				WithCure("commit its recipe again under another name; the samples stay the same")
		}
		return nil, fault.New(fault.Corrupt, "the manifest of %s has no column %q", ref, name)
	}
	return out, out.check()
}

// check refuses columns of other types than are written.
func (r *Rows) check() error {
	for name, column := range r.of {
		ok := false
		switch name {
		case "row", "col", "height", "width":
			_, ok = column.(*array.Int32)
		case "datetime", "start_datetime", "end_datetime":
			_, ok = column.(*array.Timestamp)
		case "times", "slots", CountsColumn:
			_, ok = column.(*array.List)
		case "geometry":
			_, ok = column.(*array.Binary)
			if e, is := column.(array.ExtensionArray); is {
				r.of[name] = e.Storage()
				_, ok = e.Storage().(*array.Binary)
			}
		default:
			_, ok = column.(*array.String)
		}
		if !ok {
			return fault.New(fault.Corrupt, "column %q of the manifest of %s is of type %s", name, r.ref, column.DataType())
		}
	}
	return nil
}

// In reports whether a row is of a split, whose column must be among those that were asked for.
func (r *Rows) In(i int, split string) bool { return r.of["split"].(*array.String).Value(i) == split }

// Row is the i-th; it is valid until Row is called again.
func (r *Rows) Row(i int) *Row {
	r.one = Row{rows: r, i: i}
	return &r.one
}

// Row is a sample as a document that a filter is asked of.
type Row struct {
	rows *Rows
	i    int
}

var _ cql2.Document = (*Row)(nil)

// Value gives a property as JSON.
func (r *Row) Value(name string) gjson.Result {
	switch c := r.rows.of[name].(type) {
	case *array.String:
		if c.IsNull(r.i) || (name == ClassColumn && c.Value(r.i) == "") {
			return gjson.Result{}
		}
		return gjson.Result{Type: gjson.String, Str: c.Value(r.i)}
	case *array.Timestamp:
		from, _, _ := r.Moment(name)
		return gjson.Result{Type: gjson.String, Str: writtenTime(from)}
	case *array.List:
		if name != CountsColumn {
			return listOf(c, r.i)
		}
	}
	if n := r.Number(name); !math.IsNaN(n) {
		return gjson.Result{Type: gjson.Number, Num: n}
	}
	return gjson.Result{}
}

// Text is a property that is one, and "" of others.
func (r *Row) Text(name string) string { return r.Value(name).Str }

// Number is a property that is one, and NaN of others.
func (r *Row) Number(name string) float64 {
	if c, ok := r.rows.of[name].(*array.Int32); ok {
		return float64(c.Value(r.i))
	}
	switch class, is := strings.CutPrefix(name, ClassPrefix); {
	case name == ScenesProperty:
		from, to := r.rows.of["slots"].(*array.List).ValueOffsets(r.i)
		return float64(to - from)
	case is, name == LabelledProperty:
		return r.share(class, name == LabelledProperty)
	}
	return math.NaN()
}

// share is how much of a sample's pixels have a class, or any.
func (r *Row) share(class string, any bool) float64 {
	c, ok := r.rows.of[CountsColumn].(*array.List)
	if !ok {
		return math.NaN()
	}
	values, ok := c.ListValues().(*array.Struct)
	if !ok {
		return math.NaN()
	}
	value, pixels := values.Field(0).(*array.Int64), values.Field(1).(*array.Int64)
	found := int64(0)
	from, to := c.ValueOffsets(r.i)
	for k := int(from); k < int(to); k++ {
		if any || r.rows.labels.ClassName(value.Value(k)) == class {
			found += pixels.Value(k)
		}
	}
	return float64(found) / (r.Number("height") * r.Number("width"))
}

// Moment gives a property that is a time.
func (r *Row) Moment(name string) (from, to int64, ok bool) {
	c, ok := r.rows.of[name].(*array.Timestamp)
	if !ok || c.IsNull(r.i) {
		return 0, 0, false
	}
	t := int64(c.Value(r.i))
	return t, t, true
}

// Shape is the outline of the sample's window in longitude and latitude.
func (r *Row) Shape() *geo.Shape {
	c, ok := r.rows.of["geometry"].(*array.Binary)
	if !ok || c.IsNull(r.i) {
		return nil
	}
	shape, err := geo.ParseOpenWKB(c.Value(r.i)) // manifests of older releases run on past ±180
	if err != nil {
		return nil
	}
	return shape
}

// listOf is a list of texts or times as JSON.
func listOf(c *array.List, i int) gjson.Result {
	from, to := c.ValueOffsets(i)
	out := make([]string, 0, to-from)
	for k := int(from); k < int(to); k++ {
		switch values := c.ListValues().(type) {
		case *array.String:
			out = append(out, values.Value(k))
		case *array.Timestamp:
			out = append(out, writtenTime(int64(values.Value(k))))
		}
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return gjson.Result{}
	}
	return gjson.ParseBytes(raw)
}

// writtenTime writes microseconds as an element of a list is compared: RFC 3339 in UTC with the digits it needs.
func writtenTime(micros int64) string {
	written, _ := cql2.Written(cql2.Timestamp{Value: time.UnixMicro(micros)})
	return written
}
