package zarr

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/terrapin-eo/terrapin/fault"
)

// absent is a NotFound that lasts as long as the snapshot does.
type absent struct{ error }

// Unwrap gives the error, so that its kind is found.
func (a *absent) Unwrap() error { return a.error }

// fail answers with an error. The text of an internal one stays in the log. Nothing but absence may be
// kept by caches.
func (v *view) fail(w http.ResponseWriter, r *http.Request, err error) {
	disown(w.Header())
	var gone *absent
	if !errors.As(err, &gone) {
		w.Header().Set("Cache-Control", "no-store")
	}
	if fault.KindOf(err) == fault.Internal {
		id := uuid.NewString()
		v.Log.ErrorContext(r.Context(), "internal error", "id", id, "method", r.Method, "path", r.URL.Path, "err", err)
		err = fault.New(fault.Internal, "internal error %s", id).WithCure("the server's log tells more under that id")
	}
	v.refuse(w, fault.KindOf(err).HTTP(), err)
}

// disown removes what was said of the thing asked for and does not hold for another answer.
func disown(h http.Header) {
	for _, name := range []string{"ETag", "Content-Length", "Accept-Ranges", "Content-Range"} {
		h.Del(name)
	}
}

// refuse writes the document of an error, with the members that the rest of the API gives it.
func (v *view) refuse(w http.ResponseWriter, status int, err error) {
	kind := fault.KindOf(err).String()
	doc := map[string]string{"code": kind, "description": err.Error(), "kind": kind, "message": err.Error()}
	if cure := fault.CureOf(err); cure != "" {
		doc["cure"] = cure
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(doc); err != nil {
		v.Log.Debug("answer not taken", "err", err)
	}
}

// serveContent serves a body whole or in ranges, after its conditions. What fails before a byte was sent
// is returned; after that the connection breaks, so that no reader takes a part for the whole.
func serveContent(w http.ResponseWriter, r *http.Request, body io.ReadSeeker) error {
	if given := r.Header.Get("Range"); given != "" {
		unit, ranges, _ := strings.Cut(given, "=")
		if !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
			r.Header.Del("Range") // a unit that is not known is passed over
		} else {
			r.Header.Set("Range", "bytes="+ranges)
		}
	}
	from := &watched{ReadSeeker: body}
	to := &held{ResponseWriter: w}
	http.ServeContent(to, r, "", never, from)
	switch {
	case from.err == nil:
		to.send()
		return nil
	case !to.sent:
		return from.err
	}
	panic(http.ErrAbortHandler)
}

// watched remembers why a body could not be read.
type watched struct {
	io.ReadSeeker
	err error
}

func (b *watched) Read(p []byte) (int, error) {
	n, err := b.ReadSeeker.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// held keeps the status back until there is a body to follow it.
type held struct {
	http.ResponseWriter
	status int
	sent   bool
}

// WriteHeader keeps the status.
func (h *held) WriteHeader(status int) { h.status = status }

func (h *held) Write(p []byte) (int, error) {
	h.send()
	return h.ResponseWriter.Write(p)
}

func (h *held) send() {
	if !h.sent && h.status != 0 {
		h.ResponseWriter.WriteHeader(h.status)
	}
	h.sent = true
}
