package http

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func TestRoutesAreFew(t *testing.T) {
	for path, want := range map[string]string{
		"/": "/", "": "/", "/search": "/search", "/collections": "/collections", "/collections/": "/collections",
		"/collections/a": "/collections/{collection}", "/collections/a/items": "/collections/{collection}/items", "/collections/a/items/b": "/collections/{collection}/items/{item}",
		"/collections/a/items.parquet": "/collections/{collection}/items.parquet", "/collections/a/queryables": "/collections/{collection}/queryables",
		"/collections/a/secret": "other", "/collections/a/items/b/c": "other", "/secret": "other", "/search/secret": "other",
		"/assets/cubes/x": "/assets/*", "/zarr/s2/main/zarr.json": "/zarr/*", "/v1/server": "/v1/server", "/v1/verbs/cube.create": "/v1/verbs/{verb}", "/v1/secret": "/v1/verbs/{verb}",
	} {
		require.Equal(t, want, route(path), path)
	}
}

func TestRequestsAreCounted(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m := NewMetrics(reg)
	h := m.Count(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.InDelta(t, 1, testutil.ToFloat64(m.inside), 0)
		if r.URL.Path == "/search" {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "x")
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/collections/private-name?token=private", nil))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("BREW", "/", nil))
	require.Panics(t, func() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/search", nil))
	})
	require.InDelta(t, 1, testutil.ToFloat64(m.requests.WithLabelValues("/collections/{collection}", "GET", "418")), 0)
	require.InDelta(t, 1, testutil.ToFloat64(m.requests.WithLabelValues("/", "other", "418")), 0)
	require.InDelta(t, 0, testutil.ToFloat64(m.inside), 0)
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		require.NotContains(t, f.String(), "private")
	}
}
