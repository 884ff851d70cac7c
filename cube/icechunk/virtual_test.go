package icechunk_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

const scene = "0123456789abcdefghijklmnopqrstuvwxyz"

// virtualRepo is a repository whose configuration knows containers; the client authorises some of them.
func virtualRepo(t *testing.T, grants map[string]icechunk.Fetcher, list ...icechunk.Container) *icechunk.Repo {
	t.Helper()
	r, err := icechunk.Create(t.Context(), store.New(mem.New(), "mem://x").Sub("r"), icechunk.Config{Fetch: grants})
	require.NoError(t, err)
	require.NoError(t, r.SetContainers(t.Context(), list))
	return r
}

func reads(t *testing.T, r *icechunk.Repo, ref icechunk.Ref, want string) {
	t.Helper()
	data, err := r.ReadChunk(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, want, string(data))
}

func refuses(t *testing.T, r *icechunk.Repo, ref icechunk.Ref, kind fault.Kind, says string) {
	t.Helper()
	_, err := r.ReadChunk(t.Context(), ref)
	require.True(t, fault.Is(err, kind), "%v: %v", fault.KindOf(err), err)
	require.ErrorContains(t, err, says)
	require.ErrorContains(t, err, ref.Location)
}

func TestVirtualFiles(t *testing.T) {
	top := t.TempDir()
	inside, outside := filepath.Join(top, "in side"), filepath.Join(top, "secret.bin")
	require.NoError(t, os.Mkdir(inside, 0o755))
	path := filepath.Join(inside, "scene.bin")
	require.NoError(t, os.WriteFile(path, []byte(scene), 0o644))
	require.NoError(t, os.WriteFile(outside, []byte("secret"), 0o644))
	require.NoError(t, os.Symlink(outside, filepath.Join(inside, "link.bin")))
	prefix := (&url.URL{Scheme: "file", Path: inside + "/"}).String()
	elsewhere := "file://" + top + "/other/"
	r := virtualRepo(t, map[string]icechunk.Fetcher{prefix: icechunk.FileFetcher{}, "file:///": icechunk.FileFetcher{}},
		icechunk.Container{Prefix: prefix, Name: "in", Store: icechunk.FileStore(inside)},
		icechunk.Container{Prefix: elsewhere, Store: icechunk.FileStore(top)})
	at := func(location string) icechunk.Ref { return icechunk.Ref{Location: location, Offset: 10, Length: 4} }
	reads(t, r, at(prefix+"scene.bin"), "abcd")
	reads(t, r, at("vcc://in/scene.bin"), "abcd")
	refuses(t, r, at("vcc://other/scene.bin"), fault.Precondition, "no container named")
	refuses(t, r, at("file://"+outside), fault.Precondition, "no container")
	refuses(t, r, at(elsewhere+"scene.bin"), fault.Precondition, "not authorised")
	refuses(t, r, at(prefix+"../secret.bin"), fault.Invalid, "dots")
	refuses(t, r, at(prefix+"%2e%2e/secret.bin"), fault.Invalid, "dots")
	refuses(t, r, at(prefix+"link.bin"), fault.Unavailable, "escapes")
	refuses(t, r, at(prefix+"none.bin"), fault.NotFound, "none.bin")
	refuses(t, r, icechunk.Ref{Location: prefix + "scene.bin", Offset: 34, Length: 4}, fault.Corrupt, "36 bytes")
	refuses(t, r, icechunk.Ref{Location: prefix + "scene.bin", Offset: 1 << 63, Length: 1 << 62}, fault.Corrupt, "impossible")

	info, err := os.Stat(path)
	require.NoError(t, err)
	recorded := at(prefix + "scene.bin")
	recorded.LastModified = uint32(info.ModTime().Unix() + 1)
	reads(t, r, recorded, "abcd")
	later := info.ModTime().Add(5 * time.Second)
	require.NoError(t, os.Chtimes(path, later, later))
	_, err = r.ReadChunk(t.Context(), recorded)
	require.ErrorIs(t, err, icechunk.ErrSourceChanged)
	recorded.LastModified, recorded.ETag = 0, "1-2-3"
	_, err = r.ReadChunk(t.Context(), recorded)
	require.ErrorIs(t, err, icechunk.ErrSourceChanged)
}

