package bulk

import (
	"math"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
)

// column is what is known of the values in one place of many documents.
type column struct {
	kind   kind
	fields []*column // of a record, in the order in which they were met
	names  []string
	index  map[string]int
	item   *column // of a list
	// large marks integers that are no doubles.
	large bool
	// values are those of one record while it is written.
	values []gjson.Result
}

// kind is the kind of values of a column.
type kind int

const (
	nothing kind = iota // nulls only
	boolean
	integer
	number
	text
	moment   // RFC 3339
	geometry // GeoJSON
	list
	record
	// mixed values have no type in common; they are written as JSON text.
	mixed
)

// Bounds of a table. What goes beyond them is written as JSON text.
const (
	maxFields = 2_000  // of one record
	maxLeaves = 10_000 // of a table
)

// momentNames are the properties that tables hold as timestamps, as other programs expect.
var momentNames = map[string]bool{
	"datetime": true, "start_datetime": true, "end_datetime": true, "created": true, "updated": true,
	"expires": true, "published": true, "unpublished": true,
}

// survey is the schema of a table as it grows with each document.
type survey struct {
	root   *column
	leaves int
}

// meet widens a column so that it can hold a value. name is that of its field, top whether that is a column of the table.
func (s *survey) meet(c *column, name string, top bool, v gjson.Result) {
	if v.Type == gjson.Null || c.kind == mixed {
		return
	}
	k := kindOf(name, top, v)
	switch {
	case c.kind == nothing:
		c.kind = k
		s.leaves++
	case c.kind == k:
	case c.kind == integer && k == number && !c.large, c.kind == number && k == integer && math.Abs(v.Num) <= 1<<53:
		c.kind = number
	case c.kind == moment && k == text, c.kind == text && k == moment:
		c.kind = text
	default:
		c.kind = mixed
	}
	switch c.kind {
	case integer:
		c.large = c.large || math.Abs(v.Num) > 1<<53
	case list:
		if c.item == nil {
			c.item = &column{}
		}
		v.ForEach(func(_, child gjson.Result) bool {
			s.meet(c.item, name, false, child)
			return true
		})
	case record:
		v.ForEach(func(key, child gjson.Result) bool {
			s.meetField(c, key.String(), child)
			return c.kind == record
		})
	}
}

// meetField widens a record's field, and gives the record up where it has too many.
func (s *survey) meetField(c *column, name string, v gjson.Result) {
	i, known := c.index[name]
	if !known {
		if name == "" || len(c.fields) == maxFields || s.leaves >= maxLeaves {
			*c = column{kind: mixed}
			return
		}
		if c.index == nil {
			c.index = map[string]int{}
		}
		i = len(c.fields)
		c.index[name], c.fields, c.names = i, append(c.fields, &column{}), append(c.names, name)
	}
	s.meet(c.fields[i], name, c == s.root, v)
}

func kindOf(name string, top bool, v gjson.Result) kind {
	switch v.Type {
	case gjson.True, gjson.False:
		return boolean
	case gjson.Number:
		switch {
		case strings.ContainsAny(v.Raw, ".eE"):
			return number
		case math.Abs(v.Num) < 1<<63:
			return integer
		}
		return mixed
	case gjson.String:
		if top && momentNames[name] {
			if _, err := catalog.ParseTime(v.Str); err == nil {
				return moment
			}
		}
		return text
	}
	if v.IsArray() {
		return list
	}
	if name == "geometry" || name == "proj:geometry" {
		if _, _, err := toWKB([]byte(v.Raw)); err == nil {
			return geometry
		}
		return mixed
	}
	return record
}

// settle makes of what was met what can be written, and reports whether there is anything.
func (c *column) settle() bool {
	switch c.kind {
	case nothing:
		return false
	case list:
		if !c.item.settle() {
			c.item.kind = text // of nothing but empty lists
		}
	case record:
		fields, names := c.fields, c.names
		c.fields, c.names, c.index = nil, nil, map[string]int{}
		for i, f := range fields {
			if f.settle() {
				c.index[names[i]], c.fields, c.names = len(c.fields), append(c.fields, f), append(c.names, names[i])
			}
		}
		if len(c.fields) == 0 { // Parquet has no records without fields
			*c = column{kind: mixed}
			return true
		}
		c.values = make([]gjson.Result, len(c.fields))
	}
	return true
}

var microseconds = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}

// arrowType is the type of a settled column. Everything may be null: what is not is misread by some in lists.
func (c *column) arrowType() arrow.DataType {
	switch c.kind {
	case boolean:
		return arrow.FixedWidthTypes.Boolean
	case integer:
		return arrow.PrimitiveTypes.Int64
	case number:
		return arrow.PrimitiveTypes.Float64
	case moment:
		return microseconds
	case geometry:
		return arrow.BinaryTypes.Binary
	case list:
		return arrow.ListOf(c.item.arrowType())
	case record:
		fields := make([]arrow.Field, len(c.fields))
		for i, f := range c.fields {
			fields[i] = arrow.Field{Name: c.names[i], Type: f.arrowType(), Nullable: true}
		}
		return arrow.StructOf(fields...)
	}
	return arrow.BinaryTypes.String
}

// texts lists where JSON is written as text.
func (c *column) texts(path []string) (out [][]string) {
	switch c.kind {
	case mixed:
		return [][]string{append([]string(nil), path...)}
	case list:
		return c.item.texts(path)
	case record:
		for i, f := range c.fields {
			out = append(out, f.texts(append(path, c.names[i]))...)
		}
	}
	return out
}
