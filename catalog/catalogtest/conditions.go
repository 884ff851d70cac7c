package catalogtest

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// tagOf is the ETag of an item that is there.
func tagOf(t *testing.T, c catalog.Catalog, ref catalog.ItemRef) string {
	t.Helper()
	doc, err := c.Item(t.Context(), all, ref)
	require.NoError(t, err)
	return catalog.ETag(doc)
}

func testConditions(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	put(t, c, Item("a", "x", square, then), Item("b", "x", "null", then))
	x, y := catalog.ItemRef{Collection: "a", ID: "x"}, catalog.ItemRef{Collection: "a", ID: "y"}
	self, nowhere := catalog.ItemRef{Collection: "a"}, catalog.ItemRef{Collection: "nowhere"}
	tag := tagOf(t, c, x)
	doc, err := c.Collection(ctx, all, "a")
	require.NoError(t, err)
	own := catalog.ETag(doc)

	for name, one := range map[string]struct {
		cond catalog.Condition
		want error
	}{
		"absent, but there":            {catalog.Condition{Ref: x, Absent: true}, catalog.ErrExists},
		"absent collection, but there": {catalog.Condition{Ref: self, Absent: true}, catalog.ErrExists},
		"there, but absent":            {catalog.Condition{Ref: y}, catalog.ErrNotFound},
		"collection, but absent":       {catalog.Condition{Ref: nowhere}, catalog.ErrNotFound},
		"in no collection":             {catalog.Condition{Ref: catalog.ItemRef{Collection: "nowhere", ID: "x"}}, catalog.ErrNotFound},
		"absent with a tag":            {catalog.Condition{Ref: y, ETags: []string{tag}}, catalog.ErrNotFound},
		"other tag":                    {catalog.Condition{Ref: x, ETags: []string{"0123456789abcdef01234567"}}, catalog.ErrChanged},
		"tag of the other x":           {catalog.Condition{Ref: x, ETags: []string{tagOf(t, c, catalog.ItemRef{Collection: "b", ID: "x"})}}, catalog.ErrChanged},
		"other tag of the collection":  {catalog.Condition{Ref: self, ETags: []string{tag}}, catalog.ErrChanged},
	} {
		// Of several conditions one fails, first or last, and nothing of the change is done.
		for _, conds := range [][]catalog.Condition{{one.cond}, {{Ref: x}, one.cond}, {one.cond, {Ref: x}}} {
			_, err := c.Apply(ctx, catalog.Changes{Conditions: conds, Items: documents(Item("a", "new", "null", then)),
				DeleteItems: []catalog.ItemRef{x}, DeleteCollections: []string{"b"}, Marks: map[string]string{"m": "1"}})
			require.ErrorIs(t, err, one.want, name)
			require.Equal(t, fault.KindOf(one.want), fault.KindOf(err), name)
		}
	}
	require.Equal(t, []string{"a/x", "b/x"}, walk(t, c, catalog.Query{}))
	marks, err := c.Marks(ctx)
	require.NoError(t, err)
	require.Empty(t, marks)

	for name, conds := range map[string][]catalog.Condition{
		"there":            {{Ref: x}},
		"one of the tags":  {{Ref: x, ETags: []string{"other", tag}}},
		"several":          {{Ref: x, ETags: []string{tag}}, {Ref: self, ETags: []string{own}}, {Ref: y, Absent: true}, {Ref: nowhere, Absent: true}},
		"absent in no one": {{Ref: catalog.ItemRef{Collection: "nowhere", ID: "x"}, Absent: true}},
	} {
		_, err := c.Apply(ctx, catalog.Changes{Conditions: conds})
		require.NoError(t, err, name)
	}

	// Conditions are of what was there before, and the ETag moves with the document.
	apply(t, c, catalog.Changes{Conditions: []catalog.Condition{{Ref: y, Absent: true}, {Ref: x, ETags: []string{tag}}},
		Items: documents(Item("a", "y", "null", then), Item("a", "x", "null", then))})
	_, err = c.Apply(ctx, catalog.Changes{Conditions: []catalog.Condition{{Ref: x, ETags: []string{tag}}}})
	require.ErrorIs(t, err, catalog.ErrChanged)
	require.NotEqual(t, tag, tagOf(t, c, x))
	apply(t, c, catalog.Changes{Items: documents(Item("a", "x", square, then))})
	require.Equal(t, tag, tagOf(t, c, x), "the same bytes have the same tag")
	_, err = c.Apply(ctx, catalog.Changes{Conditions: []catalog.Condition{{Ref: self}}, DeleteCollections: []string{"a"}})
	require.NoError(t, err)
	_, err = c.Apply(ctx, catalog.Changes{Conditions: []catalog.Condition{{Ref: self}}, DeleteCollections: []string{"a"}})
	require.ErrorIs(t, err, catalog.ErrNotFound)
}

