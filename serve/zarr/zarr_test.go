package zarr

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// fixture is a cube of three scenes behind a server.
type fixture struct {
	url    string
	cube   *layout.Cube
	bucket *store.Bucket
	scenes []layouttest.Scene
}

func start(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{bucket: layouttest.Bucket()}
	spec := layouttest.Spec(cube.Uint16, layouttest.Value(65535))
	made, err := layout.Create(t.Context(), f.bucket, spec)
	require.NoError(t, err)
	f.cube = made
	for i, day := range []int{3, 8, 13} {
		f.scenes = append(f.scenes, layouttest.Random(spec, uint64(i+1), "scene", layouttest.Date(6, day, 0)))
	}
	layouttest.Commit(t, made, f.scenes...)
	server := httptest.NewServer(New(Config{
		Cubes: func(context.Context) ([]string, error) { return []string{"s2"}, nil },
		Cube: func(_ context.Context, name string) (*icechunk.Repo, error) {
			if name != "s2" {
				return nil, fault.New(fault.NotFound, "no cube %q", name)
			}
			return made.Repo(), nil
		},
	}))
	t.Cleanup(server.Close)
	f.url = server.URL + "/zarr"
	return f
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask sends a request with headers given as name, value, …; a redirect is not followed.
func (f *fixture) ask(t *testing.T, method, path string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, f.url+path, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return answer{res.StatusCode, res.Header, body}
}

func (f *fixture) get(t *testing.T, path string, header ...string) answer {
	t.Helper()
	return f.ask(t, http.MethodGet, path, header...)
}

func (f *fixture) view(t *testing.T) *layout.View {
	t.Helper()
	v, err := f.cube.At(t.Context(), "")
	require.NoError(t, err)
	return v
}

const firstChunk = "/r0c0/10m/image/c/0/0/0/0"

func TestChunksAreServedAsTheyAreStored(t *testing.T) {
	f := start(t)
	repo, view := f.cube.Repo(), f.view(t)
	inline, packed := 0, 0
	for i := range 3 {
		for cy := range 3 {
			for cx := range 3 {
				for _, name := range []string{layout.Image, layout.Valid} {
					snapshot, err := icechunk.ParseID(view.Snapshot())
					require.NoError(t, err)
					s, err := repo.Snapshot(t.Context(), snapshot)
					require.NoError(t, err)
					ref, ok, err := s.Ref(t.Context(), "/r0c0/10m/"+name, []uint32{uint32(i), 0, uint32(cy), uint32(cx)})
					require.NoError(t, err)
					key := strings.Join([]string{"/s2/main/r0c0/10m", name, "c", digits(i), "0", digits(cy), digits(cx)}, "/")
					got := f.get(t, key)
					if !ok {
						require.Equal(t, http.StatusNotFound, got.status, "an absent chunk is not found")
						continue
					}
					want, err := repo.ReadChunk(t.Context(), ref)
					require.NoError(t, err)
					require.Equal(t, http.StatusOK, got.status)
					require.Equal(t, want, got.body)
					require.Equal(t, digits(len(want)), got.header.Get("Content-Length"))
					if ref.Inline != nil {
						inline++
					} else {
						packed++
					}
				}
			}
		}
	}
	require.Positive(t, inline)
	require.Positive(t, packed)
}

func digits(n int) string {
	text, err := json.Marshal(n)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestRangesAndConditions(t *testing.T) {
	f := start(t)
	for _, path := range []string{"/s2/main" + firstChunk, "/s2/main/r0c0/10m/time/c/0", "/s2/main/zarr.json"} {
		whole := f.get(t, path)
		require.Equal(t, http.StatusOK, whole.status, path)
		tag := whole.header.Get("ETag")
		require.Regexp(t, `^"[^"]+"$`, tag, "a strong entity tag")
		require.Equal(t, "bytes", whole.header.Get("Accept-Ranges"))

		part := f.get(t, path, "Range", "bytes=3-9")
		require.Equal(t, http.StatusPartialContent, part.status)
		require.Equal(t, whole.body[3:10], part.body)
		require.Equal(t, "bytes 3-9/"+digits(len(whole.body)), part.header.Get("Content-Range"))
		require.Equal(t, whole.body[len(whole.body)-5:], f.get(t, path, "Range", "bytes=-5").body)
		require.Equal(t, whole.body[5:], f.get(t, path, "Range", "bytes=5-").body)
		require.Equal(t, http.StatusRequestedRangeNotSatisfiable, f.get(t, path, "Range", "bytes=99999999-").status)
		require.Equal(t, whole.body, f.get(t, path, "Range", "pages=1-2").body, "a unit that is not known is passed over")

		head := f.ask(t, http.MethodHead, path)
		require.Equal(t, http.StatusOK, head.status)
		require.Empty(t, head.body)
		require.Equal(t, digits(len(whole.body)), head.header.Get("Content-Length"))
		require.Equal(t, tag, head.header.Get("ETag"))

		same := f.get(t, path, "If-None-Match", tag)
		require.Equal(t, http.StatusNotModified, same.status)
		require.Empty(t, same.body)
		require.Equal(t, http.StatusOK, f.get(t, path, "If-None-Match", `"other"`).status)
		require.Equal(t, http.StatusPreconditionFailed, f.get(t, path, "If-Match", `"other"`).status)
		require.Equal(t, http.StatusPartialContent, f.get(t, path, "Range", "bytes=3-9", "If-Range", tag).status)
		require.Equal(t, whole.body, f.get(t, path, "Range", "bytes=3-9", "If-Range", `"other"`).body)
	}
}

func TestABranchMovesAndAPinDoesNot(t *testing.T) {
	f := start(t)
	before := f.view(t).Snapshot()
	require.NoError(t, f.cube.Tag(t.Context(), "datasets/crops/v1", before))
	shape := func(ref string) []any {
		a := f.get(t, "/s2/"+ref+"/r0c0/10m/image/zarr.json")
		require.Equal(t, http.StatusOK, a.status, string(a.body))
		var doc map[string]any
		require.NoError(t, json.Unmarshal(a.body, &doc))
		return doc["shape"].([]any)
	}
	pinned := []string{"datasets%2Fcrops%2Fv1", "@" + before, before}
	for _, ref := range append(pinned, "main") {
		require.EqualValues(t, 3, shape(ref)[0])
	}
	// A scene before the others moves every chunk of the axis.
	layouttest.Commit(t, f.cube, layouttest.Random(f.cube.Spec(), 9, "late", layouttest.Date(6, 1, 0)))
	require.EqualValues(t, 4, shape("main")[0])
	moved, stayed := f.get(t, "/s2/main/r0c0/10m/image/c/1/0/0/0"), f.get(t, "/s2/@"+before+firstChunk)
	require.Equal(t, stayed.body, moved.body)
	require.Equal(t, stayed.header.Get("ETag"), moved.header.Get("ETag"))
	require.Equal(t, "no-cache", moved.header.Get("Cache-Control"))
	require.Equal(t, f.view(t).Snapshot(), moved.header.Get("Terrapin-Snapshot"))
	for _, ref := range pinned {
		require.EqualValues(t, 3, shape(ref)[0])
		for _, path := range []string{"/zarr.json", firstChunk, "/r0c0/10m/image/c/0/0/0/2"} {
			a := f.get(t, "/s2/"+ref+path)
			require.Equal(t, "public, max-age=31536000, immutable", a.header.Get("Cache-Control"), "%s%s: %d", ref, path, a.status)
			require.Equal(t, before, a.header.Get("Terrapin-Snapshot"))
		}
	}
}

func TestANameOfABranchAndATagIsRefused(t *testing.T) {
	f := start(t)
	repo := f.cube.Repo()
	at, err := icechunk.ParseID(f.view(t).Snapshot())
	require.NoError(t, err)
	require.NoError(t, repo.CreateBranch(t.Context(), "both", at))
	require.NoError(t, repo.Tag(t.Context(), "both", at))
	require.Equal(t, http.StatusOK, f.get(t, "/s2/both/zarr.json").status, "while they mean the same")
	require.Equal(t, "no-cache", f.get(t, "/s2/both/zarr.json").header.Get("Cache-Control"))
	require.NoError(t, repo.CreateBranch(t.Context(), "also", at))
	require.NoError(t, repo.Tag(t.Context(), "also", icechunk.InitialID))
	a := f.get(t, "/s2/also/zarr.json")
	require.Equal(t, http.StatusConflict, a.status)
	require.Contains(t, string(a.body), "/zarr/s2/@"+at.String()+"/")
}

func TestWhatIsNotThere(t *testing.T) {
	f := start(t)
	for _, path := range []string{
		"/nothing/main/zarr.json", "/s2/nothing/zarr.json", "/s2/@1CECHNKREP0F1RSTCMT1/zarr.json", "/s2/main/nothing", "/s2/main/.zgroup",
		"/s2/main/r0c0/10m/image/c/0/0/0/3", "/s2/main/r0c0/10m/image/c/0/0/0", "/s2/main/r0c0/10m/image/c/0/0/0/00", "/s2/main/r0c0/10m/image/c/0/0/0/+0",
		"/s2/main/r0c0/10m/image/c/0/0/0/-1", "/s2/main/r0c0/10m/image/c/0/0/0/4294967296", "/s2/main/r0c0/10m/image/0/0/0/0", "/s2/main/r0c0/10m/image/c",
		"/s2/main/r0c0/10m/image/c.0.0.0.0", "/s2/main/r0c0/10m/image/c/0/0/0/0/zarr.json", "/s2/main//zarr.json", "/s2/main/../../../etc/passwd",
		"/s2/main/%2e%2e/%2e%2e/etc/passwd", "/s2/main/r0c0%2F10m/zarr.json", "/s2/..%2F..%2Fs2/zarr.json", "/..%2Fs2/main/zarr.json", "/s2/main/r0c0/10m/x/c/0/",
		"/s2/main/" + strings.Repeat("a/", 200),
	} {
		a := f.get(t, path)
		require.Equal(t, http.StatusNotFound, a.status, path)
		var doc map[string]string
		require.NoError(t, json.Unmarshal(a.body, &doc), path)
		require.Equal(t, "not_found", doc["code"])
		require.Empty(t, a.header.Get("ETag"))
	}
	require.Equal(t, "no-store", f.get(t, "/s2/nothing/zarr.json").header.Get("Cache-Control"))
}

func TestOnlyReading(t *testing.T) {
	f := start(t)
	for _, method := range []string{http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodPatch} {
		a := f.ask(t, method, "/s2/main"+firstChunk)
		require.Equal(t, http.StatusMethodNotAllowed, a.status)
		require.Equal(t, "GET, HEAD, OPTIONS", a.header.Get("Allow"))
		require.Contains(t, string(a.body), "cure")
	}
	a := f.ask(t, http.MethodOptions, "/s2/main"+firstChunk, "Origin", "https://viewer.example", "Access-Control-Request-Headers", "range")
	require.Equal(t, http.StatusNoContent, a.status)
	require.Contains(t, a.header.Get("Access-Control-Allow-Headers"), "Range")
	require.Equal(t, "*", f.get(t, "/s2/main"+firstChunk, "Origin", "https://viewer.example").header.Get("Access-Control-Allow-Origin"))
}

func TestADamagedChunkIsNeverAbsent(t *testing.T) {
	f := start(t)
	for info, err := range f.bucket.List(t.Context(), "chunks/") {
		require.NoError(t, err)
		require.NoError(t, f.bucket.Delete(t.Context(), info.Key))
	}
	path := "/s2/@" + f.view(t).Snapshot() + firstChunk
	a := f.get(t, path)
	require.Equal(t, http.StatusInternalServerError, a.status)
	require.Contains(t, string(a.body), `"corrupt"`)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.Empty(t, a.header.Get("ETag"))
	require.Equal(t, http.StatusInternalServerError, f.get(t, path, "Range", "bytes=0-3").status)
	// GDAL would show fill for any failed answer: it gets bytes that do not decode.
	a = f.get(t, path, "User-Agent", "GDAL/3.12.2")
	require.Equal(t, "error", string(a.body))
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.Equal(t, http.StatusNotFound, f.get(t, "/s2/main/r0c0/10m/image/c/0/0/0/9", "User-Agent", "GDAL/3.12.2").status)
}

func TestAPackThatBreaksOffBreaksTheConnection(t *testing.T) {
	body := &breaking{n: 100 << 10}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		_ = serveContent(w, r, body) // it does not return
	}))
	defer server.Close()
	res, err := http.Get(server.URL)
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.ReadAll(res.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// breaking gives some bytes of many, and then an error.
type breaking struct{ n int }

func (b *breaking) Seek(_ int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		return 1 << 20, nil
	}
	return 0, nil
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.n == 0 {
		return 0, fault.New(fault.Unavailable, "gone")
	}
	n := min(b.n, len(p))
	b.n -= n
	return n, nil
}

func TestPinsAreLookedUpAgain(t *testing.T) {
	f := start(t)
	id, err := icechunk.ParseID(f.view(t).Snapshot())
	require.NoError(t, err)
	now := time.Unix(0, 0)
	v := New(Config{}).(*view)
	v.now = func() time.Time { return now }
	repo := f.cube.Repo()
	_, err = v.resolve(t.Context(), repo, "s2", "later")
	require.True(t, fault.Is(err, fault.NotFound))
	require.NoError(t, repo.Tag(t.Context(), "later", id))
	at, err := v.resolve(t.Context(), repo, "s2", "later")
	require.NoError(t, err)
	require.Equal(t, resolved{id, true}, at)
	require.NoError(t, f.bucket.Delete(t.Context(), "repo"))
	_, err = v.resolve(t.Context(), repo, "s2", "later")
	require.NoError(t, err, "what it means is known")
	now = now.Add(pinFor)
	_, err = v.resolve(t.Context(), repo, "s2", "later")
	require.Error(t, err, "that it exists is not")
}
