package stac

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
)

const postedX = `{"type":"Feature","stac_version":"1.0.0","id":"x","properties":{"datetime":"2023-04-23T06:47:03.048Z","eo:cloud_cover":7,"gone":"y"},
	"geometry":{"type":"Polygon","coordinates":[[[98,77],[103,77],[102,76],[98,77]]]},"stac_extensions":["https://stac-extensions.github.io/eo/v1.0.0/schema.json"],
	"assets":{"aot":{"href":"https://example.com/AOT.tif","eo:bands":[{"name":"aot"}]},"near":{"href":"near.tif"}}}`

func TestItemsAreChanged(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		at := "/collections/mine/items/x"
		require.Equal(t, 204, w.do(t, http.MethodDelete, at, "").status, "what is not there is deleted already")
		a := w.post(t, "/collections/mine/items", postedX, "Terrapin-Actor", "ada")
		require.Equal(t, 201, a.status, string(a.body))
		require.Equal(t, w.url+at, a.header.Get("Location"))
		tag := a.header.Get("ETag")
		b := w.get(t, at)
		require.Equal(t, a.body, b.body)
		require.Equal(t, tag, b.header.Get("ETag"))
		doc := b.json(t)
		require.Equal(t, "1.1.0", doc["stac_version"])
		require.Equal(t, "mine", doc["collection"])
		require.Equal(t, []any{98.0, 76.0, 103.0, 77.0}, doc["bbox"])
		assets := doc["assets"].(map[string]any)
		require.Equal(t, w.url+"/near.tif", assets["near"].(map[string]any)["href"])
		require.Equal(t, "aot", assets["aot"].(map[string]any)["bands"].([]any)[0].(map[string]any)["name"], "older STAC is brought to 1.1")
		require.Contains(t, w.log.String(), `"what":"add item"`)
		require.Contains(t, w.log.String(), `"actor":"ada","authenticated":false`)

		a = w.post(t, "/collections/mine/items", postedX)
		require.Equal(t, 409, a.status)
		require.Contains(t, a.json(t)["cure"], "PUT")

		put := strings.Replace(postedX, `"gone":"y"`, `"new":true`, 1)
		require.Equal(t, 412, w.do(t, http.MethodPut, at, put, "If-Match", `"0"`).status)
		require.Equal(t, 412, w.do(t, http.MethodPut, at, put, "If-Match", "W/"+tag).status, "a weak tag is no version")
		a = w.do(t, http.MethodPut, at, put, "If-Match", `"0", `+tag)
		require.Equal(t, 204, a.status, string(a.body))
		require.Empty(t, a.header.Get("Content-Type"))
		require.NotEqual(t, tag, a.header.Get("ETag"))
		tag = a.header.Get("ETag")
		b = w.get(t, at)
		require.Equal(t, tag, b.header.Get("ETag"))
		require.NotContains(t, b.json(t)["properties"], "gone")
		require.Equal(t, 204, w.do(t, http.MethodPut, at, put, "If-Match", "*").status)
		require.Equal(t, 404, w.do(t, http.MethodPut, "/collections/mine/items/absent", strings.Replace(put, `"id":"x",`, "", 1)).status)
		require.Equal(t, 412, w.do(t, http.MethodPut, at, put, "If-None-Match", "*").status)
		a = w.do(t, http.MethodPut, "/collections/mine/items/a%2Fb", strings.Replace(put, `"id":"x",`, "", 1), "If-None-Match", "*")
		require.Equal(t, 201, a.status, string(a.body))
		require.Equal(t, w.url+"/collections/mine/items/a%2Fb", a.header.Get("Location"))
		require.Equal(t, "a/b", w.get(t, a.header.Get("Location")).json(t)["id"])

		require.Equal(t, 412, w.do(t, http.MethodDelete, at, "", "If-Match", `"0"`).status)
		require.Equal(t, 204, w.do(t, http.MethodDelete, at, "", "If-Match", tag).status)
		require.Equal(t, 412, w.do(t, http.MethodDelete, at, "", "If-Match", tag).status)
		require.Equal(t, 404, w.get(t, at).status)
		require.Equal(t, 404, w.do(t, http.MethodPatch, at, "{}").status)
		require.Equal(t, 404, w.do(t, http.MethodPut, at, put).status)
	})
}

