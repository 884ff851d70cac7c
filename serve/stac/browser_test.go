package stac

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/fault"
)

func TestCORS(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		for _, path := range []string{"/", "/search", "/nothing", "/collections/s2"} {
			a := w.get(t, path, "Origin", "https://browser.example.org")
			require.Equal(t, "*", a.header.Get("Access-Control-Allow-Origin"), path)
			for _, name := range []string{"Link", "ETag", "Allow", "Location", "Content-Crs"} {
				require.Contains(t, a.header.Get("Access-Control-Expose-Headers"), name)
			}
		}
		for path, want := range map[string][2]string{
			"/search":                       {"GET, HEAD, POST, OPTIONS", "GET, HEAD, POST, OPTIONS"},
			"/conformance":                  {"GET, HEAD, OPTIONS", "GET, HEAD, OPTIONS"},
			"/collections/s2":               {"GET, HEAD, PUT, PATCH, DELETE, OPTIONS", "GET, HEAD, OPTIONS"},
			"/collections/mine/items":       {"GET, HEAD, POST, OPTIONS", "GET, HEAD, OPTIONS"},
			"/collections/mine/items/x":     {"GET, HEAD, PUT, PATCH, DELETE, OPTIONS", "GET, HEAD, OPTIONS"},
			"/collections/mine/bulk_items":  {"POST, OPTIONS", "OPTIONS"},
			"/collections/mine/aggregate":   {"GET, HEAD, POST, OPTIONS", "GET, HEAD, POST, OPTIONS"},
			"/collections/mine/items/x%2Fy": {"GET, HEAD, PUT, PATCH, DELETE, OPTIONS", "GET, HEAD, OPTIONS"},
		} {
			near := w.do(t, http.MethodOptions, path, "", "Origin", w.url, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type")
			require.Equal(t, 204, near.status, path)
			require.Equal(t, want[0], near.header.Get("Allow"), path)
			require.Equal(t, want[0], near.header.Get("Access-Control-Allow-Methods"), path)
			require.Contains(t, near.header.Get("Access-Control-Allow-Headers"), "Authorization")
			far := w.do(t, http.MethodOptions, path, "", "Origin", "https://evil.example.org")
			require.Equal(t, want[0], far.header.Get("Allow"), path)
			require.Equal(t, want[1], far.header.Get("Access-Control-Allow-Methods"), path)
		}
		require.Equal(t, "GET, HEAD, PUT, PATCH, DELETE, OPTIONS", w.get(t, "/collections/s2").header.Get("Allow"), "clients offer editing by it")
	})
}

// A page of another origin, and one that gave this machine its own name, change nothing here; reading is for all.
func TestChangesOfPages(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		require.Equal(t, 201, w.post(t, "/collections/mine/items", postedX, "Origin", "http://localhost:3000").status)
		for _, headers := range [][]string{{"Origin", "https://evil.example.org"}, {"Origin", "null"}, {"Host", "evil.example.org"}, {"Host", "evil.example.org", "X-Forwarded-Host", "localhost"}} {
			for _, call := range [][3]string{
				{"POST", "/collections/mine/items", postedX}, {"PUT", "/collections/mine/items/x", postedX}, {"PATCH", "/collections/mine/items/x", `{"properties":{"a":1}}`}, {"DELETE", "/collections/mine/items/x", ""},
				{"POST", "/collections", string(collectionOf("new", "d"))}, {"PUT", "/collections/mine", string(collectionOf("mine", "d"))}, {"PATCH", "/collections/mine", `{"title":"t"}`}, {"DELETE", "/collections/mine", ""},
				{"POST", "/collections/mine/bulk_items", bulkOf("insert", "a")},
			} {
				a := w.send(t, call[0], call[1], call[2], headers...)
				require.Equal(t, 400, a.status, "%v %v: %s", headers, call[:2], a.body)
			}
			require.Equal(t, 200, w.send(t, "POST", "/search", "{}", headers...).status)
			require.Equal(t, 200, w.send(t, "POST", "/aggregate", "{}", headers...).status)
			require.Equal(t, 200, w.send(t, "GET", "/collections/mine/items/x", "", headers...).status)
		}
		require.Len(t, w.get(t, "/collections/mine/items").ids(t), 1)
	})
}

