package catalogtest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
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
