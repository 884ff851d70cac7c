package zarr

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/cube/zarr"
)

// TestVirtualChunks serves a chunk that lies in somebody else's file where the server was allowed to read
// it, and refuses it with an error, not as absent, where it was not.
func TestVirtualChunks(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "scene.bin")
	require.NoError(t, os.WriteFile(source, []byte("headABCDEFGHtail"), 0o666))
	prefix := "file://" + dir + "/"
	bucket := layouttest.Bucket()
	repo, err := icechunk.Create(t.Context(), bucket, icechunk.Config{})
	require.NoError(t, err)
	require.NoError(t, repo.SetContainers(t.Context(), []icechunk.Container{{Prefix: prefix, Store: icechunk.FileStore(dir)}}))
	group, err := zarr.GroupJSON(nil)
	require.NoError(t, err)
	array := zarr.Array{Shape: []int{4}, Chunks: []int{4}, DType: cube.Uint16, Dims: []string{"x"}, Codecs: []zarr.Codec{{Name: "bytes"}}}
	meta, err := array.JSON()
	require.NoError(t, err)
	tx, err := repo.Begin(t.Context(), "main")
	require.NoError(t, err)
	require.NoError(t, tx.PutGroup("/", group))
	require.NoError(t, tx.PutArray("/a", meta, icechunk.ArrayInfo{Shape: []uint64{4}, NumChunks: []uint32{1}, Dims: []string{"x"}}))
	require.NoError(t, tx.SetRef("/a", []uint32{0}, icechunk.Ref{Location: prefix + "scene.bin", Offset: 4, Length: 8}))
	id, err := tx.Commit(t.Context(), "virtual", nil)
	require.NoError(t, err)

	serve := func(grants map[string]icechunk.Fetcher) *fixture {
		opened, err := icechunk.Open(t.Context(), bucket, icechunk.Config{Fetch: grants})
		require.NoError(t, err)
		server := httptest.NewServer(New(Config{Cube: func(context.Context, string) (*icechunk.Repo, error) { return opened, nil }}))
		t.Cleanup(server.Close)
		return &fixture{url: server.URL + "/zarr"}
	}
	path := "/s2/@" + id.String() + "/a/c/0"
	granted := serve(map[string]icechunk.Fetcher{prefix: icechunk.FileFetcher{}})
	whole := granted.get(t, path)
	require.Equal(t, "ABCDEFGH", string(whole.body))
	require.Equal(t, "no-cache", whole.header.Get("Cache-Control"), "nothing tells whether the file is still the one meant")
	require.Equal(t, "CD", string(granted.get(t, path, "Range", "bytes=2-3").body))
	require.Equal(t, http.StatusNotModified, granted.get(t, path, "If-None-Match", whole.header.Get("ETag")).status)

	refused := serve(nil).get(t, path)
	require.Equal(t, http.StatusNotImplemented, refused.status)
	require.NoError(t, os.Remove(source))
	require.GreaterOrEqual(t, granted.get(t, path).status, 500, "a source that is gone is damage, not absence")
}
