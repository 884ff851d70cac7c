// Package catalogtest is what every catalog has to pass: Run holds each back end to the contract of
// catalog.Catalog, by hand-made cases and by comparing generated queries with a naive evaluation of
// the same documents in memory. The invariant: two back ends that pass give the same answers.
package catalogtest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/fault"
)

// Config tells the suite how to get a fresh, empty catalog; New also sees to its closing.
type Config struct {
	New func(t *testing.T) catalog.Catalog
}

// Run holds a back end to the contract.
func Run(t *testing.T, cfg Config) {
	for name, test := range map[string]func(*testing.T, catalog.Catalog){
		"empty":           testEmpty,
		"apply":           testApply,
		"atomic":          testAtomic,
		"refused":         testRefused,
		"delete":          testDelete,
		"reset and marks": testResetAndMarks,
		"order":           testOrder,
		"collection page": testCollectionPages,
		"paging":          testPaging,
		"moving pages":    testMovingPages,
		"tokens":          testTokens,
		"scope":           testScope,
		"query":           testQuery,
		"concurrency":     testConcurrency,
		"naive":           testNaive,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, cfg.New(t))
		})
	}
}

var all = catalog.Everything()

// Collection is the document of a collection for tests.
func Collection(id string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"type":"Collection","stac_version":"1.1.0","id":%q,"description":"d","license":"other",
		"extent":{"spatial":{"bbox":[[-180,-90,180,90]]},"temporal":{"interval":[[null,null]]}},"links":[]}`, id))
}

// Item is the document of an item for tests; geometry is GeoJSON or "null", and times are the time
// members of its properties.
func Item(collection, id, geometry, times string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"type":"Feature","stac_version":"1.1.0","id":%q,"collection":%q,"geometry":%s,
		"bbox":[0,0,1,1],"properties":{%s},"links":[],"assets":{}}`, id, collection, geometry, times))
}

func at(t string) string { return fmt.Sprintf(`"datetime":%q`, t) }

const square = `{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1],[0,0]]]}`

func apply(t *testing.T, c catalog.Catalog, ch catalog.Changes) int64 {
	t.Helper()
	rev, err := c.Apply(context.Background(), ch)
	require.NoError(t, err)
	return rev
}

// names are the items of a result as collection/id.
func names(t *testing.T, docs []json.RawMessage) []string {
	t.Helper()
	out := []string{}
	for _, d := range docs {
		e, err := catalog.ParseItem(d)
		require.NoError(t, err)
		out = append(out, e.Ref.Collection+"/"+e.Ref.ID)
	}
	return out
}

// walk follows the pages of a query to their end.
func walk(t *testing.T, c catalog.Catalog, q catalog.Query) []string {
	t.Helper()
	out := []string{}
	for range 10_000 {
		r, err := c.Search(context.Background(), all, q)
		require.NoError(t, err)
		require.LessOrEqual(t, len(r.Documents), q.Size())
		out = append(out, names(t, r.Documents)...)
		if r.Next == "" {
			return out
		}
		require.NotEmpty(t, r.Documents, "a page with a next one is not empty")
		q.Token = r.Next
	}
	t.Fatal("the pages have no end")
	return nil
}

func testEmpty(t *testing.T, c catalog.Catalog) {
	ctx := context.Background()
	r, err := c.Search(ctx, all, catalog.Query{Count: true})
	require.NoError(t, err)
	require.Empty(t, r.Documents)
	require.Empty(t, r.Next)
	require.Zero(t, *r.Matched)
	r, err = c.Collections(ctx, all, catalog.Query{})
	require.NoError(t, err)
	require.Empty(t, r.Documents)
	_, err = c.Collection(ctx, all, "nothing")
	require.ErrorIs(t, err, catalog.ErrNotFound)
	require.True(t, fault.Is(err, fault.NotFound))
	_, err = c.Item(ctx, all, catalog.ItemRef{Collection: "a", ID: "b"})
	require.ErrorIs(t, err, catalog.ErrNotFound)
}

