package reply

import "net/http"

// Share lets pages of any origin read the answer and the headers that clients need.
func Share(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h["Access-Control-Allow-Origin"] = anyOrigin
	h["Access-Control-Expose-Headers"] = exposed
}

var (
	anyOrigin = []string{"*"}
	exposed   = []string{"Link, ETag, Allow, Content-Crs, Location, Content-Range, Accept-Ranges, Content-Length, Content-Language, Retry-After"}
)

// Preflight answers OPTIONS: the methods that the path has, and those of them that the page may send.
func Preflight(w http.ResponseWriter, has, may string) {
	h := w.Header()
	h.Set("Allow", has)
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", may)
		h.Set("Access-Control-Allow-Headers", "Accept, Accept-Language, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Range, Terrapin-Actor")
		h.Set("Access-Control-Max-Age", "86400")
	}
	w.WriteHeader(http.StatusNoContent)
}
