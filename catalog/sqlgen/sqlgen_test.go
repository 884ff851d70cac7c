package sqlgen

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
)

func TestStepsHoldTheirTimes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		at := r.Int64N(2*250e15) - 60e15 // years 70 to 9900, and some that are none
		for _, step := range []Step{Month, Day} {
			n := step.Start(at)
			require.LessOrEqual(t, step.Begin(n), at)
			require.Greater(t, step.Begin(n+1), at)
		}
	}
	require.EqualValues(t, 2020*12+1, Month.Start(time.Date(2020, 2, 29, 23, 59, 59, 999999999, time.UTC).UnixMicro()))
	require.EqualValues(t, -1, Day.Start(-1))
	require.EqualValues(t, 0, Whole.Start(123))
}

func TestWhatAFilterTells(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2020, 1, n, 0, 0, 0, 0, time.UTC) }
	us := func(n int) int64 { return day(n).UnixMicro() }
	datetime, id, collection := cql2.Property{Name: Datetime}, cql2.Property{Name: cql2.ID}, cql2.Property{Name: cql2.Collection}
	stamp := func(n int) cql2.Expr { return cql2.Timestamp{Value: day(n)} }
	text := func(s string) cql2.Expr { return cql2.String{Value: s} }
	for name, c := range map[string]struct {
		filter cql2.Expr
		query  catalog.Query
		want   func(*wanted)
	}{
		"after":             {filter: cql2.Temporal{Op: "t_after", Left: datetime, Right: stamp(2)}, want: func(w *wanted) { w.sort.From = us(2) }},
		"turned round":      {filter: cql2.Temporal{Op: "t_after", Left: stamp(2), Right: datetime}, want: func(w *wanted) { w.sort.To = us(2) }},
		"on a day":          {filter: cql2.Compare{Op: "=", Left: datetime, Right: cql2.Date{Value: day(3)}}, want: func(w *wanted) { w.sort = Window{us(3), us(4) - 1} }},
		"in an interval":    {filter: cql2.Temporal{Op: "t_during", Left: datetime, Right: cql2.Interval{Start: stamp(1), End: stamp(3)}}, want: func(w *wanted) { w.sort = Window{us(1), us(3)} }},
		"an empty interval": {filter: cql2.Temporal{Op: "t_meets", Left: datetime, Right: cql2.Interval{Start: stamp(3), End: stamp(1)}}, want: func(w *wanted) {}},
		"between":           {filter: cql2.Between{Value: datetime, Low: stamp(1), High: stamp(2)}, want: func(w *wanted) { w.sort = Window{us(1), us(2)} }},
		"of two":            {filter: cql2.And{Args: []cql2.Expr{cql2.Compare{Op: "<", Left: datetime, Right: stamp(5)}, cql2.Compare{Op: "<=", Left: stamp(2), Right: datetime}}}, want: func(w *wanted) { w.sort = Window{us(2), us(5)} }},
		"or tells nothing":  {filter: cql2.Or{Args: []cql2.Expr{cql2.Compare{Op: "<", Left: datetime, Right: stamp(5)}, cql2.Bool{Value: true}}}, want: func(w *wanted) {}},
		"not tells nothing": {filter: cql2.Not{Arg: cql2.Compare{Op: "<", Left: datetime, Right: stamp(5)}}, want: func(w *wanted) {}},
		"another property":  {filter: cql2.Compare{Op: "<", Left: cql2.Property{Name: "created"}, Right: stamp(5)}, want: func(w *wanted) {}},
		"unequal":           {filter: cql2.Compare{Op: "<>", Left: cql2.Property{Name: "x"}, Right: cql2.Number{Value: 5}}, want: func(w *wanted) {}},
		"ids":               {filter: cql2.In{Value: id, List: []cql2.Expr{text("b"), text("a"), text("b")}}, want: func(w *wanted) { w.ids = []string{"a", "b"} }},
		"ids of both":       {filter: cql2.Compare{Op: "=", Left: text("b"), Right: id}, query: catalog.Query{IDs: []string{"c", "b"}}, want: func(w *wanted) { w.ids = []string{"b"} }},
		"no collection":     {filter: cql2.Compare{Op: "=", Left: collection, Right: text("x")}, query: catalog.Query{Collections: []string{"y"}}, want: func(w *wanted) { w.collections = []string{} }},
		"a number":          {filter: cql2.Compare{Op: ">", Left: cql2.Number{Value: 5}, Right: cql2.Property{Name: "x"}}, want: func(w *wanted) { w.bounds = map[string][]bound{"x": {{"<", Number, 5.0}}} }},
		"a text":            {filter: cql2.Compare{Op: "=", Left: cql2.Property{Name: "x"}, Right: text("y")}, want: func(w *wanted) { w.bounds = map[string][]bound{"x": {{"=", Text, "y"}}} }},
		"a moment as text":  {filter: cql2.Compare{Op: "=", Left: cql2.Property{Name: "x"}, Right: text("2020-01-01")}, want: func(w *wanted) {}},
	} {
		c.query.Filter = c.filter
		want := newWanted(catalog.Everything(), catalog.Query{Collections: c.query.Collections, IDs: c.query.IDs})
		want.q = c.query
		c.want(&want)
		require.Equal(t, want, newWanted(catalog.Everything(), c.query), name)
	}
	place := cql2.Geometry{Shape: geo.Box(1, 2, 3, 4)}
	for op, tells := range map[string]bool{"s_intersects": true, "s_within": true, "s_disjoint": false} {
		w := newWanted(catalog.Everything(), catalog.Query{Filter: cql2.Spatial{Op: op, Left: place, Right: cql2.Property{Name: cql2.Location}}})
		require.Equal(t, tells, w.near != nil, op)
	}
	require.True(t, newWanted(catalog.Scope{}, catalog.Query{}).nothing())
	require.True(t, newWanted(catalog.Everything(), catalog.Query{IDs: []string{}}).nothing())
	require.False(t, newWanted(catalog.Everything(), catalog.Query{}).nothing())
}

func TestBandsGrowAndEnd(t *testing.T) {
	require.Equal(t, 8000, next(1000, 0, 100), "nothing found: much more")
	require.Equal(t, 8000, next(1000, 1, 100), "but not without bound")
	require.Equal(t, 1000*125/50+200, next(1000, 50, 100))
	for size, steps := 200, 0; size < math.MaxInt32; size = next(size, 0, 1) {
		steps++
		require.Less(t, steps, 10)
	}
}

func TestCandidatesOnce(t *testing.T) {
	require.Equal(t, []candidate{{row: 1, sure: true}, {row: 2}}, once([]candidate{{row: 1}, {row: 1, sure: true}, {row: 2}}))
	require.Equal(t, []int64{3, 4}, rows([]candidate{{row: 1, sure: true}, {row: 2}}))
}