func testOrigins(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	posted := func(ch catalog.Changes) catalog.Changes { ch.Origin = catalog.Posted; return ch }
	apply(t, c, catalog.Changes{Collections: documents(Collection("bucket")), Items: documents(Item("bucket", "x", square, then))})
	apply(t, c, posted(catalog.Changes{Collections: documents(Collection("posted")), Items: documents(Item("posted", "x", square, then))}))

	for name, ch := range map[string]catalog.Changes{
		"item into the bucket's":        posted(catalog.Changes{Items: documents(Item("bucket", "y", square, then))}),
		"item in place of the bucket's": posted(catalog.Changes{Items: documents(Item("bucket", "x", "null", then))}),
		"the bucket's collection":       posted(catalog.Changes{Collections: documents(collection("bucket", `"title":"mine",`))}),
		"delete the bucket's item":      posted(catalog.Changes{DeleteItems: []catalog.ItemRef{{Collection: "bucket", ID: "x"}}}),
		"delete the bucket's":           posted(catalog.Changes{DeleteCollections: []string{"bucket"}}),
		"bucket's item into a posted":   {Items: documents(Item("posted", "y", square, then))},
		"good and bad":                  posted(catalog.Changes{Collections: documents(Collection("new")), Items: documents(Item("new", "x", square, then), Item("bucket", "y", square, then))}),
	} {
		_, err := c.Apply(ctx, ch)
		require.True(t, fault.Is(err, fault.Precondition), "%s: %v", name, err)
		require.NotEmpty(t, fault.CureOf(err), name)
	}
	require.Equal(t, []string{"bucket/x", "posted/x"}, walk(t, c, catalog.Query{}), "what is refused changes nothing")
	_, err := c.Collection(ctx, all, "new")
	require.ErrorIs(t, err, catalog.ErrNotFound)

	for origin, want := range map[catalog.Origin]string{catalog.FromBucket: "bucket", catalog.Posted: "posted"} {
		q := catalog.Query{Origin: &origin, Count: true}
		got, r := search(t, c, q)
		require.Equal(t, []string{want + "/x"}, got)
		if r.Matched != nil {
			require.Equal(t, 1, *r.Matched)
		}
		r, err := c.Collections(ctx, all, q)
		require.NoError(t, err)
		require.Equal(t, []string{want}, collectionNames(t, r.Documents))
	}

	// The bucket takes the place of a posted collection, and of its items, which had the other origin.
	apply(t, c, catalog.Changes{Collections: documents(Collection("posted")), Items: documents(Item("posted", "z", square, then))})
	require.Equal(t, []string{"bucket/x", "posted/z"}, walk(t, c, catalog.Query{}))
	require.Equal(t, []string{"bucket/x", "posted/z"}, walk(t, c, catalog.Query{BBox: []float64{0, 0, 1, 1}}))
	bucket := catalog.FromBucket
	require.Equal(t, []string{"bucket/x", "posted/z"}, walk(t, c, catalog.Query{Origin: &bucket}))
	_, err = c.Apply(ctx, posted(catalog.Changes{Items: documents(Item("posted", "x", square, then))}))
	require.True(t, fault.Is(err, fault.Precondition), err)
}

func testReset(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	apply(t, c, catalog.Changes{Collections: documents(Collection("a")), Items: documents(Item("a", "x", square, then)), Marks: map[string]string{"one": "1", "two": "2"}})
	apply(t, c, catalog.Changes{Origin: catalog.Posted, Collections: documents(Collection("p")), Items: documents(Item("p", "x", square, then+`,"n":7`))})
	before, err := c.Item(ctx, all, catalog.ItemRef{Collection: "p", ID: "x"})
	require.NoError(t, err)

	_, err = c.Apply(ctx, catalog.Changes{Reset: true, Items: documents(Item("a", "x", square, then))})
	require.ErrorIs(t, err, catalog.ErrNotFound, "the reset comes before what is put, and a's collection is gone")
	require.Equal(t, []string{"a/x", "p/x"}, walk(t, c, catalog.Query{}))

	apply(t, c, catalog.Changes{Reset: true, Collections: documents(Collection("b")), Marks: map[string]string{"four": "4"}})
	for _, q := range []catalog.Query{{}, {BBox: []float64{0, 0, 1, 1}}, {Count: true}} {
		got, r := search(t, c, q)
		require.Equal(t, []string{"p/x"}, got, "what was posted stays")
		require.True(t, r.Matched == nil || *r.Matched == 1)
	}
	after, err := c.Item(ctx, all, catalog.ItemRef{Collection: "p", ID: "x"})
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
	marks, err := c.Marks(ctx)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"four": "4"}, marks)
	r, err := c.Collections(ctx, all, catalog.Query{})
	require.NoError(t, err)
	require.Equal(t, []string{"b", "p"}, collectionNames(t, r.Documents))

	again := catalog.Changes{Reset: true, Collections: []json.RawMessage{Collection("b")}, Marks: map[string]string{"four": "4"}}
	apply(t, c, again)
	apply(t, c, catalog.Changes{Reset: true})
	require.Equal(t, []string{"p/x"}, walk(t, c, catalog.Query{}))
}
