package catalogtest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

func testEmpty(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	require.NoError(t, c.Ping(ctx))
	r, err := c.Search(ctx, all, catalog.Query{Count: true})
	require.NoError(t, err)
	require.Empty(t, r.Documents)
	require.Empty(t, r.Next)
	require.Empty(t, r.Prev)
	require.Zero(t, *r.Matched)
	r, err = c.Collections(ctx, all, catalog.Query{})
	require.NoError(t, err)
	require.Empty(t, r.Documents)
	_, err = c.Collection(ctx, all, "nothing")
	require.ErrorIs(t, err, catalog.ErrNotFound)
	require.True(t, fault.Is(err, fault.NotFound))
	_, err = c.Item(ctx, all, catalog.ItemRef{Collection: "a", ID: "b"})
	require.ErrorIs(t, err, catalog.ErrNotFound)
	require.True(t, fault.Is(err, fault.NotFound))
	marks, err := c.Marks(ctx)
	require.NoError(t, err)
	require.Empty(t, marks)
	properties, err := c.Queryables(ctx, all, nil)
	require.NoError(t, err)
	require.Empty(t, properties)
}

func testApply(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	one := catalog.Changes{Collections: documents(Collection("a")), Items: documents(Item("a", "x", square, then))}
	first := apply(t, c, one)
	require.Positive(t, first)
	require.Equal(t, first, apply(t, c, one), "the same documents again are no change")
	doc, err := c.Collection(ctx, all, "a")
	require.NoError(t, err)
	parsed, err := catalog.ParseCollection(Collection("a"))
	require.NoError(t, err)
	require.Equal(t, string(parsed.Document), string(doc), "a document is given out in its form, byte for byte")
	item, err := c.Item(ctx, all, catalog.ItemRef{Collection: "a", ID: "x"})
	require.NoError(t, err)
	entry, err := catalog.ParseItem(one.Items[0])
	require.NoError(t, err)
	require.Equal(t, string(entry.Document), string(item))

	moved := Item("a", "x", `{"type":"Point","coordinates":[50,50]}`, at("2021-01-01T00:00:00Z")+`,"title":"moved"`)
	second := apply(t, c, catalog.Changes{Items: documents(moved)})
	require.Greater(t, second, first)
	require.Equal(t, []string{"a/x"}, walk(t, c, catalog.Query{BBox: []float64{49, 49, 51, 51}}))
	require.Empty(t, walk(t, c, catalog.Query{BBox: []float64{0, 0, 1, 1}}), "the old place is forgotten")
	when := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	require.Empty(t, walk(t, c, catalog.Query{Time: catalog.Interval{Start: &when, End: &when}}), "the old time is forgotten")
	_, r := search(t, c, catalog.Query{Count: true})
	require.Equal(t, 1, *r.Matched)

	renamed := collection("a", `"title":"another",`)
	require.Greater(t, apply(t, c, catalog.Changes{Collections: documents(renamed)}), second)
	doc, err = c.Collection(ctx, all, "a")
	require.NoError(t, err)
	require.JSONEq(t, string(renamed), string(doc))
	require.Equal(t, []string{"a/x"}, walk(t, c, catalog.Query{}), "a collection put again keeps its items")

	twice := []json.RawMessage{Item("a", "y", square, then), Item("a", "y", "null", then+`,"title":"last"`)}
	apply(t, c, catalog.Changes{Items: twice})
	item, err = c.Item(ctx, all, catalog.ItemRef{Collection: "a", ID: "y"})
	require.NoError(t, err)
	require.Contains(t, string(item), `"last"`, "of two documents of one item the last one stays")
	require.Empty(t, walk(t, c, catalog.Query{BBox: []float64{0, 0, 1, 1}}))
}

// testEntries puts an item that was read before, after those that were not; its hrefs are marked as relative.
func testEntries(t *testing.T, c catalog.Catalog) {
	put(t, c)
	read := func(title string) catalog.Entry {
		e, err := catalog.ParseItem(json.RawMessage(`{"type":"Feature","id":"x","collection":"a","geometry":` + square + `,"properties":{` + then + `,"title":` + text(title) + `},
			"assets":{"one":{"href":"./one.tif"},"two":{"title":"\\u0000","href":"https://example.org/two.tif"}},"links":[{"rel":"via","href":"up"}]}`))
		require.NoError(t, err)
		return e
	}
	first, last := read("first"), read("last")
	rev := apply(t, c, catalog.Changes{Items: documents(Item("a", "x", "null", then)), Entries: []catalog.Entry{first, last}})
	doc, err := c.Item(t.Context(), all, last.Ref)
	require.NoError(t, err)
	require.Equal(t, string(last.Document), string(doc))
	_, r := search(t, c, catalog.Query{BBox: []float64{0, 0, 1, 1}, Words: word("last"), Count: true})
	require.Equal(t, []json.RawMessage{last.Document}, r.Documents)
	require.Equal(t, 1, *r.Matched)
	require.Equal(t, rev, apply(t, c, catalog.Changes{Entries: []catalog.Entry{last}}), "what is there is no change")
	_, err = c.Apply(t.Context(), catalog.Changes{Origin: catalog.Posted, Entries: []catalog.Entry{first}})
	require.True(t, fault.Is(err, fault.Precondition), err)
	strange := first
	strange.Ref.Collection = "nowhere"
	strange.Document = json.RawMessage(strings.Replace(string(first.Document), `"collection":"a"`, `"collection":"nowhere"`, 1))
	_, err = c.Apply(t.Context(), catalog.Changes{Entries: []catalog.Entry{strange}})
	require.ErrorIs(t, err, catalog.ErrNotFound)
}

