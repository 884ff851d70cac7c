package catalogtest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// testIndexes asks the same before, with and after an index over a property, where the catalog has them.
func testIndexes(t *testing.T, c catalog.Catalog) {
	x, ok := c.(catalog.Indexer)
	if !ok {
		return // an ability of its own, which a catalog need not have
	}
	ctx := t.Context()
	apply(t, c, manyItems(60))
	before, err := x.Indexes(ctx)
	require.NoError(t, err)
	questions := []catalog.Query{
		{Sort: sorts["mixed"]}, {Sort: sorts["mixed, down"]}, {Sort: sorts["several"]}, {Sort: sorts["mixed"], Collections: []string{"b"}}, {Sort: sorts["mixed, down"], Collections: []string{"a"}},
		{Filter: is("=", property("v"), 1)}, {Filter: is("<>", property("v"), 1)}, {Filter: is(">", property("v"), "a"), Sort: sorts["mixed"]}, {Filter: property("v")},
		{Filter: not(is("<", property("v"), 2)), Sort: sorts["oldest"], BBox: []float64{0, 0, 1, 1}},
	}
	answers := func() (out [][]string) {
		for _, q := range questions {
			q.Limit = 7
			out = append(out, walk(t, c, q))
		}
		return out
	}
	want := answers()
	names := []string{"v", "v", "none", "it's", `"`, "a.b", "$", "", "datetime", "森林", "a b%"}
	for _, name := range names {
		require.NoError(t, x.Index(ctx, name), "%q", name)
	}
	with, err := x.Indexes(ctx)
	require.NoError(t, err)
	require.IsIncreasing(t, with)
	require.Subset(t, with, before)
	require.Subset(t, with, names)
	require.Equal(t, want, answers())
	// Items that are put, changed and deleted while the index is there.
	apply(t, c, catalog.Changes{Items: documents(Item("a", "new", square, then+`,"v":1,"it's":1`)), DeleteItems: []catalog.ItemRef{{Collection: "a", ID: "i001"}}})
	apply(t, c, catalog.Changes{Items: manyItems(3).Items, DeleteItems: []catalog.ItemRef{{Collection: "a", ID: "new"}}})
	apply(t, c, catalog.Changes{Items: manyItems(60).Items})
	require.Equal(t, want, answers())
	for _, name := range names {
		if name != "datetime" {
			require.NoError(t, x.DropIndex(ctx, name), "%q", name)
		}
	}
	after, err := x.Indexes(ctx)
	require.NoError(t, err)
	require.NotContains(t, after, "v")
	require.Equal(t, want, answers())
}

// testIndexesBetweenPages goes on with the pages of a question while an index over what they are ordered by comes and goes.
func testIndexesBetweenPages(t *testing.T, c catalog.Catalog) {
	x, ok := c.(catalog.Indexer)
	if !ok {
		return
	}
	ctx := t.Context()
	apply(t, c, manyItems(60))
	for _, key := range []string{"mixed", "mixed, down", "several"} {
		q := catalog.Query{Sort: sorts[key], Page: catalog.Page{Limit: 5}}
		want := walk(t, c, q)
		got := []string{}
		for page := 0; page == 0 || q.Token != ""; page++ {
			change := x.Index
			if page%2 == 0 {
				change = x.DropIndex
			}
			require.NoError(t, change(ctx, "v"))
			names, r := search(t, c, q)
			got, q.Token = append(got, names...), r.Next
			if r.Prev != "" { // there and back again, with the index there in one and not in the other
				back := q
				back.Token = r.Prev
				require.NoError(t, x.Index(ctx, "v"))
				before, _ := search(t, c, back)
				require.Equal(t, want[5*(page-1):5*page], before, key)
			}
		}
		require.Equal(t, want, got, key)
	}
}

// testDescription asks a catalog what it is, where it tells.
func testDescription(t *testing.T, c catalog.Catalog) {
	x, ok := c.(catalog.Describer)
	if !ok {
		return
	}
	rev := apply(t, c, manyItems(10))
	d, err := x.Describe(t.Context())
	require.NoError(t, err)
	require.Equal(t, rev, d.Revision)
	require.NotEmpty(t, d.BackEnd)
	require.NotEmpty(t, d.Version)
	require.NotEmpty(t, d.Location)
	require.Positive(t, d.Schema)
	require.Positive(t, d.Bytes)
	require.Equal(t, rev, apply(t, c, catalog.Changes{}), "asking changes nothing")
}

// testSnapshot changes a catalog while a snapshot of it is read.
func testSnapshot(t *testing.T, c catalog.Catalog) {
	x, ok := c.(catalog.Snapshotter)
	if !ok {
		return
	}
	ctx := t.Context()
	apply(t, c, manyItems(60))
	everything := func(r catalog.Reader) (out []string) {
		list, err := r.Collections(ctx, all, catalog.Query{})
		require.NoError(t, err)
		for _, doc := range list.Documents {
			out = append(out, string(doc))
		}
		for q := (catalog.Query{Page: catalog.Page{Limit: 7}}); ; {
			page, err := r.Search(ctx, all, q)
			require.NoError(t, err)
			for _, doc := range page.Documents {
				out = append(out, string(doc))
			}
			if q.Token = page.Next; q.Token == "" {
				return out
			}
		}
	}
	want := everything(c)
	old, fresh := catalog.ItemRef{Collection: "a", ID: "i001"}, catalog.ItemRef{Collection: "new", ID: "i"}
	require.NoError(t, x.Snapshot(ctx, func(r catalog.Reader) error {
		apply(t, c, catalog.Changes{Collections: documents(Collection("new"), collection("a", `"title":"another",`)), Items: documents(Item("new", "i", square, then)), DeleteItems: []catalog.ItemRef{old}})
		require.Equal(t, want, everything(r))
		apply(t, c, catalog.Changes{DeleteCollections: []string{"b"}})
		require.Equal(t, want, everything(r))
		doc, err := r.Item(ctx, all, old)
		require.NoError(t, err)
		require.Contains(t, want, string(doc))
		_, err = r.Item(ctx, all, fresh)
		require.ErrorIs(t, err, catalog.ErrNotFound)
		doc, err = r.Collection(ctx, all, "a")
		require.NoError(t, err)
		require.NotContains(t, string(doc), "another")
		_, err = r.Collection(ctx, all, "new")
		require.ErrorIs(t, err, catalog.ErrNotFound)
		var nobody catalog.Scope
		_, err = r.Collection(ctx, nobody, "a")
		require.ErrorIs(t, err, catalog.ErrNotFound)
		_, err = r.Item(ctx, nobody, old)
		require.ErrorIs(t, err, catalog.ErrNotFound)
		return nil
	}))
	require.NotEqual(t, want, everything(c))
	_, err := c.Item(ctx, all, fresh)
	require.NoError(t, err)
	broken := fault.New(fault.Unavailable, "no room")
	require.ErrorIs(t, x.Snapshot(ctx, func(catalog.Reader) error { return broken }), broken, "what goes wrong outside of the catalog stays what it is")
	now := everything(c)
	require.NoError(t, x.Snapshot(ctx, func(r catalog.Reader) error {
		require.Equal(t, now, everything(r))
		return nil
	}))
}
