package catalog

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzScan holds the reader of documents against encoding/json.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { "a" : [ 1 , -0.5e+3 , true , false , null , "x\u00e9\\\"" ] , "links" : [ {"rel":"a","href":"b"} , 7 ] }`, `[]`, `{"a":01}`, `{"a":1.}`,
		"{\"a\":\"\n\"}", "{\"a\":\"\\x\"}", `{"assets":{"a":{"href":"x","href":"y"},"b":{"\u0068ref":"/z"},"c":[]}}`, `{"a":tru}`, `{"a":1}}`, `{"a" 1}`, `{,}`, "{\"\xff\":1}", `{"a":-}`, `{"a":1e}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		s, err := read(doc)
		want := json.Valid(doc) && utf8.Valid(doc)
		doc = bytes.Trim(doc, " \t\r\n")
		want = want && doc[0] == '{'
		if err != nil && bytes.Count(doc, []byte("{"))+bytes.Count(doc, []byte("[")) > tooDeep {
			return
		}
		require.Equal(t, want, err == nil, "%v", err)
		if err != nil {
			return
		}
		var flat bytes.Buffer
		require.NoError(t, json.Compact(&flat, doc))
		if s.spaced {
			require.Equal(t, flat.String(), string(compact(doc)))
		} else {
			require.Equal(t, flat.String(), string(doc))
		}
		var members map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(doc, &members))
		last := map[string]string{}
		for _, m := range s.members {
			last[m.name] = string(bytes.TrimRight(doc[m.value.from:m.value.to], " \t\r\n"))
		}
		require.Len(t, last, len(members))
		for name, value := range members {
			require.Equal(t, string(value), last[name], name)
		}
	})
}

func BenchmarkParseItem(b *testing.B) {
	docs, err := filepath.Glob("../../shared/data/stac/landsat-items/*/*/*.json")
	require.NoError(b, err)
	if len(docs) == 0 {
		b.Skip("no items in ../shared/data")
	}
	var all [][]byte
	bytes := 0
	for _, path := range docs {
		text, err := os.ReadFile(path)
		require.NoError(b, err)
		var flat json.RawMessage
		require.NoError(b, json.Unmarshal(text, &flat))
		text = compact(text)
		if _, err := ParseItem(text); err == nil {
			all = append(all, text)
			bytes += len(text)
		}
	}
	b.ReportAllocs()
	b.SetBytes(int64(bytes / len(all)))
	for i := range b.N {
		if _, err := ParseItem(all[i%len(all)]); err != nil {
			b.Fatal(err)
		}
	}
}
