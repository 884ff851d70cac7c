package stac

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Of several parameters that are not known, always the same is named.
func TestTheUnknownParameterThatIsNamed(t *testing.T) {
	for range 50 {
		_, err := parameters("foo=1&bar=2_&limit=3&qux=4", []string{"limit"})
		require.ErrorContains(t, err, `"bar"`)
	}
}

// scenes are items of one collection, by number.
func scenes(numbers ...string) []string {
	out := []string{}
	for _, n := range numbers {
		out = append(out, "scene "+n)
	}
	return out
}

// Each filter is asked as text and as JSON, of a search and of a collection's items, by GET and POST.
func TestFilters(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		for _, c := range []struct {
			text, json string
			want       []string
		}{
			{`eo:cloud_cover < 8`, `{"op":"<","args":[{"property":"eo:cloud_cover"},8]}`, scenes("01", "00")},
			{`properties.eo:cloud_cover BETWEEN 4 AND 8`, `{"op":"between","args":[{"property":"properties.eo:cloud_cover"},4,8]}`, scenes("02", "01")},
			{`eo:cloud_cover IS NULL`, `{"op":"isNull","args":[{"property":"eo:cloud_cover"}]}`, scenes("24")},
			{`id = 'scene 05' OR id IN ('scene 06')`, `{"op":"or","args":[{"op":"=","args":[{"property":"id"},"scene 05"]},{"op":"in","args":[{"property":"id"},["scene 06"]]}]}`, scenes("06", "05")},
			{`datetime < TIMESTAMP('2020-01-02T00:00:00Z')`, `{"op":"<","args":[{"property":"datetime"},{"timestamp":"2020-01-02T00:00:00Z"}]}`, scenes("00")},
			{`S_INTERSECTS(geometry, POINT(3.005 50.5)) AND NOT eo:cloud_cover > 0`,
				`{"op":"and","args":[{"op":"s_intersects","args":[{"property":"geometry"},{"type":"Point","coordinates":[3.005,50.5]}]},{"op":"not","args":[{"op":">","args":[{"property":"eo:cloud_cover"},0]}]}]}`, scenes("00")},
			{`CASEI(title) LIKE casei('%NUMBER 9')`, `{"op":"like","args":[{"op":"casei","args":[{"property":"title"}]},{"op":"casei","args":["%NUMBER 9"]}]}`, scenes("09")},
			{`nothing = 1`, `{"op":"=","args":[{"property":"nothing"},1]}`, scenes()},
		} {
			text, js := url.QueryEscape(c.text), url.QueryEscape(c.json)
			quoted, err := json.Marshal(c.text)
			require.NoError(t, err)
			for _, path := range []string{
				"/search?collections=s2&filter=" + text, "/search?collections=s2&filter-lang=cql2-text&filter=" + text, "/search?collections=s2&filter-lang=cql2-json&filter=" + js,
				"/collections/s2/items?filter=" + text, "/collections/s2/items?filter-lang=cql2-json&filter=" + js + "&filter-crs=" + url.QueryEscape(crs84[0]),
			} {
				a := w.get(t, path)
				require.Equal(t, 200, a.status, string(a.body))
				require.Equal(t, c.want, a.ids(t), path)
			}
			for _, body := range []string{
				`{"collections":["s2"],"filter":` + c.json + `}`, `{"collections":["s2"],"filter-lang":"cql2-json","filter":` + c.json + `}`,
				`{"collections":["s2"],"filter-lang":"cql2-text","filter":` + string(quoted) + `}`,
			} {
				a := w.post(t, "/search", body)
				require.Equal(t, 200, a.status, string(a.body))
				require.Equal(t, c.want, a.ids(t), body)
			}
		}
	})
}

