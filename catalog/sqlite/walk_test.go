package sqlite_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// crowd draws items that are too many to be looked at, so that searches go their ways through bands and candidates.
type crowd struct{ *rand.Rand }

const crowded = 6000

func (r crowd) time() time.Time {
	hours := r.IntN(3 * 365 * 24)
	if r.IntN(3) == 0 {
		hours = 24 * 365 // many at once
	}
	return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(hours) * time.Hour)
}

func (r crowd) times() string {
	at := r.time()
	text := func(t time.Time) string { return t.Format(time.RFC3339) }
	length := time.Duration(1+r.IntN(400)) * 24 * time.Hour
	switch n := r.IntN(100); {
	case n < 1:
		return `"datetime":null`
	case n < 3:
		return fmt.Sprintf(`"datetime":null,"start_datetime":%q`, text(at))
	case n < 5:
		return fmt.Sprintf(`"datetime":null,"end_datetime":%q`, text(at))
	case n < 12:
		return fmt.Sprintf(`"datetime":null,"start_datetime":%q,"end_datetime":%q`, text(at), text(at.Add(length)))
	case n < 17:
		return fmt.Sprintf(`"datetime":%q,"start_datetime":%q,"end_datetime":%q`, text(at.Add(length/2)), text(at), text(at.Add(length)))
	case n < 19: // a time that is not within its span
		return fmt.Sprintf(`"datetime":%q,"start_datetime":%q,"end_datetime":%q`, text(r.time()), text(at), text(at.Add(length)))
	}
	return fmt.Sprintf(`"datetime":%q`, text(at))
}

func (r crowd) geometry() string {
	if r.IntN(50) == 0 {
		return "null"
	}
	x, y := float64(r.IntN(360)-180), float64(r.IntN(120)-60)
	if r.IntN(2) == 0 {
		x, y = 10+10*r.Float64(), 50+5*r.Float64()
	}
	w := r.Float64() * 2
	return fmt.Sprintf(`{"type":"Polygon","coordinates":[[[%g,%g],[%g,%g],[%g,%g],[%g,%g]]]}`, x, y, x+w, y, x+w/2, y+w, x, y)
}

func (r crowd) collection() string {
	n := r.IntN(1000)
	switch {
	case n < 600:
		return "a"
	case n < 950:
		return "b"
	case n < 999:
		return "c"
	}
	return "d"
}

func (r crowd) query() catalog.Query {
	q := catalog.Query{Count: r.IntN(2) == 0}
	q.Limit = []int{1, 10, 100, 700}[r.IntN(4)]
	switch x, y, size := float64(r.IntN(340)-180), float64(r.IntN(100)-60), []float64{0.2, 2, 20, 100}[r.IntN(4)]; r.IntN(5) {
	case 0:
		q.BBox = []float64{x, y, x + size, min(90, y+size)}
	case 1:
		q.BBox = []float64{10, 50, 10 + size, 50 + min(size, 30)}
	case 2:
		q.BBox = []float64{180 - size, -60, -180 + size, 60}
	case 3:
		shape, err := geo.Parse(json.RawMessage(fmt.Sprintf(`{"type":"Polygon","coordinates":[[[5,45],[%g,47],[12,%g],[5,45]]]}`, 5+size, min(90, 50+size))), nil)
		if err == nil {
			q.Intersects = shape
		}
	}
	from := r.time()
	to := from.Add([]time.Duration{0, 24 * time.Hour, 100 * 24 * time.Hour, 900 * 24 * time.Hour}[r.IntN(4)])
	q.Time = []catalog.Interval{{}, {}, {Start: &from}, {End: &from}, {Start: &from, End: &to}}[r.IntN(5)]
	q.Collections = [][]string{nil, nil, {"a"}, {"c"}, {"d", "c"}, {"a", "b", "none"}}[r.IntN(6)]
	q.Sort = [][]catalog.SortKey{nil, nil, {{Property: "datetime", Descending: true}}, {{Property: "datetime"}}, {{Property: "datetime", Descending: true}, {Property: "v"}},
		{{Property: "eo:cloud_cover"}}, {{Property: "eo:cloud_cover", Descending: true}}, {{Property: "v"}, {Property: "datetime"}}, {{Property: "id", Descending: true}}}[r.IntN(9)]
	number := func(op, name string, v int) cql2.Expr {
		return cql2.Compare{Op: op, Left: cql2.Property{Name: name}, Right: cql2.Number{Value: float64(v)}}
	}
	switch r.IntN(6) {
	case 0:
		q.Filter = number("<", "eo:cloud_cover", r.IntN(100))
	case 1:
		q.Filter = number("=", "v", r.IntN(500))
	case 2:
		q.Filter = cql2.Temporal{Op: "t_after", Left: cql2.Property{Name: "datetime"}, Right: cql2.Timestamp{Value: from}}
	}
	return q
}

// TestCrowd compares pages, both ways, with a catalog that looks at every item.
func TestCrowd(t *testing.T) {
	r := crowd{rand.New(rand.NewPCG(21, 4))}
	ch := catalog.Changes{}
	for _, id := range []string{"a", "b", "c", "d"} {
		ch.Collections = append(ch.Collections, catalogtest.Collection(id))
	}
	for i := range crowded {
		more := fmt.Sprintf(`,"v":%d`, r.IntN(500))
		if r.IntN(10) > 0 {
			more += fmt.Sprintf(`,"eo:cloud_cover":%g`, float64(r.IntN(1000))/10)
		}
		ch.Items = append(ch.Items, catalogtest.Item(r.collection(), fmt.Sprint(i), r.geometry(), r.times()+more))
	}
	naive, ours := catalogtest.NewMemory(), open(t, filepath.Join(t.TempDir(), "catalog.sqlite"))
	for _, c := range []catalog.Catalog{naive, ours} {
		_, err := c.Apply(t.Context(), ch)
		require.NoError(t, err)
	}
	ask := func(c catalog.Catalog, q catalog.Query) catalog.Result {
		out, err := c.Search(t.Context(), catalog.Everything(), q)
		require.NoError(t, err, "%+v", q)
		return out
	}
	pages, counts := 0, 0
	for i := range 250 {
		q := r.query()
		want, got := q, q
		back := r.IntN(3)
		for page := range 5 {
			a, b := ask(naive, want), ask(ours, got)
			require.Equal(t, texts(a.Documents), texts(b.Documents), "question %d, page %d: %+v", i, page, q)
			require.Equal(t, a.Next == "", b.Next == "", "question %d, page %d: %+v", i, page, q)
			require.True(t, a.Prev == "" || b.Prev != "", "question %d, page %d: %+v", i, page, q)
			if b.Matched != nil {
				require.Equal(t, *a.Matched, *b.Matched, "question %d: %+v", i, q)
				counts++
			}
			if len(b.Documents) > 0 {
				pages++
			}
			if want.Token, got.Token = a.Next, b.Next; page > back {
				want.Token, got.Token = a.Prev, b.Prev
			}
			if want.Token == "" {
				break
			}
		}
	}
	require.Greater(t, pages, 300, "or little was compared")
	require.Greater(t, counts, 100)
}

func texts(docs []json.RawMessage) []string {
	out := make([]string, len(docs))
	for i, d := range docs {
		out[i] = string(d)
	}
	return out
}