func TestPatch(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		at := "/collections/mine/items/x"
		a := w.post(t, "/collections/mine/items", postedX)
		tag := a.header.Get("ETag")
		a = w.do(t, http.MethodPatch, at, `{"properties":{"eo:cloud_cover":12.40,"gone":null,"new":{"a":1,"b":null}},"assets":{"near":null}}`)
		require.Equal(t, 204, a.status, string(a.body))
		b := w.get(t, at)
		require.Equal(t, a.header.Get("ETag"), b.header.Get("ETag"))
		doc := b.json(t)
		require.JSONEq(t, `{"datetime":"2023-04-23T06:47:03.048Z","eo:cloud_cover":12.4,"new":{"a":1}}`, string(mustJSON(t, doc["properties"])))
		require.Contains(t, string(b.body), `"eo:cloud_cover":12.40`, "numbers keep their digits")
		require.Len(t, doc["assets"], 1)
		require.Equal(t, 412, w.do(t, http.MethodPatch, at, `{}`, "If-Match", tag).status)
		require.Equal(t, 204, w.do(t, http.MethodPatch, at, `{}`, "If-Match", a.header.Get("ETag")).status)
		require.Equal(t, a.header.Get("ETag"), w.get(t, at).header.Get("ETag"), "a change of nothing is no new version")

		patch := []string{"Content-Type", "application/json-patch+json"}
		a = w.do(t, http.MethodPatch, at, `[{"op":"test","path":"/properties/eo:cloud_cover","value":12.4},{"op":"remove","path":"/properties/new"},{"op":"add","path":"/properties/list","value":[1,3]},
			{"op":"add","path":"/properties/list/1","value":2},{"op":"add","path":"/properties/list/-","value":4},{"op":"copy","from":"/properties/list","path":"/properties/again"},
			{"op":"move","from":"/properties/again/0","path":"/properties/a~1b~0"},{"op":"replace","path":"/properties/list/0","value":"one"}]`, patch...)
		require.Equal(t, 204, a.status, string(a.body))
		require.JSONEq(t, `{"datetime":"2023-04-23T06:47:03.048Z","eo:cloud_cover":12.4,"list":["one",2,3,4],"again":[2,3,4],"a/b~":1}`, string(mustJSON(t, w.get(t, at).json(t)["properties"])))
		before := w.get(t, at).header.Get("ETag")
		for _, bad := range []string{`[{"op":"test","path":"/properties/list/0","value":"two"}]`, `[{"op":"remove","path":"/properties/absent"}]`, `[{"op":"remove","path":""}]`, `[{"op":"add","path":"/a/b","value":1}]`,
			`[{"op":"add","path":"properties","value":1}]`, `[{"op":"replace","path":"/properties/list/9","value":1}]`, `[{"op":"add","path":"/properties/list/01","value":1}]`, `[{"op":"jump","path":"/id"}]`,
			`[{"op":"add","path":"/id"}]`, `[{"op":"copy","path":"/id"}]`, `[{"path":"/id"}]`, `{}`, `null`, `[{"op":"move","from":"/properties","path":"/properties/a"}]`, `[{"op":"replace","path":"/id","value":"y"}]`,
			`[{"op":"remove","path":"/properties/list"},{"op":"test","path":"/id","value":"y"}]`} {
			require.Equal(t, 400, w.do(t, http.MethodPatch, at, bad, patch...).status, bad)
		}
		for _, bad := range []string{`[]`, `7`, `{"id":"y"}`, `{"collection":"s2"}`, `{"properties":null}`, `{"geometry":{"type":"Point","coordinates":[0,99]}}`, `{"type":"Collection"}`, `{`,
			strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat(`}`, 100)} {
			require.Equal(t, 400, w.do(t, http.MethodPatch, at, bad).status, bad)
		}
		require.Equal(t, before, w.get(t, at).header.Get("ETag"), "what is refused changes nothing")
	})
}

