package stac

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
)

// kind is what an operation is to the catalog.
type kind int

const (
	look kind = iota
	sum
	change
)

// operation is one method of one path: how it is answered and what the OpenAPI document says of it.
type operation struct {
	method, path string
	id, summary  string
	kind         kind
	// takes are the parameters of the query that it knows, by their names in openapi.json.
	takes []string
	// sends is the schema of its body in openapi.json, and gives its answers beside those of errors.
	sends string
	gives []answer
	run   func(*api, http.ResponseWriter, *request) error
}

// answer is what an operation may answer: a status, a media type and the schema of the body; "" is no body.
type answer struct {
	status       int
	media, shape string
}

// route is a path with its operations by method.
type route struct {
	segments   []string
	operations map[string]*operation
	// allow lists its methods as the header Allow has them, and safe those that change nothing.
	allow, safe string
}

// newRoutes brings the table into the form that requests are matched with.
func newRoutes(table []operation) []route {
	var out []route
	at := map[string]int{}
	for _, op := range table {
		i, ok := at[op.path]
		if !ok {
			i = len(out)
			at[op.path] = i
			out = append(out, route{segments: strings.Split(op.path[1:], "/"), operations: map[string]*operation{}})
		}
		out[i].operations[op.method] = &op
	}
	for i := range out {
		var all, safe []string
		for method, op := range out[i].operations {
			all = append(all, method)
			if op.kind != change {
				safe = append(safe, method)
			}
		}
		out[i].allow, out[i].safe = methods(all), methods(safe)
	}
	return out
}

func methods(given []string) string {
	var out []string
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		if slices.Contains(given, m) || m == "HEAD" && slices.Contains(given, "GET") {
			out = append(out, m)
		}
	}
	return strings.Join(append(out, "OPTIONS"), ", ")
}

// featureID is the last segment of the paths of items.
const featureID = "{featureId}"

// find returns the route of a path that is still escaped, and the names in the path: the collection's and the
// item's. Who reads may leave the slashes of an item's id as they are: some clients take an address apart and unescape it. Who
// changes something names exactly what.
func (a *api) find(method, escaped string) (*route, [2]string) {
	given := strings.TrimPrefix(escaped, "/")
	reads := method == http.MethodGet || method == http.MethodHead
	for i := range a.routes {
		if names, ok := a.routes[i].match(given, reads); ok {
			return &a.routes[i], names
		}
	}
	return nil, [2]string{}
}

func (r *route) match(given string, slashes bool) (names [2]string, ok bool) {
	n := 0
	for i, want := range r.segments {
		segment, rest, more := strings.Cut(given, "/")
		if want == featureID && slashes && !strings.HasSuffix(given, "/") {
			segment, more = given, false
		}
		if more != (i < len(r.segments)-1) {
			return names, false
		}
		given = rest
		if want == "" || want[0] != '{' {
			if segment != want {
				return names, false
			}
			continue
		}
		name := segment
		if strings.IndexByte(segment, '%') >= 0 {
			var err error
			if name, err = url.PathUnescape(segment); err != nil {
				return names, false
			}
		}
		if name == "" || catalog.CheckName(name) != nil {
			return names, false
		}
		names[n], n = name, n+1
	}
	return names, true
}
