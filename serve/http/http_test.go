package http

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/catalog/sqlite"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/reply"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

// fixture is a server on a loopback address, with what lies behind it.
type fixture struct {
	url     string
	catalog catalog.Catalog
	root    *store.Bucket
	log     *syncBuffer
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

func start(t *testing.T, verbs map[string]Verb) *fixture {
	t.Helper()
	cat, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "catalog.sqlite"))
	require.NoError(t, err)
	return startOn(t, cat, verbs)
}

func startOn(t *testing.T, cat catalog.Catalog, verbs map[string]Verb) *fixture {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() { require.NoError(t, cat.Close()) })
	driver, err := file.New(filepath.Join(dir, "data"))
	require.NoError(t, err)
	f := &fixture{catalog: cat, root: store.New(driver, "file://"+dir), log: &syncBuffer{}}
	h := New(Config{
		Catalog: cat, Root: f.root, Verbs: verbs, TempDir: dir, MaxUpload: 1 << 20,
		Info: func() map[string]any { return map[string]any{"version": "test"} },
		Log:  slog.New(slog.NewJSONHandler(f.log, nil)),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := Server(h)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, srv.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
	f.url = "http://" + l.Addr().String()
	return f
}

// fill puts two collections and 25 items in each.
func (f *fixture) fill(t *testing.T) {
	t.Helper()
	ch := catalog.Changes{}
	for _, c := range []string{"s2", "dataset-crops-v1"} {
		ch.Collections = append(ch.Collections, json.RawMessage(fmt.Sprintf(`{"type":"Collection","stac_version":"1.1.0","id":%q,"title":"T","description":"Scenes <b>",
			"license":"other","extent":{"spatial":{"bbox":[[3,50,4,51]]},"temporal":{"interval":[["2020-01-01T00:00:00Z",null]]}},
			"links":[{"rel":"derived_from","href":"collections/s2"},{"rel":"license","href":"https://example.com/l"}],
			"assets":{"manifest":{"href":"assets/datasets/crops/v1/manifest.parquet"}}}`, c)))
		for i := range 25 {
			x := 3 + float64(i)/100
			ch.Items = append(ch.Items, json.RawMessage(fmt.Sprintf(`{"type":"Feature","stac_version":"1.1.0","stac_extensions":[],"id":"scene %02d","collection":%q,
				"geometry":{"type":"Polygon","coordinates":[[[%[3]g,50],[%[4]g,50],[%[4]g,51],[%[3]g,51],[%[3]g,50]]]},"bbox":[%[3]g,50,%[4]g,51],
				"properties":{"datetime":"2020-01-%02[5]dT10:00:00Z","eo:cloud_cover":%[5]d,"platform":"sentinel-2a","instruments":["msi"]},"links":[{"rel":"collection","href":"collections/%[2]s"}],
				"assets":{"local":{"href":"assets/labels/l/r1/raster"},"foreign":{"href":"s3://b/k.tif"}}}`, i, c, x, x+0.5, 1+i)))
		}
	}
	_, err := f.catalog.Apply(context.Background(), ch)
	require.NoError(t, err)
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	require.NoError(t, json.Unmarshal(a.body, &out), string(a.body))
	return out
}

func (f *fixture) do(t *testing.T, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = f.url + path
	}
	req, err := http.NewRequest(method, path, body)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return answer{res.StatusCode, res.Header, data}
}

func (f *fixture) get(t *testing.T, path string, headers ...string) answer {
	t.Helper()
	return f.do(t, http.MethodGet, path, nil, headers...)
}

func (f *fixture) post(t *testing.T, path, body string, headers ...string) answer {
	t.Helper()
	return f.do(t, http.MethodPost, path, strings.NewReader(body), append([]string{"Content-Type", "application/json"}, headers...)...)
}

func links(t *testing.T, doc map[string]any) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, l := range doc["links"].([]any) {
		l := l.(map[string]any)
		out[l["rel"].(string)] = l["href"].(string)
	}
	return out
}