func testApply(t *testing.T, c catalog.Catalog) {
	ctx := context.Background()
	one := catalog.Changes{Collections: []json.RawMessage{Collection("a")}, Items: []json.RawMessage{Item("a", "x", square, at("2020-01-01T00:00:00Z"))}}
	first := apply(t, c, one)
	require.Positive(t, first)
	require.Equal(t, first, apply(t, c, one), "the same documents again are no change")
	doc, err := c.Collection(ctx, all, "a")
	require.NoError(t, err)
	require.JSONEq(t, string(Collection("a")), string(doc))
	item, err := c.Item(ctx, all, catalog.ItemRef{Collection: "a", ID: "x"})
	require.NoError(t, err)
	require.JSONEq(t, string(one.Items[0]), string(item))

	moved := Item("a", "x", `{"type":"Point","coordinates":[50,50]}`, at("2021-01-01T00:00:00Z"))
	require.Greater(t, apply(t, c, catalog.Changes{Items: []json.RawMessage{moved}}), first)
	require.Equal(t, []string{"a/x"}, walk(t, c, catalog.Query{BBox: []float64{49, 49, 51, 51}}))
	require.Empty(t, walk(t, c, catalog.Query{BBox: []float64{0, 0, 1, 1}}), "the old place is forgotten")
	when := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	require.Empty(t, walk(t, c, catalog.Query{Time: catalog.Interval{Start: &when, End: &when}}))
}

func testAtomic(t *testing.T, c catalog.Catalog) {
	ctx := context.Background()
	good := Item("b", "good", square, at("2020-01-01T00:00:00Z"))
	before := apply(t, c, catalog.Changes{Collections: []json.RawMessage{Collection("a")}})
	_, err := c.Apply(ctx, catalog.Changes{
		Collections: []json.RawMessage{Collection("b")}, Items: []json.RawMessage{good, json.RawMessage(`{"type":"Feature"}`)},
		Marks: map[string]string{"m": "1"}, DeleteCollections: []string{"a"},
	})
	require.True(t, fault.Is(err, fault.Invalid), err)
	require.Empty(t, walk(t, c, catalog.Query{}))
	_, err = c.Collection(ctx, all, "b")
	require.ErrorIs(t, err, catalog.ErrNotFound)
	_, err = c.Collection(ctx, all, "a")
	require.NoError(t, err)
	marks, err := c.Marks(ctx)
	require.NoError(t, err)
	require.Empty(t, marks)
	require.Equal(t, before, apply(t, c, catalog.Changes{}))
}

func testRefused(t *testing.T, c catalog.Catalog) {
	ctx := context.Background()
	apply(t, c, catalog.Changes{Collections: []json.RawMessage{Collection("a")}})
	for doc, want := range map[string]string{
		`7`: "item:",
		`{"type":"Feature","id":"x","collection":"a","geometry":null}`:                                                                  "no properties",
		`{"type":"Feature","id":"x","properties":{}}`:                                                                                   "names no collection",
		`{"type":"Feature","collection":"a","properties":{}}`:                                                                           "no id",
		`{"type":"Collection","id":"x","collection":"a","properties":{}}`:                                                               "not Feature",
		string(Item("a", "x", `{"type":"Point","coordinates":[0,99]}`, at("2020-01-01T00:00:00Z"))):                                     "latitude 99",
		string(Item("a", "x", "null", at("yesterday"))):                                                                                 `"yesterday" is not RFC 3339`,
		string(Item("a", "x", "null", `"datetime":null,"start_datetime":"2021-01-01T00:00:00Z","end_datetime":"2020-01-01T00:00:00Z"`)): "after end_datetime",
	} {
		_, err := c.Apply(ctx, catalog.Changes{Items: []json.RawMessage{json.RawMessage(doc)}})
		require.ErrorContains(t, err, want)
		require.True(t, fault.Is(err, fault.Invalid), doc)
		require.NotEmpty(t, fault.CureOf(err), doc)
	}
	_, err := c.Apply(ctx, catalog.Changes{Items: []json.RawMessage{Item("nowhere", "x", "null", at("2020-01-01T00:00:00Z"))}})
	require.ErrorIs(t, err, catalog.ErrNotFound)
	_, err = c.Apply(ctx, catalog.Changes{Collections: []json.RawMessage{json.RawMessage(`{"type":"Catalog","id":"a"}`)}})
	require.True(t, fault.Is(err, fault.Invalid))
}

