package catalogtest

import (
	"encoding/json"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// operators are all that a filter is made of.
func operators() []string {
	out := append([]string{"bool", "isnull", "and", "or", "not", "between", "in", "like", "casei", "accenti"}, comparisons...)
	out = append(append(append(append(out, spatials...), temporals...), arrays...), ariths...)
	for _, f := range cql2.Functions() {
		out = append(out, f.Name)
	}
	return out
}

var (
	comparisons = []string{"=", "<>", "<", ">", "<=", ">="}
	spatials    = []string{"s_intersects", "s_disjoint", "s_equals", "s_touches", "s_crosses", "s_within", "s_contains", "s_overlaps"}
	temporals   = []string{"t_after", "t_before", "t_contains", "t_disjoint", "t_during", "t_equals", "t_finishedby", "t_finishes", "t_intersects", "t_meets", "t_metby", "t_overlappedby", "t_overlaps", "t_startedby", "t_starts"}
	arrays      = []string{"a_equals", "a_contains", "a_containedby", "a_overlaps"}
	ariths      = []string{"+", "-", "*", "/", "%", "div", "^"}
)

// filter is a predicate in which operators stand: one of them nearly alone, several so that most documents fulfil it (loose), or
// so that few or none do (tight).
func (d draw) filter(m mood, ops []string) cql2.Expr {
	if m == alone {
		e := d.predicate(ops[0], 2)
		if d.often(30) {
			e = not(e)
		}
		return e
	}
	args := []cql2.Expr{}
	for _, op := range ops {
		e := d.predicate(op, 1)
		if d.often(20) {
			e = not(e)
		}
		args = append(args, e)
	}
	if m == loose {
		return cql2.Or{Args: args}
	}
	return cql2.And{Args: append([]cql2.Expr{cql2.Or{Args: args[:2]}}, args[2:]...)}
}

// mood is how much a question finds.
type mood int

const (
	alone mood = iota
	loose
	tight
)

// any is a predicate with any operator.
func (d draw) any(depth int) cql2.Expr { return d.predicate(pick(d, operators()...), depth) }

// predicate has an operator at its top, or below a comparison where the operator gives a value. Depth bounds what is nested in it.
func (d draw) predicate(op string, depth int) cql2.Expr {
	in := func(list []string) bool { return strings.Contains(" "+strings.Join(list, " ")+" ", " "+op+" ") }
	switch {
	case op == "bool":
		return d.bool()
	case op == "isnull":
		return cql2.IsNull{Arg: d.nullable(depth)}
	case op == "not":
		return not(d.inner(depth))
	case op == "and", op == "or":
		args := []cql2.Expr{d.inner(depth), d.inner(depth)}
		if d.often(30) {
			args = append(args, d.inner(depth))
		}
		if op == "and" {
			return cql2.And{Args: args}
		}
		return cql2.Or{Args: args}
	case op == "between":
		value := pick(d, d.number, d.text, d.moment)
		return cql2.Between{Value: value(depth), Low: value(0), High: value(0)}
	case op == "in":
		value := pick(d, d.number, d.text, d.moment, func(int) cql2.Expr { return d.bool() })
		e := cql2.In{Value: value(depth)}
		for range d.IntN(4) {
			e.List = append(e.List, value(0))
		}
		return e
	case op == "like":
		return cql2.Like{Value: d.text(depth), Pattern: d.pattern()}
	case in(comparisons):
		value := pick(d, d.number, d.text, d.moment, d.property, func(int) cql2.Expr { return d.bool() })
		left, right := value(depth), value(depth)
		if d.often(8) { // of types that do not fit
			right = literal(pick[any](d, 1.0, "a", true))
		}
		return cql2.Compare{Op: op, Left: left, Right: right}
	case in(spatials):
		left, right := property(cql2.Location), d.place()
		if d.often(15) {
			left = d.place()
		} else if d.often(5) {
			right = property(pick(d, cql2.Location, "s"))
		}
		if d.often(25) {
			left, right = right, left
		}
		return cql2.Spatial{Op: op, Left: left, Right: right}
	case in(temporals):
		return cql2.Temporal{Op: op, Left: d.span(), Right: d.span()}
	case in(arrays):
		left, right := property(pick(d, "l", "k", "mixed")), d.list()
		if d.often(20) {
			right = property(pick(d, "l", "k"))
		}
		if d.often(25) {
			left, right = right, left
		}
		return cql2.Array{Op: op, Left: left, Right: right}
	}
	return cql2.Compare{Op: pick(d, comparisons...), Left: d.valued(op, depth), Right: d.answer(op)}
}

// inner is a predicate within another.
func (d draw) inner(depth int) cql2.Expr {
	if depth <= 0 {
		return d.predicate(pick(d, "bool", "=", "<>", "<", "isnull", "like", "in"), 0)
	}
	return d.any(depth - 1)
}

// valued is a value that an operator makes.
func (d draw) valued(op string, depth int) cql2.Expr {
	if f, ok := cql2.FunctionNamed(op); ok {
		arg := map[cql2.Type]func(int) cql2.Expr{cql2.NumberType: d.number, cql2.TextType: d.text, cql2.MomentType: d.moment}[f.Argument]
		return cql2.Func{Name: op, Args: []cql2.Expr{arg(depth - 1)}}
	}
	switch op {
	case "casei", "accenti":
		return cql2.Func{Name: op, Args: []cql2.Expr{d.text(depth - 1)}}
	case "^":
		// Powers that are not whole may differ in their last bit.
		return cql2.Arith{Op: op, Left: property(pick(d, "n", "m", "mixed")), Right: literal(pick(d, 0, 1, 2, 3))}
	}
	return cql2.Arith{Op: op, Left: d.number(depth - 1), Right: d.number(depth - 1)}
}

// answer is what an operator's value is compared with.
func (d draw) answer(op string) cql2.Expr {
	if f, ok := cql2.FunctionNamed(op); ok && f.Returns == cql2.NumberType || contains(ariths, op) {
		return d.number(0)
	}
	return d.text(1)
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

func (d draw) property(int) cql2.Expr {
	return property(pick(d, "n", "m", "s", "u", "t", "v", "b", "c", "mixed", "l", "none", "id", "collection", "datetime", "end_datetime"))
}

func (d draw) bool() cql2.Expr {
	if d.often(15) {
		return literal(d.often(50))
	}
	return property(pick(d, "b", "c", "mixed"))
}

func (d draw) nullable(depth int) cql2.Expr {
	switch d.IntN(6) {
	case 0:
		return d.number(1)
	case 1:
		return d.text(1)
	case 2:
		return property(cql2.Location)
	}
	return d.property(depth)
}

func (d draw) number(depth int) cql2.Expr {
	switch {
	case depth > 0 && d.often(30):
		return d.valued(pick(d, append([]string{"abs", "ceil", "floor", "length", "year", "day"}, ariths...)...), depth)
	case d.often(60):
		return property(pick(d, "n", "n", "m", "mixed", "none"))
	}
	return literal(pick(d, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 10, 2020, 9007199254740992, 1e300))
}

// value is a string of a grid.
func (d draw) value(grid []string) string {
	var s string
	if err := json.Unmarshal([]byte(pick(d, grid...)), &s); err != nil {
		panic(err) // the grid holds strings
	}
	return s
}

func (d draw) text(depth int) cql2.Expr {
	switch {
	case depth > 0 && d.often(35):
		return cql2.Func{Name: pick(d, "casei", "accenti", "lower", "upper"), Args: []cql2.Expr{d.text(depth - 1)}}
	case d.often(60):
		return property(pick(d, "s", "s", "u", "mixed", "id", "collection", "t", "none"))
	}
	return literal(d.value(texts))
}

// pattern is that of LIKE: characters of the grid, wild cards and escapes.
func (d draw) pattern() cql2.Expr {
	if d.often(12) {
		return d.text(1)
	}
	var b strings.Builder
	for range d.IntN(4) {
		b.WriteString(pick(d, "%", "%", "_", `\%`, `\_`, `\\`, `\a`, "a", "b", "A", "ä", "ß", "🐢", "i", "S", "item", "'", "\n"))
	}
	if d.often(5) {
		b.WriteString(`\`)
	}
	var e cql2.Expr = literal(b.String())
	if d.often(25) {
		e = cql2.Func{Name: pick(d, "casei", "accenti"), Args: []cql2.Expr{e}}
	}
	return e
}

// moment is a moment of a filter.
func (d draw) moment(int) cql2.Expr {
	switch d.IntN(5) {
	case 0:
		return d.date()
	case 1:
		return literal(d.time())
	}
	return property(pick(d, "t", "t", "v", "datetime", "start_datetime", "end_datetime", "mixed"))
}

func (d draw) date() cql2.Expr {
	return cql2.Date{Value: instant(pick(d, "2020-01-01", "2020-01-02", "2020-01-03", "0001-01-01", "9999-12-31") + "T00:00:00Z")}
}

// span is a moment or an interval.
func (d draw) span() cql2.Expr {
	if d.often(40) {
		return d.moment(0)
	}
	end := func() cql2.Expr {
		if d.often(20) {
			return nil
		}
		return d.moment(0)
	}
	if d.often(30) {
		return cql2.Interval{Start: property("start_datetime"), End: property("end_datetime")}
	}
	return cql2.Interval{Start: end(), End: end()}
}

// place is a geometry of a filter.
func (d draw) place() cql2.Expr {
	if d.often(30) {
		b := d.box()
		shape := geo.Box(b[0], b[1], b[2], b[3])
		return cql2.Geometry{Shape: shape, BBox: b}
	}
	return cql2.Geometry{Shape: d.shape()}
}

// box is a bbox, which may cross the antimeridian.
func (d draw) box() []float64 {
	low, high := d.rectangle()
	if high[0] > 180 {
		high[0] -= 360
	}
	if d.often(15) {
		return []float64{pick(d, 170, 178, -180.0), -90, pick(d, -178, 180.0), 90}
	}
	return []float64{low[0], low[1], high[0], high[1]}
}

// shape is a geometry that is somewhere.
func (d draw) shape() *geo.Shape {
	for {
		geometry, bbox := d.geometry()
		if geometry == "null" {
			continue
		}
		e, err := catalog.ParseItem(json.RawMessage(`{"type":"Feature","id":"x","collection":"x","geometry":` + geometry + `,"bbox":` + bbox + `,"properties":{}}`))
		if err != nil {
			panic(err) // drawn geometries are valid
		}
		return e.Shape
	}
}

func (d draw) list() cql2.Expr {
	e := cql2.List{}
	for range d.IntN(3) {
		e.Items = append(e.Items, pick(d,
			literal(pick(d, 0, 1, 2, 0.5)), literal(pick(d, 0, 1, 2, 0.5)), literal(pick(d, "a", "b", "1", "2020-01-01")), literal(pick(d, "a", "b")),
			literal(d.often(50)), d.date(), literal(d.time()), property(pick(d, "n", "s", "b", "none")), d.number(1), d.text(1)))
	}
	return e
}
