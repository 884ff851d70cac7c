package http

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

func TestRoutesAreFew(t *testing.T) {
	for path, want := range map[string]string{
		"/": "/", "": "/", "/search": "/search", "/collections": "/collections", "/collections/": "/collections",
		"/collections/a": "/collections/{collection}", "/collections/a/items": "/collections/{collection}/items", "/collections/a/items/b": "/collections/{collection}/items/{item}",
		"/collections/a/items.parquet": "/collections/{collection}/items.parquet", "/collections/a/queryables": "/collections/{collection}/queryables",
		"/collections/a/secret": "other", "/collections/a/items/b/c/d": "/collections/{collection}/items/{item}", "/collections/a/queryables/b/c": "other", "/secret": "other", "/search/secret": "other",
		"/assets/cubes/x": "/assets/*", "/zarr/s2/main/zarr.json": "/zarr/*", "/v1/server": "/v1/server", "/v1/verbs/cube.create": "/v1/verbs/{verb}", "/v1/runs/r1": "/v1/runs/*", "/v1/sessions/a/acknowledge": "/v1/sessions/*", "/v1/secret": "/v1/verbs/{verb}",
	} {
		require.Equal(t, want, route(path), path)
	}
}

// Every path that the API's description names has a route of its own.
func TestEveryOperationHasARoute(t *testing.T) {
	f := start(t, nil)
	routes := map[string]string{}
	gjson.GetBytes(f.get(t, "/api").body, "paths").ForEach(func(path, _ gjson.Result) bool {
		got := route(regexp.MustCompile(`{[^}]*}`).ReplaceAllString(path.Str, "some-id"))
		require.NotEqual(t, "other", got, path.Str)
		require.NotContains(t, got, "some-id")
		require.NotContains(t, routes, got, "%s and %s", path.Str, routes[got])
		routes[got] = path.Str
		return true
	})
	require.Greater(t, len(routes), 15)
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