func TestBadFilters(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		for _, query := range []string{"filter=a+%3D", "filter=%28", "filter-lang=sql&filter=a%3D1", "filter-lang=cql2-json&filter=a%3D1", "filter-crs=http://www.opengis.net/def/crs/EPSG/0/3857&filter=a%3D1",
			"filter=S_INTERSECTS(geometry,POINT(0%2099))", "filter=", "query=x", "query=[]", "query=" + url.QueryEscape(`{"a":{"like":"b"}}`), "query=" + url.QueryEscape(`{"a":1}`),
			"query=" + url.QueryEscape(`{"a":{"eq":[1]}}`), "query=" + url.QueryEscape(`{"a":{"in":1}}`), "query=" + url.QueryEscape(`{"a":{"contains":1}}`), "query=" + url.QueryEscape(`{"":{"eq":1}}`),
			"sortby=", "sortby=-", "sortby=geometry", "sortby=a,,b", "sortby=1,2,3,4,5,6,7,8,9,10,11", "sortby=%FF", "sortby=a%00", "filter=%27%FF%27=a", "filter=%27%00%27=a", "query=" + url.QueryEscape("{\"a\":{\"eq\":\"\xff\"}}"),
			"query=" + url.QueryEscape(`{"a":{"eq":"\u0000"}}`), "query=" + url.QueryEscape(`{"a":{"in":["\u0000"]}}`), "query=" + url.QueryEscape(`{"a":{"contains":"\u0000"}}`), "query=" + url.QueryEscape(`{"\u0000":{"eq":1}}`), "q=" + url.QueryEscape(`"open`), "q=" + url.QueryEscape(`(a`)} {
			for _, path := range []string{"/search?", "/collections/s2/items?", "/collections?"} {
				a := w.get(t, path+query)
				require.Contains(t, []int{400, 413}, a.status, "%s: %s", path+query, a.body)
				require.NotEmpty(t, a.json(t)["cure"], path+query)
			}
		}
		for _, query := range []string{"ids=%00", "ids=a,%FF", "collections=%FF"} {
			require.Equal(t, 400, w.get(t, "/search?"+query).status, query)
		}
		for _, path := range []string{"/collections/%00", "/collections/%FF/items", "/collections/s2/items/%00"} {
			require.Equal(t, 404, w.get(t, path).status, path)
		}
		for _, body := range []string{`{"filter":"a = 1"}`, `{"filter":{"op":"="}}`, `{"filter-lang":"cql2-text","filter":{"op":"=","args":[1,1]}}`, `{"filter-lang":"x"}`, `{"filter-crs":"x"}`,
			`{"query":{"a":{"between":1}}}`, `{"sortby":["id"]}`, `{"sortby":[{"field":"id","direction":"up"}]}`, `{"sortby":[{}]}`, `{"fields":null}`, `{"fields":[]}`, `{"fields":{"only":[]}}`, `{"q":7}`, `{"unknown":1}`,
			`{"ids":["a","\u0000"]}`, `{"collections":["\u0000"]}`, `{"sortby":[{"field":"a\u0000"}]}`, `{"query":{"a":{"neq":"\u0000"}}}`} {
			a := w.post(t, "/search", body)
			require.Equal(t, 400, a.status, "%s: %s", body, a.body)
			require.NotEmpty(t, a.json(t)["cure"], body)
		}
	})
}

func TestOrder(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		up, down := scenes("00", "01", "02"), scenes("23", "22", "21")
		for query, want := range map[string][]string{
			"sortby=eo:cloud_cover": up, "sortby=%2Beo:cloud_cover": up, "sortby=+properties.eo:cloud_cover": up, "sortby=-properties.eo:cloud_cover": down,
			"sortby=-platform,id": scenes("01", "03", "05"), "sortby=id": up, "sortby=-datetime": scenes("24", "23", "22"), "sortby=nothing,-id": scenes("24", "23", "22"),
		} {
			require.Equal(t, want, w.get(t, "/search?limit=3&collections=s2&"+query).ids(t), query)
			require.Equal(t, want, w.get(t, "/collections/s2/items?limit=3&"+query).ids(t), query)
		}
		a := w.post(t, "/search", `{"collections":["s2"],"limit":3,"sortby":[{"field":"platform","direction":"desc"},{"field":"properties.eo:cloud_cover"}]}`)
		require.Equal(t, scenes("01", "03", "05"), a.ids(t))
	})
}

func TestQueryExtension(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		for query, want := range map[string][]string{
			`{"eo:cloud_cover":{"gte":4,"lte":8}}`:                                     scenes("02", "01"),
			`{"eo:cloud_cover":{"lt":"8"}}`:                                            scenes("01", "00"),
			`{"properties.eo:cloud_cover":{"eq":12}}`:                                  scenes("03"),
			`{"eo:cloud_cover":{"neq":4,"lt":10}}`:                                     scenes("02", "00"),
			`{"eo:cloud_cover":{"eq":null}}`:                                           scenes("24"),
			`{"eo:cloud_cover":{"in":[4,"8",99]}}`:                                     scenes("02", "01"),
			`{"instruments":{"in":["msi","oli"]},"id":{"in":["scene 01","scene 02"]}}`: scenes("02", "01"),
			`{"instruments":{"in":["oli"]}}`:                                           scenes(),
			`{"eo:cloud_cover":{"in":[]}}`:                                             scenes(),
			`{"title":{"startsWith":"Scene","endsWith":"number 7"}}`:                   scenes("07"),
			`{"title":{"contains":"ber 24"}}`:                                          scenes("24"),
			`{"title":{"contains":"%"}}`:                                               scenes(),
			`{"title":{"contains":"number_7"}}`:                                        scenes(),
			`{"datetime":{"lt":"2020-01-02T00:00:00Z"}}`:                               scenes("00"),
			`{"datetime":{"in":["2020-01-03T10:00:00Z"]}}`:                             scenes("02"),
			`{"datetime":{"eq":"2020-01-03T11:00:00+01:00"}}`:                          scenes("02"),
			`{"id":{"eq":"scene 04"},"platform":{"eq":"sentinel-2a"}}`:                 scenes("04"),
			`{"id":{"eq":"scene 04"},"platform":{"neq":"sentinel-2a"}}`:                scenes(),
			`{"id":{"startsWith":"scene 0"},"eo:cloud_cover":{"gt":35}}`:               scenes("09"),
		} {
			a := w.get(t, "/search?collections=s2&query="+url.QueryEscape(query))
			require.Equal(t, 200, a.status, string(a.body))
			require.Equal(t, want, a.ids(t), query)
			require.Equal(t, want, w.get(t, "/collections/s2/items?query="+url.QueryEscape(query)).ids(t), query)
			require.Equal(t, want, w.post(t, "/search", `{"collections":"s2","query":`+query+`}`).ids(t), query)
		}
	})
}