// Changes that are made at once are all there.
func TestPatchesDoNotLoseEachOther(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		require.Equal(t, 201, w.post(t, "/collections/mine/items", postedX).status)
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				a := w.send(t, http.MethodPatch, "/collections/mine/items/x", fmt.Sprintf(`{"properties":{"p%d":%[1]d}}`, i))
				if a.status != 204 {
					t.Errorf("patch %d: %d %s", i, a.status, a.body)
				}
			})
		}
		all.Wait()
		properties := w.get(t, "/collections/mine/items/x").json(t)["properties"]
		for i := range 6 {
			require.Contains(t, properties, fmt.Sprintf("p%d", i))
		}
	})
}

func TestManyItemsAreAddedOrNone(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		list := func(items ...string) string {
			return `{"type":"FeatureCollection","features":[` + strings.Join(items, ",") + `]}`
		}
		y := strings.Replace(postedX, `"id":"x"`, `"id":"y"`, 1)
		a := w.post(t, "/collections/mine/items", list(postedX, y))
		require.Equal(t, 201, a.status, string(a.body))
		require.Empty(t, a.header.Get("Location"))
		require.Equal(t, "application/geo+json", a.header.Get("Content-Type"))
		require.Len(t, w.get(t, "/collections/mine/items").ids(t), 2)
		for _, l := range a.json(t)["links"].([]any) {
			require.Equal(t, 200, w.get(t, l.(map[string]any)["href"].(string)).status)
		}
		z := strings.Replace(postedX, `"id":"x"`, `"id":"z"`, 1)
		require.Equal(t, 409, w.post(t, "/collections/mine/items", list(z, y)).status)
		require.Equal(t, 400, w.post(t, "/collections/mine/items", list(z, z)).status)
		a = w.post(t, "/collections/mine/items", list(z, strings.Replace(z, "2023-04-23T", "yesterday", 1), `7`))
		require.Equal(t, 400, a.status)
		require.Contains(t, a.json(t)["description"], `item "z"`)
		require.Equal(t, 404, w.get(t, "/collections/mine/items/z").status)
		require.Equal(t, 400, w.post(t, "/collections/mine/items", `{"type":"FeatureCollection"}`).status)
	})
}

