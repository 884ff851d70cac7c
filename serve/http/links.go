package http

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

type link map[string]any

var (
	hostRE   = regexp.MustCompile(`^[A-Za-z0-9._-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$`)
	prefixRE = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)
)

// base is the address the client used, without a slash at the end: what a proxy says it was, else
// the request's own. What is no address is passed over.
func base(r *http.Request) string {
	scheme, host, prefix := "http", r.Host, ""
	if r.TLS != nil {
		scheme = "https"
	}
	if v := first(r, "X-Forwarded-Proto"); v == "http" || v == "https" {
		scheme = v
	}
	if v := first(r, "X-Forwarded-Host"); hostRE.MatchString(v) {
		host = v
	}
	if v := strings.TrimRight(first(r, "X-Forwarded-Prefix"), "/"); prefixRE.MatchString(v) && path.Clean(v) == v {
		prefix = v
	}
	return scheme + "://" + host + prefix
}

func first(r *http.Request, header string) string {
	v, _, _ := strings.Cut(r.Header.Get(header), ",")
	return strings.TrimSpace(v)
}

// self is the address of the request itself.
func self(r *http.Request) string {
	out := base(r) + r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		out += "?" + r.URL.RawQuery
	}
	return out
}

func rootLink(base string) link { return link{"rel": "root", "href": base + "/", "type": typeJSON} }

func collectionURL(base, id string) string { return base + "/collections/" + url.PathEscape(id) }

func itemURL(base, collection, id string) string {
	return collectionURL(base, collection) + "/items/" + url.PathEscape(id)
}

// served are the relations that whoever serves a document puts in.
var served = []string{"self", "root", "parent", "collection", "items"}

// present turns a stored document into the one that is served: relative hrefs become absolute, and
// the given links come first.
func present(doc json.RawMessage, base string, own ...link) (map[string]any, error) {
	var out map[string]any
	dec := json.NewDecoder(strings.NewReader(string(doc)))
	dec.UseNumber()
	if err := dec.Decode(&out); err != nil {
		return nil, fault.New(fault.Internal, "a stored document does not decode: %w", err)
	}
	links := own
	stored, _ := out["links"].([]any)
	for _, l := range stored {
		if l, ok := l.(map[string]any); ok {
			if rel, _ := l["rel"].(string); !slices.Contains(served, rel) {
				links = append(links, absolute(l, base))
			}
		}
	}
	out["links"] = links
	assets, _ := out["assets"].(map[string]any)
	for _, a := range assets {
		if a, ok := a.(map[string]any); ok {
			absolute(a, base)
		}
	}
	return out, nil
}

// absolute puts the base before an href that has no address of its own.
func absolute(o map[string]any, base string) link {
	href, _ := o["href"].(string)
	if relative, ok := strings.CutPrefix(href, "\x00"); ok { // as catalog marks them
		o["href"] = base + "/" + relative
	}
	return o
}

func presentCollection(doc json.RawMessage, base string) (map[string]any, error) {
	var in struct{ ID string }
	if err := json.Unmarshal(doc, &in); err != nil {
		return nil, fault.New(fault.Internal, "a stored collection does not decode: %w", err)
	}
	at := collectionURL(base, in.ID)
	return present(doc, base,
		link{"rel": "self", "href": at, "type": typeJSON}, rootLink(base),
		link{"rel": "parent", "href": base + "/", "type": typeJSON},
		link{"rel": "items", "href": at + "/items", "type": typeGeoJSON})
}

func presentItem(doc json.RawMessage, base string) (map[string]any, error) {
	var in struct{ ID, Collection string }
	if err := json.Unmarshal(doc, &in); err != nil {
		return nil, fault.New(fault.Internal, "a stored item does not decode: %w", err)
	}
	of := collectionURL(base, in.Collection)
	return present(doc, base,
		link{"rel": "self", "href": itemURL(base, in.Collection, in.ID), "type": typeGeoJSON}, rootLink(base),
		link{"rel": "parent", "href": of, "type": typeJSON}, link{"rel": "collection", "href": of, "type": typeJSON})
}
