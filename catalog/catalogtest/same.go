package catalogtest

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/words"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
)

// Same holds two catalogs with the same documents, whatever these are, to the same answers: it takes its questions from the
// documents, as many as they suggest but no more than a few hundred.
func Same(t *testing.T, left, right catalog.Catalog) {
	t.Helper()
	p := pair{left: left, right: right}
	known, err := p.same(t.Context())
	require.NoError(t, err)
	d := newDraw(3)
	asks := d.suggested(known[false])
	for i, a := range asks {
		if raced && i%4 > 0 {
			continue
		}
		a.query.Count, a.query.Limit = i%2 == 0, catalog.MaxLimit
		if d.often(20) {
			a.limit = 1 + d.IntN(30)
		}
		_, different, err := p.differ(t.Context(), a)
		require.NoError(t, err)
		if different != "" {
			t.Fatal(p.explain(t.Context(), a))
		}
	}
}

// suggested are questions that items lead to: of their names, places, times, words, properties and values.
func (d draw) suggested(items map[string]record) (out []ask) {
	put := func(q catalog.Query, sums ...catalog.Aggregation) { out = append(out, ask{query: q, sums: sums}) }
	properties := map[string][]gjson.Result{}
	n := 0
	for _, key := range slices.Sorted(maps.Keys(items)) {
		r := items[key]
		for name, v := range r.members {
			properties[name] = append(properties[name], v)
		}
		if n++; n > 25 {
			continue
		}
		put(catalog.Query{IDs: []string{r.ref.ID}})
		put(catalog.Query{Collections: []string{r.ref.Collection}}, catalog.Aggregation{Kind: catalog.Count}, catalog.Aggregation{Kind: catalog.Terms, Property: "id", Most: 3})
		if r.shape != nil {
			b := r.shape.Bounds()[0]
			put(catalog.Query{Intersects: r.shape})
			put(catalog.Query{BBox: []float64{b.Min[0], b.Min[1], b.Max[0], b.Max[1]}, Sort: []catalog.SortKey{{Property: "id"}}})
			put(catalog.Query{Filter: cql2.Spatial{Op: pick(d, spatials...), Left: property(cql2.Location), Right: cql2.Geometry{Shape: r.shape}}})
		}
		if from, to, ok := r.Moment("datetime"); ok {
			at := time.UnixMicro(from).UTC()
			put(catalog.Query{Time: catalog.Interval{Start: &at}})
			put(catalog.Query{Time: catalog.Interval{End: &at}, Filter: cql2.Temporal{Op: pick(d, temporals...), Left: property("datetime"), Right: literal(time.UnixMicro(to).UTC())}})
		}
		for _, text := range r.words {
			put(catalog.Query{Words: words.Word{Text: text[0]}})
			put(catalog.Query{Words: words.Phrase{Words: text[:min(2, len(text))]}})
			put(catalog.Query{Words: words.Not{Arg: words.Word{Text: text[len(text)-1]}}})
		}
	}
	n = 0
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		values := properties[name]
		if n++; n > 60 {
			break
		}
		put(catalog.Query{Sort: []catalog.SortKey{{Property: name, Descending: n%2 == 0}}})
		put(catalog.Query{Filter: cql2.IsNull{Arg: property(name)}}, catalog.Aggregation{Kind: catalog.Count})
		put(catalog.Query{}, catalog.Aggregation{Kind: catalog.Terms, Property: name}, catalog.Aggregation{Kind: catalog.Least, Property: name},
			catalog.Aggregation{Kind: catalog.Greatest, Property: name}, catalog.Aggregation{Kind: catalog.Dates, Property: name, Step: "month"})
		v := pick(d, values...)
		switch {
		case v.Type == gjson.Number:
			put(catalog.Query{Filter: is(pick(d, comparisons...), property(name), v.Num)})
			put(catalog.Query{}, catalog.Aggregation{Kind: catalog.Ranges, Property: name, Edges: []float64{v.Num - 1, v.Num, v.Num + 1}})
		case v.Type == gjson.String:
			put(catalog.Query{Filter: is(pick(d, comparisons...), property(name), v.Str)})
			put(catalog.Query{Filter: cql2.Like{Value: cql2.Func{Name: "casei", Args: []cql2.Expr{property(name)}}, Pattern: cql2.Func{Name: "casei", Args: []cql2.Expr{literal(strings.ToUpper(v.Str[:len(v.Str)/2]) + "%")}}}})
		case v.IsBool():
			put(catalog.Query{Filter: not(property(name))})
		case v.IsArray() && len(v.Array()) > 0 && v.Array()[0].Type == gjson.String:
			put(catalog.Query{Filter: cql2.Array{Op: "a_contains", Left: property(name), Right: cql2.List{Items: []cql2.Expr{literal(v.Array()[0].Str)}}}})
		}
	}
	return out
}

// testReal loads the published items and collections of the real data.
func testReal(t *testing.T, c catalog.Catalog) {
	ch := catalog.Changes{Origin: catalog.Posted}
	seen := map[string]bool{}
	collection := func(id string, doc json.RawMessage) {
		if !seen[id] {
			seen[id] = true
			ch.Collections = append(ch.Collections, doc)
		}
	}
	items := []json.RawMessage{}
	require.NoError(t, filepath.WalkDir(cubetest.Real(t, "stac"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		doc, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if e, err := catalog.ParseItem(doc); err == nil {
			items = append(items, doc)
			collection(e.Ref.Collection, Collection(e.Ref.Collection))
		}
		if e, err := catalog.ParseCollection(doc); err == nil {
			collection(e.ID, doc)
		}
		return nil
	}))
	require.Greater(t, len(items), 20)
	ch.Items = items
	memory := NewMemory()
	apply(t, c, ch)
	apply(t, memory, ch)
	Same(t, c, memory)
}
