package sqlite

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/paulmach/orb"

	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
	"github.com/terrapin-eo/terrapin/catalog/words"
)

// dialect is SQLite's. ranked are the properties with an index, and its number.
type dialect struct{ ranked map[string]int64 }

var _ sqlgen.Dialect = dialect{}

func (dialect) Placeholder(n int, _ sqlgen.Kind) string { return fmt.Sprintf("?%d", n) }

func (dialect) Argument(_ sqlgen.Kind, value any) any {
	switch v := value.(type) {
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case []string:
		return texts(v)
	case []int64:
		return asList(v, func(out []byte, n int64) []byte { return strconv.AppendInt(out, n, 10) })
	case []float64:
		return asList(v, func(out []byte, n float64) []byte { return strconv.AppendFloat(out, n, 'g', -1, 64) })
	}
	return value // *geo.Shape as well: see conn.arguments
}

// asList is a list as JSON.
func asList[T any](values []T, write func([]byte, T) []byte) string {
	out := append(make([]byte, 0, 9*len(values)+2), '[')
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		out = write(out, v)
	}
	return string(append(out, ']'))
}

// texts is a list as JSON.
func texts(list []string) string {
	out, err := json.Marshal(list)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(out)
}

// quoted is a text as JSON.
func quoted(text string) string {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		panic(err) // a string always marshals
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// path is the way to a member in JSON; moment is the way to an end of it among the moments.
func path(name string) string { return "$." + quoted(name) }

func moment(name string, end int) string { return fmt.Sprintf("%s[%d]", path(name), end) }

func (d dialect) Property(k sqlgen.Kind, name string, arg sqlgen.Args) string {
	switch k {
	case sqlgen.From:
		return "(i.moments ->> " + arg(sqlgen.Text, moment(name, 0)) + ")"
	case sqlgen.To:
		return "(i.moments ->> " + arg(sqlgen.Text, moment(name, 1)) + ")"
	}
	p := arg(sqlgen.Text, path(name))
	is := "CASE WHEN json_type(i.properties, " + p + ") "
	switch k {
	case sqlgen.Number:
		return "(" + is + "IN ('integer', 'real') THEN CAST(i.properties ->> " + p + " AS REAL) END)"
	case sqlgen.Text:
		return "(" + is + "= 'text' THEN i.properties ->> " + p + " END)"
	case sqlgen.Bool:
		return "(CASE json_type(i.properties, " + p + ") WHEN 'true' THEN 1 WHEN 'false' THEN 0 END)"
	case sqlgen.List:
		return "(" + is + "= 'array' THEN i.properties -> " + p + " END)"
	case sqlgen.Scalar:
		return "(" + is + "IN ('text', 'integer', 'real', 'true', 'false') THEN i.properties -> " + p + " END)"
	}
	return ""
}

func (d dialect) Rank(name string, arg sqlgen.Args) (number, text string) {
	if n, ok := d.ranked[name]; ok {
		return fmt.Sprintf("i.number_%d", n), fmt.Sprintf("i.text_%d", n)
	}
	return rank("i.", arg(sqlgen.Text, path(name)), arg(sqlgen.Text, moment(name, 0)))
}

// rank is what a property orders by. That with an index has it in two columns (addIndex), its name in them as a literal.
func rank(of, path, moment string) (number, text string) {
	kind, value := "json_type("+of+"properties, "+path+")", of+"properties ->> "+path
	at := of + "moments ->> " + moment
	return "(CASE " + kind + " WHEN 'real' THEN CAST(" + value + " AS REAL) WHEN 'integer' THEN CAST(" + value + " AS REAL)" +
			" WHEN 'true' THEN 1.0 WHEN 'false' THEN 0.0 WHEN 'text' THEN CAST(" + at + " AS REAL) END)",
		"(CASE WHEN " + kind + " = 'text' AND (" + at + ") IS NULL THEN " + value + " END)"
}

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func (dialect) Has(name string, arg sqlgen.Args) string {
	return "(coalesce(json_type(i.properties, " + arg(sqlgen.Text, path(name)) + "), 'null') <> 'null')"
}

func (dialect) Location() string { return "i.shape" }

func (dialect) Arithmetic(op, left, right string) string {
	return call("terrapin_calculate", literal(op), left, right)
}

func call(name string, args ...string) string { return name + "(" + strings.Join(args, ", ") + ")" }

func (dialect) Function(name, argument string) string {
	switch name {
	case "abs":
		return call("abs", argument)
	case "ceil", "floor":
		return call(name, argument)
	case "length":
		return "CAST(length(" + argument + ") AS REAL)"
	}
	return call("terrapin_"+name, argument)
}

func (dialect) Like(text, pattern string, constant *string, arg sqlgen.Args) string {
	if constant != nil {
		pattern = arg(sqlgen.Text, *constant)
	}
	return call("terrapin_like", text, pattern)
}

func (dialect) Spatial(op, left, right string) string {
	return call("terrapin_spatial", literal(op), left, right)
}

func (dialect) Array(op, left, right string) string {
	return call("terrapin_array", literal(op), left, right)
}

func (dialect) MakeList(elements []sqlgen.Element) string {
	var args []string
	for _, e := range elements {
		kind := "'value'"
		if e.Kind == sqlgen.Scalar {
			kind = "'scalar'"
		}
		args = append(args, kind, e.SQL)
	}
	return call("terrapin_list", args...)
}

func (dialect) Among(value, list string) string {
	return "(" + value + " IN (SELECT value FROM json_each(" + list + ")))"
}

func (d dialect) Answers(q words.Question, arg sqlgen.Args) string {
	if m, ok := match(q); ok {
		return "EXISTS (SELECT 1 FROM word WHERE word.rowid = i.row AND word MATCH " + arg(sqlgen.Text, m) + ")"
	}
	var args []words.Question
	by := " AND "
	switch q := q.(type) {
	case words.Not:
		return "(NOT " + d.Answers(q.Arg, arg) + ")"
	case words.All:
		args = q.Args
	case words.Any:
		args, by = q.Args, " OR "
	}
	parts := []string{"TRUE"}
	if by == " OR " {
		parts = []string{"FALSE"}
	}
	for _, a := range args {
		parts = append(parts, d.Answers(a, arg))
	}
	return "(" + strings.Join(parts, by) + ")"
}

// match is a question for FTS5, which finds items by it where something has to be there.
func match(q words.Question) (string, bool) {
	switch q := q.(type) {
	case words.Word:
		return phrase([]string{q.Text})
	case words.Phrase:
		return phrase(q.Words)
	case words.Any:
		var parts []string
		for _, a := range q.Args {
			m, ok := match(a)
			if !ok {
				return "", false
			}
			parts = append(parts, m)
		}
		return "(" + strings.Join(parts, " OR ") + ")", len(parts) > 0
	case words.All:
		var parts, without []string
		for _, a := range q.Args {
			if not, ok := a.(words.Not); ok {
				m, ok := match(not.Arg)
				if !ok {
					return "", false
				}
				without = append(without, m)
				continue
			}
			m, ok := match(a)
			if !ok {
				return "", false
			}
			parts = append(parts, m)
		}
		if len(parts) == 0 {
			return "", false
		}
		out := "(" + strings.Join(parts, " AND ") + ")"
		for _, m := range without {
			out = "(" + out + " NOT " + m + ")"
		}
		return out, true
	}
	return "", false
}

func phrase(list []string) (string, bool) {
	return `"` + strings.ReplaceAll(strings.Join(list, " "), `"`, `""`) + `"`, len(list) > 0
}

func (d dialect) Candidates(p sqlgen.Path, arg sqlgen.Args) (from, where string) {
	switch p.Kind {
	case sqlgen.Newest:
		if p.Collection != "" {
			return "item i INDEXED BY item_of_collection", ""
		}
		return "item i INDEXED BY item_newest", ""
	case sqlgen.Ranked:
		return fmt.Sprintf("item i INDEXED BY item_ranked_%d", d.ranked[p.Property]), ""
	case sqlgen.Named:
		return "item i INDEXED BY item_named", ""
	case sqlgen.ByID:
		return "item i INDEXED BY item_named", "i.id IN (SELECT value FROM json_each(" + arg(sqlgen.Texts, p.IDs) + "))"
	case sqlgen.ByPlace:
		// Left to itself, SQLite may drive from another index, which takes fifty times as long.
		rows := strings.Join(d.boxes(p, "id >> 1 AS row", arg), " UNION ")
		if !strings.Contains(rows, " UNION ") {
			rows = strings.Replace(rows, "SELECT", "SELECT DISTINCT", 1)
		}
		return "(" + rows + ") c CROSS JOIN item i ON i.row = c.row", ""
	case sqlgen.ByRows:
		return "(SELECT value >> 1 AS row, value & 1 AS sure FROM json_each(" + arg(sqlgen.Integers, p.Rows) + ")) c CROSS JOIN item i ON i.row = c.row", ""
	case sqlgen.ByWords:
		m, _ := match(p.Question)
		return "(SELECT rowid AS row FROM word WHERE word MATCH " + arg(sqlgen.Text, m) + ") c CROSS JOIN item i ON i.row = c.row", ""
	}
	return "item i", ""
}

// boxes are the statements that find the boxes near each of a path's.
func (d dialect) boxes(p sqlgen.Path, column string, arg sqlgen.Args) (out []string) {
	if p.Near == nil {
		return []string{"SELECT " + column + " FROM box WHERE " + d.when(p, arg)}
	}
	for _, b := range p.Near {
		out = append(out, "SELECT "+column+" FROM box WHERE "+d.meets(b, arg)+" AND "+d.when(p, arg))
	}
	return out
}

func (dialect) when(p sqlgen.Path, arg sqlgen.Args) string {
	return "since <= " + arg(sqlgen.Number, year(p.Begin)) + " AND until >= " + arg(sqlgen.Number, year(p.End))
}

func (dialect) meets(b orb.Bound, arg sqlgen.Args) string {
	return "west <= " + arg(sqlgen.Number, b.Max[0]) + " AND east >= " + arg(sqlgen.Number, b.Min[0]) +
		" AND south <= " + arg(sqlgen.Number, b.Max[1]) + " AND north >= " + arg(sqlgen.Number, b.Min[1])
}

// Sketch compares what the boxes hold, which is rounded outward: what is within a box as it stands there is so indeed.
func (d dialect) Sketch(p sqlgen.Path, arg sqlgen.Args) string {
	sure := "0"
	if p.Within != nil {
		sure = "TRUE"
		if p.Within.From > math.MinInt64 || p.Within.To < math.MaxInt64 {
			// What has no time lies before all times.
			sure = "since > " + arg(sqlgen.Number, max(year(p.Within.From), year(math.MinInt64))) + " AND until < " + arg(sqlgen.Number, year(p.Within.To))
		}
	}
	bound := "since"
	if p.Downward {
		bound = "until"
	}
	columns := func(sure string) string {
		return "SELECT (id >> 1) * 2 + (" + sure + "), " + bound + " FROM box WHERE "
	}
	if p.Near == nil {
		return columns(sure) + d.when(p, arg)
	}
	var out []string
	for _, b := range p.Near {
		all := sure
		if p.Within != nil {
			all += " AND west >= " + arg(sqlgen.Number, b.Min[0]) + " AND east <= " + arg(sqlgen.Number, b.Max[0]) +
				" AND south >= " + arg(sqlgen.Number, b.Min[1]) + " AND north <= " + arg(sqlgen.Number, b.Max[1])
		}
		out = append(out, columns(all)+d.meets(b, arg)+" AND "+d.when(p, arg))
	}
	return strings.Join(out, " UNION ALL ")
}

func (dialect) At(sort int64) float64 { return year(sort) }

func (dialect) InOrder(string) string { return "" }

func (d dialect) Some(p sqlgen.Path, arg sqlgen.Args) string {
	switch p.Kind {
	case sqlgen.ByPlace:
		return strings.Join(d.boxes(p, "1", arg), " UNION ALL ")
	case sqlgen.ByWords:
		if m, ok := match(p.Question); ok {
			return "SELECT 1 FROM word WHERE word MATCH " + arg(sqlgen.Text, m)
		}
	}
	return ""
}

func (dialect) Elements(name string, arg sqlgen.Args) (from, text string) {
	p := arg(sqlgen.Text, path(name))
	return "json_each(CASE WHEN json_type(i.properties, " + p + ") = 'array' THEN i.properties ->> " + p + " END) e",
		"(CASE e.type WHEN 'text' THEN e.atom WHEN 'true' THEN e.type WHEN 'false' THEN e.type" +
			" WHEN 'integer' THEN terrapin_number(CAST(e.atom AS REAL)) WHEN 'real' THEN terrapin_number(CAST(e.atom AS REAL)) END)"
}

func (dialect) Together() bool { return true }
func (dialect) Late() bool     { return true }

// Document is packed, which row.Scan knows.
func (dialect) Document() string { return "i.document" }
