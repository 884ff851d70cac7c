package stac

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/bulk"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
)

// linesOf are the items of an answer that has one a line.
func linesOf(t *testing.T, a reaction) []map[string]any {
	t.Helper()
	require.Equal(t, 200, a.status, string(a.body))
	var out []map[string]any
	for _, line := range bytes.Split(bytes.TrimSuffix(a.body, []byte{'\n'}), []byte{'\n'}) {
		if len(line) == 0 {
			continue
		}
		var one map[string]any
		require.NoError(t, json.Unmarshal(bytes.TrimPrefix(line, []byte{0x1e}), &one), string(line))
		out = append(out, one)
	}
	return out
}

func TestExportOfLines(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		ch := catalog.Changes{Origin: catalog.Posted}
		const many = 2*exportPage + 7
		for i := range many {
			ch.Items = append(ch.Items, catalogtest.Item("mine", fmt.Sprintf("i%05d", i), "null", `"datetime":"2021-01-01T00:00:00Z"`))
		}
		_, err := w.catalog.Apply(context.Background(), ch)
		require.NoError(t, err)
		a := w.get(t, "/collections/mine/items.ndjson")
		require.Equal(t, "application/x-ndjson", a.header.Get("Content-Type"))
		lines := linesOf(t, a)
		require.Len(t, lines, many)
		for i, one := range lines {
			require.Equal(t, fmt.Sprintf("i%05d", i), one["id"])
		}
		require.Equal(t, w.url+"/collections/mine/items/i00000", linksOf(t, lines[0])["self"])
		require.Len(t, linesOf(t, w.get(t, "/collections/s2/items.ndjson?sortby=id&fields=id&filter="+url.QueryEscape("eo:cloud_cover < 8"))), 2)
		require.Len(t, linesOf(t, w.get(t, "/collections/s2/items?limit=3", "Accept", "application/x-ndjson")), 3)
		require.Len(t, linesOf(t, w.get(t, "/collections/s2/items", "Accept", "application/json;q=0.5, application/x-ndjson")), 25)
		require.Equal(t, "FeatureCollection", w.get(t, "/collections/s2/items?f=json", "Accept", "application/x-ndjson").json(t)["type"], "f wins")
		seq := w.get(t, "/search?collections=s2", "Accept", "application/geo+json-seq")
		require.Equal(t, "application/geo+json-seq", seq.header.Get("Content-Type"))
		require.Equal(t, 25, bytes.Count(seq.body, []byte{0x1e}))
		require.Len(t, linesOf(t, seq), 25)
		require.Len(t, linesOf(t, w.post(t, "/search", `{"collections":["mine"],"limit":1500}`, "Accept", "application/x-ndjson")), 1500)
		require.Empty(t, linesOf(t, w.get(t, "/search?ids=none", "Accept", "application/x-ndjson")))
		require.Equal(t, 400, w.get(t, "/collections/s2/items.ndjson?limit=3").status)
		head := w.do(t, http.MethodHead, "/collections/s2/items.ndjson", "")
		require.Equal(t, 200, head.status)
		require.Empty(t, head.body)
	})
}

func TestExportOfATable(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		a := w.get(t, "/collections/s2/items.parquet?sortby=id&filter="+url.QueryEscape("eo:cloud_cover < 40"))
		require.Equal(t, 200, a.status, string(a.body))
		require.Equal(t, "application/vnd.apache.parquet", a.header.Get("Content-Type"))
		require.Equal(t, "attachment; filename=s2.parquet", a.header.Get("Content-Disposition"))
		path := filepath.Join(t.TempDir(), "s2.parquet")
		require.NoError(t, os.WriteFile(path, a.body, 0o600))
		source, err := bulk.Open(context.Background(), path, bulk.Crawl{})
		require.NoError(t, err)
		n := 0
		for doc, err := range source.Documents(context.Background(), bulk.Position{}) {
			require.NoError(t, err)
			require.NoError(t, doc.Err)
			var item map[string]any
			require.NoError(t, json.Unmarshal(doc.Raw, &item))
			if item["type"] == "Collection" {
				require.Equal(t, "s2", item["id"], "the table knows its collection")
				continue
			}
			require.Equal(t, fmt.Sprintf("scene %02d", n), item["id"])
			require.Equal(t, w.url+fmt.Sprintf("/collections/s2/items/scene%%20%02d", n), linksOf(t, item)["self"])
			require.EqualValues(t, 4*n, item["properties"].(map[string]any)["eo:cloud_cover"])
			n++
		}
		require.Equal(t, 10, n)
		require.Equal(t, 200, w.get(t, "/collections/mine/items.parquet").status, "a table may be empty")
		require.Equal(t, 404, w.get(t, "/collections/none/items.parquet").status)
		require.Equal(t, 400, w.get(t, "/collections/s2/items.parquet?fields=id").status)
		require.Empty(t, w.do(t, http.MethodHead, "/collections/s2/items.parquet", "").body)
	})
}

// breaking is a catalog that fails after its first page.
type breaking struct{ catalog.Catalog }

func (b breaking) Search(ctx context.Context, s catalog.Scope, q catalog.Query) (catalog.Result, error) {
	if q.Token != "" {
		return catalog.Result{}, fmt.Errorf("password=hunter2")
	}
	return b.Catalog.Search(ctx, s, q)
}

// An export that breaks off is seen to: it does not end like one that is whole.
func TestExportThatBreaksOff(t *testing.T) {
	memory := catalogtest.NewMemory()
	ch := catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")}}
	for i := range exportPage + 1 {
		ch.Items = append(ch.Items, catalogtest.Item("a", fmt.Sprint(i), "null", `"datetime":"2021-01-01T00:00:00Z"`))
	}
	_, err := memory.Apply(context.Background(), ch)
	require.NoError(t, err)
	w := start(t, breaking{memory}, Config{})
	res, err := http.Get(w.url + "/collections/a/items.ndjson")
	require.NoError(t, err)
	defer res.Body.Close()
	var got bytes.Buffer
	_, err = got.ReadFrom(res.Body)
	require.Error(t, err)
	require.NotContains(t, got.String(), "hunter2")
	require.True(t, strings.Contains(w.log.String(), "an export broke off"))
}