func testAtomic(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	good := Item("b", "good", square, then)
	before := apply(t, c, catalog.Changes{Collections: documents(Collection("a"))})
	for name, bad := range map[string]json.RawMessage{"no item": json.RawMessage(`{"type":"Feature"}`), "no collection": Item("nowhere", "x", "null", then)} {
		_, err := c.Apply(ctx, catalog.Changes{
			Collections: documents(Collection("b")), Items: documents(good, bad),
			Marks: map[string]string{"m": "1"}, DeleteCollections: []string{"a"},
		})
		require.True(t, fault.Is(err, fault.Invalid) || fault.Is(err, fault.NotFound), "%s: %v", name, err)
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
}

func testRefused(t *testing.T, c catalog.Catalog) {
	apply(t, c, catalog.Changes{Collections: documents(Collection("a"))})
	for doc, want := range map[string]string{
		`7`: "item:",
		`{"type":"Feature","id":"x","collection":"a","geometry":null}`:                                                  "no properties",
		`{"type":"Feature","id":"x","properties":{}}`:                                                                   "names no collection",
		`{"type":"Feature","collection":"a","properties":{}}`:                                                           "no id",
		`{"type":"Collection","id":"x","collection":"a","properties":{}}`:                                               "not Feature",
		string(Item("a", "x", `{"type":"Point","coordinates":[0,99]}`, then)):                                           "latitude 99",
		string(Item("a", "x", "null", at("yesterday"))):                                                                 `"yesterday" is not RFC 3339`,
		string(Item("a", "x", "null", then+`,"end_datetime":7`)):                                                        "no string",
		string(Item("a", "x", "null", then+`,"a":1,"a":2`)):                                                             "given twice",
		string(Item("a", "x", "null", then+`,"a":1e400`)):                                                               "out of range",
		string(Item("a", "x", "null", then+`,"a":[{"b":-1e999}]`)):                                                      "out of range",
		string(Item("a", "x", "null", then+`,"a":"\ud800"`)):                                                            "surrogate",
		string(Item("a", "x", "null", then+`,"a":["x",{"b":"\udc00\ud800"}]`)):                                          "surrogate",
		string(Item("a", "x", "null", then+`,"\ud800":1`)):                                                              "surrogate",
		string(Item("a", "x", "null", then+`,"a":"before\u0000after"`)):                                                 "U+0000",
		string(Item("a", "x", "null", then+`,"\u0000":1`)):                                                              "U+0000",
		string(Item("a", "x\x00", "null", then)):                                                                        "U+0000",
		string(Item("a", "x", "null", then+`,"a":`+nested(100))):                                                        "deep",
		string(Item("a", "x", "null", then+`,"a":"`+"\xff"+`"`)):                                                        "UTF-8",
		string(Item("a", "x", `{"type":"Polygon","coordinates":[[[0,0]]]}`, then)):                                      "geometry",
		string(Item("a", "x", "null", `"start_datetime":"2021-01-01T00:00:00Z","end_datetime":"2020-01-01T00:00:00Z"`)): "after end_datetime",
	} {
		_, err := c.Apply(t.Context(), catalog.Changes{Items: documents(json.RawMessage(doc))})
		require.ErrorContains(t, err, want, doc)
		require.True(t, fault.Is(err, fault.Invalid), doc)
		require.NotEmpty(t, fault.CureOf(err), doc)
	}
	_, err := c.Apply(t.Context(), catalog.Changes{Items: documents(Item("nowhere", "x", "null", then))})
	require.ErrorIs(t, err, catalog.ErrNotFound)
	require.NotEmpty(t, fault.CureOf(err))
	for _, doc := range []string{`{"type":"Catalog","id":"a"}`, `{"type":"Collection"}`, `{"type":"Collection","id":"c","title":"\u0000"}`,
		`{"type":"Collection","id":"c","extent":{"spatial":{"bbox":[[1,2,3]]}}}`, `{"type":"Collection","id":"c","extent":{"temporal":{"interval":[["soon",null]]}}}`} {
		_, err = c.Apply(t.Context(), catalog.Changes{Collections: documents(json.RawMessage(doc))})
		require.True(t, fault.Is(err, fault.Invalid), doc)
		require.NotEmpty(t, fault.CureOf(err), doc)
	}
}

// nested is a list in a list in a list.
func nested(depth int) string {
	out := "1"
	for range depth {
		out = "[" + out + "]"
	}
	return out
}

func testDelete(t *testing.T, c catalog.Catalog) {
	put(t, c, Item("a", "x", square, then), Item("a", "y", square, then), Item("b", "x", square, then))
	x := []catalog.ItemRef{{Collection: "a", ID: "x"}}
	rev := apply(t, c, catalog.Changes{DeleteItems: x})
	require.Equal(t, []string{"a/y", "b/x"}, walk(t, c, catalog.Query{BBox: []float64{0, 0, 1, 1}}))
	require.Equal(t, rev, apply(t, c, catalog.Changes{DeleteItems: append(x, catalog.ItemRef{Collection: "never", ID: "x"}), DeleteCollections: []string{"never"}}),
		"deleting what is not there is no change")
	require.Greater(t, apply(t, c, catalog.Changes{DeleteCollections: []string{"a"}}), rev)
	got, r := search(t, c, catalog.Query{Count: true})
	require.Equal(t, []string{"b/x"}, got)
	require.Equal(t, 1, *r.Matched)
	_, err := c.Collection(t.Context(), all, "a")
	require.ErrorIs(t, err, catalog.ErrNotFound)
	_, err = c.Item(t.Context(), all, catalog.ItemRef{Collection: "a", ID: "y"})
	require.ErrorIs(t, err, catalog.ErrNotFound)
	apply(t, c, catalog.Changes{DeleteCollections: []string{"b"}, Collections: documents(Collection("b")), Items: documents(Item("b", "z", square, then))})
	require.Equal(t, []string{"b/z"}, walk(t, c, catalog.Query{}), "deletions come before what is put")
	apply(t, c, catalog.Changes{DeleteItems: []catalog.ItemRef{{Collection: "b", ID: "z"}}, Items: documents(Item("b", "z", "null", then))})
	require.Equal(t, []string{"b/z"}, walk(t, c, catalog.Query{}))
	require.Empty(t, walk(t, c, catalog.Query{BBox: []float64{0, 0, 1, 1}}))
}

func testMarks(t *testing.T, c catalog.Catalog) {
	rev := apply(t, c, catalog.Changes{Collections: documents(Collection("a")), Marks: map[string]string{"one": "1", "two": "2", "ü'\"": "%\n"}})
	require.Equal(t, rev, apply(t, c, catalog.Changes{Marks: map[string]string{"one": "", "three": "3", "never": ""}}), "marks are no change that a reader could see")
	marks, err := c.Marks(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]string{"two": "2", "three": "3", "ü'\"": "%\n"}, marks)
}

