package catalogtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// Flawed draws areas whose outlines cross, touch or overlap each other: so many with each flaw, as GeoJSON.
func Flawed(seed uint64, each int) (out []json.RawMessage) {
	d := newDraw(seed)
	for _, flaw := range flawNames {
		for range each {
			out = append(out, json.RawMessage(d.flawed(flaw)))
		}
	}
	return out
}

// testFlawedShapes puts a hundred items with each flaw, in a collection of their own, and a hundred questions with each, to a catalog and to the
// naive one: of one predicate and one collection after the other.
func testFlawedShapes(t *testing.T, c catalog.Catalog) {
	each := 100
	if raced {
		each = 15
	}
	naive, ch := NewMemory(), catalog.Changes{}
	ref := func(i int) catalog.ItemRef {
		return catalog.ItemRef{Collection: fmt.Sprint(i / each), ID: fmt.Sprint(i)}
	}
	for i, g := range Flawed(5, each) {
		if i%each == 0 {
			ch.Collections = append(ch.Collections, Collection(ref(i).Collection))
		}
		ch.Items = append(ch.Items, Item(ref(i).Collection, ref(i).ID, string(g), then))
	}
	apply(t, c, ch)
	apply(t, naive, ch)
	for i, doc := range ch.Items {
		got, err := c.Item(t.Context(), all, ref(i))
		require.NoError(t, err)
		entry, err := catalog.ParseItem(doc)
		require.NoError(t, err)
		require.Equal(t, string(entry.Document), string(got), "a document stays as it was posted")
	}
	found, hair := 0, 0
	ops := []string{"s_intersects", "s_disjoint", "s_equals", "s_within", "s_contains", "s_touches", "s_crosses", "s_overlaps"}
	for i, g := range Flawed(6, each) {
		shape, err := geo.Parse(g, nil)
		require.NoError(t, err, "%s", g)
		op, of := ops[i%len(ops)], i%len(flaws)
		q := catalog.Query{Collections: []string{fmt.Sprint(of)}, Page: catalog.Page{Limit: catalog.MaxLimit}}
		if op == "s_intersects" {
			q.Intersects = shape
		} else {
			q.Filter = cql2.Spatial{Op: op, Left: property(cql2.Location), Right: cql2.Geometry{Shape: shape}}
		}
		want, err := pageOf(t.Context(), naive, ask{query: q})
		require.NoError(t, err)
		got, err := pageOf(t.Context(), c, ask{query: q})
		require.NoError(t, err)
		for k := of * each; k < (of+1)*each; k++ {
			if name := ref(k).Collection + "/" + ref(k).ID; slices.Contains(want.names, name) != slices.Contains(got.names, name) {
				other := gjson.GetBytes(ch.Items[k], "geometry").Raw
				require.NotContains(t, []string{"s_intersects", "s_disjoint"}, op, "%s %s", g, other)
				t.Logf("%s of %s differs for %s", op, g, other)
				hair++
			}
		}
		found += len(got.names)
	}
	// PostGIS rounds where outlines cross, and so may take what is less than 1e-15 degrees wide for a point.
	require.LessOrEqual(t, hair, 2)
	require.Greater(t, found, each*each/2)
}
