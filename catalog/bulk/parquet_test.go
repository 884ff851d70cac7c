package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog/tree"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/fault"
)

func listed(docs ...string) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for _, doc := range docs {
			if !yield(json.RawMessage(doc), nil) {
				return
			}
		}
	}
}

// table writes items and reads them again.
func table(t testing.TB, collections []json.RawMessage, docs ...string) ([]string, Written, []byte) {
	t.Helper()
	var out bytes.Buffer
	w, err := WriteParquet(context.Background(), &out, listed(docs...), Table{Collections: collections, TempDir: t.TempDir()})
	require.NoError(t, err)
	require.Equal(t, len(docs), w.Items)
	return rowsOf(t, out.Bytes()), w, out.Bytes()
}

func rowsOf(t testing.TB, file []byte) []string {
	t.Helper()
	var got []string
	require.NoError(t, readTable(context.Background(), bytes.NewReader(file), func(int, int) bool { return false }, func(doc json.RawMessage, err error) error {
		require.NoError(t, err)
		require.True(t, json.Valid(doc), "%s", doc)
		got = append(got, string(doc))
		return nil
	}))
	return got
}

// plain takes out what a table cannot tell from what is not there: nulls of objects, and no extensions.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, child := range v {
			if none, _ := child.([]any); child != nil && (k != "stac_extensions" || len(none) > 0) {
				out[k] = plain(child)
			}
		}
		return out
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	}
	return v
}

func samePlain(t testing.TB, want, got string) {
	t.Helper()
	var a, b any
	require.NoError(t, json.Unmarshal([]byte(want), &a))
	require.NoError(t, json.Unmarshal([]byte(got), &b))
	require.Equal(t, plain(a), plain(b))
	for _, path := range []string{"geometry", "properties.datetime"} { // which have to be there
		require.Equal(t, gjson.Get(want, path).Exists(), gjson.Get(got, path).Exists())
	}
}

const odd = `{"type":"Feature","stac_version":"1.1.0","stac_extensions":["https://example.com/x.json"],"id":"odd \" é","collection":"c",
 "geometry":{"type":"Polygon","coordinates":[[[0,0,5],[1,0,5],[1,1,5.5],[0,0,5]]]},"bbox":[0,0,5,1,1,5.5],
 "links":[{"rel":"license","href":"https://example.com/l","method":"GET","headers":{"a":"b"}}],
 "assets":{"B1":{"href":"b1.tif","roles":["data","x"],"proj:geometry":{"type":"Point","coordinates":[500000,1]},"bands":[{"name":"B1"},{"nodata":"nan"}],"raster:offset":-0.1},"empty":{}},
 "properties":{"datetime":null,"start_datetime":"2020-01-01T00:00:00Z","end_datetime":"2020-01-01T12:30:15.123456Z","created":"2021-05-05T00:00:00Z",
  "n":1,"x":1,"big":9007199254740993,"mixed":"a","list":[1,2.5],"lists":[[1],[],[2,3]],"nothing":null,"flag":true,"o":{"a":{"b":[{"c":1},{"d":null}]}},"many":[1,"a"],"none":[],"proj:geometry":{"type":"Point","coordinates":[1,2]}}}`

const other = `{"type":"Feature","stac_version":"1.1.0","id":"other","collection":"c","geometry":null,"stac_extensions":[],"links":[],"assets":{"B2":{"href":"b2.tif","bands":[]}},
 "properties":{"datetime":"2020-02-02T02:02:02.5Z","n":2.5,"x":null,"big":1.5,"mixed":{"a":[1,2]},"list":[],"nothing":null,"created":"2020-01-01T00:00:00Z","o":{"e":-1e-9},"many":null,"s":"é\u0001"}}`

func TestATableKeepsItems(t *testing.T) {
	collection := json.RawMessage(`{"type":"Collection","id":"c","title":"C"}`)
	got, w, _ := table(t, []json.RawMessage{collection}, odd, other)
	require.Equal(t, string(collection), got[0])
	samePlain(t, odd, got[1])
	samePlain(t, other, got[2])
	require.Empty(t, w.LeftOut)

	got, _, _ = table(t, nil)
	require.Empty(t, got)
	bare := `{"type":"Feature","id":"b","geometry":null,"properties":{},"stac_version":"1.1.0","collection":"c","links":[],"assets":{},"stac_extensions":[]}`
	got, _, _ = table(t, nil, bare)
	require.JSONEq(t, `{"type":"Feature","id":"b","geometry":null,"properties":{"datetime":null},"stac_version":"1.1.0","collection":"c","links":[],"assets":{},"stac_extensions":[]}`, got[0])
}

func TestATableNamesWhatItLeavesOut(t *testing.T) {
	rows, w, _ := table(t, nil, `{"type":"Feature","id":"a","properties":{"id":1,"links":2,"title":"t","":7,"deep":{"":1}},"foreign":1}`)
	require.Equal(t, []string{"foreign", `properties.""`, "properties.id", "properties.links"}, w.LeftOut)
	require.JSONEq(t, `{"datetime":null,"title":"t","deep":{"":1}}`, gjson.Get(rows[0], "properties").Raw, "a name that no column can have goes as text within another")
	for _, bad := range []string{`{"type":"Collection"}`, `1`, `{"type":"Feature"}`, `{"type":"Feature","properties":{},"geometry":{"type":"Circle"}}`} {
		_, err := WriteParquet(t.Context(), io.Discard, listed(bad), Table{})
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", bad, err)
	}
	wide := `{"type":"Feature","id":"a","properties":{"p0":0`
	for i := range maxFields {
		wide += fmt.Sprintf(`,"p%d":1`, i+1)
	}
	_, err := WriteParquet(t.Context(), io.Discard, listed(wide+"}}"), Table{})
	require.True(t, fault.Is(err, fault.TooLarge), "%v", err)
}