// A server that other machines reach is changed from anywhere, until there is access control.
func TestChangesFromOtherMachines(t *testing.T) {
	h := New(Config{Catalog: catalogtest.NewMemory(), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	r := httptest.NewRequest(http.MethodPost, "http://eo.example.org/collections", strings.NewReader(string(collectionOf("new", "d"))))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", "https://browser.example.org")
	w := httptest.NewRecorder()
	at := &net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 80}
	h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, at)))
	require.Equal(t, 201, w.Code, w.Body.String())
}

func TestPagesForPeople(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		html := []string{"Accept", "text/html,application/xhtml+xml"}
		require.Contains(t, string(w.get(t, "/", html...).body), "Nothing here yet")
		w.fill(t)
		a := w.get(t, "/", html...)
		require.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"))
		require.Contains(t, a.header.Get("Content-Security-Policy"), "default-src 'none'")
		page := string(a.body)
		require.Contains(t, page, w.url+"/collections/s2/items")
		require.Contains(t, page, "dataset version")
		require.NotContains(t, page, "fields <b>", "text of documents is escaped")
		found := string(w.get(t, "/?q=radar", html...).body)
		require.Contains(t, found, "/collections/mine")
		require.NotContains(t, found, "/collections/s2/items")
		require.Contains(t, string(w.get(t, "/?q=nothing", html...).body), "No collection answers")
		require.Contains(t, string(w.get(t, "/?q=%22%3Cscript%3E", html...).body), "class=\"wrong\"")
		require.NotContains(t, string(w.get(t, "/?q=%22%3Cscript%3E", html...).body), "<script>")
		require.Equal(t, 200, w.get(t, "/?q=").status)
		api := string(w.get(t, "/api.html").body)
		require.Contains(t, api, "/collections/{collectionId}/items")
		require.Contains(t, api, conformsTo[0])
		for accept, want := range map[string]string{
			"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": "text/html", "application/json, text/html;q=0.1": "application/json", "text/html;q=0, */*": "application/json",
			"text/html, application/json": "application/json", "application/json, text/html": "application/json", "*/*": "application/json", "nonsense/,;": "application/json",
			"text/html": "text/html", "text/html, */*;q=0.1": "text/html", "text/html;q=0.5, */*": "application/json", "text/html, application/*": "application/json",
			"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2": "application/json", "application/json;q=0.5, text/html": "application/json",
			"text/html,application/xhtml+xml,application/x-ndjson": "application/json", "text/html,application/xhtml+xml;q=0": "application/json",
		} {
			require.Contains(t, w.get(t, "/", "Accept", accept).header.Get("Content-Type"), want, accept)
		}
	})
}

// Who follows the links of the landing page in a browser gets pages; programs get what they always did.
func TestPagesOfDocuments(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		html := []string{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
		hostile := strings.NewReplacer(`"gone":"y"`, `"gone":"`+strings.Repeat("ä", 400)+`"`, "https://example.com/AOT.tif", "javascript:alert(1)").Replace(postedX)
		require.Equal(t, 201, w.post(t, "/collections/mine/items", hostile).status)
		for path, want := range map[string][]string{
			"/collections/s2":                  {"T s2", "Scenes of fields &lt;b&gt;", w.url + "/collections/s2/items", "earth observation", "https://example.com/l", "?f=json"},
			"/collections/s2/items":            {"25 in all", w.url + "/collections/s2/items/scene%2024", "Scene number 0", "2020-01-25T10:00:00Z"},
			"/collections/s2/items?limit=10":   {"after", "token="},
			"/collections/s2/items?ids=none":   {"No items"},
			"/collections/s2/items/scene%2003": {"Scene number 3", "platform", "sentinel-2b", "instruments", w.url + "/assets/labels/l/r1/raster", "s3://b/k.tif", w.url + "/collections/s2"},
			"/collections/mine/items/x":        {"There is more than a page shows", "…"},
			"/collections/mine/items/x?f=html": {"<html"},
			"/?f=html":                         {"<html"},
		} {
			a := w.get(t, path, html...)
			require.Equal(t, 200, a.status, path)
			require.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"), path)
			require.Equal(t, "Accept", a.header.Get("Vary")[:6], path)
			require.Contains(t, a.header.Get("Content-Security-Policy"), "default-src 'none'")
			require.Empty(t, a.header.Get("ETag"))
			for _, text := range want {
				require.Contains(t, string(a.body), text, path)
			}
			require.NotContains(t, string(a.body), "ZgotmplZ")
			require.NotContains(t, string(a.body), "fields <b>", "text of documents is escaped")
			require.NotContains(t, string(a.body), `href="javascript:`, "nor does an address run anything")
			program := w.get(t, strings.Replace(path, "f=html", "", 1))
			require.Contains(t, program.header.Get("Content-Type"), "json", path)
			require.Contains(t, program.header.Get("Vary"), "Accept", path)
		}
		next := w.get(t, "/collections/s2/items?limit=10", html...)
		_, rest, found := strings.Cut(string(next.body), `<a href="`+w.url+"/collections/s2/items?")
		require.True(t, found)
		query, _, _ := strings.Cut(rest, `"`)
		second := string(w.get(t, "/collections/s2/items?"+strings.ReplaceAll(query, "&amp;", "&"), html...).body)
		require.Contains(t, second, "scene%2014")
		require.NotContains(t, second, "scene%2024")
		require.Contains(t, second, "before")
		require.Contains(t, w.get(t, "/collections/s2?f=json", html...).header.Get("Content-Type"), "application/json")
		for _, path := range []string{"/collections/s2?f=xml", "/collections/s2/items?f=", "/?f=1"} {
			require.Equal(t, 400, w.get(t, path).status, path)
		}
		for _, path := range []string{"/collections/none", "/collections/none/items", "/collections/s2/items/none"} {
			require.Equal(t, 404, w.get(t, path, html...).status, path)
		}
	})
}

