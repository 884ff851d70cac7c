package catalogtest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/words"
)

// testLimits asks the largest questions that the parsers let pass: a back end that has smaller limits of its own, as to
// parameters or to how deep an expression is, has to get by.
func testLimits(t *testing.T, c catalog.Catalog) {
	put(t, c,
		Item("a", "one", square, then+`,"n":1,"s":"`+strings.Repeat("a", 5000)+`","b":true,"l":[1,2],"title":"`+strings.Repeat("word ", 300)+`last"`),
		Item("a", "two", "null", then+`,"n":2,"s":"b","b":false,"l":[]`),
		Item("a", "zero", "null", then),
	)
	most, parts := 9900, 3300
	if raced {
		most, parts = 1000, 1100
	}
	n, s, b := property("n"), property("s"), property("b")
	many := func(count int, of func(i int) cql2.Expr) (out []cql2.Expr) {
		for i := range count {
			out = append(out, of(i))
		}
		return out
	}
	deep := func(levels int, e cql2.Expr, wrap func(cql2.Expr) cql2.Expr) cql2.Expr {
		for range levels {
			e = wrap(e)
		}
		return e
	}
	ids := []string{}
	for i := range 10_000 {
		ids = append(ids, fmt.Sprint("none ", i))
	}
	ring := []string{}
	for i := range 5000 {
		at := 2 * math.Pi * float64(i) / 5000
		ring = append(ring, fmt.Sprintf("[%.6f,%.6f]", 1.5*math.Cos(at), 1.5*math.Sin(at)))
	}
	round := shape(t, `{"type":"Polygon","coordinates":[[`+strings.Join(append(ring, ring[0]), ",")+`]]}`)
	vocabulary := []words.Question{}
	for i := range words.MaxWords - 1 {
		vocabulary = append(vocabulary, word(fmt.Sprint("none", i)))
	}
	ask := func(e cql2.Expr) catalog.Query {
		if read, err := cql2.ParseJSON(cql2.JSON(e)); err != nil || cql2.Text(read) != cql2.Text(e) {
			t.Errorf("the question is larger than a filter may be: %v", err)
		}
		return catalog.Query{Filter: e}
	}
	sort := []catalog.SortKey{}
	for i := range 16 {
		sort = append(sort, catalog.SortKey{Property: fmt.Sprint("none ", i), Descending: i%2 == 0})
	}
	finds(t, c, map[string]found{
		"in many":          {ask(cql2.In{Value: n, List: many(most, func(i int) cql2.Expr { return literal(i + 2) })}), []string{"two"}},
		"in many texts":    {ask(not(cql2.In{Value: s, List: many(most, func(i int) cql2.Expr { return literal(fmt.Sprint("none ", i)) })})), []string{"one", "two"}},
		"or of many":       {ask(cql2.Or{Args: many(parts, func(i int) cql2.Expr { return is("=", n, i+2) })}), []string{"two"}},
		"and of many":      {ask(cql2.And{Args: many(parts, func(i int) cql2.Expr { return is("<>", n, i+2) })}), []string{"one"}},
		"or of many kinds": {ask(cql2.Or{Args: many(parts/2-50, func(i int) cql2.Expr { return cql2.And{Args: []cql2.Expr{is(">", n, i+1), not(b)}} })}), []string{"two"}},
		"not, not":         {ask(deep(62, b, not)), []string{"one"}},
		"and, or, and": {ask(deep(30, b, func(e cql2.Expr) cql2.Expr {
			return cql2.Or{Args: []cql2.Expr{cql2.And{Args: []cql2.Expr{e, is("=", n, 1)}}, is("=", n, 9)}}
		})), []string{"one"}},
		"deep sum": {ask(is("=", deep(61, n, func(e cql2.Expr) cql2.Expr { return cql2.Arith{Op: "+", Left: e, Right: literal(1)} }), 63)), []string{"two"}},
		"folded and folded": {ask(is("=", deep(30, s, func(e cql2.Expr) cql2.Expr {
			return cql2.Func{Name: "casei", Args: []cql2.Expr{cql2.Func{Name: "accenti", Args: []cql2.Expr{e}}}}
		}), "b")), []string{"two"}},
		"many wild cards":    {ask(cql2.Like{Value: s, Pattern: literal(strings.Repeat("%a", 60) + "%b")}), nil},
		"long pattern":       {ask(cql2.Like{Value: s, Pattern: literal(strings.Repeat("_", 5000))}), []string{"one"}},
		"longer pattern":     {ask(cql2.Like{Value: s, Pattern: literal(strings.Repeat("%", 100_000))}), []string{"one", "two"}},
		"list of many":       {ask(cql2.Array{Op: "a_containedby", Left: property("l"), Right: cql2.List{Items: many(most, func(i int) cql2.Expr { return literal(i) })}}), []string{"one", "two"}},
		"many corners":       {ask(cql2.Spatial{Op: "s_contains", Left: cql2.Geometry{Shape: round}, Right: property(cql2.Location)}), []string{"one"}},
		"intersects":         {catalog.Query{Intersects: round}, []string{"one"}},
		"many ids":           {catalog.Query{IDs: slices.Concat(ids, []string{"two"}), Collections: slices.Concat(ids, []string{"a"})}, []string{"two"}},
		"many words":         {catalog.Query{Words: words.Any{Args: slices.Concat(vocabulary, []words.Question{word("last")})}}, []string{"one"}},
		"none of many words": {catalog.Query{Words: words.Not{Arg: words.Any{Args: vocabulary}}}, []string{"one", "two", "zero"}},
		"many sort keys":     {catalog.Query{Sort: append(sort, catalog.SortKey{Property: "n", Descending: true})}, []string{"two", "one", "zero"}},
	})
	many64 := []catalog.Aggregation{}
	for i := range 64 {
		many64 = append(many64, catalog.Aggregation{Name: fmt.Sprint(i), Kind: catalog.Terms, Property: fmt.Sprint("none ", i)})
	}
	out, err := c.Aggregate(t.Context(), all, catalog.Query{}, many64)
	require.NoError(t, err)
	require.Len(t, out, 64)
}