func TestItemsThatAreRefused(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		for from, to := range map[string]string{
			`"type":"Feature"`: `"type":"Collection"`, `"stac_version":"1.0.0"`: `"stac_version":"0.5.0"`, `"stac_version":"1.0.0",`: ``, `"id":"x"`: `"id":7`, `"id":"x",`: ``,
			`"datetime":"2023-04-23T06:47:03.048Z",`: ``, `"datetime":"2023-`: `"datetime":"0000-`, `"2023-04-23T06:47:03.048Z"`: `null`, `[98,77],[103,77]`: `[98,97],[103,77]`, `"Polygon"`: `"Circle"`, `"assets":{`: `"assets":[],"x":{`, `"href":"near.tif"`: `"href":7`, `{"type":"Feature",`: `{"links":[{"rel":"a"}],"type":"Feature",`,
			`"gone":"y"`: `"gone":"\u0000"`, `"gone":"`: `"gone":1,"gone":"`, `{"type"`: `{"collection":"s2","type"`, `{"type":"Feature"`: `{"collection":null,"type":"Feature"`, `"gone":"y"}`: `"gone":"y"},"links":{}`,
		} {
			body := strings.Replace(postedX, from, to, 1)
			require.NotEqual(t, postedX, body, from)
			a := w.post(t, "/collections/mine/items", body)
			require.Equal(t, 400, a.status, "%s → %s: %s", from, to, a.body)
			require.NotEmpty(t, a.json(t)["cure"], a.body)
		}
		long := strings.Replace(postedX, `"id":"x"`, `"id":"`+strings.Repeat("x", 600)+`"`, 1)
		require.Equal(t, 400, w.post(t, "/collections/mine/items", long).status)
		for body, want := range map[string]string{" ": "empty", `{"type":"Feature",`: "after 18 bytes", postedX + "}": "no JSON", "\x1f\x8b\x08": "no JSON"} {
			require.Contains(t, w.post(t, "/collections/mine/items", body).json(t)["description"], want, body)
		}
		bom := w.send(t, http.MethodPost, "/collections/mine/items", "\xef\xbb\xbf"+strings.Replace(postedX, `"id":"x"`, `"id":"bom"`, 1))
		require.Equal(t, 201, bom.status, string(bom.body))
		require.Equal(t, 204, w.do(t, http.MethodDelete, "/collections/mine/items/bom", "").status)
		for body, want := range map[string]int{`{`: 400, `[]`: 400, `null`: 400, `7`: 400, `{}`: 400} {
			require.Equal(t, want, w.post(t, "/collections/mine/items", body).status, body)
		}
		require.Equal(t, 400, w.post(t, "/collections/mine/items", postedX, "Content-Type", "text/plain").status)
		require.Equal(t, 404, w.post(t, "/collections/none/items", postedX).status)
		require.Equal(t, 400, w.do(t, http.MethodPut, "/collections/mine/items/y", postedX).status)
		a := w.post(t, "/collections/s2/items", postedX)
		require.Equal(t, 409, a.status, "what the bucket holds is not changed by posting")
		require.Contains(t, a.json(t)["cure"], "terrapin ingest")
		require.Equal(t, 409, w.do(t, http.MethodDelete, "/collections/s2/items/scene%2001", "").status)
		require.Equal(t, 409, w.do(t, http.MethodPatch, "/collections/s2/items/scene%2001", `{"properties":{"a":1}}`).status)
		require.Len(t, w.get(t, "/search?limit=100").ids(t), 50)
		deep := strings.Repeat(`[`, 8<<20)
		for _, call := range [][2]string{{"POST", "/collections/mine/items"}, {"POST", "/collections"}, {"POST", "/collections/mine/bulk_items"}, {"PATCH", "/collections/mine"}, {"PUT", "/collections/mine/items/x"}, {"POST", "/search"}} {
			a := w.send(t, call[0], call[1], deep)
			require.Contains(t, []int{400, 413}, a.status, call)
		}
		small := start(t, w.catalog, Config{MaxPosted: 100})
		require.Equal(t, 413, small.post(t, "/collections/mine/items", postedX).status)
	})
}

// What is small in bytes and endless in number is refused before it takes memory.
func TestEndlessBodies(t *testing.T) {
	w := start(t, catalogtest.NewMemory(), Config{})
	_, err := w.catalog.Apply(context.Background(), catalog.Changes{Origin: catalog.Posted, Collections: []json.RawMessage{collectionOf("mine", "d")}})
	require.NoError(t, err)
	require.Equal(t, 201, w.post(t, "/collections/mine/items", postedX).status)
	many := func(one string, bytes int) string { return strings.Repeat(one+",", bytes/(len(one)+1)) + one }
	for body, call := range map[string][3]string{
		`{"type":"FeatureCollection","features":[` + many("0", 8<<20) + `]}`:                             {"POST", "/collections/mine/items", ""},
		`[` + many("0", 8<<20) + `]`:                                                                     {"POST", "/collections", ""},
		`{"collections":[` + many("0", 8<<20) + `]}`:                                                     {"POST", "/collections", ""},
		`[` + many("{}", 3<<20) + `]`:                                                                    {"PATCH", "/collections/mine/items/x", "application/json-patch+json"},
		`{"query":{"a":{"in":[` + many("0", 3<<20) + `]}}}`:                                              {"POST", "/search", ""},
		`{"ids":["` + strings.Repeat(`x","`, 20_000) + `"]}`:                                             {"POST", "/search", ""},
		`{"sortby":[` + many("{}", 1<<20) + `]}`:                                                         {"POST", "/search", ""},
		`{"type":"Feature","stac_version":"1.1.0","id":"` + strings.Repeat("x", maxDocumentBytes) + `"}`: {"POST", "/collections/mine/items", ""},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		headers := []string{"Content-Type", "application/json"}
		if call[2] != "" {
			headers[1] = call[2]
		}
		a := w.send(t, call[0], call[1], body, headers...)
		runtime.ReadMemStats(&after)
		require.Contains(t, []int{400, 413}, a.status, "%v: %s", call, a.body)
		require.Less(t, len(a.body), 10_000, "the answer does not repeat what was sent")
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(300<<20), "%v %.40s", call, body)
	}
}