func testDelete(t *testing.T, c catalog.Catalog) {
	time := at("2020-01-01T00:00:00Z")
	apply(t, c, catalog.Changes{Collections: []json.RawMessage{Collection("a"), Collection("b")}, Items: []json.RawMessage{
		Item("a", "x", square, time), Item("a", "y", square, time), Item("b", "x", square, time)}})
	rev := apply(t, c, catalog.Changes{DeleteItems: []catalog.ItemRef{{Collection: "a", ID: "x"}}})
	require.Equal(t, []string{"a/y", "b/x"}, walk(t, c, catalog.Query{BBox: []float64{0, 0, 1, 1}}))
	require.Equal(t, rev, apply(t, c, catalog.Changes{DeleteItems: []catalog.ItemRef{{Collection: "a", ID: "x"}}, DeleteCollections: []string{"never"}}))
	apply(t, c, catalog.Changes{DeleteCollections: []string{"a"}})
	require.Equal(t, []string{"b/x"}, walk(t, c, catalog.Query{}))
	_, err := c.Collection(context.Background(), all, "a")
	require.ErrorIs(t, err, catalog.ErrNotFound)
}

func testResetAndMarks(t *testing.T, c catalog.Catalog) {
	ctx := context.Background()
	rev := apply(t, c, catalog.Changes{Collections: []json.RawMessage{Collection("a")}, Items: []json.RawMessage{Item("a", "x", square, at("2020-01-01T00:00:00Z"))},
		Marks: map[string]string{"one": "1", "two": "2"}})
	require.Equal(t, rev, apply(t, c, catalog.Changes{Marks: map[string]string{"one": "", "three": "3"}}), "marks are no change that a reader could see")
	marks, err := c.Marks(ctx)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"two": "2", "three": "3"}, marks)
	apply(t, c, catalog.Changes{Reset: true, Collections: []json.RawMessage{Collection("b")}, Marks: map[string]string{"four": "4"}})
	require.Empty(t, walk(t, c, catalog.Query{}))
	require.Empty(t, walk(t, c, catalog.Query{BBox: []float64{0, 0, 1, 1}}))
	marks, err = c.Marks(ctx)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"four": "4"}, marks)
	_, err = c.Collection(ctx, all, "a")
	require.ErrorIs(t, err, catalog.ErrNotFound)
	_, err = c.Collection(ctx, all, "b")
	require.NoError(t, err)
}

func testOrder(t *testing.T, c catalog.Catalog) {
	apply(t, c, catalog.Changes{Collections: []json.RawMessage{Collection("a"), Collection("b")}, Items: []json.RawMessage{
		Item("a", "old", "null", at("2019-01-01T00:00:00Z")),
		Item("b", "same", "null", at("2020-01-01T00:00:00Z")),
		Item("a", "same", "null", at("2020-01-01T01:00:00+01:00")),
		Item("a", "Same", "null", at("2020-01-01T00:00:00.000000Z")),
		Item("a", "micro", "null", at("2020-01-01T00:00:00.000001Z")),
		Item("a", "span", "null", `"datetime":null,"start_datetime":"2021-01-01T00:00:00Z","end_datetime":"2023-01-01T00:00:00Z"`),
		Item("a", "until", "null", `"datetime":null,"end_datetime":"2022-01-01T00:00:00Z"`),
		Item("a", "timeless", "null", `"datetime":null`),
	}})
	want := []string{"a/until", "a/span", "a/micro", "a/Same", "a/same", "b/same", "a/old", "a/timeless"}
	for _, limit := range []int{1, 2, 3, 8, 100} {
		require.Equal(t, want, walk(t, c, catalog.Query{Page: catalog.Page{Limit: limit}}), "limit %d", limit)
	}
}