func TestVirtualHTTP(t *testing.T) {
	modified := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /scenes/a%20b.bin", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		http.ServeContent(w, req, "", modified, strings.NewReader(scene))
	})
	mux.HandleFunc("/scenes/deaf.bin", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, scene) })
	mux.HandleFunc("/scenes/rude.bin", func(w http.ResponseWriter, _ *http.Request) { // ignores conditions
		w.Header().Set("ETag", `"v2"`)
		w.Header().Set("Content-Range", "bytes 10-13/36")
		w.WriteHeader(http.StatusPartialContent)
		fmt.Fprint(w, "abcd")
	})
	mux.HandleFunc("/scenes/shifted.bin", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", "bytes 0-3/36")
		w.WriteHeader(http.StatusPartialContent)
		fmt.Fprint(w, "0123")
	})
	mux.HandleFunc("/scenes/short.bin", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", "bytes 10-13/36")
		w.WriteHeader(http.StatusPartialContent)
		fmt.Fprint(w, "ab")
	})
	asked := false
	mux.HandleFunc("/private/", func(http.ResponseWriter, *http.Request) { asked = true })
	mux.Handle("/scenes/away.bin", http.RedirectHandler("/private/x", http.StatusFound))
	mux.Handle("/scenes/near.bin", http.RedirectHandler("/scenes/a%20b.bin", http.StatusFound))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	prefix := server.URL + "/scenes/"
	r := virtualRepo(t, map[string]icechunk.Fetcher{prefix: icechunk.HTTPFetcher{Timeout: 10 * time.Second}},
		icechunk.Container{Prefix: prefix, Store: icechunk.HTTPStore()})
	at := func(name string) icechunk.Ref { return icechunk.Ref{Location: prefix + name, Offset: 10, Length: 4} }
	with := func(ref icechunk.Ref, etag string, at int64) icechunk.Ref {
		ref.ETag, ref.LastModified = etag, uint32(at)
		return ref
	}
	reads(t, r, at("a%20b.bin"), "abcd")
	reads(t, r, at("near.bin"), "abcd")
	reads(t, r, with(at("a%20b.bin"), "v1", 0), "abcd")
	reads(t, r, with(at("a%20b.bin"), `"v1"`, 0), "abcd")
	reads(t, r, with(at("a%20b.bin"), "", modified.Unix()), "abcd")
	for _, changed := range []icechunk.Ref{with(at("a%20b.bin"), "v0", 0), with(at("a%20b.bin"), "", modified.Unix()-1), with(at("rude.bin"), "v1", 0), with(at("rude.bin"), "", modified.Unix())} {
		_, err := r.ReadChunk(t.Context(), changed)
		require.ErrorIs(t, err, icechunk.ErrSourceChanged, "%+v", changed)
	}
	refuses(t, r, at("deaf.bin"), fault.Unsupported, "ignores ranges")
	refuses(t, r, at("shifted.bin"), fault.Corrupt, "bytes 0-3")
	refuses(t, r, at("short.bin"), fault.Unavailable, "broke off")
	refuses(t, r, at("none.bin"), fault.NotFound, "404")
	refuses(t, r, at("away.bin"), fault.Precondition, "leads out")
	refuses(t, r, icechunk.Ref{Location: prefix + "a%20b.bin", Offset: 99, Length: 4}, fault.Corrupt, "ends before")
	refuses(t, r, icechunk.Ref{Location: server.URL + "/private/x", Offset: 0, Length: 4}, fault.Precondition, "no container")
	require.False(t, asked, "a request left the container")
}

func TestVirtualBuckets(t *testing.T) {
	driver := mem.New()
	_, err := driver.Put(t.Context(), "scenes/a b/x.bin", strings.NewReader(scene), store.Condition{})
	require.NoError(t, err)
	info, err := driver.Stat(t.Context(), "scenes/a b/x.bin")
	require.NoError(t, err)
	open := icechunk.StoreFetcher(func(_ context.Context, bucket string) (store.Driver, error) {
		require.Equal(t, "bucket", bucket)
		return driver, nil
	})
	r := virtualRepo(t, map[string]icechunk.Fetcher{"s3://bucket/scenes/": open},
		icechunk.Container{Prefix: "s3://bucket/", Store: icechunk.S3Store("us-east-1", "", true)},
		icechunk.Container{Prefix: "s3://bucket/scenes/", Store: icechunk.S3Store("us-east-1", "http://127.0.0.1:9", false)})
	ref := icechunk.Ref{Location: "s3://bucket/scenes/a%20b/x.bin", Offset: 10, Length: 4}
	reads(t, r, ref, "abcd")
	ref.ETag = info.ETag
	reads(t, r, ref, "abcd")
	ref.ETag = "other"
	_, err = r.ReadChunk(t.Context(), ref)
	require.ErrorIs(t, err, icechunk.ErrSourceChanged)
	refuses(t, r, icechunk.Ref{Location: "s3://bucket/elsewhere/x.bin", Length: 4}, fault.Precondition, "s3://bucket/ is not authorised")
	refuses(t, r, icechunk.Ref{Location: "s3://bucket/scenes/a%20b/x.bin", Offset: 34, Length: 4}, fault.Corrupt, "ends before")
	refuses(t, r, icechunk.Ref{Location: "s3://bucket/scenes/none", Length: 4}, fault.NotFound, "not found")
}

// TestContainersRefused: what the official library would refuse is not written.
func TestContainersRefused(t *testing.T) {
	r := virtualRepo(t, nil)
	for _, bad := range []icechunk.Container{
		{Prefix: "s3://bucket/no-slash", Store: icechunk.S3Store("", "", true)}, {Prefix: "s3:///x/", Store: icechunk.S3Store("", "", true)},
		{Prefix: "file:///a/../b/", Store: icechunk.FileStore("/b")}, {Prefix: "file:///", Store: icechunk.FileStore("/")},
		{Prefix: "http://h/", Name: "a/b", Store: icechunk.HTTPStore()}, {Prefix: "http://h/"}, {Prefix: "://"},
	} {
		require.True(t, fault.Is(r.SetContainers(t.Context(), []icechunk.Container{bad}), fault.Invalid), "%+v", bad)
	}
	twice := icechunk.Container{Prefix: "http://h/", Store: icechunk.HTTPStore()}
	require.True(t, fault.Is(r.SetContainers(t.Context(), []icechunk.Container{twice, twice}), fault.Invalid))
	tx, err := r.Begin(t.Context(), "main")
	require.NoError(t, err)
	require.NoError(t, tx.PutGroup("/", []byte("{}")))
	require.NoError(t, tx.PutArray("/a", []byte("{}"), icechunk.ArrayInfo{Shape: []uint64{1}, NumChunks: []uint32{1}}))
	err = tx.SetRef("/a", []uint32{0}, icechunk.Ref{Location: "http://h/x", Length: 4})
	require.True(t, fault.Is(err, fault.Precondition), "%v", err)
	err = tx.SetRef("/a", []uint32{0}, icechunk.Ref{Location: "http://h/x", Length: 4, ETag: "e", LastModified: 1})
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)
}
