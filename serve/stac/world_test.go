package stac

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/catalog/postgres"
	"github.com/terrapin-eo/terrapin/catalog/postgres/pgtest"
	"github.com/terrapin-eo/terrapin/catalog/sqlite"
)

// world is an API on a loopback address, over a catalog, and its OpenAPI document: every answer in these tests is
// held against that.
type world struct {
	url     string
	catalog catalog.Catalog
	log     *syncBuffer
	doc     *openapi3.T
	router  routers.Router
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// onEach runs a test on every catalog there is here.
func onEach(t *testing.T, test func(t *testing.T, w *world)) {
	for name, open := range catalogs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t, open(t), Config{}))
		})
	}
}

// catalogs are the naive one, and each back end.
var catalogs = map[string]func(*testing.T) catalog.Catalog{
	"memory": func(*testing.T) catalog.Catalog { return catalogtest.NewMemory() },
	"sqlite": func(t *testing.T) catalog.Catalog {
		c, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "catalog.sqlite"))
		require.NoError(t, err)
		return c
	},
	"postgres": func(t *testing.T) catalog.Catalog {
		c, err := postgres.Open(context.Background(), postgres.Config{URL: pgtest.Database(t), Readers: 4, Writers: 4})
		require.NoError(t, err)
		return c
	},
}

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func start(t *testing.T, cat catalog.Catalog, cfg Config) *world {
	t.Helper()
	w := &world{catalog: cat, log: &syncBuffer{}}
	cfg.Catalog, cfg.Log = cat, slog.New(slog.NewJSONHandler(w.log, nil))
	srv := httptest.NewServer(New(cfg))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { require.NoError(t, cat.Close()) })
	w.url = srv.URL
	res, err := http.Get(w.url + "/api")
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	w.doc, err = openapi3.NewLoader().LoadFromData(text)
	require.NoError(t, err)
	require.NoError(t, w.doc.Validate(context.Background()))
	w.router, err = legacy.NewRouter(w.doc)
	require.NoError(t, err)
	return w
}

// fill puts two collections of the bucket and one that was posted into the catalog, with items that differ in
// time, place, cloud, platform and what they lack.
func (w *world) fill(t *testing.T) {
	t.Helper()
	ch := catalog.Changes{}
	for _, c := range []string{"s2", "dataset-crops-v1"} {
		ch.Collections = append(ch.Collections, collectionOf(c, "Scenes of fields <b>"))
		for i := range 25 {
			ch.Items = append(ch.Items, itemOf(c, i))
		}
	}
	_, err := w.catalog.Apply(context.Background(), ch)
	require.NoError(t, err)
	_, err = w.catalog.Apply(context.Background(), catalog.Changes{Origin: catalog.Posted, Collections: []json.RawMessage{collectionOf("mine", "Sea ice, seen by radar")}})
	require.NoError(t, err)
}

