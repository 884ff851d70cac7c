package stac

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryLinkOfTheLandingPageAnswers(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		doc := w.get(t, "/").json(t)
		rels := map[string]int{}
		for _, l := range doc["links"].([]any) {
			l := l.(map[string]any)
			rels[l["rel"].(string)]++
			if l["method"] == "POST" {
				require.Equal(t, 200, w.post(t, l["href"].(string), "{}").status, l)
				continue
			}
			a := w.get(t, l["href"].(string), "Accept", l["type"].(string))
			require.Equal(t, 200, a.status, l)
			require.Contains(t, []string{l["type"].(string), l["type"].(string) + "; charset=utf-8"}, a.header.Get("Content-Type"), l)
			require.Equal(t, "en", a.header.Get("Content-Language"))
		}
		for rel, n := range map[string]int{"self": 1, "root": 1, "conformance": 1, "data": 1, "children": 1, "child": 3, "search": 2, "aggregate": 2, "aggregations": 1,
			"service-desc": 1, "service-doc": 1, relQueryables: 1, relSortables: 1, relFunctions: 1} {
			require.Equal(t, n, rels[rel], rel)
		}
		require.Equal(t, doc["conformsTo"], w.get(t, "/conformance").json(t)["conformsTo"])
	})
}

func TestEveryLinkOfACollectionAnswers(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		doc := w.get(t, "/collections/s2").json(t)
		n := 0
		for _, l := range doc["links"].([]any) {
			l := l.(map[string]any)
			if !strings.HasPrefix(l["href"].(string), w.url) {
				continue
			}
			method := "GET"
			if l["method"] == "POST" {
				method = "POST"
			}
			require.Equal(t, 200, w.do(t, method, l["href"].(string), map[string]string{"POST": "{}"}[method]).status, l)
			n++
		}
		require.Equal(t, 12, n)
		require.Equal(t, w.url+"/collections/s2", linksOf(t, doc)["derived_from"])
		require.Equal(t, "https://example.com/l", linksOf(t, doc)["license"])
	})
}

func TestChildrenAreTheBodiesBehindTheChildLinks(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		var behind []any
		for _, l := range w.get(t, "/").json(t)["links"].([]any) {
			if l := l.(map[string]any); l["rel"] == "child" {
				behind = append(behind, w.get(t, l["href"].(string)).json(t))
			}
		}
		require.Equal(t, behind, w.get(t, "/children").json(t)["children"])
		require.Empty(t, w.get(t, "/children?type=Catalog").ids(t))
		require.Len(t, w.get(t, "/children?type=Collection").ids(t), 3)
		require.Equal(t, 400, w.get(t, "/children?type=Item").status)
		doc := w.get(t, "/children?limit=2").json(t)
		require.Equal(t, []string{"s2"}, w.get(t, linksOf(t, doc)["next"]).ids(t))
		require.Equal(t, w.url+"/", linksOf(t, doc)["parent"])
	})
}

// Every page of a walk leads on and back, and nothing is lost or there twice.
func TestPages(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		for _, first := range []string{
			"/search?limit=7", "/search?limit=7&sortby=-eo:cloud_cover,id", "/search?limit=7&filter=" + url.QueryEscape("platform = 'sentinel-2a' or id > 'a'"),
			"/search?limit=7&bbox=3,50,4,51&datetime=2020-01-01T00:00:00Z/..&q=scene&query=" + url.QueryEscape(`{"platform":{"startsWith":"sent"}}`),
			"/search?limit=7&fields=id",
		} {
			var pages [][]string
			seen := map[string]bool{}
			at, last := w.url+first, ""
			for at != "" {
				a := w.get(t, at)
				require.Equal(t, 200, a.status, string(a.body))
				doc := a.json(t)
				if len(pages) == 0 {
					require.EqualValues(t, 50, doc["numberMatched"], first)
					require.NotContains(t, linksOf(t, doc), "prev")
				} else {
					require.NotContains(t, doc, "numberMatched")
				}
				names := []string{}
				for _, i := range doc["features"].([]any) {
					i := i.(map[string]any)
					name := i["collection"].(string) + "/" + i["id"].(string)
					require.False(t, seen[name], name)
					seen[name] = true
					names = append(names, name)
				}
				pages = append(pages, names)
				at, last = linksOf(t, doc)["next"], at
			}
			require.Len(t, seen, 50)
			require.Len(t, pages, 8)
			for i := len(pages) - 2; i >= 0; i-- {
				last = linksOf(t, w.get(t, last).json(t))["prev"]
				require.NotEmpty(t, last, "page %d of %s", i, first)
				var names []string
				for _, one := range w.get(t, last).json(t)["features"].([]any) {
					one := one.(map[string]any)
					names = append(names, one["collection"].(string)+"/"+one["id"].(string))
				}
				require.Equal(t, pages[i], names, "back to page %d of %s", i, first)
			}
		}
	})
}

