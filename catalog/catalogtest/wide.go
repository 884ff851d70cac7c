package catalogtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
)

// itemsWide are more than a back end likes to look at one by one for a page, so that it has to find its way.
const itemsWide = 4500

// testWide puts questions of place, time and order to many items, and looks at the first pages of their answers: there a back
// end goes other ways than with the few items of Compare.
func testWide(t *testing.T, c catalog.Catalog) {
	if _, itself := c.(*Memory); itself {
		return
	}
	d, right := newDraw(5), NewMemory()
	ch := catalog.Changes{Collections: documents(Collection("a"), Collection("b"), Collection("c"))}
	for i := range itemsWide {
		ch.Items = append(ch.Items, d.wideItem(i))
	}
	apply(t, c, ch)
	apply(t, right, ch)
	if x, ok := c.(catalog.Indexer); ok {
		require.NoError(t, x.Index(t.Context(), "n"))
	}
	questions := 100
	if raced {
		questions = 24
	}
	for i := range questions {
		if i == questions/2 { // what the tallies say has to move with the items
			change := catalog.Changes{DeleteCollections: []string{"c"}}
			for k := range itemsWide / 10 {
				if k%2 == 0 {
					change.DeleteItems = append(change.DeleteItems, catalog.ItemRef{Collection: "b", ID: fmt.Sprintf("i%04d", d.IntN(itemsWide))})
				} else {
					change.Items = append(change.Items, d.wideItem(itemsWide+k))
				}
			}
			change.Items = slices.DeleteFunc(change.Items, func(doc json.RawMessage) bool {
				e, err := catalog.ParseItem(doc)
				return err != nil || e.Ref.Collection == "c"
			})
			apply(t, c, change)
			apply(t, right, change)
		}
		a := ask{query: d.wideQuery(), limit: pick(d, 1, 10, 10, 100, 700)}
		if different := thereAndBack(t.Context(), c, a, right.names(a.query), 2*a.limit); different != "" {
			t.Fatalf("question %d: %s\n  is answered with %s", i, a, different)
		}
		if i%5 == 0 {
			a.sums = []catalog.Aggregation{{Kind: catalog.Count}, {Kind: catalog.Dates, Property: "datetime", Step: pick(d, "year", "month", "week", "day")},
				{Kind: catalog.Terms, Property: pick(d, "collection", "n"), Most: 5}, {Kind: catalog.Least, Property: "datetime"}, {Kind: catalog.Greatest, Property: "n"}}
			wanted, err := right.Aggregate(t.Context(), all, a.query, a.sums)
			require.NoError(t, err)
			sums, err := c.Aggregate(t.Context(), all, a.query, a.sums)
			require.NoError(t, err)
			for k := range wanted {
				require.Equal(t, shown(wanted[k]), shown(sums[k]), "question %d: %s", i, a)
			}
		}
	}
}

// wideItem is somewhere in the world, at some time within three years, many of them on a few days.
func (d draw) wideItem(i int) json.RawMessage {
	at := time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, d.IntN(1000)).Add(time.Duration(d.IntN(3)) * time.Hour)
	if d.often(25) {
		at = time.Date(2020, 6, 1+d.IntN(2), 0, 0, 0, 0, time.UTC)
	}
	times := fmt.Sprintf(`"datetime":%q`, at.Format(time.RFC3339))
	switch d.IntN(25) {
	case 0:
		times = fmt.Sprintf(`"datetime":null,"start_datetime":%q,"end_datetime":%q`, at.Format(time.RFC3339), at.AddDate(0, d.IntN(14), 0).Format(time.RFC3339))
	case 1:
		times = fmt.Sprintf(`"datetime":null,"end_datetime":%q`, at.Format(time.RFC3339))
	case 2:
		times = `"datetime":null`
	}
	west, south := float64(10*d.IntN(36)-180), float64(10*d.IntN(18)-90)
	east, north := west+pick(d, 1, 5, 10, 11.0), south+pick(d, 1, 5, 10.0)
	geometry := fmt.Sprintf(`{"type":"Polygon","coordinates":[%s]}`, ring(corner{west, south}, corner{east, north}))
	if d.often(5) {
		geometry = "null"
	}
	return Item(pick(d, "a", "a", "b", "c"), fmt.Sprintf("i%04d", i), geometry, fmt.Sprintf(`%s,"n":%s,"s":%q,"title":%q`, times,
		pick(d, "null", "1", "2", "2.5", `"x"`, fmt.Sprint(d.IntN(1000))), pick(d, "x", "y", "z"), pick(d, "green forest", "river", "")))
}

func (d draw) wideQuery() catalog.Query {
	q := catalog.Query{Count: d.often(50), Page: catalog.Page{Limit: catalog.MaxLimit}}
	if d.often(50) {
		west, south := float64(10*d.IntN(36)-180), float64(10*d.IntN(17)-90)
		east := west + pick(d, 0, 5, 20, 90.0)
		if east > 180 {
			east -= 360
		}
		q.BBox = []float64{west, south, east, min(90, south+pick(d, 0, 10, 50.0))}
	}
	if d.often(40) {
		from := time.Date(2019, time.Month(1+d.IntN(36)), 1+d.IntN(2), 0, 0, 0, 0, time.UTC)
		to := from.AddDate(0, pick(d, 0, 1, 12), d.IntN(2))
		q.Time = pick(d, catalog.Interval{Start: &from}, catalog.Interval{End: &to}, catalog.Interval{Start: &from, End: &to})
	}
	if d.often(25) {
		q.Collections = pick(d, []string{"a"}, []string{"b"}, []string{"b", "c"})
	}
	if d.often(15) {
		q.Words = pick(d, word("forest"), word("none"), word("river"))
	}
	switch d.IntN(6) {
	case 0:
		q.Filter = is(pick(d, comparisons...), property("n"), pick(d, 2, 500, 990))
	case 1:
		q.Filter = is(">=", property("datetime"), time.Date(2020, time.Month(1+d.IntN(12)), 1, 0, 0, 0, 0, time.UTC))
	case 2:
		q.Filter = cql2.Temporal{Op: "t_intersects", Left: property("datetime"), Right: cql2.Interval{Start: literal(time.Date(2020, 6, 1, 0, 0, 0, 0, time.UTC)), End: literal(time.Date(2020, 6, 3, 0, 0, 0, 0, time.UTC))}}
	}
	q.Sort = pick(d, nil, nil, nil, []catalog.SortKey{{Property: "datetime"}}, []catalog.SortKey{{Property: "datetime", Descending: true}}, []catalog.SortKey{{Property: "n"}},
		[]catalog.SortKey{{Property: "n", Descending: true}, {Property: "datetime"}}, []catalog.SortKey{{Property: "id"}}, []catalog.SortKey{{Property: "collection"}, {Property: "id", Descending: true}},
		[]catalog.SortKey{{Property: "s", Descending: true}}, []catalog.SortKey{{Property: "datetime", Descending: true}, {Property: "id", Descending: true}})
	return q
}