func testCollectionPages(t *testing.T, c catalog.Catalog) {
	var ch catalog.Changes
	var want, got []string
	for i := range 25 {
		id := fmt.Sprintf("c%02d", i)
		ch.Collections, want = append(ch.Collections, Collection(id)), append(want, id)
	}
	apply(t, c, ch)
	p := catalog.Query{Count: true, Page: catalog.Page{Limit: 7}}
	for {
		r, err := c.Collections(context.Background(), all, p)
		require.NoError(t, err)
		require.Equal(t, 25, *r.Matched)
		for _, d := range r.Documents {
			e, err := catalog.ParseCollection(d)
			require.NoError(t, err)
			got = append(got, e.ID)
		}
		if p.Token = r.Next; p.Token == "" {
			break
		}
	}
	require.Equal(t, want, got)
	_, err := c.Collections(context.Background(), all, catalog.Query{Page: catalog.Page{Token: "x"}})
	require.True(t, fault.Is(err, fault.Invalid))
}

func manyItems(n int) catalog.Changes {
	ch := catalog.Changes{Collections: []json.RawMessage{Collection("a"), Collection("b")}}
	for i := range n {
		ch.Items = append(ch.Items, Item([]string{"a", "b"}[i%2], fmt.Sprintf("i%03d", i/2), square, at(fmt.Sprintf("2020-01-%02dT00:00:00Z", 1+i%5))))
	}
	return ch
}

func testPaging(t *testing.T, c catalog.Catalog) {
	apply(t, c, manyItems(60))
	whole := walk(t, c, catalog.Query{Page: catalog.Page{Limit: 100}})
	require.Len(t, whole, 60)
	for _, q := range []catalog.Query{{}, {BBox: []float64{-5, -5, 5, 5}}, {Collections: []string{"b", "a", "none"}}} {
		q.Limit = 7
		require.Equal(t, whole, walk(t, c, q))
		q.Count = true
		r, err := c.Search(context.Background(), all, q)
		require.NoError(t, err)
		require.Equal(t, 60, *r.Matched)
	}
	r, err := c.Search(context.Background(), all, catalog.Query{Page: catalog.Page{Limit: 60}})
	require.NoError(t, err)
	require.Empty(t, r.Next, "a last page that is just full has no next")
	require.Nil(t, r.Matched)
}

func testMovingPages(t *testing.T, c catalog.Catalog) {
	apply(t, c, manyItems(40))
	whole := walk(t, c, catalog.Query{Page: catalog.Page{Limit: 100}})
	q := catalog.Query{Page: catalog.Page{Limit: 10}}
	r, err := c.Search(context.Background(), all, q)
	require.NoError(t, err)
	first := names(t, r.Documents)
	last := strings.Split(first[9], "/")
	apply(t, c, catalog.Changes{ // the very item the token names goes, and one comes before it
		DeleteItems: []catalog.ItemRef{{Collection: last[0], ID: last[1]}},
		Items:       []json.RawMessage{Item("a", "newest", square, at("2030-01-01T00:00:00Z"))},
	})
	q.Token = r.Next
	require.Equal(t, whole, append(first, walk(t, c, q)...))
}

func testTokens(t *testing.T, c catalog.Catalog) {
	ctx := context.Background()
	apply(t, c, manyItems(30))
	r, err := c.Search(ctx, all, catalog.Query{Collections: []string{"a"}, Page: catalog.Page{Limit: 3}})
	require.NoError(t, err)
	_, err = c.Search(ctx, all, catalog.Query{Collections: []string{"a"}, Page: catalog.Page{Limit: 9, Token: r.Next}})
	require.NoError(t, err, "another page size goes on with the same token")
	bad := []catalog.Query{{Collections: []string{"b"}}, {}, {Collections: []string{"a"}, IDs: []string{"i001"}}, {Collections: []string{"a"}, BBox: []float64{0, 0, 1, 1}}}
	for i := range bad {
		bad[i].Token = r.Next
	}
	for i := range r.Next {
		edited := []byte(r.Next)
		edited[i] ^= 1
		bad = append(bad, catalog.Query{Collections: []string{"a"}, Page: catalog.Page{Token: string(edited)}})
	}
	for _, token := range []string{"1", "next:10", r.Next + "A", r.Next[:8], strings.Repeat("A", 80)} {
		bad = append(bad, catalog.Query{Collections: []string{"a"}, Page: catalog.Page{Token: token}})
	}
	for _, q := range bad {
		_, err := c.Search(ctx, all, q)
		require.True(t, fault.Is(err, fault.Invalid), "%+v: %v", q, err)
		require.NotEmpty(t, fault.CureOf(err))
	}
}