func TestPagesOfPost(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		body := map[string]any{"collections": []string{"s2"}, "limit": 10, "sortby": []any{map[string]any{"field": "properties.eo:cloud_cover", "direction": "desc"}}}
		send := func(rel string) []string {
			text, err := json.Marshal(body)
			require.NoError(t, err)
			a := w.post(t, "/search", string(text))
			require.Equal(t, 200, a.status, string(a.body))
			for _, l := range a.json(t)["links"].([]any) {
				if l := l.(map[string]any); l["rel"] == rel {
					require.Equal(t, "POST", l["method"])
					require.NotContains(t, l, "merge")
					next := l["body"].(map[string]any)
					require.Contains(t, next, "token")
					for k := range body {
						require.Contains(t, next, k, "clients that merge nothing send it as it is")
					}
					body = next
				}
			}
			return a.ids(t)
		}
		first := send("next")
		require.Equal(t, []string{"scene 23", "scene 22"}, first[:2])
		second := send("prev")
		require.Equal(t, "scene 13", second[0])
		require.Equal(t, first, send(""))
	})
}

func TestLimits(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		for limit, want := range map[string]int{"1": 1, "10000": 50, "1000000": 50, "99999999999999999999": 50, "0": -1, "-1": -1, "1.5": -1, "x": -1, "": -1, "unlimited": -1, "-99999999999999999999": -1} {
			a := w.send(t, http.MethodGet, "/search?limit="+limit, "")
			b := w.post(t, "/search", `{"limit":`+limit+`}`)
			if want < 0 {
				require.Equal(t, 400, a.status, limit)
				require.Equal(t, 400, b.status, limit)
				continue
			}
			require.Len(t, a.ids(t), want, limit)
			require.Len(t, b.ids(t), want, limit)
		}
		require.Equal(t, 400, w.post(t, "/search", `{"limit":"10"}`).status)
		require.Len(t, w.get(t, "/search").ids(t), 10)
	})
}

func TestVersionsAreNamed(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		for _, path := range []string{"/collections/s2", "/collections/s2/items/scene%2003"} {
			a := w.get(t, path)
			tag := a.header.Get("ETag")
			require.Regexp(t, `^"[0-9a-f]+"$`, tag)
			require.Equal(t, strconv.Itoa(len(a.body)), a.header.Get("Content-Length"))
			for _, given := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
				b := w.get(t, path, "If-None-Match", given)
				require.Equal(t, 304, b.status, given)
				require.Equal(t, tag, b.header.Get("ETag"))
			}
			require.Equal(t, 200, w.get(t, path, "If-None-Match", `"other"`).status)
			head := w.do(t, http.MethodHead, path, "")
			require.Equal(t, 200, head.status)
			require.Equal(t, a.header.Get("Content-Length"), head.header.Get("Content-Length"))
			require.Empty(t, head.body)
			require.Empty(t, w.get(t, path, "Accept-Encoding", "gzip").header.Get("Content-Encoding"), "one tag is one sequence of bytes")
		}
	})
}

func TestLinksBehindAProxy(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		proxy := []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "eo.example.org", "X-Forwarded-Prefix", "/stac/v1"}
		for _, path := range []string{"/", "/collections", "/collections/s2", "/search?limit=2", "/collections/s2/items?limit=2", "/collections/s2/items/scene%2003", "/queryables", "/sortables",
			"/functions", "/aggregations", "/aggregate?aggregations=total_count", "/children", "/api", "/api.html"} {
			a := w.get(t, path, proxy...)
			require.Equal(t, 200, a.status)
			require.NotContains(t, string(a.body), w.url, path)
			require.NotContains(t, string(a.body), "127.0.0.1", path)
		}
		doc := w.get(t, "/search?limit=2", proxy...).json(t)
		require.True(t, strings.HasPrefix(linksOf(t, doc)["next"], "https://eo.example.org/stac/v1/search?"))
	})
}

func TestNothingThere(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		for _, path := range []string{"/nothing", "/collections/", "/collections/none", "/collections/none/items", "/collections/s2/items/none", "/collections/none/queryables", "/collections/none/aggregate",
			"/collections/none/aggregations", "/collections/none/items.ndjson", "//", "/collections//items", "/collections/s2/items/a/b", "/collections/%zz", "/queryables?collections=none"} {
			a := w.get(t, strings.ReplaceAll(path, "%zz", "%25zz"))
			require.Equal(t, 404, a.status, path)
			require.NotEmpty(t, a.json(t)["description"])
		}
		for names, status := range map[int]int{100: 200, 101: 413} {
			a := w.get(t, "/queryables?collections=s2"+strings.Repeat(",s2", names-1))
			require.Equal(t, status, a.status, names)
		}
		a := w.do(t, http.MethodPut, "/search", "{}")
		require.Equal(t, 405, a.status)
		require.Equal(t, "GET, HEAD, POST, OPTIONS", a.header.Get("Allow"))
	})
}

func TestNamesOfDocuments(t *testing.T) {
	for doc, want := range map[string][2]string{
		`{"type":"Feature","links":[{"id":"no"}],"id":"a","collection":"b"}`:            {"a", "b"},
		`{"type":"Feature","links":[],"id":"a\"\u00e9","collection":"b\"\u00e9","x":1}`: {`a"é`, `b"é`},
		`{"type":"Feature","links":[],"collection":"b","id":"a"}`:                       {"a", "b"},
		`{"type":"Feature","links":[],"id":"a","properties":{"collection":"no"}}`:       {"a", ""},
	} {
		id, collection := nameOf(json.RawMessage(doc))
		require.Equal(t, want, [2]string{id, collection}, doc)
	}
}
