package zarr

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
)

//go:embed listing.html
var pageText string

var page = template.Must(template.New("listing").Parse(pageText))

// Listing is what stands at the URL of a folder: a page with links, which fsspec follows too, or this
// document where JSON is asked for.
type Listing struct {
	// Title says what the folder is, such as "cube s2".
	Title string `json:"title"`
	// Snapshot is the id of the snapshot shown; Pinned is its lasting address, relative to the server.
	Snapshot string  `json:"snapshot,omitempty"`
	Pinned   string  `json:"pinned,omitempty"`
	Entries  []Entry `json:"entries"`
	// Index is the title by which GDAL knows the page for a complete list of the folder. Only groups have
	// one: GDAL takes what such a list leaves out for absent, and an array's chunks are not listed.
	Index string `json:"-"`
	// Node is "group" or "array" inside of a snapshot.
	Node  string   `json:"node_type,omitempty"`
	Shape []uint64 `json:"shape,omitempty"`
	Dims  []string `json:"dimension_names,omitempty"`
}

// Entry is a line of a listing. Href is relative to the folder.
type Entry struct {
	Name string `json:"name"`
	Href string `json:"href"`
	// Kind is "cube", "branch", "tag", "group", "array" or "metadata".
	Kind     string   `json:"kind"`
	Snapshot string   `json:"snapshot,omitempty"`
	Shape    []uint64 `json:"shape,omitempty"`
}

func (v *view) listCubes(w http.ResponseWriter, r *http.Request, folder bool) error {
	names, err := v.Cubes(r.Context())
	if err != nil {
		return err
	}
	l := Listing{Title: "Cubes as Zarr", Entries: []Entry{}}
	for _, name := range names {
		l.Entries = append(l.Entries, Entry{Name: name, Href: "./" + url.PathEscape(name) + "/", Kind: "cube"})
	}
	return writeListing(w, r, folder, l)
}

func (v *view) listRefs(w http.ResponseWriter, r *http.Request, cube string, folder bool) error {
	repo, err := v.open(r.Context(), cube)
	if err != nil {
		return err
	}
	l := Listing{Title: "Cube " + cube, Entries: []Entry{}}
	for _, kind := range []struct {
		name string
		read func() (map[string]icechunk.ID, error)
	}{
		{"branch", func() (map[string]icechunk.ID, error) { return repo.Branches(r.Context()) }},
		{"tag", func() (map[string]icechunk.ID, error) { return repo.Tags(r.Context()) }},
	} {
		refs, err := kind.read()
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(refs)) {
			l.Entries = append(l.Entries, Entry{Name: name, Href: "./" + url.PathEscape(name) + "/", Kind: kind.name, Snapshot: refs[name].String()})
		}
	}
	return writeListing(w, r, folder, l)
}

// listNode lists a group's children; an array has nothing but its metadata to list.
func (p *place) listNode(w http.ResponseWriter, r *http.Request, node icechunk.Node, folder bool) error {
	w.Header().Set("Cache-Control", revalidate) // the page, unlike the data, may look different in another release
	id := p.snapshot.ID().String()
	l := Listing{
		Title: p.cube + " " + p.ref + " " + node.Path, Snapshot: id, Node: "group",
		Pinned:  home(p.cube, "@"+id) + strings.TrimPrefix((&url.URL{Path: strings.TrimSuffix(node.Path, "/") + "/"}).EscapedPath(), "/"),
		Entries: []Entry{{Name: "zarr.json", Href: "./zarr.json", Kind: "metadata"}},
	}
	if node.Array != nil {
		l.Node, l.Shape, l.Dims = "array", node.Array.Shape, node.Array.Dims
		return writeListing(w, r, folder, l)
	}
	l.Index = "Index of " + strings.TrimSuffix(r.URL.EscapedPath(), "/")
	for _, child := range p.snapshot.Nodes() {
		name, inside := descendant(node.Path, child.Path)
		if !inside || strings.Contains(name, "/") {
			continue
		}
		e := Entry{Name: name, Href: "./" + url.PathEscape(name) + "/", Kind: "group"}
		if child.Array != nil {
			e.Kind, e.Shape = "array", child.Array.Shape
		}
		l.Entries = append(l.Entries, e)
	}
	return writeListing(w, r, folder, l)
}

// writeListing answers with a listing; a folder without the slash at its end is redirected, for its links are relative.
func writeListing(w http.ResponseWriter, r *http.Request, folder bool, l Listing) error {
	if !folder {
		path := r.URL.EscapedPath()
		w.Header().Set("Location", "./"+path[strings.LastIndexByte(path, '/')+1:]+"/") // relative, so that it holds behind a proxy
		w.WriteHeader(http.StatusPermanentRedirect)
		return nil
	}
	h := w.Header()
	h.Set("Vary", "Accept")
	h.Set("Cache-Control", revalidate)
	var body bytes.Buffer
	accept := r.Header.Get("Accept")
	if strings.Contains(accept, "json") && !strings.Contains(accept, "text/html") {
		h.Set("Content-Type", "application/json")
		enc := json.NewEncoder(&body)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(l); err != nil {
			return fault.New(fault.Internal, "list %s: %w", l.Title, err)
		}
	} else {
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		if err := page.Execute(&body, l); err != nil {
			return fault.New(fault.Internal, "list %s: %w", l.Title, err)
		}
	}
	h.Set("ETag", digestTag(body.Bytes()))
	return serveContent(w, r, bytes.NewReader(body.Bytes()))
}