// Pages have room for so much of what somebody wrote; what the server itself adds is none of that.
func TestPagesAreBounded(t *testing.T) {
	html := []string{"Accept", "text/html,application/xhtml+xml"}
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		long := strings.Repeat("w", 100_000)
		doc := strings.NewReplacer(`"gone":"y"`, `"title":"`+long+`","description":"`+long+`","`+long+`":1`).Replace(postedX)
		require.Equal(t, 201, w.post(t, "/collections/mine/items", doc).status)
		a := w.get(t, "/collections/mine/items/x", html...)
		require.Contains(t, string(a.body), "There is more than a page shows")
		require.Less(t, len(a.body), 30_000)
		require.Less(t, len(w.get(t, "/collections/mine/items", html...).body), 30_000)
		require.NotContains(t, string(w.get(t, "/collections/s2", html...).body), "There is more than a page shows")
	})
	var s shown
	s.documents(gjson.Parse(`{"links":[{"rel":"self","href":"https://example.com/` + strings.Repeat("w", shownBytes) + `"}]}`))
	require.Equal(t, shown{}, s, "a long address of this server leaves nothing out")
}

// An id may hold slashes, and some clients unescape them before they ask.
func TestAnIDWithSlashes(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		require.Equal(t, 201, w.post(t, "/collections/mine/items", strings.Replace(postedX, `"id":"x"`, `"id":"10/2020/x y"`, 1)).status)
		for _, path := range []string{"10%2F2020%2Fx%20y", "10/2020/x%20y", "10/2020%2fx y"} {
			a := w.send(t, http.MethodGet, "/collections/mine/items/"+strings.ReplaceAll(path, " ", "%20"), "")
			require.Equal(t, 200, a.status, path)
			require.Contains(t, string(a.body), w.url+"/collections/mine/items/10%2F2020%2Fx%20y")
		}
		for _, path := range []string{"10/2020/x", "10/2020/x%20y/", "10//2020/x%20y", "/"} {
			require.Equal(t, 404, w.send(t, http.MethodGet, "/collections/mine/items/"+path, "").status, path)
		}
		// To change something takes its exact address.
		require.Equal(t, 201, w.post(t, "/collections/mine/items", postedX).status)
		for _, path := range []string{"x/", "10/2020/x%20y"} {
			at := "/collections/mine/items/" + path
			require.Equal(t, 404, w.do(t, http.MethodDelete, at, "").status, path)
			require.Equal(t, 404, w.do(t, http.MethodPut, at, postedX, "If-None-Match", "*").status, path)
			require.Equal(t, 404, w.do(t, http.MethodPatch, at, "{}").status, path)
		}
		require.Equal(t, 404, w.get(t, "/collections/mine/items/x/").status)
		require.Equal(t, 404, w.get(t, "/collections/mine/items/x%2F").status, "nothing was made")
		require.Equal(t, 200, w.get(t, "/collections/mine/items/x").status)
		require.Equal(t, 204, w.do(t, http.MethodDelete, "/collections/mine/items/10%2F2020%2Fx%20y", "").status)
	})
}

// gone is a catalog whose database does not answer.
type gone struct{ catalog.Catalog }

func (gone) Search(context.Context, catalog.Scope, catalog.Query) (catalog.Result, error) {
	return catalog.Result{}, fault.New(fault.Unavailable, "search in catalog 10.0.0.7:5432/eo: user=admin refused").WithCure("start PostgreSQL on 10.0.0.7")
}