func TestFreeText(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		for q, want := range map[string][]string{
			"7": scenes("07"), "number 7,sea ice": scenes("07"), `"number 8"`: scenes("08"), "SCENE AND 9": scenes("09"), "(3 OR 4) AND scene": scenes("04", "03"), "scene +5 -nothing": scenes("05"), "none": scenes(),
			"3 4": scenes("04", "03"),
		} {
			a := w.get(t, "/search?collections=s2&q="+url.QueryEscape(q))
			require.Equal(t, 200, a.status, string(a.body))
			require.Equal(t, want, a.ids(t), q)
			require.Equal(t, want, w.get(t, "/collections/s2/items?q="+url.QueryEscape(q)).ids(t), q)
		}
		require.Equal(t, scenes("07"), w.post(t, "/search", `{"collections":["s2"],"q":["number 7","sea ice"]}`).ids(t))
		require.Equal(t, scenes("04", "03"), w.post(t, "/search", `{"collections":["s2"],"q":"3 OR 4"}`).ids(t))
		for q, want := range map[string][]string{"ice,snow": {"mine"}, "fields AND scenes": {"dataset-crops-v1", "s2"}, "earth observation": {"dataset-crops-v1", "mine", "s2"}, "sea -radar": {}} {
			require.Equal(t, want, w.get(t, "/collections?q="+url.QueryEscape(q)).ids(t), q)
		}
	})
}

func TestCollectionSearch(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		all := []string{"dataset-crops-v1", "mine", "s2"}
		for query, want := range map[string][]string{
			"": all, "bbox=3,50,3.5,50.5": all, "bbox=10,10,11,11": {}, "datetime=2019-01-01T00:00:00Z": {}, "datetime=2021-01-01T00:00:00Z/..": all, "limit=2": all[:2],
			"sortby=-id": {"s2", "mine", "dataset-crops-v1"}, "filter=" + url.QueryEscape("id = 'mine'"): {"mine"}, "filter=" + url.QueryEscape("title LIKE 'T s%'"): {"s2"},
			"query=" + url.QueryEscape(`{"id":{"startsWith":"data"}}`): {"dataset-crops-v1"},
		} {
			a := w.get(t, "/collections?"+query)
			require.Equal(t, 200, a.status, string(a.body))
			require.Equal(t, want, a.ids(t), query)
		}
		doc := w.get(t, "/collections").json(t)
		l := linksOf(t, doc)
		require.Equal(t, w.url+"/collection-queryables", l[relQueryables])
		require.Equal(t, w.url+"/collection-sortables", l[relSortables])
		require.EqualValues(t, 3, doc["numberReturned"])
		one := w.get(t, "/collections?fields=id,title&limit=1").json(t)["collections"].([]any)[0]
		require.Equal(t, map[string]any{"type": "Collection", "stac_version": "1.1.0", "id": "dataset-crops-v1", "title": "T dataset-crops-v1"}, one)
	})
}

func TestSchemas(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		for _, path := range []string{"/queryables", "/collections/s2/queryables", "/sortables", "/collections/s2/sortables", "/collection-queryables", "/collection-sortables", "/queryables?collections=s2,mine"} {
			a := w.get(t, path, "Accept", "application/schema+json")
			require.Equal(t, "application/schema+json", a.header.Get("Content-Type"))
			doc := a.json(t)
			require.Equal(t, w.url+path, doc["$id"])
			require.Equal(t, "https://json-schema.org/draft/2019-09/schema", doc["$schema"])
			require.Equal(t, true, doc["additionalProperties"])
			properties := doc["properties"].(map[string]any)
			require.Contains(t, properties, "id")
			if strings.Contains(path, "sortables") {
				require.NotContains(t, properties, "geometry")
			} else {
				require.Contains(t, properties, "geometry")
			}
			if strings.HasPrefix(path, "/collection-") {
				continue
			}
			require.Equal(t, map[string]any{"title": "eo:cloud_cover", "type": "integer"}, properties["eo:cloud_cover"])
			require.Contains(t, properties["datetime"], "$ref")
		}
		require.NotContains(t, w.get(t, "/collections/mine/queryables").json(t)["properties"], "eo:cloud_cover")
		require.NotEmpty(t, w.get(t, "/functions").json(t)["functions"])
	})
}
