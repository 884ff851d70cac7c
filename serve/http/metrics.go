package http

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count requests:
//
//	terrapin_http_requests_total{route, method, status}
//	terrapin_http_request_seconds{route, method}
//	terrapin_http_requests_in_flight
//
// A route is the pattern of a path, such as /collections/{collection}/items/{item}: ids and queries are in no label.
type Metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inside   prometheus.Gauge
}

// NewMetrics registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "terrapin_http_requests_total", Help: "HTTP requests, by the pattern of their path and their status."},
			[]string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "terrapin_http_request_seconds", Help: "How long HTTP requests take, to the last byte of the answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}}, []string{"route", "method"}),
		inside: prometheus.NewGauge(prometheus.GaugeOpts{Name: "terrapin_http_requests_in_flight", Help: "HTTP requests that are being answered."}),
	}
	reg.MustRegister(m.requests, m.seconds, m.inside)
	return m
}

// Count counts what goes through to a handler.
func (m *Metrics) Count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		route, method := route(r.URL.Path), r.Method
		if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, method) {
			method = "other"
		}
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		m.inside.Inc()
		defer func() { // also of an answer that is broken off
			m.inside.Dec()
			m.requests.WithLabelValues(route, method, strconv.Itoa(ww.Status())).Inc()
			m.seconds.WithLabelValues(route, method).Observe(time.Since(begin).Seconds())
		}()
		next.ServeHTTP(ww, r)
	})
}

// words are the parts of paths that are no ids.
var words = []string{
	"search", "collections", "conformance", "api", "api.html", "queryables", "sortables", "aggregate", "aggregations", "children",
	"collection-queryables", "collection-sortables", "functions", "healthz", "readyz", "metrics", "items", "items.ndjson", "items.parquet", "bulk_items",
}

// route is the pattern of a path; there are few, whatever is asked for.
func route(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch parts[0] {
	case "":
		return "/"
	case "assets", "zarr":
		return "/" + parts[0] + "/*"
	case "v1":
		if len(parts) == 2 && parts[1] == "server" {
			return "/v1/server"
		}
		if len(parts) > 1 && (parts[1] == "runs" || parts[1] == "sessions") {
			return "/v1/" + parts[1] + "/*"
		}
		return "/v1/verbs/{verb}"
	}
	if !slices.Contains(words, parts[0]) {
		return "other"
	}
	out := "/" + parts[0]
	if len(parts) == 1 {
		return out
	}
	if parts[0] != "collections" || len(parts) > 4 && parts[2] != "items" { // ids of items may hold slashes
		return "other"
	}
	out += "/{collection}"
	if len(parts) > 2 {
		if !slices.Contains(words, parts[2]) {
			return "other"
		}
		out += "/" + parts[2]
	}
	if len(parts) > 3 {
		out += "/{item}"
	}
	return out
}