func testScope(t *testing.T, c catalog.Catalog) {
	ctx := context.Background()
	apply(t, c, manyItems(4))
	var nobody catalog.Scope
	r, err := c.Search(ctx, nobody, catalog.Query{Count: true})
	require.NoError(t, err)
	require.Empty(t, r.Documents)
	require.Zero(t, *r.Matched)
	r, err = c.Collections(ctx, nobody, catalog.Query{})
	require.NoError(t, err)
	require.Empty(t, r.Documents)
	_, err = c.Collection(ctx, nobody, "a")
	require.ErrorIs(t, err, catalog.ErrNotFound)
	_, err = c.Item(ctx, nobody, catalog.ItemRef{Collection: "a", ID: "i000"})
	require.ErrorIs(t, err, catalog.ErrNotFound)
}

func testQuery(t *testing.T, c catalog.Catalog) {
	tri := `{"type":"Polygon","coordinates":[[[0,0],[10,0],[0,10],[0,0]]]}`
	apply(t, c, catalog.Changes{Collections: []json.RawMessage{Collection("a")}, Items: []json.RawMessage{
		Item("a", "triangle", tri, at("2020-01-05T00:00:00Z")),
		Item("a", "nowhere", "null", at("2020-01-04T00:00:00Z")),
		Item("a", "fiji", `{"type":"MultiPolygon","coordinates":[[[[179,0],[180,0],[180,1],[179,1],[179,0]]],[[[-180,0],[-179,0],[-179,1],[-180,1],[-180,0]]]]}`, at("2020-01-03T00:00:00Z")),
		Item("a", "over", `{"type":"Polygon","coordinates":[[[178,10],[182,10],[182,11],[178,11],[178,10]]]}`, at("2020-01-02T00:00:00Z")),
		Item("a", "span", "null", `"datetime":null,"start_datetime":"2019-01-01T00:00:00Z","end_datetime":"2019-12-31T00:00:00Z"`),
	}})
	day := func(s string) *time.Time {
		v, err := catalog.ParseTime(s + "T00:00:00Z")
		require.NoError(t, err)
		return &v
	}
	corner, err := geo.Parse(json.RawMessage(`{"type":"Point","coordinates":[9,9]}`), nil)
	require.NoError(t, err)
	edge, err := geo.Parse(json.RawMessage(`{"type":"Point","coordinates":[5,5]}`), nil)
	require.NoError(t, err)
	for name, c2 := range map[string]struct {
		q    catalog.Query
		want []string
	}{
		"bbox in the box, not in the shape": {catalog.Query{BBox: []float64{8, 8, 9, 9}}, nil},
		"bbox":                              {catalog.Query{BBox: []float64{1, 1, 2, 2}}, []string{"triangle"}},
		"bbox of one point":                 {catalog.Query{BBox: []float64{1, 1, 1, 1}}, []string{"triangle"}},
		"bbox with heights":                 {catalog.Query{BBox: []float64{1, 1, -50, 2, 2, 50}}, []string{"triangle"}},
		"bbox over the antimeridian":        {catalog.Query{BBox: []float64{178.5, 0, -179.5, 20}}, []string{"fiji", "over"}},
		"bbox west of it":                   {catalog.Query{BBox: []float64{178, 0, 179.5, 20}}, []string{"fiji", "over"}},
		"bbox east of it":                   {catalog.Query{BBox: []float64{-179.5, 0, -178.5, 20}}, []string{"fiji", "over"}},
		"world":                             {catalog.Query{BBox: []float64{-180, -90, 180, 90}}, []string{"triangle", "fiji", "over"}},
		"point off the shape":               {catalog.Query{Intersects: corner}, nil},
		"point on the edge":                 {catalog.Query{Intersects: edge}, []string{"triangle"}},
		"moment":                            {catalog.Query{Time: catalog.Interval{Start: day("2020-01-04"), End: day("2020-01-04")}}, []string{"nowhere"}},
		"moment in a span":                  {catalog.Query{Time: catalog.Interval{Start: day("2019-06-01"), End: day("2019-06-01")}}, []string{"span"}},
		"until":                             {catalog.Query{Time: catalog.Interval{End: day("2019-01-01")}}, []string{"span"}},
		"since":                             {catalog.Query{Time: catalog.Interval{Start: day("2020-01-04")}}, []string{"triangle", "nowhere"}},
		"ids":                               {catalog.Query{IDs: []string{"fiji", "none", "over", "fiji"}}, []string{"fiji", "over"}},
		"no ids":                            {catalog.Query{IDs: []string{}}, nil},
		"no collections":                    {catalog.Query{Collections: []string{}}, nil},
		"all together":                      {catalog.Query{IDs: []string{"fiji", "over"}, Collections: []string{"a"}, BBox: []float64{179, 0, 180, 5}, Time: catalog.Interval{Start: day("2020-01-01")}}, []string{"fiji"}},
		"quotes are text":                   {catalog.Query{IDs: []string{`' OR 1=1 --`}}, nil},
	} {
		want := []string{}
		for _, id := range c2.want {
			want = append(want, "a/"+id)
		}
		require.Equal(t, want, walk(t, c, c2.q), name)
	}
	for name, q := range map[string]catalog.Query{
		"three numbers": {BBox: []float64{1, 2, 3}}, "south over north": {BBox: []float64{0, 2, 1, 1}},
		"both shapes": {BBox: []float64{0, 0, 1, 1}, Intersects: edge}, "low over high": {BBox: []float64{0, 0, 9, 1, 1, 1}},
		"time turned round": {Time: catalog.Interval{Start: day("2020-01-02"), End: day("2020-01-01")}},
	} {
		_, err := c.Search(context.Background(), all, q)
		require.True(t, fault.Is(err, fault.Invalid), name)
		require.NotEmpty(t, fault.CureOf(err), name)
	}
}

