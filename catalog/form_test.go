package catalog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

const bare = `"type":"Feature","id":"a","collection":"c","geometry":null,"properties":{"datetime":"2020-01-01T00:00:00Z"%s}`

func item(more string) json.RawMessage {
	return json.RawMessage("{" + fmt.Sprintf(bare, "") + more + "}")
}

func TestFormIsServedByCopying(t *testing.T) {
	e, err := ParseItem(item(`, "links": [
		{"rel": "self", "href": "gone"}, {"rel": "derived_from", "href": "collections/c/items/b"}, {"href": "https://e.org/x", "rel": "via"}],
		"assets": {"one": {"href": "/assets/one.tif", "title": "href"}, "two": {"title": "\"href\":\"/assets/one.tif\"", "href": "s3://b/k"}, "odd": {"roles": []}}`))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(e.Document), `{"type":"Feature","links":[{"rel":"derived_from"`), string(e.Document))
	again, err := ParseItem(e.Document)
	require.NoError(t, err)
	require.Equal(t, string(e.Document), string(again.Document), "the form of a form is itself")

	out := Serve(e.Document, "http://h/p", `{"rel":"self","href":"http://h/p/x"}`)
	var doc struct {
		Type   string
		ID     string
		Links  []struct{ Rel, Href string }
		Assets map[string]struct{ Href, Title string }
	}
	require.NoError(t, json.Unmarshal(out, &doc))
	require.Equal(t, "a", doc.ID)
	require.Equal(t, []struct{ Rel, Href string }{{"self", "http://h/p/x"}, {"derived_from", "http://h/p/collections/c/items/b"}, {"via", "https://e.org/x"}}, doc.Links)
	require.Equal(t, "http://h/p/assets/one.tif", doc.Assets["one"].Href)
	require.Equal(t, "href", doc.Assets["one"].Title)
	require.Equal(t, "s3://b/k", doc.Assets["two"].Href)
	require.Equal(t, `"href":"/assets/one.tif"`, doc.Assets["two"].Title)

	e, err = ParseItem(item(""))
	require.NoError(t, err)
	require.JSONEq(t, `{`+fmt.Sprintf(bare, "")+`,"links":[]}`, string(Serve(e.Document, "b", "")))
	require.Contains(t, string(Serve(e.Document, "b", `{"rel":"x"}`)), `"links":[{"rel":"x"}]`)
}

// Items are behind a collection's link items, wherever its document came from.
func TestACollectionLeadsToNoItemsElsewhere(t *testing.T) {
	c, err := ParseCollection(json.RawMessage(`{"type":"Collection","id":"c","links":[{"rel":"item","href":"file:///home/me/a.json"},{"rel":"license","href":"https://e.org/l"}]}`))
	require.NoError(t, err)
	require.Contains(t, string(c.Document), `"links":[{"rel":"license","href":"https://e.org/l"}]`)
	e, err := ParseItem(item(`,"links":[{"rel":"item","href":"https://e.org/a"}]`))
	require.NoError(t, err)
	require.Contains(t, string(e.Document), "https://e.org/a")
}

func TestRelative(t *testing.T) {
	for href, want := range map[string]bool{
		"a/b": true, "/a": true, "./a": true, "": true, "a:b": false, "http://h/a": false, "//h/a": false, "s3://b/k": false,
		"data:x": false, "a/b:c": true, ":x": true, "?q=a:b": true, "/vsicurl/http://h/a": true,
	} {
		require.Equal(t, want, relative(href), href)
	}
}