func TestEveryLinkOfTheLandingPageAnswers(t *testing.T) {
	f := start(t, nil)
	f.fill(t)
	doc := f.get(t, "/").json(t)
	require.Equal(t, "Catalog", doc["type"])
	n := 0
	for _, l := range doc["links"].([]any) {
		l := l.(map[string]any)
		a := f.get(t, l["href"].(string), "Accept", l["type"].(string))
		require.Equal(t, 200, a.status, l)
		require.Equal(t, strings.Split(l["type"].(string), ";")[0], strings.Split(a.header.Get("Content-Type"), ";")[0], l)
		n++
	}
	require.Equal(t, 18, n)
	require.Equal(t, doc["conformsTo"], f.get(t, "/conformance").json(t)["conformsTo"])
}

func TestDocumentsGetAbsoluteLinks(t *testing.T) {
	f := start(t, nil)
	f.fill(t)
	for headers, want := range map[[6]string]string{
		{}:                              f.url,
		{"Host", "eo.example.org:8443"}: "http://eo.example.org:8443",
		{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "eo.example.org, inner", "X-Forwarded-Prefix", "/stac/v1/"}: "https://eo.example.org/stac/v1",
		{"X-Forwarded-Prefix", "/a/../b"}: f.url,
		{"X-Forwarded-Host", `evil"><script>`, "X-Forwarded-Prefix", "/a?b", "X-Forwarded-Proto", "javascript"}: f.url,
	} {
		var given []string
		for _, h := range headers {
			if h != "" {
				given = append(given, h)
			}
		}
		item := f.get(t, "/collections/s2/items/scene%2003", given...).json(t)
		l := links(t, item)
		require.Equal(t, map[string]string{"self": want + "/collections/s2/items/scene%2003", "root": want + "/",
			"parent": want + "/collections/s2", "collection": want + "/collections/s2"}, l)
		assets := item["assets"].(map[string]any)
		require.Equal(t, want+"/assets/labels/l/r1/raster", assets["local"].(map[string]any)["href"])
		require.Equal(t, "s3://b/k.tif", assets["foreign"].(map[string]any)["href"])
		c := f.get(t, "/collections/dataset-crops-v1", given...).json(t)
		l = links(t, c)
		require.Equal(t, want+"/collections/s2", l["derived_from"])
		require.Equal(t, "https://example.com/l", l["license"])
		require.Equal(t, want+"/collections/dataset-crops-v1/items", l["items"])
	}
}

func TestPagesByGetAndPost(t *testing.T) {
	f := start(t, nil)
	f.fill(t)
	seen := map[string]int{}
	next, pages := "/search?limit=7&bbox=3,50,4,51", 0
	for next != "" {
		doc := f.get(t, next).json(t)
		if pages++; pages == 1 {
			require.EqualValues(t, 50, doc["numberMatched"])
		}
		for _, i := range doc["features"].([]any) {
			i := i.(map[string]any)
			seen[i["collection"].(string)+i["id"].(string)]++
		}
		next = links(t, doc)["next"]
	}
	require.Equal(t, 8, pages)
	require.Len(t, seen, 50)

	body, count := map[string]any{"collections": []string{"s2"}, "limit": 4}, 0
	for range 100 {
		text, err := json.Marshal(body)
		require.NoError(t, err)
		doc := f.post(t, "/search", string(text)).json(t)
		count += len(doc["features"].([]any))
		var more bool
		for _, l := range doc["links"].([]any) {
			l := l.(map[string]any)
			if l["rel"] == "next" {
				require.Equal(t, "POST", l["method"])
				for k, v := range l["body"].(map[string]any) {
					body[k], more = v, true
				}
			}
		}
		if !more {
			break
		}
	}
	require.Equal(t, 25, count)
	doc := f.get(t, "/collections?limit=1").json(t)
	require.Len(t, doc["collections"], 1)
	doc = f.get(t, links(t, doc)["next"]).json(t)
	require.Len(t, doc["collections"], 1)
	require.NotContains(t, links(t, doc), "next")
}