func testConcurrency(t *testing.T, c catalog.Catalog) {
	ctx := context.Background()
	apply(t, c, catalog.Changes{Collections: []json.RawMessage{Collection("a")}})
	const writers, each = 4, 20
	var wg sync.WaitGroup
	var mu sync.Mutex
	revisions := []int64{}
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				pair := []json.RawMessage{ // both or none
					Item("a", fmt.Sprintf("w%d-%02d-left", w, i), square, at("2020-01-01T00:00:00Z")),
					Item("a", fmt.Sprintf("w%d-%02d-right", w, i), square, at("2020-01-01T00:00:00Z")),
				}
				rev, err := c.Apply(ctx, catalog.Changes{Items: pair})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				revisions = append(revisions, rev)
				mu.Unlock()
			}
		})
	}
	for range 3 {
		wg.Go(func() {
			for range 30 {
				r, err := c.Search(ctx, all, catalog.Query{BBox: []float64{0, 0, 1, 1}, Page: catalog.Page{Limit: 1000}})
				if err != nil {
					t.Error(err)
					return
				}
				if len(r.Documents)%2 != 0 {
					t.Errorf("half a change was seen: %d items", len(r.Documents))
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, walk(t, c, catalog.Query{Page: catalog.Page{Limit: 1000}}), writers*each*2)
	slices.Sort(revisions)
	require.Len(t, slices.Compact(revisions), writers*each, "every change has its own revision")
}
