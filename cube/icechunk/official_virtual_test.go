package icechunk_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
)

type manifestView struct {
	Virtual     int `json:"total_virtual"`
	Compression struct {
		Used   bool `json:"uses_location_compression"`
		Packed int  `json:"num_compressed_refs"`
	}
}

// TestOfficialVirtualStores: many references to files, by absolute locations and relative ones that share a
// dictionary, read by both; then part of the manifest is written anew here, and read by both again. The
// same bytes come over HTTP.
func TestOfficialVirtualStores(t *testing.T) {
	const n, length = 4000, 10
	outside := t.TempDir()
	locations := []any{}
	for i := range 37 {
		name := fmt.Sprintf("scene-of-a-long-name-%04d.bin", i)
		sum := sha256.Sum256([]byte(name))
		require.NoError(t, os.WriteFile(filepath.Join(outside, name), sum[:], 0o644))
		locations = append(locations, "file://"+outside+"/"+name)
		if i%2 == 0 {
			locations[i] = "vcc://outside/" + name
		}
	}
	server := httptest.NewServer(http.FileServer(http.Dir(outside)))
	t.Cleanup(server.Close)
	files, web := "file://"+outside+"/", server.URL+"/"
	cfg := icechunk.Config{ManifestRefs: 100, Fetch: map[string]icechunk.Fetcher{files: icechunk.FileFetcher{}, web: icechunk.HTTPFetcher{}}}

	b, dir := gameBoard(t)
	theirs := newReferee(t, dir)
	theirs.must(t, request{"verb": "create", "compress": 10, "containers": map[string]any{files: []string{"outside", "file", outside}}}, nil)
	many := request{"op": "virtual_many", "path": "/far", "n": n, "length": length, "offset": 3, "locations": locations}
	var id string
	theirs.must(t, request{"verb": "commit", "branch": "main", "ops": []any{many}, "message": "virtual"}, &id)
	var before []manifestView
	theirs.must(t, request{"verb": "manifests", "at": id}, &before)
	require.True(t, before[0].Compression.Used, "the library packs locations no more: this test has lost its point")
	require.Equal(t, n/length, before[0].Compression.Packed)
	sees := func(what string) view {
		var want view
		theirs.must(t, request{"verb": "view"}, &want)
		decoded := 0
		got, err := look(t.Context(), b, cfg, &decoded)
		require.NoError(t, err, what)
		require.NotZero(t, decoded)
		require.Equal(t, want.plain(t, got), got.plain(t, want), what)
		return want
	}
	was := sees("theirs").Snapshots[id]["/far"].Chunks
	require.Len(t, was, n/length)

	r, err := icechunk.Open(t.Context(), b, cfg)
	require.NoError(t, err)
	list, err := r.Containers(t.Context())
	require.NoError(t, err)
	require.NoError(t, r.SetContainers(t.Context(), append(list, icechunk.Container{Prefix: web, Store: icechunk.HTTPStore()})))
	tx, err := r.Begin(t.Context(), "main")
	require.NoError(t, err)
	require.NoError(t, tx.SetRef("/far", []uint32{5}, icechunk.Ref{Location: web + "scene-of-a-long-name-0001.bin", Offset: 3, Length: length}))
	after, err := tx.Commit(t.Context(), "one over HTTP", nil)
	require.NoError(t, err)
	now := sees("ours").Snapshots[after.String()]["/far"].Chunks
	require.NotEqual(t, was["5"], now["5"])
	delete(was, "5")
	delete(now, "5")
	require.Equal(t, was, now, "the rest of the manifest says the same")
}

// TestOfficialFarChunks: indexes near the end of a grid of 2³⁰ rows, read and written by both.
func TestOfficialFarChunks(t *testing.T) {
	b, dir := gameBoard(t)
	theirs := newReferee(t, dir)
	theirs.must(t, request{"verb": "create", "inline": 0}, nil)
	rows := []int{0, 1 << 20, 1<<40 - 1}
	theirs.must(t, request{"verb": "commit", "branch": "main", "ops": []any{request{"op": "far", "path": "/far", "rows": rows}}, "message": "far"}, nil)
	r, err := icechunk.Open(t.Context(), b, icechunk.Config{})
	require.NoError(t, err)
	tx, err := r.Begin(t.Context(), "main")
	require.NoError(t, err)
	seen := map[string]bool{}
	for c, err := range tx.Base().Refs(t.Context(), "/far") {
		require.NoError(t, err)
		seen[commas(c.Index)] = true
	}
	require.Equal(t, map[string]bool{"0,0": true, "0,1": true, "1024,0": true, "1024,1": true, "1073741823,0": true, "1073741823,1": true}, seen)
	data := make([]byte, 3<<10)
	for i := range data {
		data[i] = 200
	}
	pack := r.NewPack()
	ref, err := pack.Add(t.Context(), data)
	require.NoError(t, err)
	require.NoError(t, pack.Close(t.Context()))
	require.NoError(t, tx.SetRef("/far", []uint32{1<<30 - 2, 1}, ref))
	_, err = tx.Commit(t.Context(), "farther", nil)
	require.NoError(t, err)
	var got [][]int
	theirs.must(t, request{"verb": "rows", "path": "far", "rows": append(rows, 1<<40-1-1<<10)}, &got)
	require.Equal(t, [][]int{{0, 1, 2, 3, 4, 5}, {76, 77, 78, 79, 80, 81}, {75, 76, 77, 78, 79, 80}, {0, 0, 0, 200, 200, 200}}, got)
}
