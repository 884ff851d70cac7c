package http

import (
	"bytes"
	"encoding/json"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"

	"github.com/terrapin-eo/terrapin/fault"
)

// Media types.
const (
	typeJSON    = "application/json"
	typeGeoJSON = "application/geo+json"
	typeOpenAPI = "application/vnd.oai.openapi+json;version=3.0"
	typeHTML    = "text/html; charset=utf-8"
)

func (s *server) write(w http.ResponseWriter, r *http.Request, status int, mediaType string, doc any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		s.fail(w, r, fault.New(fault.Internal, "write the answer: %w", err))
		return
	}
	s.writeBytes(w, r, status, mediaType, body.Bytes())
}

func (s *server) writeBytes(w http.ResponseWriter, r *http.Request, status int, mediaType string, body []byte) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		s.Log.DebugContext(r.Context(), "answer not taken", "path", r.URL.Path, "err", err)
	}
}

// failure is the document of an error: code and description as OGC API and STAC clients read it, kind
// and message as ours do.
func failure(kind, message, cure string) map[string]string {
	doc := map[string]string{"code": kind, "description": message, "kind": kind, "message": message}
	if cure != "" {
		doc["cure"] = cure
	}
	return doc
}

// fail answers with an error. The text of an internal one stays in the log.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	kind, message, cure := fault.KindOf(err), err.Error(), fault.CureOf(err)
	if kind == fault.Internal {
		id := uuid.NewString()
		s.Log.ErrorContext(r.Context(), "internal error", "id", id, "method", r.Method, "path", r.URL.Path, "err", err)
		message, cure = "internal error "+id, "the server's log tells more under that id"
	}
	s.write(w, r, kind.HTTP(), typeJSON, failure(kind.String(), message, cure))
}

// access logs one line per request.
func (s *server) access(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(ww, r)
		s.Log.InfoContext(r.Context(), "request", "method", r.Method, "path", r.URL.Path, "query", r.URL.RawQuery,
			"status", ww.Status(), "bytes", ww.BytesWritten(), "ms", time.Since(begin).Milliseconds(),
			"actor", r.Header.Get(actorHeader), "remote", r.RemoteAddr)
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
				s.fail(w, r, fault.New(fault.Internal, "panic: %v\n%s", v, debug.Stack()))
			}
		}()
		next.ServeHTTP(w, r)
	})
}
