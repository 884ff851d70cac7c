package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

// read tells the documents of a text: what each is, or "line: error".
func read(t testing.TB, text string) []string {
	t.Helper()
	out := []string{}
	for doc, err := range Text(context.Background(), strings.NewReader(text)) {
		require.NoError(t, err)
		require.Equal(t, len(out)+1, doc.Number)
		if doc.Err != nil {
			require.NotEmpty(t, fault.CureOf(doc.Err))
			out = append(out, fmt.Sprintf("%d: %v", doc.Line, doc.Err))
			continue
		}
		var flat bytes.Buffer
		require.NoError(t, json.Compact(&flat, doc.Raw))
		out = append(out, flat.String())
	}
	return out
}

func TestLayoutsOfText(t *testing.T) {
	const broken = "the JSON breaks off here, and nothing after it is read"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"nothing":       {"", nil},
		"spaces":        {" \n\t\n", nil},
		"lines":         {`{"a":1}` + "\n" + `{"a":2}` + "\n", []string{`{"a":1}`, `{"a":2}`}},
		"no last end":   {`{"a":1}` + "\r\n" + `{"a":2}`, []string{`{"a":1}`, `{"a":2}`}},
		"empty lines":   {"\n" + `{"a":1}` + "\n\n\n" + `{"a":2}` + "\n\n", []string{`{"a":1}`, `{"a":2}`}},
		"one":           {`{"a":1}`, []string{`{"a":1}`}},
		"mark of order": {"\xef\xbb\xbf" + `{"a":1}`, []string{`{"a":1}`}},
		"sequence":      {"\x1e{\"a\":1}\n\x1e{\"a\":2}\n", []string{`{"a":1}`, `{"a":2}`}},
		"bad lines": {`{"a":1}` + "\n" + `{"a":` + "\n" + "nonsense\n" + `{"a":"` + "\n" + `{"a":2}`,
			[]string{`{"a":1}`, "-", `3: the line is no JSON object: "nonsense"`, "-", `{"a":2}`}},
		"bad first line": {`{"a":` + "\n" + `{"a":2}` + "\n", []string{"-", `{"a":2}`}},
		"nonsense first": {"nonsense\n" + `{"a":2}`, []string{`1: the line is no JSON object: "nonsense"`, `{"a":2}`}},
		"laid out":       {"{\n  \"a\": {\n    \"b\": \"}\\\"{\"\n  }\n}\n", []string{`{"a":{"b":"}\"{"}}`}},
		"two laid out":   {"{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}\n", []string{`{"a":1}`, `{"a":2}`}},
		"list":           {"[\n{\"a\":1},\n {\"a\":2}\n]", []string{`{"a":1}`, `{"a":2}`}},
		"empty list":     {"[]", nil},
		"features":       {`{"type": "FeatureCollection", "links":[{"x":1}], "features": [{"a":1} , {"a":2}], "context": {"n":2}}`, []string{`{"a":1}`, `{"a":2}`}},
		"features first": {"{\"features\":[{\"a\":1}],\n\"type\":\"FeatureCollection\"}", []string{`{"a":1}`}},
		"collections":    {`{"collections":[{"id":"a"},{"id":"b"}],"links":[]}`, []string{`{"id":"a"}`, `{"id":"b"}`}},
		"pages to a line": {`{"type":"FeatureCollection","features":[{"a":1},{"a":2}]}` + "\n" + `{"type":"FeatureCollection","features":[]}` + "\n" + `{"a":3}`,
			[]string{`{"a":1}`, `{"a":2}`, `{"a":3}`}},
		"an item of features": {"{\"type\":\"Feature\",\n\"features\":[1]}", []string{`{"type":"Feature","features":[1]}`}},
		"cut list":            {"[{\"a\":1},\n{\"a\":", []string{`{"a":1}`, "1: line 2: " + broken}},
		"cut features":        {"{\"type\":\"FeatureCollection\",\"features\":[{\"a\":1}\n", []string{`{"a":1}`, "1: line 2: " + broken}},
		"no colon":            {"{\n\"a\" 1}", []string{"1: line 2: " + broken}},
		"no comma":            {"[{} {}]", []string{"{}", "1: line 1: " + broken}},
		"then lines":          {"[{\"a\":1}]\n{\"a\":2}\n{\"a\":3}\n", []string{`{"a":1}`, `{"a":2}`, `{"a":3}`}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for doc, err := range Text(context.Background(), strings.NewReader(c.text)) {
				require.NoError(t, err)
				switch {
				case doc.Err != nil:
					got = append(got, fmt.Sprintf("%d: %v", doc.Line, doc.Err))
				case !json.Valid(doc.Raw):
					got = append(got, "-")
				default:
					var flat bytes.Buffer
					require.NoError(t, json.Compact(&flat, doc.Raw))
					got = append(got, flat.String())
				}
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestDocumentsThatAreTooLargeArePassed(t *testing.T) {
	large := `{"a":"` + strings.Repeat("x", MaxDocument) + `"}`
	want := []string{`{"b":1}`, "-", `{"b":2}`}
	for _, text := range []string{
		`{"b":1}` + "\n" + large + "\n" + `{"b":2}`,
		"[" + `{"b":1},` + large + `,{"b":2}]`,
		"{\n\"b\":1}\n{\n" + large[1:] + "\n{\n\"b\":2\n}",
	} {
		var got []string
		for doc, err := range Text(context.Background(), strings.NewReader(text)) {
			require.NoError(t, err)
			if doc.Err != nil {
				require.True(t, fault.Is(doc.Err, fault.TooLarge))
				got = append(got, "-")
				continue
			}
			var flat bytes.Buffer
			require.NoError(t, json.Compact(&flat, doc.Raw))
			got = append(got, flat.String())
		}
		require.Equal(t, want, got)
	}
}

func TestFilesAreReadOnFromAPosition(t *testing.T) {
	var text bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&text, "{\"id\":%d}\n", i+1)
	}
	zipped, packed := new(bytes.Buffer), new(bytes.Buffer)
	z := gzip.NewWriter(zipped)
	_, err := z.Write(text.Bytes())
	require.NoError(t, err)
	require.NoError(t, z.Close())
	p, err := zstd.NewWriter(packed)
	require.NoError(t, err)
	_, err = p.Write(text.Bytes())
	require.NoError(t, err)
	require.NoError(t, p.Close())
	for name, content := range map[string][]byte{"a.ndjson": text.Bytes(), "a.ndjson.gz": zipped.Bytes(), "a.zst": packed.Bytes()} {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		source, err := Open(t.Context(), path, Crawl{})
		require.NoError(t, err)
		require.Equal(t, int64(len(content)), source.Size())
		n := 990
		for doc, err := range source.Documents(t.Context(), Position{Number: n}) {
			require.NoError(t, err)
			n++
			require.Equal(t, n, doc.Number)
			require.Equal(t, fmt.Sprintf(`{"id":%d}`, n), string(doc.Raw))
			require.Equal(t, "file://"+path, doc.Base.String())
		}
		require.Equal(t, 1000, n)
		require.Equal(t, source.Size(), source.Read())

		require.NoError(t, os.WriteFile(path, content[:len(content)/2], 0o600))
		if name != "a.ndjson" {
			var last error
			for _, err := range source.Documents(t.Context(), Position{}) {
				last = err
			}
			require.True(t, fault.Is(last, fault.Corrupt), "%v", last)
		}
	}
	_, err = Open(t.Context(), t.TempDir(), Crawl{})
	require.True(t, fault.Is(err, fault.Invalid))
	_, err = Open(t.Context(), filepath.Join(t.TempDir(), "no"), Crawl{})
	require.True(t, fault.Is(err, fault.NotFound))
}

func TestReadingIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for _, err := range Text(ctx, strings.NewReader(strings.Repeat("{\"a\":1}\n", 10))) {
		if n++; n == 3 {
			cancel()
		}
		if err != nil {
			require.True(t, errors.Is(err, context.Canceled))
			break
		}
	}
	require.Equal(t, 4, n)
	for range Text(t.Context(), strings.NewReader("[1,2,3]")) {
		break
	}
}

// FuzzText: whatever comes in ends, in order, and a document that is valid JSON comes out as it went in.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"{\"a\":1}\n{\"a\":2}\n", "[{},{\"b\":[1,{}]}]", "{\n\"type\":\"FeatureCollection\",\"features\":[{}]}", "{\"a\":\"\\\"\"", "\xef\xbb\xbf{}\n", "[[[", "{\"features\":[", "\x1e{}\n\x1e{}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n := 0
		for doc, err := range Text(t.Context(), strings.NewReader(text)) {
			require.NoError(t, err)
			n++
			require.Equal(t, n, doc.Number)
			require.Positive(t, doc.Line)
			require.True(t, doc.Err != nil || len(doc.Raw) > 0)
		}
		var whole map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &whole) != nil || whole == nil || !strings.HasPrefix(text, "{") || whole["features"] != nil || whole["collections"] != nil {
			return
		}
		got := read(t, text)
		var flat bytes.Buffer
		require.NoError(t, json.Compact(&flat, []byte(text)))
		require.Equal(t, []string{flat.String()}, got)
	})
}
