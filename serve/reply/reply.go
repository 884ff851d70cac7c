// Package reply is how HTTP handlers of this server answer: documents with their media type, errors with kind,
// message and cure, compressed bodies, and the address that the client knows the server by. It owns the form of an
// error and the headers that every answer has; it refuses to let the text of an internal error out. The
// invariants: an answer is written in one piece, with its length; what carries an ETag is never compressed, so
// that one tag stands for one sequence of bytes.
package reply

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/terrapin-eo/terrapin/fault"
)

// Media types.
const (
	JSON    = "application/json"
	GeoJSON = "application/geo+json"
	Schema  = "application/schema+json"
	OpenAPI = "application/vnd.oai.openapi+json;version=3.0"
	HTML    = "text/html; charset=utf-8"
)

// Writer answers requests. Its log takes what clients are not told.
type Writer struct{ Log *slog.Logger }

// Document answers with a document as JSON.
func (a Writer) Document(w http.ResponseWriter, r *http.Request, status int, mediaType string, doc any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		a.Error(w, r, fault.New(fault.Internal, "write the answer: %w", err))
		return
	}
	a.Bytes(w, r, status, mediaType, body.Bytes())
}

// Bytes answers with a body. The caller may use its memory again afterwards.
func (a Writer) Bytes(w http.ResponseWriter, r *http.Request, status int, mediaType string, body []byte) {
	h := w.Header()
	h["Content-Type"] = []string{mediaType}
	h["X-Content-Type-Options"] = nosniff
	if len(body) >= worthwhile && h.Get("ETag") == "" {
		h.Add("Vary", "Accept-Encoding")
		if takesGzip(r.Header.Values("Accept-Encoding")) {
			squeezed := squeeze(body)
			defer pressed.Put(squeezed)
			h.Set("Content-Encoding", "gzip")
			body = squeezed.Bytes()
		}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if _, err := w.Write(body); err != nil {
		a.Log.DebugContext(r.Context(), "answer not taken", "path", r.URL.Path, "err", err)
	}
}

var nosniff = []string{"nosniff"}

// Failure is the document of an error: code and description as OGC API and STAC clients read it, kind and message
// as ours do.
func Failure(kind, message, cure string) map[string]string {
	doc := map[string]string{"code": kind, "description": message, "kind": kind, "message": message}
	if cure != "" {
		doc["cure"] = cure
	}
	return doc
}

// maxMessage bounds the message of an error, in bytes.
const maxMessage = 2000

// Told is what a client is told of an error: its kind, message and cure. The text of an internal one stays in the log,
// with what else is known of the request.
func (a Writer) Told(ctx context.Context, err error, known ...any) (kind, message, cure string) {
	kind, message, cure = fault.KindOf(err).String(), err.Error(), fault.CureOf(err)
	if fault.KindOf(err) == fault.Internal {
		id := uuid.NewString()
		a.Log.ErrorContext(ctx, "internal error", append([]any{"id", id, "err", err}, known...)...)
		message, cure = "internal error "+id, "the server's log tells more under that id"
	}
	if len(message) > maxMessage { // what was sent need not come back whole
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}
	return kind, message, cure
}

// Error answers with an error. The text of an internal one stays in the log.
func (a Writer) Error(w http.ResponseWriter, r *http.Request, err error) {
	a.ErrorAs(w, r, fault.KindOf(err).HTTP(), err)
}

// ErrorAs answers with an error and another status than its kind has.
func (a Writer) ErrorAs(w http.ResponseWriter, r *http.Request, status int, err error) {
	kind, message, cure := a.Told(r.Context(), err, "method", r.Method, "path", r.URL.Path)
	for _, header := range []string{"ETag", "Last-Modified", "Cache-Control", "Location"} {
		w.Header().Del(header) // of what would have been answered
	}
	a.Document(w, r, status, JSON, Failure(kind, message, cure))
}

// Handler makes a handler of a function that answers, or returns an error to be answered.
func (a Writer) Handler(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			a.Error(w, r, err)
		}
	}
}
