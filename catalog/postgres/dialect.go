package postgres

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
)

// dialect writes catalog/sqlgen's SQL as PostgreSQL and PostGIS read it. What items hold is read by the functions of the schema's
// migrations; they are written inline by the server.
type dialect struct{}

var _ sqlgen.Dialect = dialect{}

// types are those of arguments.
var types = map[sqlgen.Kind]string{
	sqlgen.Number: "::float8", sqlgen.Text: "::text", sqlgen.Bool: "::boolean",
	sqlgen.From: "::bigint", sqlgen.To: "::bigint", sqlgen.Integer: "::bigint",
	sqlgen.List: "::text::jsonb", sqlgen.Scalar: "::text::jsonb", sqlgen.Texts: "::text[]", sqlgen.Numbers: "::float8[]", sqlgen.Integers: "::bigint[]",
	nameOf: "::text", boxOfPlace: "::cube",
}

// Kinds of arguments of this dialect's own: the name of a property, which has no order of its own as an index over
// it has none, and a box.
const (
	nameOf sqlgen.Kind = -1 - iota
	boxOfPlace
)

func (dialect) Placeholder(n int, k sqlgen.Kind) string {
	at := "$" + strconv.Itoa(n)
	switch k {
	case sqlgen.Shape:
		return at + "::geometry"
	case sqlgen.Text:
		return "(" + at + `::text COLLATE "C")`
	}
	return at + types[k]
}

func (dialect) Argument(k sqlgen.Kind, value any) any {
	if k == sqlgen.Shape {
		return hex.EncodeToString(located(value.(*geo.Shape).WKB())) // as the server reads it from text
	}
	return value
}

// readers are the functions that read a property as a value of a kind, and the column they read.
var readers = map[sqlgen.Kind][2]string{
	sqlgen.Number: {"property_number", "i.properties"}, sqlgen.Text: {"property_text", "i.properties"}, sqlgen.Bool: {"property_bool", "i.properties"},
	sqlgen.List: {"property_list", "i.properties"}, sqlgen.Scalar: {"property_scalar", "i.properties"},
	sqlgen.From: {"property_from", "i.moments"}, sqlgen.To: {"property_to", "i.moments"},
}

func (dialect) Property(k sqlgen.Kind, name string, arg sqlgen.Args) string {
	r := readers[k]
	out := r[0] + "(" + r[1] + ", " + arg(nameOf, name) + ")"
	if k == sqlgen.Text {
		return "(" + out + ` COLLATE "C")`
	}
	return out
}

func (dialect) Rank(name string, arg sqlgen.Args) (number, text string) {
	at := arg(nameOf, name)
	return "rank_number(i.properties, i.moments, " + at + ")", "(rank_text(i.properties, i.moments, " + at + `) COLLATE "C")`
}

func (dialect) Has(name string, arg sqlgen.Args) string {
	return "(coalesce(jsonb_typeof(i.properties -> " + arg(nameOf, name) + "), 'null') <> 'null')"
}

func (dialect) Location() string { return "i.shape" }

func (dialect) Arithmetic(op, left, right string) string {
	return "calculate('" + op + "', " + left + ", " + right + ")"
}

// functions are casei, accenti and cql2.Functions; ? is their argument.
var functions = map[string]string{
	"casei": `(letters_casei(?) COLLATE "C")`, "accenti": `(letters_accenti(?) COLLATE "C")`,
	"lower": `(letters_lower(?) COLLATE "C")`, "upper": `(letters_upper(?) COLLATE "C")`,
	"abs": "abs(?)", "ceil": "ceil(?)", "floor": "floor(?)", "length": "char_length(?)::float8",
	"year": "year_of(?)", "month": "extract(month FROM day_of(?))::float8", "day": "extract(day FROM day_of(?))::float8",
}

func (dialect) Function(name, argument string) string {
	return strings.Replace(functions[name], "?", argument, 1)
}

// Like completes a pattern that ends with a lone \, which cql2 takes for itself and PostgreSQL refuses.
func (dialect) Like(text, pattern string, constant *string, arg sqlgen.Args) string {
	if constant != nil {
		whole := *constant
		if n := len(whole) - len(strings.TrimRight(whole, `\`)); n%2 == 1 {
			whole += `\`
		}
		pattern = arg(sqlgen.Text, whole)
	} else {
		pattern = "like_pattern(" + pattern + ")"
	}
	return "(" + text + " LIKE " + pattern + ")"
}

// predicates are PostGIS's names of the spatial ones that ask for shapes of one dimension each.
var predicates = map[string]string{
	"s_equals": "ST_Equals", "s_touches": "ST_Touches", "s_crosses": "ST_Crosses",
	"s_within": "ST_Within", "s_contains": "ST_Contains", "s_overlaps": "ST_Overlaps",
}

func (dialect) Spatial(op, left, right string) string {
	switch op {
	case "s_intersects":
		return "(ST_Intersects(" + left + ", " + right + ") OR parts_meet(" + left + ", " + right + "))"
	case "s_disjoint":
		return "(NOT ST_Intersects(" + left + ", " + right + ") AND NOT parts_meet(" + left + ", " + right + "))"
	}
	return predicates[op] + "(alike(" + left + "), alike(" + right + "))"
}

func (dialect) Array(op, left, right string) string {
	switch op {
	case "a_contains":
		return "list_within(" + right + ", " + left + ")"
	case "a_containedby":
		return "list_within(" + left + ", " + right + ")"
	case "a_equals":
		return "(list_within(" + left + ", " + right + ") AND list_within(" + right + ", " + left + "))"
	}
	return "lists_meet(" + left + ", " + right + ")"
}

func (dialect) MakeList(elements []sqlgen.Element) string {
	if len(elements) == 0 {
		return "'[]'::jsonb"
	}
	values := make([]string, len(elements))
	known := make([]string, len(elements))
	for i, e := range elements {
		values[i], known[i] = "to_jsonb("+e.SQL+")", e.SQL+" IS NOT NULL"
	}
	return "(CASE WHEN " + strings.Join(known, " AND ") + " THEN jsonb_build_array(" + strings.Join(values, ", ") + ") END)"
}

func (dialect) Among(value, list string) string { return "(" + value + " = ANY (" + list + "))" }

// Together: PostGIS is slow with collections of shapes.
func (dialect) Together() bool { return false }

// Document is packed, or what an earlier release wrote: row.Scan knows.
func (dialect) Document() string { return "i.packed, i.document" }

// Late: a compressed document is small, and a page's sort keeps no more rows than the page has.
func (dialect) Late() bool { return false }
