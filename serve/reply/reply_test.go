package reply

import (
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

var quiet = Writer{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}

func TestBodiesAreCompressedForThoseWhoAsk(t *testing.T) {
	body := []byte(strings.Repeat("terrapin ", 1000))
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "br, gzip;q=0.5": true, "*": true, "gzip;q=0": false, "gzip; q=0.0": false, "*, gzip;q=0": false, "br": false, "identity": false, "x-gzip": false, "*;q=0": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if accept != "" {
			r.Header.Set("Accept-Encoding", accept)
		}
		w := httptest.NewRecorder()
		quiet.Bytes(w, r, 200, JSON, body)
		require.Equal(t, strconv.Itoa(w.Body.Len()), w.Header().Get("Content-Length"))
		require.Equal(t, "Accept-Encoding", w.Header().Get("Vary"))
		if !want {
			require.Empty(t, w.Header().Get("Content-Encoding"), accept)
			require.Equal(t, body, w.Body.Bytes())
			continue
		}
		require.Equal(t, "gzip", w.Header().Get("Content-Encoding"), accept)
		z, err := gzip.NewReader(w.Body)
		require.NoError(t, err)
		plain, err := io.ReadAll(z)
		require.NoError(t, err)
		require.Equal(t, body, plain)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	quiet.Bytes(w, r, 200, JSON, body[:100])
	require.Empty(t, w.Header().Get("Content-Encoding"), "small ones are not worth it")
	w = httptest.NewRecorder()
	w.Header().Set("ETag", `"x"`)
	quiet.Bytes(w, r, 200, JSON, body)
	require.Empty(t, w.Header().Get("Content-Encoding"), "one tag is one sequence of bytes")
}

func TestErrors(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	w := httptest.NewRecorder()
	w.Header().Set("ETag", `"x"`)
	quiet.Handler(func(http.ResponseWriter, *http.Request) error {
		return fault.New(fault.Conflict, "taken").WithCure("choose another")
	})(w, r)
	require.Equal(t, 409, w.Code)
	require.Empty(t, w.Header().Get("ETag"))
	require.JSONEq(t, `{"kind":"conflict","message":"taken","cure":"choose another","code":"conflict","description":"taken"}`, w.Body.String())
	w = httptest.NewRecorder()
	quiet.Error(w, r, errors.New("password=hunter2"))
	require.Equal(t, 500, w.Code)
	require.NotContains(t, w.Body.String(), "hunter2")
	w = httptest.NewRecorder()
	quiet.Error(w, r, fault.New(fault.Invalid, "no time: %s", strings.Repeat("é", 1<<20)))
	require.Equal(t, 400, w.Code)
	require.Less(t, w.Body.Len(), 3*maxMessage)
	w = httptest.NewRecorder()
	quiet.Document(w, r, 200, JSON, func() {})
	require.Equal(t, 500, w.Code, "what does not encode is an error")
}

func TestAddressesOfProxies(t *testing.T) {
	for _, c := range []struct{ host, proto, forwarded, prefix, want string }{
		{"h:1", "", "", "", "http://h:1"},
		{"h:1", "https", "eo.example.org, inner", "/a/b/", "https://eo.example.org/a/b"},
		{"h:1", "javascript", `evil"><script>`, "/a?b", "http://h:1"},
		{"h:1", "", "", "/a/../b", "http://h:1"},
		{"h:1", "", "[::1]:8080", "//evil", "http://[::1]:8080"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/x%20y?a=1", nil)
		r.Host = c.host
		for name, v := range map[string]string{"X-Forwarded-Proto": c.proto, "X-Forwarded-Host": c.forwarded, "X-Forwarded-Prefix": c.prefix} {
			if v != "" {
				r.Header.Set(name, v)
			}
		}
		require.Equal(t, c.want, Base(r))
		require.Equal(t, c.want+"/x%20y?a=1", Self(r))
	}
}

// BenchmarkBytes measures a page of 500 kB for those who ask for compression and those who do not.
func BenchmarkBytes(b *testing.B) {
	body := []byte(strings.Repeat(`{"type":"Feature","id":"S2A_31UFS_20200101","properties":{"eo:cloud_cover":12.5}},`, 6000))
	for _, accept := range []string{"", "gzip"} {
		b.Run("accept "+accept, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Accept-Encoding", accept)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				quiet.Bytes(discard{http.Header{}}, r, 200, JSON, body)
			}
		})
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) WriteHeader(int)             {}
func (discard) Write(p []byte) (int, error) { return len(p), nil }