// Assets that have a name of their own in every item do not make a column each.
func TestATableWithEndlesslyManyAssets(t *testing.T) {
	var docs []string
	for i := range maxFields + 1 {
		docs = append(docs, fmt.Sprintf(`{"type":"Feature","stac_version":"1.1.0","id":"i%d","collection":"c","geometry":null,"stac_extensions":[],"links":[],"assets":{"a%d":{"href":"x"}},"properties":{"datetime":null}}`, i, i))
	}
	got, _, _ := table(t, nil, docs...)
	for i := range docs {
		samePlain(t, docs[i], got[i])
	}
}

// A table of many items has several row groups, and its reader begins at the one it wants.
func TestATableOfManyItems(t *testing.T) {
	var docs []string
	rng := rand.New(rand.NewPCG(1, 2))
	filler := make([]byte, 300)
	for i := range 2*groupItems + 5 {
		for k := range filler {
			filler[k] = 'a' + byte(rng.IntN(26))
		}
		docs = append(docs, fmt.Sprintf(`{"type":"Feature","id":"i%d","properties":{"datetime":"2020-01-01T00:00:00Z","n":%d,"t":%q}}`, i, i, filler))
	}
	var out bytes.Buffer
	_, err := WriteParquet(t.Context(), &out, listed(docs...), Table{TempDir: t.TempDir()})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "x.parquet")
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
	source, err := Open(t.Context(), path, Crawl{})
	require.NoError(t, err)
	require.IsType(t, &parquetFile{}, source)
	for _, from := range []int{0, 1, groupItems, 2*groupItems + 3, len(docs)} {
		n := from
		for doc, err := range source.Documents(t.Context(), Position{Number: from}) {
			require.NoError(t, err)
			n++
			require.Equal(t, n, doc.Number)
			require.Equal(t, fmt.Sprintf("i%d", n-1), gjson.GetBytes(doc.Raw, "id").Str)
		}
		require.Equal(t, len(docs), n)
	}
	require.Equal(t, source.Size(), source.Read())
	for range source.Documents(t.Context(), Position{}) {
		break
	}
	require.NoError(t, os.Truncate(path, int64(out.Len()/2)))
	for _, err := range source.Documents(t.Context(), Position{}) {
		require.True(t, fault.Is(err, fault.Corrupt), "%v", err)
		require.NotEmpty(t, fault.CureOf(err))
	}
}

// eachReal visits every published document of the real data.
func eachReal(t testing.TB, visit func(path string, doc Document)) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(cubetest.Real(t, "stac"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		file, err := os.Open(path)
		require.NoError(t, err)
		defer file.Close()
		for doc, err := range Text(t.Context(), file) {
			require.NoError(t, err)
			visit(path, doc)
		}
		return nil
	}))
}

// realItems are the published items that are whole.
func realItems(t testing.TB) (docs []string) {
	t.Helper()
	eachReal(t, func(_ string, doc Document) {
		item := gjson.ParseBytes(doc.Raw)
		if doc.Err == nil && item.Get("type").Str == "Feature" && item.Get("geometry").IsObject() && item.Get("bbox.#").Int() == 4 && item.Get("properties.datetime").Exists() && item.Get("assets").IsObject() {
			docs = append(docs, string(doc.Raw))
		}
	})
	require.Greater(t, len(docs), 100)
	return docs
}

func TestTablesOfRealItems(t *testing.T) {
	docs := realItems(t)
	for i := 0; i < len(docs); i += 5 { // each has its own columns
		doc := docs[i]
		got, w, _ := table(t, nil, doc)
		if len(w.LeftOut) == 0 && gjson.Get(doc, "stac_extensions").Exists() {
			samePlain(t, moments(doc), moments(got[0]))
		}
	}
	got, _, _ := table(t, nil, docs...) // and now they are together
	for i, doc := range docs {
		require.Equal(t, gjson.Get(doc, "id").Str, gjson.Get(got[i], "id").Str)
	}
}

// moments brings times to the way in which tables give them.
func moments(doc string) string { return withMoments(doc, canonicalTime) }

// withMoments writes the times among an item's properties in another way.
func withMoments(doc string, write func(string) string) string {
	t := &tree.Tree{}
	if err := t.Read([]byte(doc), maxNesting); err != nil {
		panic(err)
	}
	for n := t.First(t.Get(tree.Root, "properties")); n != tree.None; n = t.Next(n) {
		if t.Kind(n) == tree.String && momentNames[string(t.Name(n))] {
			t.SetText(n, write(string(t.Text(n))))
		}
	}
	return string(t.Raw(tree.Root))
}

// fullDisk takes no byte.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestATableThatCannotBeWritten(t *testing.T) {
	_, err := WriteParquet(t.Context(), fullDisk{}, listed(itemDoc("a", "x", 1, 1)), Table{TempDir: t.TempDir()})
	require.ErrorContains(t, err, "no space left on device")
}