func TestBadQuestionsAreRefused(t *testing.T) {
	f := start(t, nil)
	f.fill(t)
	status := map[string]int{}
	for _, q := range []string{"bbox=1,2,3", "bbox=[1,2,3,4]", "bbox=1,5,2,4", "bbox=", "bbox=a,b,c,d", "bbox=NaN,0,1,1", "limit=0", "limit=-1", "limit=x", "datetime=2020-01-01",
		"datetime=", "datetime=../..", "token=x", "token=", "filter=(", "limit=1&limit=2", "bbox=0,0,1,1&sortby=", "filter-lang=sql", "fields=id&page=2"} {
		status["/search?"+q], status["/collections/s2/items?"+q] = 400, 400
	}
	status["/search?bbox=0,0,1,1&intersects="+url.QueryEscape(`{"type":"Point","coordinates":[0,0]}`)] = 400
	status["/search?intersects=nonsense"] = 400
	status["/collections?ids=x"], status["/collections/s2?x=1"], status["/conformance?f=json"] = 400, 400, 400
	status["/collections/none"], status["/collections/none/items"], status["/collections/s2/items/none"], status["/nothing"] = 404, 404, 404, 404
	for path, want := range status {
		a := f.get(t, path)
		require.Equal(t, want, a.status, "%s: %s", path, a.body)
		require.Equal(t, "application/json", a.header.Get("Content-Type"))
		doc := a.json(t)
		for _, key := range []string{"code", "description", "kind", "message"} {
			require.NotEmpty(t, doc[key], path)
		}
		if want == 400 {
			require.NotEmpty(t, doc["cure"], path)
		}
	}
	for _, body := range []string{``, `[]`, `{"limit":0}`, `{"limit":-1}`, `{"bbox":"1,2,3,4"}`, `{"bbox":[1,2,3]}`, `{"filter":{"op":"nonsense"}}`, `{"page":1}`, `{"datetime":"2020-01-01"}`,
		`{"intersects":{"type":"Polygon","coordinates":[[[0,0],[1,1]]]}}`, `{"bbox":[0,0,1,1],"intersects":{"type":"Point","coordinates":[0,0]}}`, `{}{}`, `{"token":"x"}`} {
		require.Equal(t, 400, f.post(t, "/search", body).status, body)
	}
	require.Equal(t, 400, f.do(t, "POST", "/search", strings.NewReader("{}"), "Content-Type", "text/plain").status)
	require.Equal(t, 413, f.post(t, "/search", `{"ids":["`+strings.Repeat("x", maxBody)+`"]}`).status)
	for path, want := range map[string]string{"/search": "GET, HEAD, POST, OPTIONS", "/healthz": "GET, HEAD, OPTIONS", "/assets/x": "GET, HEAD, OPTIONS", "/v1/verbs/x": "POST, OPTIONS"} {
		a := f.do(t, "DELETE", path, nil)
		require.Equal(t, 405, a.status, path)
		require.Equal(t, want, a.header.Get("Allow"), path)
	}
	require.Equal(t, 200, f.get(t, "/search?limit=1000000").status)
	require.Equal(t, 200, f.post(t, "/search", `{"bbox":null,"intersects":null,"ids":null,"token":null}`).status)
	require.Len(t, f.get(t, "/search?ids=scene+01,none").json(t)["features"], 2)
	require.Len(t, f.get(t, "/collections/s2/items?ids=scene+01&collections=s2").json(t)["features"], 1)
	require.Empty(t, f.get(t, "/collections/s2/items?collections=dataset-crops-v1").json(t)["features"])
}

