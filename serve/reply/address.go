package reply

import (
	"net/http"
	"path"
	"regexp"
	"strings"
)

var (
	hostRE   = regexp.MustCompile(`^[A-Za-z0-9._-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$`)
	prefixRE = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)
)

// Base is the address the client used, without a slash at the end: what a proxy says it was, else the request's
// own. What is no address is passed over.
func Base(r *http.Request) string {
	scheme, host, prefix := "http", r.Host, ""
	if r.TLS != nil {
		scheme = "https"
	}
	if v := first(r, "X-Forwarded-Proto"); v == "http" || v == "https" {
		scheme = v
	}
	if v := first(r, "X-Forwarded-Host"); v != "" && hostRE.MatchString(v) {
		host = v
	}
	if v := strings.TrimRight(first(r, "X-Forwarded-Prefix"), "/"); v != "" && prefixRE.MatchString(v) && path.Clean(v) == v {
		prefix = v
	}
	return scheme + "://" + host + prefix
}

func first(r *http.Request, header string) string {
	v, _, _ := strings.Cut(r.Header.Get(header), ",")
	return strings.TrimSpace(v)
}

// Self is the address of the request itself.
func Self(r *http.Request) string {
	out := Base(r) + r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		out += "?" + r.URL.RawQuery
	}
	return out
}
