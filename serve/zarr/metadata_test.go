package zarr

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/zarr"
)

func TestConsolidatedMetadataIsExact(t *testing.T) {
	f := start(t)
	for _, group := range []string{"", "/r0c0", "/r0c0/10m", "/r0c0/10m/records"} {
		a := f.get(t, "/s2/main"+group+"/zarr.json")
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, "application/json", a.header.Get("Content-Type"))
		_, err := zarr.ParseGroup(a.body)
		require.NoError(t, err)
		var doc struct {
			Consolidated struct {
				Kind           string
				MustUnderstand *bool `json:"must_understand"`
				Metadata       map[string]json.RawMessage
			} `json:"consolidated_metadata"`
		}
		require.NoError(t, json.Unmarshal(a.body, &doc))
		require.Equal(t, "inline", doc.Consolidated.Kind)
		require.False(t, *doc.Consolidated.MustUnderstand)
		id, err := icechunk.ParseID(f.view(t).Snapshot())
		require.NoError(t, err)
		snapshot, err := f.cube.Repo().Snapshot(t.Context(), id)
		require.NoError(t, err)
		want := map[string]bool{}
		for _, n := range snapshot.Nodes() {
			name, inside := strings.CutPrefix(n.Path, group+"/")
			if !inside || name == "" {
				continue
			}
			want[name] = true
			if n.Array != nil {
				require.JSONEq(t, string(n.Meta), string(doc.Consolidated.Metadata[name]), name)
				require.Equal(t, string(n.Meta), string(f.get(t, "/s2/main"+n.Path+"/zarr.json").body), "an array's document is served as it is")
			}
		}
		require.Len(t, doc.Consolidated.Metadata, len(want))
	}
}

func TestConsolidatedMetadataOfAWriterIsLeftOut(t *testing.T) {
	node := func(path, meta string, array bool) icechunk.Node {
		n := icechunk.Node{Path: path, Meta: []byte(meta)}
		if array {
			n.Array = &icechunk.ArrayInfo{}
		}
		return n
	}
	stale := `"consolidated_metadata":{"kind":"inline","must_understand":false,"metadata":{"gone":{}}}`
	root := node("/", `{"zarr_format":3,"node_type":"group","attributes":{"big":12345678901234567890,"text":"<&>"},`+stale+`}`, false)
	nodes := []icechunk.Node{root, node("/a", `{"zarr_format":3,"node_type":"group",`+stale+`}`, false), node("/a/b", `{"node_type":"array"}`, true), node("/ab", `{"node_type":"array"}`, true)}
	got := string(consolidate(root, nodes))
	require.NotContains(t, got, "gone")
	require.Contains(t, got, `"big":12345678901234567890`, "numbers stay as they are")
	require.Contains(t, got, `"text":"<&>"`)
	require.Contains(t, got, `"a/b":{"node_type":"array"}`)
	require.NotContains(t, string(consolidate(nodes[1], nodes)), `"ab"`, "a neighbour is no child")

	// A document that only lenient readers take spoils that node alone.
	lenient := append(nodes, node("/c", `{"node_type":"array","attributes":{"x":NaN}}`, true))
	require.Equal(t, string(root.Meta), string(consolidate(root, lenient)))
	require.NotContains(t, string(consolidate(nodes[1], lenient)), "gone")
}

func TestDocumentsHaveABudget(t *testing.T) {
	d := documents{budget: 100}
	key := func(path string) documentKey { return documentKey{path: path} }
	d.put(key("a"), make([]byte, 60))
	d.put(key("b"), make([]byte, 30))
	_, ok := d.get(key("a"))
	require.True(t, ok)
	d.put(key("c"), make([]byte, 30)) // b was used least recently
	_, ok = d.get(key("b"))
	require.False(t, ok)
	_, ok = d.get(key("a"))
	require.True(t, ok)
	d.put(key("d"), make([]byte, 101))
	_, ok = d.get(key("d"))
	require.False(t, ok)
	require.Equal(t, 90, d.used)
}

func TestChunkKeysOfEveryEncoding(t *testing.T) {
	array := func(encoding string, chunks ...uint32) icechunk.Node {
		return icechunk.Node{Meta: []byte(`{"chunk_key_encoding":` + encoding + `}`), Array: &icechunk.ArrayInfo{NumChunks: chunks}}
	}
	for _, c := range []struct {
		encoding, key string
		chunks        []uint32
		want          []uint32
	}{
		{`{"name":"default","configuration":{"separator":"/"}}`, "c/1/2", []uint32{2, 3}, []uint32{1, 2}},
		{`{"name":"default"}`, "c/1/2", []uint32{2, 3}, []uint32{1, 2}},
		{`"default"`, "c/1/2", []uint32{2, 3}, []uint32{1, 2}},
		{`{"name":"default","configuration":{"separator":"."}}`, "c.1.2", []uint32{2, 3}, []uint32{1, 2}},
		{`{"name":"default","configuration":{"separator":"."}}`, "c/1/2", []uint32{2, 3}, nil},
		{`{"name":"v2"}`, "1.2", []uint32{2, 3}, []uint32{1, 2}},
		{`{"name":"v2","configuration":{"separator":"/"}}`, "1/2", []uint32{2, 3}, []uint32{1, 2}},
		{`{"name":"v2"}`, "0", nil, []uint32{}},
		{`{"name":"default"}`, "c", nil, []uint32{}},
		{`{"name":"v2"}`, "c", nil, nil},
		{`{"name":"default"}`, "c/2/2", []uint32{2, 3}, nil},
		{`{"name":"default"}`, "c/0", []uint32{2, 3}, nil},
		{`{"name":"default"}`, "c/01/2", []uint32{2, 3}, nil},
	} {
		got, ok := chunkIndex(array(c.encoding, c.chunks...), strings.Split(c.key, "/"))
		require.Equal(t, c.want != nil, ok, "%s %s", c.encoding, c.key)
		if ok {
			require.Equal(t, c.want, got)
		}
	}
}

func TestListings(t *testing.T) {
	f := start(t)
	require.NoError(t, f.cube.Tag(t.Context(), "a/b", f.view(t).Snapshot()))
	for path, want := range map[string]string{"": "./zarr/", "/s2": "./s2/", "/s2/a%2Fb": "./a%2Fb/", "/s2/main/r0c0": "./r0c0/"} {
		a := f.get(t, path)
		require.Equal(t, http.StatusPermanentRedirect, a.status, path)
		require.Equal(t, want, a.header.Get("Location"))
	}
	require.Contains(t, string(f.get(t, "/").body), `href="./s2/"`)
	require.Contains(t, string(f.get(t, "/s2/").body), `href="./a%2Fb/"`)
	page := f.get(t, "/s2/a%2Fb/r0c0/")
	require.Contains(t, page.header.Get("Content-Type"), "text/html")
	require.Contains(t, string(page.body), `href="./10m/"`)
	require.Contains(t, string(page.body), `/zarr/s2/@`+f.view(t).Snapshot()+`/r0c0/`)
	require.Equal(t, "no-cache", page.header.Get("Cache-Control"))
	require.NotContains(t, string(f.get(t, "/s2/main/r0c0/10m/image/").body), "Index of", "GDAL would take its chunks for absent")
	var l Listing
	a := f.get(t, "/s2/main/r0c0/10m/", "Accept", "application/json")
	require.NoError(t, json.Unmarshal(a.body, &l))
	require.Equal(t, "group", l.Node)
	require.Equal(t, Entry{Name: "image", Href: "./image/", Kind: "array", Shape: []uint64{3, 3, 41, 37}}, l.Entries[2])
}