// testManyAtOnce puts more in one set of changes than one statement takes parameters.
func testManyAtOnce(t *testing.T, c catalog.Catalog) {
	const n = 1500
	ch := catalog.Changes{Collections: documents(Collection("a"))}
	refs := []catalog.ItemRef{}
	for i := range n {
		id := fmt.Sprintf("i%04d", i)
		ch.Items, refs = append(ch.Items, Item("a", id, square, then)), append(refs, catalog.ItemRef{Collection: "a", ID: id})
	}
	apply(t, c, ch)
	ids := []string{}
	for _, r := range refs {
		ids = append(ids, r.ID)
	}
	require.Len(t, walk(t, c, catalog.Query{IDs: ids, Page: catalog.Page{Limit: 1000}}), n)
	apply(t, c, catalog.Changes{DeleteItems: refs[1:]})
	require.Equal(t, []string{"a/i0000"}, walk(t, c, catalog.Query{}))
}

func testCanceled(t *testing.T, c catalog.Catalog) {
	put(t, c, Item("a", "x", square, then))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late, stop := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer stop()
	for _, ctx := range []context.Context{gone, late} {
		for name, ask := range map[string]func() error{
			"search":      func() error { _, err := c.Search(ctx, all, catalog.Query{}); return err },
			"collections": func() error { _, err := c.Collections(ctx, all, catalog.Query{}); return err },
			"collection":  func() error { _, err := c.Collection(ctx, all, "a"); return err },
			"item":        func() error { _, err := c.Item(ctx, all, catalog.ItemRef{Collection: "a", ID: "x"}); return err },
			"aggregate": func() error {
				_, err := c.Aggregate(ctx, all, catalog.Query{}, []catalog.Aggregation{{Name: "n"}})
				return err
			},
			"queryables": func() error { _, err := c.Queryables(ctx, all, nil); return err },
			"marks":      func() error { _, err := c.Marks(ctx); return err },
			"ping":       func() error { return c.Ping(ctx) },
			"apply": func() error {
				_, err := c.Apply(ctx, catalog.Changes{DeleteCollections: []string{"a"}})
				return err
			},
		} {
			err := ask()
			require.True(t, fault.Is(err, fault.Canceled), "%s: %v", name, err)
		}
	}
	require.Equal(t, []string{"a/x"}, walk(t, c, catalog.Query{}))
}
