// Package origin tells the requests that may change something from those that a page of somebody else's made a
// browser send, and says who calls. It owns the rule for servers that only their own machine reaches, which have no
// access control yet; it refuses what breaks that rule and decides nothing about reading. The invariant: on a loopback
// address nothing changes for a page of another origin, whatever name it has given this machine.
package origin

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// Header names who calls. Nobody checks it until there is access control.
const Header = "Terrapin-Actor"

// Actor is who says to be calling, or "".
func Actor(r *http.Request) string { return strings.TrimSpace(r.Header.Get(Header)) }

// Check refuses a change that reached a loopback address under the name of another machine, or from a page of
// another origin. A page whose name was made to lead to this machine calls so: to its browser the server is the
// page's own origin, so that it may set any header. What a proxy says of the name decides nothing here. what
// names the change, such as "a verb".
func Check(r *http.Request, what string) error {
	at, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if at == nil || !loopback(at.String()) {
		return nil
	}
	if !loopback(r.Host) {
		return fault.New(fault.Invalid, "%s for the host %q arrived at %s, which only this machine has", what, r.Host, at).
			WithCure("call it as http://%s", at)
	}
	for _, from := range r.Header.Values("Origin") {
		if u, err := url.Parse(from); err != nil || !loopback(u.Host) {
			return fault.New(fault.Invalid, "a page of the origin %q may not send %s", from, what).
				WithCure("send it from a program, or from a page of http://%s", at)
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