// Where a database is, and why it does not answer, is not for everybody.
func TestWhatDoesNotAnswerIsNotTold(t *testing.T) {
	w := start(t, gone{catalogtest.NewMemory()}, Config{})
	a := w.get(t, "/search")
	require.Equal(t, 503, a.status)
	require.NotContains(t, string(a.body), "10.0.0.7")
	require.NotEmpty(t, a.json(t)["cure"])
	require.NotEmpty(t, a.header.Get("Retry-After"))
}

// slow is a catalog that answers when its caller gives up.
type slow struct{ catalog.Catalog }

func (slow) Search(ctx context.Context, _ catalog.Scope, _ catalog.Query) (catalog.Result, error) {
	<-ctx.Done()
	return catalog.Result{}, ctx.Err()
}

func (slow) Aggregate(ctx context.Context, _ catalog.Scope, _ catalog.Query, _ []catalog.Aggregation) ([]catalog.Aggregate, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (slow) Apply(ctx context.Context, _ catalog.Changes) (int64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func TestTimeouts(t *testing.T) {
	w := start(t, slow{catalogtest.NewMemory()}, Config{Timeouts: Timeouts{Search: 20 * time.Millisecond, Sum: 30 * time.Millisecond, Write: 40 * time.Millisecond}})
	for _, call := range [][3]string{
		{"GET", "/search", "20ms"}, {"POST", "/search", "20ms"}, {"GET", "/aggregate?aggregations=total_count", "30ms"}, {"DELETE", "/collections/a", "40ms"}, {"GET", "/collections/a/items.ndjson", ""},
	} {
		body := map[string]string{"POST": "{}"}[call[0]]
		a := w.do(t, call[0], call[1], body)
		if call[2] == "" {
			require.Equal(t, 404, a.status)
			continue
		}
		require.Equal(t, 503, a.status, string(a.body))
		require.Contains(t, a.json(t)["description"], call[2])
		require.NotEmpty(t, a.json(t)["cure"])
	}
}

// Every operation of the table is in the document once, with the parameters it takes, and answers.
func TestTheDocumentIsTheTable(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		ids := map[string]bool{}
		n := 0
		for path, item := range w.doc.Paths.Map() {
			for method, op := range item.Operations() {
				require.False(t, ids[op.OperationID], op.OperationID)
				ids[op.OperationID] = true
				n++
				at := strings.NewReplacer("{collectionId}", "s2", "{featureId}", "none").Replace(path)
				status := w.send(t, method, at, "").status
				require.NotContains(t, []int{405, 500, 501, 503}, status, "%s %s", method, at)
				for _, p := range op.Parameters {
					p := p.Value
					if p.In != "query" {
						continue
					}
					require.Equal(t, "form", p.Style)
					require.False(t, *p.Explode)
					a := w.send(t, method, at+"?"+p.Name+"=%00%FF", "")
					require.NotContains(t, string(a.body), "unknown parameter", "%s %s of %s", p.Name, method, at)
					require.NotContains(t, []int{500, 501}, a.status, string(a.body))
				}
				a := w.send(t, method, at+"?surely_unknown=1", "")
				require.Equal(t, 400, a.status, "%s %s", method, at)
			}
		}
		require.Equal(t, len(operations()), n)
		limit := w.doc.Components.Parameters["limit"].Value.Schema.Value
		require.NotNil(t, limit.Min)
		require.NotNil(t, limit.Default)
		box := w.doc.Components.Parameters["bbox"].Value.Schema.Value
		require.EqualValues(t, 4, box.MinItems)
		require.EqualValues(t, 6, *box.MaxItems)
	})
}

func TestOperationsOfOthersAreListed(t *testing.T) {
	w := start(t, catalogtest.NewMemory(), Config{Title: "Mine", Operations: []byte(`{"paths":{"/more":{"get":{"operationId":"getMore","summary":"More of it","responses":{"default":{"$ref":"#/components/responses/error"}}}}}}`)})
	doc := w.get(t, "/api").json(t)
	require.Contains(t, doc["paths"], "/more")
	require.Equal(t, "Mine", doc["info"].(map[string]any)["title"])
	require.Equal(t, w.url, doc["servers"].([]any)[0].(map[string]any)["url"])
	require.Contains(t, string(w.get(t, "/api.html").body), "More of it")
	require.True(t, json.Valid(components))
}
