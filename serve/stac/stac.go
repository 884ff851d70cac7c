// Package stac is the STAC API, with OGC API Features and the extensions of both, over any catalog. It owns the
// URLs, parameters and documents of the API, and its one table of operations, from which requests are answered and
// the OpenAPI document is made; it refuses parameters it does not know, documents that are no STAC, and names that
// the bucket decides. It knows no database, and fetches nothing that a document points to. The invariants: every link
// leads back under the address that the client used; stored documents go out as copies of their bytes; what is
// advertised as conforming is what the table offers.
package stac

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/origin"
	"github.com/terrapin-eo/terrapin/serve/reply"
)

// Config is what the API needs.
type Config struct {
	Catalog catalog.Catalog
	// Log takes a line for every write; nil means the default logger.
	Log *slog.Logger
	// Title and Description head the API; both have defaults.
	Title, Description string
	Timeouts           Timeouts
	// MaxPosted bounds the body of a write in bytes; 0 means 64 MiB.
	MaxPosted int64
	// TempDir is where an export waits for being whole; "" is the system's.
	TempDir string
	// Operations are those that whoever mounts the API answers itself, as an OpenAPI document that has only
	// paths. They are listed with the API's own.
	Operations []byte
}

// Timeouts bound how long the catalog works on a request. Zero ones have defaults.
type Timeouts struct {
	// Search is for pages and single documents: 15 s.
	Search time.Duration
	// Sum is for aggregations, and for each page of an export: 60 s.
	Sum time.Duration
	// Write is for changes: 30 s.
	Write time.Duration
}

type api struct {
	Config
	reply.Writer
	routes  []route
	spec    spec
	answers replies
	// tables holds a place for every table that is being written.
	tables chan struct{}
	// scope says what the caller may see.
	scope func(*http.Request) catalog.Scope
}

// New returns the handler of the API.
func New(cfg Config) http.Handler {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Title == "" {
		cfg.Title = "Terrapin"
	}
	if cfg.Description == "" {
		cfg.Description = "Data cubes, labels, dataset versions, models and predictions, as a STAC API."
	}
	if cfg.MaxPosted == 0 {
		cfg.MaxPosted = 64 << 20
	}
	for at, standard := range map[*time.Duration]time.Duration{
		&cfg.Timeouts.Search: 15 * time.Second, &cfg.Timeouts.Sum: 60 * time.Second, &cfg.Timeouts.Write: 30 * time.Second,
	} {
		if *at == 0 {
			*at = standard
		}
	}
	a := &api{
		Config: cfg, Writer: reply.Writer{Log: cfg.Log}, routes: newRoutes(operations()), tables: make(chan struct{}, maxTables),
		scope: func(*http.Request) catalog.Scope { return catalog.Everything() },
	}
	a.spec = newSpec(operations(), cfg)
	return a
}

// request is a request at an operation of the table.
type request struct {
	*http.Request
	// at is the address that the client used for the root, without a slash at its end.
	at string
	// given are the query's parameters, each one that the operation takes and once.
	given url.Values
	// collection and item are those of the path.
	collection, item string
	// client is the context of the whole request, which has no deadline; that of Request has the operation's.
	client context.Context
}

var english = []string{"en"}

// ServeHTTP finds the operation and runs it, in the time that its kind has.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reply.Share(w, r)
	w.Header()["Content-Language"] = english
	found, names := a.find(r.Method, r.URL.EscapedPath())
	if found == nil {
		a.Error(w, r, fault.New(fault.NotFound, "there is nothing at %s", r.URL.Path).WithCure("begin at the landing page, /"))
		return
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	op := found.operations[method]
	if op == nil {
		if method == http.MethodOptions {
			a.preflight(w, r, found)
			return
		}
		w.Header().Set("Allow", found.allow)
		a.ErrorAs(w, r, http.StatusMethodNotAllowed, fault.New(fault.Invalid, "%s is not for %s", r.Method, r.URL.Path).WithCure("use %s; /api tells of each", found.allow))
		return
	}
	if len(found.operations) > 1 {
		w.Header().Set("Allow", found.allow) // clients offer editing where it is allowed
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.timeout(op.kind))
	defer cancel()
	q := &request{Request: r.WithContext(ctx), at: reply.Base(r), collection: names[0], item: names[1], client: r.Context()}
	if err := a.run(op, w, q); err != nil {
		a.refuse(w, q, a.timeout(op.kind), err)
	}
}

// refuse answers with an error. Anybody may ask here, so where the database is and why it does not answer goes to
// the log alone.
func (a *api) refuse(w http.ResponseWriter, q *request, limit time.Duration, err error) {
	late := errors.Is(q.Context().Err(), context.DeadlineExceeded) && q.client.Err() == nil
	if kind := fault.KindOf(err); late || kind == fault.Unavailable || kind == fault.Corrupt {
		a.Config.Log.WarnContext(q.Context(), "a request could not be answered", "method", q.Method, "path", q.URL.Path, "err", err)
		switch {
		case late:
			err = fault.New(fault.Unavailable, "the answer took longer than %s", limit).
				WithCure("ask for less: a smaller area, a shorter time or fewer collections")
		case kind == fault.Unavailable:
			err = fault.New(kind, "the catalog cannot answer now").WithCure("ask again in a few seconds; the server's log tells why")
		default:
			err = fault.New(kind, "the catalog is damaged").WithCure("tell whoever runs the server: its log tells where")
		}
		w.Header().Set("Retry-After", "5")
	}
	a.Error(w, q.Request, err)
}

func (a *api) run(op *operation, w http.ResponseWriter, q *request) (err error) {
	if q.given, err = parameters(q.URL.RawQuery, op.takes); err != nil {
		return err
	}
	if op.kind == change {
		if err := origin.Check(q.Request, "a change"); err != nil {
			return err
		}
	}
	return op.run(a, w, q)
}

func (a *api) timeout(k kind) time.Duration {
	switch k {
	case sum:
		return a.Timeouts.Sum
	case change:
		return a.Timeouts.Write
	}
	return a.Timeouts.Search
}

// preflight answers OPTIONS. A page that may change nothing here is not told that it may.
func (a *api) preflight(w http.ResponseWriter, r *http.Request, at *route) {
	may := at.allow
	if origin.Check(r, "a change") != nil {
		may = at.safe
	}
	reply.Preflight(w, at.allow, may)
}
