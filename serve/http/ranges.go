package http

import (
	"io"
	"net/http"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// serveRanges serves an object whole or in ranges of bytes. Other units are passed over, as RFC 9110
// wants it, and a range that the object does not have is refused as everything else is.
func (s *server) serveRanges(w http.ResponseWriter, r *http.Request, info store.Info, body io.ReadSeeker) {
	if given := r.Header.Get("Range"); given != "" {
		unit, ranges, _ := strings.Cut(given, "=")
		if strings.EqualFold(strings.TrimSpace(unit), "bytes") {
			r.Header.Set("Range", "bytes="+ranges)
		} else {
			r.Header.Del("Range")
		}
	}
	given := r.Header.Get("Range")
	held := &rangeWriter{ResponseWriter: w}
	http.ServeContent(held, r, "", info.Modified, body)
	if !held.refused {
		return
	}
	w.Header().Del("Content-Length") // of the object, not of this answer
	s.ErrorAs(w, r, http.StatusRequestedRangeNotSatisfiable, fault.New(fault.Invalid, "there is no %s in %s", given, info.Key).
		WithCure("ask for ranges of bytes such as bytes=0-99 inside of the size that Content-Range says"))
}

// rangeWriter holds the answer to a range that cannot be had back.
type rangeWriter struct {
	http.ResponseWriter
	refused bool
}

func (w *rangeWriter) WriteHeader(status int) {
	if w.refused = status == http.StatusRequestedRangeNotSatisfiable; !w.refused {
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *rangeWriter) Write(p []byte) (int, error) {
	if w.refused {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}