func collectionOf(id, description string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"type":"Collection","stac_version":"1.1.0","id":%q,"title":"T %[1]s","description":%[2]q,"keywords":["earth observation"],
		"license":"other","extent":{"spatial":{"bbox":[[3,50,4,51]]},"temporal":{"interval":[["2020-01-01T00:00:00Z",null]]}},
		"links":[{"rel":"derived_from","href":"collections/s2"},{"rel":"license","href":"https://example.com/l"}]}`, id, description))
}

// itemOf is an item with cloud i·4, but the last has none.
func itemOf(c string, i int) json.RawMessage {
	x := 3 + float64(i)/100
	cloud := fmt.Sprintf(`,"eo:cloud_cover":%d`, i*4)
	if i == 24 {
		cloud = ""
	}
	return json.RawMessage(fmt.Sprintf(`{"type":"Feature","stac_version":"1.1.0","stac_extensions":[],"id":"scene %02d","collection":%q,
		"geometry":{"type":"Polygon","coordinates":[[[%[3]g,50],[%[4]g,50],[%[4]g,51],[%[3]g,51],[%[3]g,50]]]},"bbox":[%[3]g,50,%[4]g,51],
		"properties":{"datetime":"2020-01-%02[5]dT10:00:00Z","title":"Scene number %[1]d","platform":"sentinel-2%[6]s","instruments":["msi"]%[7]s},
		"links":[{"rel":"collection","href":"collections/%[2]s"}],
		"assets":{"local":{"href":"assets/labels/l/r1/raster"},"foreign":{"href":"s3://b/k.tif"}}}`, i, c, x, x+0.5, 1+i, string("ab"[i%2]), cloud))
}

type reaction struct {
	status int
	header http.Header
	body   []byte
}

func (a reaction) json(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	require.NoError(t, json.Unmarshal(a.body, &out), string(a.body))
	return out
}

// ids are those of the documents that an answer lists.
func (a reaction) ids(t *testing.T) []string {
	t.Helper()
	doc := a.json(t)
	for _, name := range []string{"features", "collections", "children"} {
		if list, ok := doc[name].([]any); ok {
			out := []string{}
			for _, one := range list {
				out = append(out, one.(map[string]any)["id"].(string))
			}
			return out
		}
	}
	t.Fatalf("no list: %s", a.body)
	return nil
}

// do sends a request, and holds the answer against the OpenAPI document; the request too where it was accepted.
func (w *world) do(t *testing.T, method, path, body string, headers ...string) reaction {
	t.Helper()
	out := w.send(t, method, path, body, headers...)
	if method != http.MethodOptions && method != http.MethodHead && out.header.Get("Content-Encoding") == "" {
		w.hold(t, w.request(t, method, path, body, headers...), out)
	}
	return out
}

func (w *world) request(t *testing.T, method, path, body string, headers ...string) *http.Request {
	t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = w.url + path
	}
	var from io.Reader
	if body != "" {
		from = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, path, from)
	require.NoError(t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	return req
}

// send sends a request without looking at the document.
func (w *world) send(t *testing.T, method, path, body string, headers ...string) reaction {
	t.Helper()
	res, err := plainTransport.RoundTrip(w.request(t, method, path, body, headers...))
	require.NoError(t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return reaction{res.StatusCode, res.Header, data}
}

// plainTransport asks for no compression unasked.
var plainTransport = &http.Transport{DisableCompression: true}

// hold checks a request and its answer against the OpenAPI document.
func (w *world) hold(t *testing.T, req *http.Request, got reaction) {
	t.Helper()
	req.Host = strings.TrimPrefix(w.url, "http://")
	route, params, err := w.router.FindRoute(req)
	if err != nil {
		require.Contains(t, []int{404, 405}, got.status, "%s %s is not in the document: %v", req.Method, req.URL, err)
		return
	}
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: true}
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route, Options: options}
	ctx := context.Background()
	if got.status < 300 && req.Header.Get("Content-Type") != "application/json-patch+json" && req.Header.Get("Content-Type") != "application/merge-patch+json" {
		require.NoError(t, openapi3filter.ValidateRequest(ctx, in), "the document refuses %s %s", req.Method, req.URL)
	}
	if got.status == http.StatusNotModified || got.status == http.StatusNoContent {
		require.Empty(t, got.body)
	}
	media := got.header.Get("Content-Type")
	if strings.HasSuffix(media, "ndjson") || strings.HasSuffix(media, "json-seq") || strings.HasPrefix(media, "text/html") || media == mediaParquet {
		return
	}
	answer := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: got.status, Header: got.header, Options: options}
	answer.SetBodyBytes(got.body)
	require.NoError(t, openapi3filter.ValidateResponse(ctx, answer), "%s %s: %d %s", req.Method, req.URL, got.status, got.body)
	if got.status == http.StatusOK && !asksForParts(t, req) {
		w.holdWhole(t, got)
	}
}

func asksForParts(t *testing.T, req *http.Request) bool {
	t.Helper()
	if req.URL.Query().Has("fields") {
		return true
	}
	if req.GetBody == nil {
		return false
	}
	body, err := req.GetBody()
	require.NoError(t, err)
	text, err := io.ReadAll(body)
	require.NoError(t, err)
	return bytes.Contains(text, []byte(`"fields"`))
}

// holdWhole checks that documents in lists are whole ones.
func (w *world) holdWhole(t *testing.T, got reaction) {
	t.Helper()
	var doc map[string]any
	require.NoError(t, json.Unmarshal(got.body, &doc))
	for list, shape := range map[string]string{"features": "item", "collections": "collection"} {
		docs, _ := doc[list].([]any)
		for _, one := range docs {
			require.NoError(t, w.doc.Components.Schemas[shape].Value.VisitJSON(one))
		}
	}
}

func (w *world) get(t *testing.T, path string, headers ...string) reaction {
	t.Helper()
	return w.do(t, http.MethodGet, path, "", headers...)
}

func (w *world) post(t *testing.T, path, body string, headers ...string) reaction {
	t.Helper()
	return w.do(t, http.MethodPost, path, body, headers...)
}

// linksOf are the hrefs of a document's links by relation; of several the last.
func linksOf(t *testing.T, doc map[string]any) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, l := range doc["links"].([]any) {
		l := l.(map[string]any)
		out[l["rel"].(string)] = l["href"].(string)
	}
	return out
}
