package selection

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
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/fault"
)

// rows are some rows of a manifest, by column.
type rows struct {
	version *datasets.Version
	of      map[string]arrow.Array
	one     row
}

// check refuses columns of other types than are written.
func (r *rows) check() error {
	for name, column := range r.of {
		ok := false
		switch name {
		case "row", "col", "height", "width":
			_, ok = column.(*array.Int32)
		case "datetime", "start_datetime", "end_datetime":
			_, ok = column.(*array.Timestamp)
		case "times", "slots", datasets.CountsColumn:
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
			return fault.New(fault.Corrupt, "column %q of the manifest of %s is of type %s", name, r.version.Ref(), column.DataType())
		}
	}
	return nil
}

// in reports whether a row is of a split.
func (r *rows) in(i int, split string) bool { return r.of["split"].(*array.String).Value(i) == split }

// row is the i-th; it is valid until row is called again.
func (r *rows) row(i int) *row {
	r.one = row{rows: r, i: i}
	return &r.one
}

// row is a sample as a document that a filter is asked of.
type row struct {
	*rows
	i int
}

var _ cql2.Document = (*row)(nil)

// Value gives a property as JSON.
func (r *row) Value(name string) gjson.Result {
	switch c := r.of[name].(type) {
	case *array.String:
		if c.IsNull(r.i) || (name == datasets.ClassColumn && c.Value(r.i) == "") {
			return gjson.Result{}
		}
		return gjson.Result{Type: gjson.String, Str: c.Value(r.i)}
	case *array.Timestamp:
		from, _, _ := r.Moment(name)
		return gjson.Result{Type: gjson.String, Str: stamp(from)}
	case *array.List:
		if name != datasets.CountsColumn {
			return listOf(c, r.i)
		}
	}
	if n := r.number(name); !math.IsNaN(n) {
		return gjson.Result{Type: gjson.Number, Num: n}
	}
	return gjson.Result{}
}

func (r *row) text(name string) string { return r.Value(name).Str }

// number is a property that is one, and NaN of others.
func (r *row) number(name string) float64 {
	if c, ok := r.of[name].(*array.Int32); ok {
		return float64(c.Value(r.i))
	}
	switch class, is := strings.CutPrefix(name, datasets.ClassPrefix); {
	case name == datasets.ScenesProperty:
		from, to := r.of["slots"].(*array.List).ValueOffsets(r.i)
		return float64(to - from)
	case is, name == datasets.LabelledProperty:
		return r.share(class, name == datasets.LabelledProperty)
	}
	return math.NaN()
}

// share is how much of a sample's pixels have a class, or any.
func (r *row) share(class string, any bool) float64 {
	c, ok := r.of[datasets.CountsColumn].(*array.List)
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
		if any || r.version.Labels.ClassName(value.Value(k)) == class {
			found += pixels.Value(k)
		}
	}
	return float64(found) / (r.number("height") * r.number("width"))
}

// Moment gives a property that is a time.
func (r *row) Moment(name string) (from, to int64, ok bool) {
	c, ok := r.of[name].(*array.Timestamp)
	if !ok || c.IsNull(r.i) {
		return 0, 0, false
	}
	t := int64(c.Value(r.i))
	return t, t, true
}

// Shape is the outline of the sample's window in longitude and latitude.
func (r *row) Shape() *geo.Shape {
	c, ok := r.of["geometry"].(*array.Binary)
	if !ok || c.IsNull(r.i) {
		return nil
	}
	shape, err := geo.ParseWKB(c.Value(r.i))
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
			out = append(out, stamp(int64(values.Value(k))))
		}
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return gjson.Result{}
	}
	return gjson.ParseBytes(raw)
}

// stamp writes microseconds as an element of a list is compared: RFC 3339 in UTC with the digits it needs.
func stamp(micros int64) string {
	written, _ := cql2.Written(cql2.Timestamp{Value: time.UnixMicro(micros)})
	return written
}
