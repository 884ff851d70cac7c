package http

import (
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/origin"
)

// access logs one line per request.
func (s *server) access(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() { // also of an answer that is broken off
			s.Config.Log.InfoContext(r.Context(), "request", "method", r.Method, "path", r.URL.Path, "query", r.URL.RawQuery,
				"status", ww.Status(), "bytes", ww.BytesWritten(), "ms", time.Since(begin).Milliseconds(),
				"actor", origin.Actor(r), "remote", r.RemoteAddr)
		}()
		next.ServeHTTP(ww, r)
	})
}

// recovered answers a panic as an internal error.
func (s *server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler {
					panic(v)
				}
				s.Error(w, r, fault.New(fault.Internal, "panic: %v\n%s", v, debug.Stack()))
			}
		}()
		next.ServeHTTP(w, r)
	})
}
