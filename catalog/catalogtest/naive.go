package catalogtest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// evaluate answers a query by looking at every entry.
func evaluate(entries []catalog.Entry, q catalog.Query) []string {
	shape := q.Shape()
	hits := []catalog.Entry{}
	for _, e := range entries {
		if q.Collections != nil && !slices.Contains(q.Collections, e.Ref.Collection) ||
			q.IDs != nil && !slices.Contains(q.IDs, e.Ref.ID) ||
			shape != nil && (e.Shape == nil || !e.Shape.Intersects(shape)) || !e.Overlaps(q.Time) {
			continue
		}
		hits = append(hits, e)
	}
	slices.SortFunc(hits, func(a, b catalog.Entry) int {
		switch {
		case a.Before(b):
			return -1
		case b.Before(a):
			return 1
		}
		return 0
	})
	out := []string{}
	for _, e := range hits {
		out = append(out, e.Ref.Collection+"/"+e.Ref.ID)
	}
	return out
}

// draw makes items and queries on coarse grids of place and time, so that equal sort keys, shapes that
// only touch, open ends and the antimeridian come up often.
type draw struct{ *rand.Rand }

func (d draw) lon() float64 {
	return []float64{-180, -179, -90, -1, 0, 1, 2.5, 90, 179, 180}[d.IntN(10)]
}
func (d draw) lat() float64 { return []float64{-90, -10, -1, 0, 0.5, 1, 45, 90}[d.IntN(8)] }

func (d draw) moment() time.Time {
	return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(d.IntN(8))*24*time.Hour + time.Duration(d.IntN(2))*time.Microsecond)
}

func (d draw) geometry() string {
	west, south := d.lon(), d.lat()
	east, north := west+float64(1+d.IntN(30)), min(90, south+float64(d.IntN(3)))
	switch d.IntN(7) {
	case 0:
		return "null"
	case 1:
		return fmt.Sprintf(`{"type":"Point","coordinates":[%g,%g,7]}`, west, south)
	case 2:
		return fmt.Sprintf(`{"type":"LineString","coordinates":[[%g,%g],[%g,%g]]}`, west, south, d.lon(), d.lat())
	case 3:
		return fmt.Sprintf(`{"type":"Polygon","coordinates":[[[%g,%g],[%g,%g],[%g,%g],[%g,%g]]]}`, west, south, east, south, west, north, west, south)
	case 4:
		return fmt.Sprintf(`{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[%g,%g]},{"type":"MultiPoint","coordinates":[[%g,%g]]}]}`, west, south, d.lon(), d.lat())
	}
	return fmt.Sprintf(`{"type":"Polygon","coordinates":[[[%g,%g],[%g,%g],[%g,%g],[%g,%g],[%g,%g]]]}`, west, south, east, south, east, north, west, north, west, south)
}

func (d draw) times() string {
	a, b := d.moment(), d.moment()
	if a.After(b) {
		a, b = b, a
	}
	text := func(t time.Time) string { return t.Format(time.RFC3339Nano) }
	switch d.IntN(8) {
	case 0:
		return `"datetime":null`
	case 1:
		return fmt.Sprintf(`"datetime":null,"start_datetime":%q,"end_datetime":%q`, text(a), text(b))
	case 2:
		return fmt.Sprintf(`"datetime":%q,"start_datetime":%q,"end_datetime":%q`, text(a), text(a), text(b))
	case 3:
		return fmt.Sprintf(`"datetime":null,"start_datetime":%q`, text(a))
	case 4:
		return fmt.Sprintf(`"datetime":null,"end_datetime":%q`, text(a))
	}
	return fmt.Sprintf(`"datetime":%q`, text(a))
}

func (d draw) some(of []string) []string {
	if d.IntN(3) > 0 {
		return nil
	}
	out := []string{}
	for range d.IntN(4) {
		out = append(out, of[d.IntN(len(of))])
	}
	return out
}

func (d draw) query(t *testing.T, ids []string) catalog.Query {
	q := catalog.Query{Collections: d.some([]string{"a", "b", "c", "none"}), IDs: d.some(ids), Count: d.IntN(2) == 0}
	switch d.IntN(4) {
	case 0:
		south, north := d.lat(), d.lat()
		q.BBox = []float64{d.lon(), min(south, north), d.lon(), max(south, north)}
	case 1:
		if text := d.geometry(); text != "null" {
			shape, err := geo.Parse(json.RawMessage(text), nil)
			require.NoError(t, err)
			q.Intersects = shape
		}
	}
	if d.IntN(2) == 0 {
		a, b := d.moment(), d.moment()
		if a.After(b) {
			a, b = b, a
		}
		q.Time = []catalog.Interval{{Start: &a}, {End: &b}, {Start: &a, End: &b}, {Start: &a, End: &a}}[d.IntN(4)]
	}
	q.Limit = []int{1, 3, 10, 1000}[d.IntN(4)]
	return q
}

func testNaive(t *testing.T, c catalog.Catalog) {
	d := draw{rand.New(rand.NewPCG(7, 11))}
	ch := catalog.Changes{Collections: []json.RawMessage{Collection("a"), Collection("b"), Collection("c")}}
	var entries []catalog.Entry
	var ids []string
	for i := range 300 {
		ids = append(ids, fmt.Sprintf("item %d", i/2))
		doc := Item([]string{"a", "b"}[i%2], ids[i], d.geometry(), d.times())
		e, err := catalog.ParseItem(doc)
		require.NoError(t, err)
		ch.Items, entries = append(ch.Items, doc), append(entries, e)
	}
	d.Shuffle(len(ch.Items), func(i, j int) { ch.Items[i], ch.Items[j] = ch.Items[j], ch.Items[i] })
	apply(t, c, ch)
	hits, some := 0, 0
	for i := range 300 {
		q := d.query(t, ids)
		want := evaluate(entries, q)
		q.Limit = max(q.Limit, len(want)/12) // many pages, but not hundreds
		require.Equal(t, want, walk(t, c, q), "query %d: %+v", i, q)
		r, err := c.Search(t.Context(), all, q)
		require.NoError(t, err)
		if r.Matched != nil {
			require.Equal(t, len(want), *r.Matched, "query %d", i)
		}
		require.True(t, r.Matched != nil == q.Count, "query %d", i)
		hits += len(want)
		if len(want) > 0 {
			some++
		}
	}
	require.Greater(t, some, 110, "most queries find something, or nothing was tested")
	require.Greater(t, hits, 1500)
}