func TestDocumentsThatNoDatabaseWouldKeep(t *testing.T) {
	deep := strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2)
	for name, doc := range map[string]string{
		"NUL in a string":      `{` + fmt.Sprintf(bare, `,"x":"a\u0000b"`) + `}`,
		"NUL in an asset":      `{` + fmt.Sprintf(bare, "") + `,"assets":{"a":{"href":"http://h/\u0000"}}}`,
		"NUL in a name":        `{` + fmt.Sprintf(bare, "") + `,"\u0000":1}`,
		"half a pair":          `{` + fmt.Sprintf(bare, `,"x":"\ud83d"`) + `}`,
		"half a pair, deep":    `{` + fmt.Sprintf(bare, `,"x":{"y":["\ude00x"]}`) + `}`,
		"half a pair, a name":  `{` + fmt.Sprintf(bare, `,"\ud83d":1`) + `}`,
		"half a pair, hidden":  `{` + fmt.Sprintf(bare, `,"x":"\\ufffd\ud83d"`) + `}`,
		"half a pair, an id":   `{"type":"Feature","id":"\udfff\ud83d","collection":"c","properties":{}}`,
		"out of range":         `{` + fmt.Sprintf(bare, `,"x":1e400`) + `}`,
		"out of range, deep":   `{` + fmt.Sprintf(bare, `,"x":[{"y":-1e999}]`) + `}`,
		"too deep":             `{` + fmt.Sprintf(bare, `,"x":`+deep) + `}`,
		"given twice":          `{` + fmt.Sprintf(bare, `,"datetime":null`) + `}`,
		"given twice, outside": `{` + fmt.Sprintf(bare, "") + `,"id":"b"}`,
		"not UTF-8":            `{` + fmt.Sprintf(bare, ",\"x\":\"\xff\"") + `}`,
		"no object":            `[]`,
		"no JSON":              `{`,
	} {
		_, err := ParseItem(json.RawMessage(doc))
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", name, err)
		require.NotEmpty(t, fault.CureOf(err), name)
	}
	for name, doc := range map[string]string{
		"a backslash before u0000": `{` + fmt.Sprintf(bare, `,"x":"\\u0000"`) + `}`,
		"a whole pair":             `{` + fmt.Sprintf(bare, `,"x":"\ud83d\ude00"`) + `}`,
		"backslashes":              `{` + fmt.Sprintf(bare, `,"x":"\\\\ud83d\\"`) + `}`,
		"U+FFFD itself":            `{` + fmt.Sprintf(bare, `,"x":"�\u00e9 \uFFFD"`) + `}`,
	} {
		_, err := ParseItem(json.RawMessage(doc))
		require.NoError(t, err, name)
	}
}

func TestWhatIsIndexed(t *testing.T) {
	e, err := ParseItem(json.RawMessage(`{` + fmt.Sprintf(bare, `,"created":"2020-02-03T04:05:06.5+01:00","day":"2020-02-29","no":"2020-02-30","title":"Çà et là","keywords":["Sea ice",7,"x"]`) + `}`))
	require.NoError(t, err)
	require.Equal(t, map[string]Moment{
		"datetime": {1577836800_000000, 1577836800_000000},
		"created":  {1580699106_500000, 1580699106_500000},
		"day":      {1582934400_000000, 1583020800_000000 - 1},
	}, e.Moments)
	require.Equal(t, [][]string{{"ca", "et", "la"}, {"sea", "ice"}, {"x"}}, e.Words)

	c, err := ParseCollection(json.RawMessage(`{"type":"Collection","id":"c","title":"T","extent":{"spatial":{"bbox":[[170,-10,-170,10]]},"temporal":{"interval":[["2020-01-01T00:00:00Z",null]]}}}`))
	require.NoError(t, err)
	require.Len(t, c.Shape.Bounds(), 2)
	require.NotNil(t, c.Time.Start)
	require.Nil(t, c.Time.End)
	for _, extent := range []string{`{"spatial":{"bbox":[[0,1,2]]}}`, `{"spatial":{"bbox":[["a",0,0,0]]}}`, `{"temporal":{"interval":[["yesterday",null]]}}`} {
		_, err := ParseCollection(json.RawMessage(`{"type":"Collection","id":"c","extent":` + extent + `}`))
		require.True(t, fault.Is(err, fault.Invalid), extent)
	}
}
