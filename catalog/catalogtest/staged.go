package catalogtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
)

// testStaged puts as many items as go another way into some indexes, made beforehand, and again, and others in their place: as if they had
// been put as documents.
func testStaged(t *testing.T, c catalog.Catalog) {
	s, ok := c.(catalog.Stager)
	if !ok {
		return // it makes nothing beforehand
	}
	sets, items := s.Abreast()
	require.Positive(t, sets)
	require.Positive(t, items)
	put(t, c)
	const n = 150
	staged := func(place func(i int) string) (out []catalog.Entry, documents []json.RawMessage) {
		for i := range n {
			e, err := catalog.ParseItem(Item("a", fmt.Sprintf("%03d", i), place(i), fmt.Sprintf(`"datetime":"2020-01-01T00:%02d:00Z","title":"t%d","eo:cloud_cover":%d`, i%60, i%7, i%10)))
			require.NoError(t, err)
			documents = append(documents, slices.Clone(e.Document))
			require.Positive(t, s.Stage(&e, catalog.FromBucket))
			out = append(out, e)
		}
		return out, documents
	}
	at := func(x int) string {
		return fmt.Sprintf(`{"type":"Polygon","coordinates":[[[%d,0],[%d,0],[%[2]d,1],[%[1]d,1],[%[1]d,0]]]}`, x, x+1)
	}
	for round, place := range []func(i int) string{
		func(i int) string { return at(i) },
		func(i int) string { return at(-i - 1) },
		func(i int) string {
			if i%2 == 0 {
				return "null"
			}
			return `{"type":"LineString","coordinates":[[179,5],[181,6]]}`
		},
	} {
		entries, documents := staged(place)
		rev := apply(t, c, catalog.Changes{Entries: slices.Clone(entries)})
		require.Equal(t, rev, apply(t, c, catalog.Changes{Entries: slices.Clone(entries)}), "what is there is no change")
		for i, e := range entries {
			doc, err := c.Item(t.Context(), all, e.Ref)
			require.NoError(t, err)
			require.Equal(t, string(documents[i]), string(doc))
		}
		for k, q := range []catalog.Query{{BBox: []float64{0.5, 0, 150, 1}}, {BBox: []float64{-150, 0, -0.5, 1}}, {BBox: []float64{178, 4, 179.5, 7}}, {BBox: []float64{-180, 4, -179, 7}}} {
			want := [][]int{{n, 0, 0, 0}, {0, n, 0, 0}, {0, 0, n / 2, n / 2}}[round][k]
			require.Len(t, walk(t, c, q), want, "%d %d", round, k)
		}
		require.Len(t, walk(t, c, catalog.Query{Words: word("t3")}), (n+3)/7)
		require.Len(t, walk(t, c, catalog.Query{}), n)
	}
}
