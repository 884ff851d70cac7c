// Package zarr shows every branch, tag and snapshot of every cube as plain, read-only Zarr v3 over
// HTTP, for tools that read Zarr and not Icechunk:
//
//	/zarr/                          the cubes
//	/zarr/CUBE/                     its branches and tags
//	/zarr/CUBE/REF/…/zarr.json      a group or an array; a group brings exact consolidated metadata
//	/zarr/CUBE/REF/ARRAY/c/0/0/1/2  the stored bytes of a chunk, whole or in ranges
//
// REF is a branch, a tag with its slashes as %2F, or @ and a snapshot's id. The package owns these
// URLs, their caching and their status codes, and refuses every method that would write. It decodes
// no chunk and opens no path: a request names nodes and chunks of one snapshot and nothing else.
//
// The invariant: 404 below an array says that its chunk is absent, which readers take for fill; a chunk
// that exists and cannot be read is another status or a broken connection, never a 404.
package zarr

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
)

// Prefix is where the view stands.
const Prefix = "/zarr"

// Config is what the view shows.
type Config struct {
	// Cubes lists the names of the cubes.
	Cubes func(ctx context.Context) ([]string, error)
	// Cube opens the repository of a cube; fault.NotFound and fault.Invalid say that there is none. For
	// one cube it returns the same repository as long as that is open.
	Cube func(ctx context.Context, name string) (*icechunk.Repo, error)
	// Log takes errors whose text is not for callers; nil means the default logger.
	Log *slog.Logger
}

// view is the handler. It keeps what never changes: pinned names and consolidated documents.
type view struct {
	Config
	now func() time.Time

	mu   sync.Mutex
	pins map[pinKey]pin
	docs documents
}

// New returns the handler of Prefix and everything below it.
func New(cfg Config) http.Handler {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &view{Config: cfg, now: time.Now, pins: map[pinKey]pin{}, docs: documents{budget: documentBytes}}
}

// ServeHTTP answers one request.
func (v *view) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "ETag, Accept-Ranges, Content-Range, Content-Length, "+snapshotHeader)
	h.Set("X-Content-Type-Options", "nosniff")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		h.Set("Allow", methods)
		h.Set("Access-Control-Allow-Methods", methods)
		h.Set("Access-Control-Allow-Headers", "Accept, Authorization, Cache-Control, If-Match, If-None-Match, If-Range, Range")
		h.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		h.Set("Allow", methods)
		v.refuse(w, http.StatusMethodNotAllowed, fault.New(fault.Invalid, "%s is not for this view, which only reads", r.Method).
			WithCure("write with `terrapin ingest`, or with the official icechunk library to the repository itself"))
		return
	}
	if err := v.answer(w, r); err != nil {
		v.fail(w, r, err)
	}
}

const (
	methods = "GET, HEAD, OPTIONS"
	// snapshotHeader names the snapshot that an answer was taken from.
	snapshotHeader = "Terrapin-Snapshot"
	forever        = "public, max-age=31536000, immutable"
	revalidate     = "no-cache"
	// maxDepth is more than any node's path and chunk key have together.
	maxDepth = 100
)

// answer finds what a URL names: a listing, or a node or chunk of a snapshot.
func (v *view) answer(w http.ResponseWriter, r *http.Request) error {
	names, folder, err := segments(r.URL)
	if err != nil {
		return err
	}
	switch {
	case len(names) == 0:
		return v.listCubes(w, r, folder)
	case len(names) == 1:
		return v.listRefs(w, r, names[0], folder)
	}
	repo, err := v.open(r.Context(), names[0])
	if err != nil {
		return err
	}
	at, err := v.resolve(r.Context(), repo, names[0], names[1])
	if err != nil {
		return err
	}
	snapshot, err := repo.Snapshot(r.Context(), at.id)
	if err != nil {
		return err
	}
	w.Header().Set(snapshotHeader, at.id.String())
	w.Header().Set("Cache-Control", revalidate)
	if at.pinned {
		w.Header().Set("Cache-Control", forever)
	}
	p := &place{view: v, repo: repo, snapshot: snapshot, cube: names[0], ref: names[1], pinned: at.pinned}
	return p.serve(w, r, names[2:], folder)
}

// place is a snapshot that a URL named.
type place struct {
	*view
	repo      *icechunk.Repo
	snapshot  *icechunk.Snapshot
	cube, ref string
	pinned    bool
}

func (p *place) serve(w http.ResponseWriter, r *http.Request, names []string, folder bool) error {
	if n := len(names); n > 0 && names[n-1] == "zarr.json" && !folder {
		node, ok := p.snapshot.Node("/" + strings.Join(names[:n-1], "/"))
		if !ok {
			return p.missing(r)
		}
		return p.metadata(w, r, node)
	}
	if node, ok := p.snapshot.Node("/" + strings.Join(names, "/")); ok {
		return p.listNode(w, r, node, folder)
	}
	for n := len(names) - 1; n > 0 && !folder; n-- {
		if node, ok := p.snapshot.Node("/" + strings.Join(names[:n], "/")); ok {
			if node.Array == nil {
				break
			}
			return p.chunk(w, r, node, names[n:])
		}
	}
	return p.missing(r)
}

// missing is the answer for a name that the snapshot does not have. It is as lasting as the snapshot.
func (p *place) missing(r *http.Request) error {
	return &absent{fault.New(fault.NotFound, "snapshot %s of cube %q has nothing at %s", p.snapshot.ID(), p.cube, r.URL.Path).
		WithCure("see %s for what it has", home(p.cube, p.ref))}
}

// segments cuts a URL's path below Prefix into names, each decoded by itself, so that %2F is part of
// a name. folder says that it ends in a slash.
func segments(u *url.URL) (names []string, folder bool, err error) {
	path := strings.TrimPrefix(u.EscapedPath(), Prefix)
	path, folder = strings.CutSuffix(path, "/")
	if path == "" {
		return nil, folder, nil
	}
	bad := fault.New(fault.NotFound, "there is nothing at %s", u.Path).WithCure("begin at %s/", Prefix)
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(parts) > maxDepth {
		return nil, false, bad
	}
	for i, part := range parts {
		name, err := url.PathUnescape(part)
		// Only a ref may have slashes of its own.
		if err != nil || name == "" || name == "." || name == ".." || i != 1 && strings.Contains(name, "/") {
			return nil, false, bad
		}
		names = append(names, name)
	}
	return names, folder, nil
}

func (v *view) open(ctx context.Context, name string) (*icechunk.Repo, error) {
	repo, err := v.Cube(ctx, name)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		return nil, fault.New(fault.NotFound, "there is no cube %q", name).WithCure("see %s/ for those there are", Prefix)
	}
	return repo, err
}