func TestCollectionsAreChanged(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		doc := string(collectionOf("new", "A new one"))
		a := w.post(t, "/collections", doc)
		require.Equal(t, 201, a.status, string(a.body))
		require.Equal(t, w.url+"/collections/new", a.header.Get("Location"))
		tag := a.header.Get("ETag")
		b := w.get(t, "/collections/new")
		require.Equal(t, tag, b.header.Get("ETag"))
		require.Equal(t, a.body, b.body)
		require.Equal(t, 409, w.post(t, "/collections", doc).status)
		require.Equal(t, 201, w.post(t, "/collections/new/items", postedX).status)

		put := strings.Replace(doc, "A new one", "Another", 1)
		require.Equal(t, 412, w.do(t, http.MethodPut, "/collections/new", put, "If-Match", `"0"`).status)
		require.Equal(t, 204, w.do(t, http.MethodPut, "/collections/new", put, "If-Match", tag).status)
		require.Equal(t, "Another", w.get(t, "/collections/new").json(t)["description"])
		require.Len(t, w.get(t, "/collections/new/items").ids(t), 1, "items stay")
		require.Equal(t, 204, w.do(t, http.MethodPatch, "/collections/new", `{"title":null,"keywords":["a"]}`).status)
		require.NotContains(t, w.get(t, "/collections/new").json(t), "title")
		require.Equal(t, 404, w.do(t, http.MethodPut, "/collections/absent", strings.Replace(put, `"new"`, `"absent"`, 1)).status)
		require.Equal(t, 201, w.do(t, http.MethodPut, "/collections/absent", strings.Replace(put, `"new"`, `"absent"`, 1), "If-None-Match", "*").status)
		require.Equal(t, 400, w.do(t, http.MethodPut, "/collections/absent", put).status)
		require.Equal(t, 204, w.do(t, http.MethodDelete, "/collections/new", "").status)
		require.Equal(t, 204, w.do(t, http.MethodDelete, "/collections/new", "").status)
		require.Equal(t, 412, w.do(t, http.MethodDelete, "/collections/new", "", "If-Match", "*").status)
		require.Equal(t, 404, w.get(t, "/collections/new/items/x").status)

		two := `[` + string(collectionOf("one", "d")) + `,` + string(collectionOf("two", "d")) + `]`
		a = w.post(t, "/collections", `{"collections":`+two+`}`)
		require.Equal(t, 201, a.status)
		require.Empty(t, a.header.Get("Location"))
		require.Equal(t, 409, w.post(t, "/collections", two).status)
		for _, none := range []string{`[]`, `{"collections":[]}`} {
			require.Equal(t, 400, w.post(t, "/collections", none).status, "nothing was made")
		}
		require.Equal(t, 200, w.get(t, "/collections/two").status)

		for _, name := range []string{"labels-x", "dataset-x-v1", "predictions-x", "models"} {
			require.Equal(t, 409, w.post(t, "/collections", strings.ReplaceAll(doc, `"new"`, `"`+name+`"`)).status, name)
		}
		for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete} {
			body := map[string]string{http.MethodPut: string(collectionOf("s2", "mine now")), http.MethodPatch: `{"title":"mine now"}`}[method]
			require.Equal(t, 409, w.do(t, method, "/collections/s2", body).status, method)
		}
		for from, to := range map[string]string{`"type":"Collection"`: `"type":"Feature"`, `"description":"A new one"`: `"description":""`, `"license":"other"`: `"license":null`, `"interval"`: `"span"`,
			`[[3,50,4,51]]`: `[[3,50,4]]`, `"id":"new"`: `"id":""`, `"2020-01-01T00:00:00Z"`: `"long ago"`} {
			body := strings.Replace(doc, from, to, 1)
			require.NotEqual(t, doc, body)
			a := w.post(t, "/collections", body)
			require.Equal(t, 400, a.status, "%s: %s", to, a.body)
			require.NotEmpty(t, a.json(t)["cure"])
		}
	})
}
