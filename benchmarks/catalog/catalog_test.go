package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// writeTemplates puts one small item of each kind and the collections where readTemplates looks.
func writeTemplates(t *testing.T) string {
	dir := t.TempDir()
	ids := []string{"S2A_T01LAC_20200717T221944_L1C", "S2A_T07HFE_20190212T192646_L2A", "LM04_L1GS_001002_19830527_02_T2",
		"LC08_L2SP_047027_20201204_02_T1", "openEO_2023-06-01Z.tif"}
	for k, kind := range kinds {
		put := func(path, text string) {
			path = filepath.Join(dir, path)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		}
		put(kind.collection, `{"type":"Collection","id":"real","links":[{"rel":"self","href":"x"}],"license":"other"}`)
		put(strings.NewReplacer("*.tif", "a.tif", "*/*", ids[k]+"/a", "?", "A").Replace(kind.items[0]), fmt.Sprintf(`{"type":"Feature","id":%q,
			"geometry":{"type":"Polygon","coordinates":[[[0,0],[2,0],[2,4],[0,0]]]},"bbox":[0,0,2,4],
			"properties":{"datetime":"2020-01-01T00:00:00Z","eo:cloud_cover":1.50,"platform":"x","proj:epsg":32601,"gsd":10.0},
			"links":[{"rel":"self","href":"x"},{"rel":"license","href":"https://example.com/<l>"}],
			"assets":{"B1":{"href":"../../tests/data-files/%s/B1.tif"}}}`, ids[k], ids[k]))
	}
	return dir
}

func TestItemsAreOnesOwn(t *testing.T) {
	d, err := newDataset(writeTemplates(t), 4000, 7)
	require.NoError(t, err)
	seen := map[string]bool{}
	fresh := d.fresh()
	require.Less(t, fresh, 6000)
	for i := range fresh + 400 {
		var item struct {
			ID, Collection string
			BBox           []float64
			Properties     map[string]any
			Links          []link
			Assets         map[string]struct{ Href string }
		}
		text := d.item(nil, i)
		require.NoError(t, json.Unmarshal(text, &item), "%s", text)
		collection, id := d.name(i)
		require.Equal(t, collection+"/"+id, item.Collection+"/"+item.ID)
		require.False(t, seen[collection+"/"+id], "%s twice", id)
		seen[collection+"/"+id] = true
		require.NotContains(t, string(text), "@")
		require.Len(t, item.Links, 1)
		require.Contains(t, string(text), `"gsd":10.0`)
		require.True(t, strings.HasPrefix(item.Assets["B1"].Href, "https://archive.example.com/"+collection+"/"), item.Assets["B1"].Href)
		require.Less(t, item.BBox[0], item.BBox[2])
		require.GreaterOrEqual(t, item.BBox[0], -180.0)
		require.LessOrEqual(t, item.BBox[2], 180.0)
		late := item.Properties["datetime"].(string) >= begin.Add(span).Format("2006-01-02T15:04:05")
		if i < 4000 || i >= fresh {
			require.Equal(t, i >= fresh, late, "item %d of %s", i, item.Properties["datetime"])
		}
	}
	again, err := newDataset(writeTemplates(t), 4000, 7)
	require.NoError(t, err)
	assert.Equal(t, d.item(nil, 1234), again.item(nil, 1234))
	other, err := newDataset(writeTemplates(t), 4000, 8)
	require.NoError(t, err)
	assert.NotEqual(t, d.item(nil, 1234), other.item(nil, 1234))
}

func TestCellsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range landCells(1) {
		require.False(t, seen[c.code], "%s twice", c.code)
		seen[c.code] = true
	}
	assert.Greater(t, len(seen), 9000)
}

func TestCompare(t *testing.T) {
	a := func(ids string, keys ...float64) answer { return answer{strings.Split(ids, ""), keys} }
	for _, c := range []struct {
		a, b answer
		want verdict
	}{
		{a("abc", 3, 2, 1), a("abc", 3, 2, 1), same},
		{a("abc", 3, 2, 2), a("acb", 3, 2, 2), ties},
		{a("abc", 3, 2, 2), a("abd", 3, 2, 2), ties},   // cut within the last group
		{a("abc", 3, 2, 1), a("adc", 3, 2, 1), differ}, // not within it
		{a("abc", 3, 2, 1), a("acb", 3, 1, 2), differ},
		{a("abc", 3, 2, 1), a("ab", 3, 2), differ},
		{a("abc"), a("acb"), differ},
	} {
		assert.Equal(t, c.want, compare(c.a, c.b), "%v %v", c.a, c.b)
	}
}

func TestFollow(t *testing.T) {
	next, more := follow(query{Path: "/search?limit=1"}, []link{{Rel: "self"}, {Rel: "next", Href: "http://h:1/search?limit=1&token=a"}})
	assert.True(t, more)
	assert.Equal(t, query{Path: "/search?limit=1&token=a"}, next)
	next, more = follow(query{Path: "/search", Body: `{"limit":1}`}, []link{{Rel: "next", Href: "http://h/search", Method: "POST", Merge: true, Body: map[string]any{"token": "a"}}})
	assert.True(t, more)
	assert.JSONEq(t, `{"limit":1,"token":"a"}`, next.Body)
	_, more = follow(query{}, []link{{Rel: "self"}})
	assert.False(t, more)
}
