package stac

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

// The table of the extension, and what it says of nested members.
func TestFieldsOfADocument(t *testing.T) {
	doc := `{"type":"Feature","id":"x","collection":"c","stac_version":"1.1.0","geometry":{"type":"Point","coordinates":[1,2]},"bbox":[1,2,1,2],"links":[{"rel":"self"}],` +
		`"assets":{"a":{"href":"u","roles":["data"]},"b":{"href":"v"}},"properties":{"datetime":null,"eo:cloud_cover":1.50,"dotted.name":{"in":1,"out":2}}}`
	standard := `{"type":"Feature","id":"x","collection":"c","stac_version":"1.1.0","geometry":{"type":"Point","coordinates":[1,2]},"bbox":[1,2,1,2],"links":[{"rel":"self"}],` +
		`"assets":{"a":{"href":"u","roles":["data"]},"b":{"href":"v"}},"properties":{"datetime":null}}`
	name := `{"type":"Feature","id":"x","collection":"c","stac_version":"1.1.0"`
	for fields, want := range map[string]string{
		`{}`:                                     standard,
		`{"include":null,"exclude":null}`:        standard,
		`{"include":[],"exclude":[]}`:            standard,
		`{"include":["id"]}`:                     name + `}`,
		`{"include":["bbox"]}`:                   name + `,"bbox":[1,2,1,2]}`,
		`{"include":["eo:cloud_cover"]}`:         name + `,"properties":{"eo:cloud_cover":1.50}}`,
		`{"include":["properties.datetime"]}`:    name + `,"properties":{"datetime":null}}`,
		`{"include":["assets.b.href"]}`:          name + `,"assets":{"b":{"href":"v"}}}`,
		`{"include":["dotted.name"]}`:            name + `,"properties":{"dotted.name":{"in":1,"out":2}}}`,
		`{"include":["dotted.name.in"]}`:         name + `,"properties":{"dotted.name":{"in":1}}}`,
		`{"include":["absent","assets.c.href"]}`: name + `}`,
		`{"exclude":["geometry","links","assets","properties","bbox"]}`:                                                      name + `}`,
		`{"exclude":["id","geometry","links","assets","properties","bbox","stac_version"]}`:                                  `{"type":"Feature","collection":"c"}`,
		`{"include":[],"exclude":["geometry","links","assets","bbox"]}`:                                                      name + `,"properties":{"datetime":null}}`,
		`{"include":["bbox","assets"],"exclude":["bbox"]}`:                                                                   name + `,"bbox":[1,2,1,2],"assets":{"a":{"href":"u","roles":["data"]},"b":{"href":"v"}}}`,
		`{"include":["properties.datetime"],"exclude":["properties"]}`:                                                       name + `,"properties":{"datetime":null}}`,
		`{"include":["properties"],"exclude":["properties.datetime","properties.dotted.name.out"]}`:                          name + `,"properties":{"eo:cloud_cover":1.50,"dotted.name":{"in":1}}}`,
		`{"exclude":["geometry","bbox","links","properties","assets.a.roles","assets.b"]}`:                                   name + `,"assets":{"a":{"href":"u"}}}`,
		`{"include":["type"],"exclude":["id","collection"]}`:                                                                 `{"type":"Feature","stac_version":"1.1.0"}`,
		`{"exclude":["geometry","bbox","links","assets","properties"],"include":["properties.eo:cloud_cover","collection"]}`: name + `,"properties":{"eo:cloud_cover":1.50}}`,
	} {
		f, err := fieldsBody(json.RawMessage(fields), itemFields)
		require.NoError(t, err)
		require.Equal(t, want, string(f.appendPart(nil, []byte(doc))), fields)
	}
	for text, want := range map[string]string{
		"": standard, "id": name + `}`, "+id": name + `}`, " id": name + `}`, "-properties,+properties.datetime": name + `,"properties":{"datetime":null}}`,
		"-geometry,-links,-assets,-bbox": name + `,"properties":{"datetime":null}}`, "+bbox,-bbox": name + `,"bbox":[1,2,1,2]}`, ",,": standard,
	} {
		f, err := fieldsText(text, itemFields)
		require.NoError(t, err)
		require.Equal(t, want, string(f.appendPart(nil, []byte(doc))), text)
	}
	_, err := fieldsText(strings.Repeat("a,", maxFields), itemFields)
	require.True(t, fault.Is(err, fault.TooLarge))
}

func TestFieldsOfAnswers(t *testing.T) {
	onEach(t, func(t *testing.T, w *world) {
		w.fill(t)
		for _, path := range []string{"/search?collections=s2&", "/collections/s2/items?"} {
			a := w.get(t, path+"limit=1&fields=properties.eo:cloud_cover,links")
			require.Equal(t, "application/geo+json", a.header.Get("Content-Type"))
			one := a.json(t)["features"].([]any)[0].(map[string]any)
			require.NotContains(t, one, "geometry")
			require.Equal(t, w.url+"/collections/s2/items/scene%2024", linksOf(t, one)["self"], "links are those that are served")
			require.NotContains(t, one, "properties", "the item has no cloud cover")
		}
		a := w.post(t, "/search", `{"limit":1,"ids":["scene 03"],"collections":["s2"],"fields":{"include":["properties.eo:cloud_cover"]}}`)
		require.JSONEq(t, `{"type":"Feature","stac_version":"1.1.0","id":"scene 03","collection":"s2","properties":{"eo:cloud_cover":12}}`, string(mustJSON(t, a.json(t)["features"].([]any)[0])))
		a = w.post(t, "/search", `{"limit":1,"fields":{"exclude":["assets"]}}`)
		require.Len(t, a.json(t)["features"].([]any)[0], 9)
		require.Equal(t, 200, w.get(t, "/search?fields="+url.QueryEscape("a.b.c,-d.e,🦀,.,..,-")).status)
	})
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return text
}

// FuzzFields: whatever is asked for, what comes out is JSON, and a part of the document.
func FuzzFields(f *testing.F) {
	f.Add("id,-properties.a,+properties", `{"id":1,"properties":{"a":{"b":2},"c.d":3}}`)
	f.Add("a.b.c.d,-a.b", `{"a":{"b":{"c":{"d":[]}}},"type":"x"}`)
	f.Add("-", `{"":{"":1}}`)
	f.Fuzz(func(t *testing.T, fields, doc string) {
		var whole map[string]any
		if json.Unmarshal([]byte(doc), &whole) != nil || whole == nil {
			t.Skip()
		}
		var part map[string]any
		f, err := fieldsText(fields, itemFields)
		if err != nil {
			return
		}
		out := f.appendPart(nil, []byte(doc))
		require.NoError(t, json.Unmarshal(out, &part), string(out))
		for name := range part {
			require.Contains(t, whole, name)
		}
	})
}
