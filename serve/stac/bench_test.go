package stac

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
)

// ready is a catalog that has its answer ready, so that only the API is measured.
type ready struct {
	catalog.Catalog
	item json.RawMessage
	page catalog.Result
}

func (r ready) Item(context.Context, catalog.Scope, catalog.ItemRef) (json.RawMessage, error) {
	return r.item, nil
}

func (r ready) Collection(context.Context, catalog.Scope, string) (json.RawMessage, error) {
	return r.item, nil
}

func (r ready) Search(context.Context, catalog.Scope, catalog.Query) (catalog.Result, error) {
	return r.page, nil
}

// sceneDocument is an item like those of real archives, of about 5 kB, in the form that catalogs keep.
func sceneDocument(b testing.TB, i int) json.RawMessage {
	assets := ""
	for band := range 20 {
		assets += fmt.Sprintf(`,"B%02d":{"href":"https://example.com/archive/31/U/FS/2020/1/S2A_31UFS_20200101_0_L2A/B%02[1]d.tif","type":"image/tiff; application=geotiff; profile=cloud-optimized","title":"Band %[1]d","roles":["data","reflectance"],"proj:shape":[10980,10980]}`, band)
	}
	e, err := catalog.ParseItem(json.RawMessage(fmt.Sprintf(`{"type":"Feature","stac_version":"1.1.0","id":"S2A_31UFS_%06d","collection":"sentinel-2-l2a","bbox":[3,50,4,51],
		"geometry":{"type":"Polygon","coordinates":[[[3,50],[4,50],[4,51],[3,51],[3,50]]]},"properties":{"datetime":"2020-01-01T10:00:00Z","eo:cloud_cover":12.5,"platform":"sentinel-2a"},
		"links":[{"rel":"license","href":"https://example.com/l"}],"assets":{"thumbnail":{"href":"https://example.com/t.jpg"}%s}}`, i, assets)))
	require.NoError(b, err)
	return e.Document
}

type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header       { return n.header }
func (nowhere) WriteHeader(int)             {}
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// writes counts what an answer takes.
type writes struct {
	nowhere
	n *int
}

func (w writes) Write(p []byte) (int, error) {
	*w.n++
	return len(p), nil
}

// TestAnswersAreOnePiece: a page goes out with its length in one write, and its memory does not grow with it.
func TestAnswersAreOnePiece(t *testing.T) {
	cat := ready{item: sceneDocument(t, 0)}
	for i := range 100 {
		cat.page.Documents = append(cat.page.Documents, sceneDocument(t, i))
	}
	h := New(Config{Catalog: cat, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	for path, most := range map[string]float64{"/collections/sentinel-2-l2a/items/S2A_31UFS_000000": 40, "/search?limit=100": 350} {
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8080"+path, nil)
		n, header := 0, http.Header{}
		h.ServeHTTP(writes{nowhere{header}, &n}, r)
		require.Equal(t, 1, n)
		require.NotEmpty(t, header.Get("Content-Length"))
		allocations := testing.AllocsPerRun(50, func() { h.ServeHTTP(nowhere{http.Header{}}, r) })
		require.LessOrEqual(t, allocations, most, path)
	}
}

func BenchmarkAnswers(b *testing.B) {
	cat := ready{item: sceneDocument(b, 0)}
	for i := range 100 {
		cat.page.Documents = append(cat.page.Documents, sceneDocument(b, i))
	}
	cat.page.Next = "token"
	h := New(Config{Catalog: cat, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	for _, path := range []string{"/collections/sentinel-2-l2a/items/S2A_31UFS_000000", "/search?limit=100&bbox=3,50,4,51&datetime=2020-01-01T00:00:00Z/..",
		"/search?limit=100&filter=eo:cloud_cover%20%3C%2010&sortby=-datetime", "/search?limit=100&fields=id,properties.datetime"} {
		b.Run(path, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8080"+path, nil)
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			require.Equal(b, 200, rec.Code, rec.Body.String())
			b.SetBytes(int64(rec.Body.Len()))
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(nowhere{http.Header{}}, r)
			}
		})
	}
}
