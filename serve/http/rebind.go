package http

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// ownPage refuses a call that reached a loopback address under the name of another machine. A page
// whose name was made to lead to this machine calls so: to its browser the server is the page's own
// origin, so that it may set any header. What a proxy says of the name decides nothing here.
func ownPage(r *http.Request) error {
	at, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if at == nil || !loopback(at.String()) {
		return nil
	}
	if !loopback(r.Host) {
		return fault.New(fault.Invalid, "a verb for the host %q arrived at %s, which only this machine has", r.Host, at).
			WithCure("call it as http://%s", at)
	}
	for _, origin := range r.Header.Values("Origin") {
		if u, err := url.Parse(origin); err != nil || !loopback(u.Host) {
			return fault.New(fault.Invalid, "a page of the origin %q may not run verbs", origin).
				WithCure("run it from a program, or from a page of http://%s", at)
		}
	}
	return nil
}

// loopback says whether a host, with or without a port, is this machine's by its very name.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
