package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
	"github.com/terrapin-eo/terrapin/catalog/words"
)

// listener keeps the statements of a search, and how SQLite goes about them.
type listener struct {
	reader
	texts, plan []string
}

func (l *listener) Query(ctx context.Context, text string, args []any, visit func(sqlgen.Row) error) error {
	l.texts = append(l.texts, text)
	if err := l.query(ctx, "EXPLAIN QUERY PLAN "+text, args, func(r sqlgen.Row) error {
		var id, parent, unused, detail any
		err := r.Scan(&id, &parent, &unused, &detail)
		l.plan = append(l.plan, detail.(string))
		return err
	}); err != nil {
		return err
	}
	return l.reader.Query(ctx, text, args, visit)
}

// listen searches and counts.
func listen(t *testing.T, c *Catalog, q catalog.Query) *listener {
	t.Helper()
	var l *listener
	require.NoError(t, c.ask(t.Context(), "search", func(e sqlgen.Engine, r reader) error {
		l = &listener{reader: r}
		_, err := e.Search(t.Context(), l, all, q)
		if err == nil {
			_, err = e.Aggregate(t.Context(), l, all, q, []catalog.Aggregation{{Kind: catalog.Count}, {Kind: catalog.Terms, Property: mark}, {Kind: catalog.Least, Property: mark},
				{Kind: catalog.Dates, Property: mark, Step: "day"}, {Kind: catalog.Ranges, Property: mark, Edges: []float64{1, 2}}})
		}
		return err
	}), "%+v", q)
	return l
}

// mark is a text that must not be in a statement.
const mark = "MARK'\"$"

func TestNothingOfAQuestionIsInAStatement(t *testing.T) {
	c := fresh(t)
	put(t, c, catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")}, Items: []json.RawMessage{item("a", "x", "")}})
	p, s := cql2.Property{Name: mark}, cql2.String{Value: mark}
	list := cql2.List{Items: []cql2.Expr{s, p, cql2.Func{Name: "casei", Args: []cql2.Expr{p}}}}
	at := cql2.Timestamp{Value: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
	here := cql2.Property{Name: cql2.Location}
	filters := []cql2.Expr{
		p, cql2.Not{Arg: p}, cql2.IsNull{Arg: p}, cql2.Compare{Op: mark, Left: p, Right: s}, cql2.Compare{Op: "=", Left: p, Right: p}, cql2.Between{Value: p, Low: s, High: s},
		cql2.In{Value: p, List: []cql2.Expr{s, p}}, cql2.Like{Value: p, Pattern: s}, cql2.Like{Value: p, Pattern: p}, cql2.Func{Name: mark, Args: []cql2.Expr{p}},
		cql2.Array{Op: "a_contains", Left: p, Right: list}, cql2.Array{Op: "a_equals", Left: p, Right: cql2.List{Items: []cql2.Expr{s}}},
		cql2.Temporal{Op: "t_during", Left: p, Right: cql2.Interval{Start: p, End: at}}, cql2.Temporal{Op: mark, Left: p, Right: at},
		cql2.Compare{Op: "<", Left: cql2.Arith{Op: "*", Left: p, Right: cql2.Number{Value: 3}}, Right: cql2.Func{Name: "length", Args: []cql2.Expr{p}}},
		cql2.Spatial{Op: "s_within", Left: here, Right: cql2.Geometry{Shape: geo.Box(0, 0, 1, 1)}}, cql2.Compare{Op: "=", Left: cql2.Property{Name: cql2.ID}, Right: s},
	}
	filters = append(filters, cql2.And{Args: filters}, cql2.Or{Args: filters})
	queries := []catalog.Query{
		{IDs: []string{mark}}, {Collections: []string{mark, "b"}}, {Sort: []catalog.SortKey{{Property: mark}, {Property: mark + "2", Descending: true}}},
		{Words: words.All{Args: []words.Question{words.Word{Text: mark}, words.Not{Arg: words.Phrase{Words: []string{mark, mark}}}}}}, {Words: words.Not{Arg: words.Word{Text: mark}}},
	}
	for _, f := range filters {
		queries = append(queries, catalog.Query{Filter: f})
	}
	for _, q := range queries {
		q.Count = true
		for _, text := range listen(t, c, q).texts {
			require.NotContains(t, text, "MARK", "%+v", q)
		}
	}
}

// TestPlans sees to it that the questions of every day go by their index.
func TestPlans(t *testing.T) {
	c := fresh(t)
	ch := catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a"), catalogtest.Collection("b")}}
	for i := range 3000 {
		ch.Items = append(ch.Items, catalogtest.Item([]string{"a", "b"}[i%2], fmt.Sprint(i), `{"type":"Point","coordinates":[1,1]}`,
			fmt.Sprintf(`"datetime":%q,"eo:cloud_cover":%d`, time.Unix(int64(i)*86400, 0).UTC().Format(time.RFC3339), i%100)))
	}
	put(t, c, ch)
	cloudy := cql2.Compare{Op: "<", Left: cql2.Property{Name: "eo:cloud_cover"}, Right: cql2.Number{Value: 10}}
	day := time.Unix(86400*100, 0)
	for name, q := range map[string]catalog.Query{
		"newest":          {},
		"oldest":          {Sort: []catalog.SortKey{{Property: "datetime"}}},
		"of a collection": {Collections: []string{"a"}},
		"of two":          {Collections: []string{"a", "b"}},
		"cloud":           {Filter: cloudy, Sort: []catalog.SortKey{{Property: "eo:cloud_cover"}}},
		"cloud, sorted":   {Sort: []catalog.SortKey{{Property: "eo:cloud_cover"}}},
		"since":           {Time: catalog.Interval{Start: &day}},
	} {
		var l *listener
		require.NoError(t, c.ask(t.Context(), "search", func(e sqlgen.Engine, r reader) error {
			l = &listener{reader: r}
			out, err := e.Search(t.Context(), l, all, q)
			require.Len(t, out.Documents, 10)
			return err
		}))
		plan := strings.Join(l.plan, "\n")
		require.NotContains(t, plan, "SCAN i\n", "%s:\n%s", name, plan)
		if name != "of two" { // whose first items are put in order
			require.NotContains(t, plan, "USE TEMP B-TREE FOR ORDER BY", "%s:\n%s", name, plan)
		}
	}
}

// TestStatementsAreKept: a statement that was prepared is not prepared again.
func TestStatementsAreKept(t *testing.T) {
	c := memory(t)
	for i := range 3 * manyStatements {
		var n int64
		_, err := c.one(t.Context(), fmt.Sprintf(`SELECT ?1 + %d`, i%(manyStatements+50)), []any{int64(1)}, &n)
		require.NoError(t, err)
		require.EqualValues(t, 1+i%(manyStatements+50), n)
		require.LessOrEqual(t, c.order.Len(), manyStatements)
		require.Len(t, c.statements, c.order.Len())
	}
	first, err := c.prepare(`SELECT 1`)
	require.NoError(t, err)
	again, err := c.prepare(`SELECT 1`)
	require.NoError(t, err)
	require.Same(t, first, again)
	long := `SELECT 1 -- ` + strings.Repeat("x", longStatements)
	for range 2 {
		_, err = c.one(t.Context(), long, nil, new(int64))
		require.NoError(t, err)
		require.Equal(t, 1, c.order.Len(), "a long one pushes all others out")
	}
	_, err = c.prepare(`SELECT 2`)
	require.NoError(t, err)
	require.Equal(t, len(`SELECT 2`), c.size)
}