func TestCORS(t *testing.T) {
	f := start(t, map[string]Verb{"x": func(context.Context, VerbRequest) (any, int, error) { return nil, 0, nil }})
	for _, path := range []string{"/", "/search", "/nothing"} {
		a := f.get(t, path, "Origin", "https://browser.example.org")
		require.Equal(t, "*", a.header.Get("Access-Control-Allow-Origin"), path)
		require.Contains(t, a.header.Get("Access-Control-Expose-Headers"), "Allow")
	}
	a := f.do(t, "OPTIONS", "/search", nil, "Origin", "https://b.example.org", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type")
	require.Equal(t, 204, a.status)
	require.Contains(t, a.header.Get("Access-Control-Allow-Headers"), "Authorization")
	require.Contains(t, a.header.Get("Access-Control-Allow-Methods"), "POST")
	a = f.do(t, "OPTIONS", "/v1/verbs/x", nil, "Origin", "https://b.example.org", "Access-Control-Request-Method", "POST")
	require.Empty(t, a.header.Get("Access-Control-Allow-Origin"), "no page of another origin may run verbs")
	require.Equal(t, 400, f.post(t, "/v1/verbs/x", "{}").status, "nor a form that needs no preflight")
}

func TestPagesForPeople(t *testing.T) {
	f := start(t, nil)
	a := f.get(t, "/", "Accept", "text/html,application/xhtml+xml")
	require.Contains(t, string(a.body), "Nothing here yet")
	f.fill(t)
	a = f.get(t, "/", "Accept", "text/html,application/xhtml+xml")
	require.Equal(t, reply.HTML, a.header.Get("Content-Type"))
	require.Contains(t, string(a.body), f.url+"/collections/s2/items")
	require.Contains(t, string(a.body), "dataset version")
	require.NotContains(t, string(a.body), "Scenes <b>", "text of documents is escaped")
	require.Contains(t, string(f.get(t, "/api.html").body), "/collections/{collectionId}/items")
}

func TestOpenAPIDescribesTheRoutes(t *testing.T) {
	f := start(t, nil)
	a := f.get(t, "/api")
	require.Equal(t, reply.OpenAPI, a.header.Get("Content-Type"))
	doc := a.json(t)
	require.Equal(t, "3.0.3", doc["openapi"])
	require.Equal(t, f.url, doc["servers"].([]any)[0].(map[string]any)["url"])
	for path, methods := range doc["paths"].(map[string]any) {
		for method := range methods.(map[string]any) {
			path := strings.NewReplacer("{collectionId}", "c", "{featureId}", "i", "{key}", "k", "{verb}", "v").Replace(path)
			require.NotEqual(t, 405, f.do(t, strings.ToUpper(method), path, nil).status, path)
		}
	}
	// every local reference leads somewhere
	for _, part := range strings.Split(string(a.body), `"$ref":"#/`)[1:] {
		var at any = doc
		for _, step := range strings.Split(part[:strings.Index(part, `"`)], "/") {
			at = at.(map[string]any)[step]
		}
		require.NotNil(t, at, part[:strings.Index(part, `"`)])
	}
}

func TestAssets(t *testing.T) {
	f := start(t, nil)
	ctx := context.Background()
	put := func(key, text string) {
		_, err := f.root.Write(ctx, key, []byte(text), store.Condition{})
		require.NoError(t, err)
	}
	put("datasets/crops/v1/manifest.parquet", "0123456789")
	require.Equal(t, 404, f.get(t, "/assets/datasets/crops/v1/manifest.parquet").status, "nothing of a version without commit.json is visible")
	put("datasets/crops/v1/commit.json", "{}")
	put("predictions/run/a.tif", "tif")
	put("predictions/run/commit.json", "{}")
	put("models/m/commit.json", "{}")
	put("labels/l/r1/raster/zarr.json", "{}")
	put("labels/l/r1/page.html", "<script>")
	put("labels/l/r1/commit.json", "{}")
	put("cubes/s2/repo", "repo")
	put("cubes/s2/chunks/ABC", "chunk")
	put("terrapin.lock", "secret")
	put("catalog.sqlite", "secret")

	a := f.get(t, "/assets/datasets/crops/v1/manifest.parquet")
	require.Equal(t, "0123456789", string(a.body))
	require.Equal(t, "application/vnd.apache.parquet", a.header.Get("Content-Type"))
	require.Contains(t, a.header.Get("Cache-Control"), "immutable")
	tag := a.header.Get("ETag")
	require.Regexp(t, `^"[^"]+"$`, tag)
	a = f.get(t, "/assets/datasets/crops/v1/manifest.parquet", "If-None-Match", tag)
	require.Equal(t, 304, a.status)
	require.Empty(t, a.body)
	for give, want := range map[string]string{"bytes=2-4": "234", "bytes=7-": "789", "bytes=-2": "89"} {
		a = f.get(t, "/assets/datasets/crops/v1/manifest.parquet", "Range", give)
		require.Equal(t, 206, a.status)
		require.Equal(t, want, string(a.body), give)
		require.NotEmpty(t, a.header.Get("Content-Range"))
	}
	require.Equal(t, 416, f.get(t, "/assets/datasets/crops/v1/manifest.parquet", "Range", "bytes=99-").status)
	a = f.do(t, "HEAD", "/assets/datasets/crops/v1/manifest.parquet", nil)
	require.Equal(t, "10", a.header.Get("Content-Length"))
	require.Empty(t, a.body)

	require.Equal(t, "no-cache", f.get(t, "/assets/cubes/s2/repo").header.Get("Cache-Control"))
	require.Contains(t, f.get(t, "/assets/cubes/s2/chunks/ABC").header.Get("Cache-Control"), "immutable")
	require.Contains(t, f.get(t, "/assets/predictions/run/a.tif").header.Get("Content-Type"), "cloud-optimized")
	require.Equal(t, "application/json", f.get(t, "/assets/labels/l/r1/raster/zarr.json").header.Get("Content-Type"))
	require.NotContains(t, f.get(t, "/assets/labels/l/r1/page.html").header.Get("Content-Type"), "text/html")
	a = f.get(t, "/assets/cubes/s2")
	require.Equal(t, 303, a.status)
	require.Equal(t, f.url+"/collections/s2", a.header.Get("Location"))
	a = f.get(t, "/assets/labels/l/r1/raster")
	require.Equal(t, 303, a.status, "the href of an array leads to its description")
	require.Equal(t, f.url+"/assets/labels/l/r1/raster/zarr.json", a.header.Get("Location"))
	for _, path := range []string{"terrapin.lock", "catalog.sqlite", ".tmp/x", "", "datasets", "datasets/", "datasets/crops/v1", "datasets/crops/v1/", "labels/l/r1/", "labels/l/r1/raster/",
		"cubes/", "cubes/s2/", "cubes//repo", "cubes/../terrapin.lock", "cubes/%2e%2e/terrapin.lock", "cubes/s2/..%2f..%2fterrapin.lock", "labels/l/r1/../../../terrapin.lock", "cubes/s2/%00", "models/m"} {
		a := f.get(t, "/assets/"+path)
		require.Equal(t, 404, a.status, "%s: %s", path, a.body)
		require.NotContains(t, string(a.body), "secret")
	}
}

func TestVerbs(t *testing.T) {
	var kept []string
	verbs := map[string]Verb{
		"echo": func(_ context.Context, q VerbRequest) (any, int, error) {
			files := map[string]string{}
			for _, u := range q.Files {
				data, err := os.ReadFile(u.Path)
				if err != nil {
					return nil, 0, err
				}
				files[fmt.Sprint(len(files), u.Name, filepath.Base(u.Path))] = string(data)
				kept = append(kept, u.Path)
			}
			return map[string]any{"args": q.Args, "files": files, "actor": q.Actor}, 1, nil
		},
		"refuse": func(context.Context, VerbRequest) (any, int, error) {
			return nil, 0, fault.New(fault.Conflict, "taken").WithCure("choose another")
		},
		"break": func(context.Context, VerbRequest) (any, int, error) { return nil, 0, errors.New("password=hunter2") },
		"panic": func(context.Context, VerbRequest) (any, int, error) { panic("password=hunter2") },
	}
	f := start(t, verbs)
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	require.NoError(t, w.WriteField("args", `{"cube":"s2"}`))
	for i, name := range []string{"a.tif", "a.tif"} {
		part, err := w.CreateFormFile("file", name)
		require.NoError(t, err)
		fmt.Fprintf(part, "content %d", i)
	}
	require.NoError(t, w.Close())
	a := f.do(t, "POST", "/v1/verbs/echo", &form, "Content-Type", w.FormDataContentType(), "Terrapin-Actor", "ada")
	require.JSONEq(t, `{"exit":1,"document":{"actor":"ada","args":{"cube":"s2"},"files":{"0a.tifa.tif":"content 0","1a.tifa.tif":"content 1"}}}`, string(a.body))
	for _, path := range kept {
		require.NoFileExists(t, path, "uploads do not outlive the verb")
	}
	require.Contains(t, f.log.String(), `"actor":"ada"`)

	a = f.post(t, "/v1/verbs/refuse", "{}", "Terrapin-Actor", "ada")
	require.Equal(t, 409, a.status)
	require.JSONEq(t, `{"kind":"conflict","message":"taken","cure":"choose another","code":"conflict","description":"taken"}`, string(a.body))
	for _, name := range []string{"break", "panic"} {
		a = f.post(t, "/v1/verbs/"+name, "", "Terrapin-Actor", "ada")
		require.Equal(t, 500, a.status)
		require.NotContains(t, string(a.body), "hunter2", "the text of an internal error stays in the log")
	}
	require.Equal(t, 2, strings.Count(f.log.String(), "internal error"))
	require.Equal(t, 404, f.post(t, "/v1/verbs/none", "{}", "Terrapin-Actor", "ada").status)
	require.Equal(t, 400, f.post(t, "/v1/verbs/echo", "[]", "Terrapin-Actor", "ada").status)
	require.Equal(t, 400, f.do(t, "POST", "/v1/verbs/echo", strings.NewReader("x"), "Content-Type", "text/plain", "Terrapin-Actor", "ada").status)

	var big bytes.Buffer
	w = multipart.NewWriter(&big)
	h := textproto.MIMEHeader{}
	h.Set("Content-Disposition", `form-data; name="file"; filename="../../big.tif"`)
	part, err := w.CreatePart(h)
	require.NoError(t, err)
	_, err = part.Write(make([]byte, 2<<20))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.Equal(t, 413, f.do(t, "POST", "/v1/verbs/echo", &big, "Content-Type", w.FormDataContentType(), "Terrapin-Actor", "ada").status)
}

func TestHealthAndServer(t *testing.T) {
	f := start(t, nil)
	require.Equal(t, 200, f.get(t, "/healthz").status)
	require.Equal(t, 200, f.get(t, "/readyz").status)
	require.JSONEq(t, `{"version":"test"}`, string(f.get(t, "/v1/server").body))
	_, err := f.catalog.Apply(context.Background(), catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")}})
	require.NoError(t, err)
	require.NoError(t, f.catalog.Close())
	require.Equal(t, 200, f.get(t, "/healthz").status)
	away := f.get(t, "/readyz")
	require.Equal(t, 503, away.status)
	require.Contains(t, string(away.body), "closed")
	require.Contains(t, string(away.body), `"cure"`)
}

func TestLinesOfAVerb(t *testing.T) {
	lines := func(n int, end error) Verb {
		return func(context.Context, VerbRequest) (any, int, error) {
			return Lines(func(_ context.Context, w io.Writer) error {
				for i := range n {
					if _, err := fmt.Fprintf(w, "{\"line\":%d}\n", i); err != nil {
						return err
					}
				}
				return end
			}), 0, nil
		}
	}
	broken := fault.New(fault.Unavailable, "the database is gone")
	f := start(t, map[string]Verb{"whole": lines(2, nil), "refused": lines(0, broken), "broken": lines(50_000, broken)})
	a := f.post(t, "/v1/verbs/whole", "{}", "Terrapin-Actor", "ada")
	require.Equal(t, 200, a.status)
	require.Equal(t, "application/x-ndjson", a.header.Get("Content-Type"))
	require.Equal(t, "{\"line\":0}\n{\"line\":1}\n", string(a.body))
	a = f.post(t, "/v1/verbs/refused", "{}", "Terrapin-Actor", "ada")
	require.Equal(t, 503, a.status, "what fails before the first line is an error like any other")
	require.Equal(t, reply.JSON, a.header.Get("Content-Type"))

	req, err := http.NewRequest("POST", f.url+"/v1/verbs/broken", strings.NewReader("{}"))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Terrapin-Actor", "ada")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.ReadAll(res.Body)
	require.Error(t, err, "one that breaks off is seen to")
	require.Contains(t, f.log.String(), "broke off")
	require.Contains(t, f.log.String(), `"verb":"whole","actor":"ada","exit":0`)
	require.NotContains(t, f.log.String(), `"verb":"refused"`, "nothing is said to be done before it is")
	require.NotContains(t, f.log.String(), `"verb":"broken"`)
}

// A client that takes every piece in time, but for days, does not hold what the lines are made of for as long.
func TestLinesHaveTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &syncBuffer{}
		s := &server{Config: Config{Log: slog.New(slog.NewJSONHandler(log, nil))}}
		begun := time.Now()
		require.PanicsWithValue(t, http.ErrAbortHandler, func() {
			_ = s.lines(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/v1/verbs/slow", nil), func(_ context.Context, w io.Writer) error {
				for {
					if _, err := io.WriteString(w, "{}\n"); err != nil {
						return err
					}
					time.Sleep(59 * time.Second)
				}
			})
		})
		require.InDelta(t, wholeWithin, time.Since(begun), float64(time.Minute))
		require.Contains(t, log.String(), "longer than 6h")
	})
}
