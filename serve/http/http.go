// Package http is the HTTP server: the STAC API of serve/stac, the objects behind its links, the verbs that a
// client sends, and whatever else is mounted below a path. It owns the access log, what happens to a panic, and the
// URLs of assets and verbs; it refuses what it does not know instead of passing over it, and it never opens a
// link that somebody else wrote. The invariant: every request leaves one line in the log, with who changed
// something.
package http

import (
	"context"
	_ "embed"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/reply"
	"github.com/terrapin-eo/terrapin/serve/stac"
	"github.com/terrapin-eo/terrapin/store"
)

// Config is what the server needs.
type Config struct {
	Catalog catalog.Catalog
	// Root is the data directory or bucket whose objects /assets serves.
	Root *store.Bucket
	// Verbs are what POST /v1/verbs/NAME runs.
	Verbs map[string]Verb
	// Info is the document of GET /v1/server.
	Info func() map[string]any
	// Log takes one line per request; nil means the default logger.
	Log *slog.Logger
	// Title and Description head the API; both have defaults.
	Title, Description string
	// Timeouts bound what the catalog is asked; zero ones have defaults.
	Timeouts stac.Timeouts
	// Metrics, where not nil, count the requests.
	Metrics *Metrics
	// TempDir is where uploads wait for their verb, and exports for being whole; "" is the system's.
	TempDir string
	// MaxUpload bounds the bytes of one call of a verb; 0 means 64 GiB.
	MaxUpload int64
	// Below are further handlers by the path they stand at, such as "/zarr": they answer that path and all
	// below it as they see fit.
	Below map[string]http.Handler
}

// maxBody bounds a request that is one JSON document.
const maxBody = 4 << 20

//go:embed openapi.json
var operations []byte

type server struct {
	Config
	reply.Writer
	api http.Handler
}

// New returns the handler of all routes.
func New(cfg Config) http.Handler {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.MaxUpload == 0 {
		cfg.MaxUpload = 64 << 30
	}
	s := &server{Config: cfg, Writer: reply.Writer{Log: cfg.Log}}
	s.api = stac.New(stac.Config{
		Catalog: cfg.Catalog, Log: cfg.Log, Title: cfg.Title, Description: cfg.Description, Timeouts: cfg.Timeouts, TempDir: cfg.TempDir, Operations: operations,
	})
	handler := s.access(s.recovered(s.below(s.routes())))
	if cfg.Metrics != nil {
		return cfg.Metrics.Count(handler)
	}
	return handler
}

// below hands requests to the handler at their path, if one stands there.
func (s *server) below(otherwise http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for at, handler := range s.Below {
			if r.URL.Path == at || strings.HasPrefix(r.URL.Path, at+"/") {
				handler.ServeHTTP(w, r)
				return
			}
		}
		otherwise.ServeHTTP(w, r)
	})
}

// Server returns a server for the handler whose clients cannot hold it up by sending slowly. Its
// caller shuts it down.
func Server(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 256 << 10}
}

// routes are this package's own; everything else is the API's.
func (s *server) routes() http.Handler {
	r := chi.NewRouter()
	r.NotFound(s.api.ServeHTTP)
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allowed(r.URL.Path))
		s.ErrorAs(w, r, http.StatusMethodNotAllowed, fault.New(fault.Invalid, "%s is not for %s", r.Method, r.URL.Path).WithCure("see /api for what is"))
	})
	own := r.With(shared, middleware.GetHead)
	for path, h := range map[string]func(http.ResponseWriter, *http.Request) error{"/assets/*": s.asset, "/healthz": s.health, "/readyz": s.ready, "/v1/server": s.info} {
		own.Get(path, s.Handler(h))
		own.Head(path, s.Handler(h))
		own.Options(path, preflight)
	}
	r.Post(verbsPrefix+"{verb}", s.Handler(s.verb))
	r.Options(verbsPrefix+"{verb}", preflight)
	return r
}

const verbsPrefix = "/v1/verbs/"

// allowed are the methods of a path of this package.
func allowed(path string) string {
	if strings.HasPrefix(path, verbsPrefix) {
		return "POST, OPTIONS"
	}
	return "GET, HEAD, OPTIONS"
}

// shared lets pages of any origin read. Verbs are not shared, as they change things.
func shared(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply.Share(w, r)
		next.ServeHTTP(w, r)
	})
}

// preflight answers what browsers ask beforehand.
func preflight(w http.ResponseWriter, r *http.Request) {
	reply.Preflight(w, allowed(r.URL.Path), allowed(r.URL.Path))
}

// health tells that the server is there, whatever else is not.
func (s *server) health(w http.ResponseWriter, r *http.Request) error {
	s.Document(w, r, http.StatusOK, reply.JSON, map[string]any{"status": "ok"})
	return nil
}

// readyWithin is how long the catalog may take to say that it is there.
const readyWithin = 5 * time.Second

// ready tells whether requests can be answered: a server whose database is away, or of another release, is there and
// not ready.
func (s *server) ready(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
	defer cancel()
	w.Header().Set("Cache-Control", "no-store")
	if err := s.Catalog.Ping(ctx); err != nil {
		return fault.New(fault.Unavailable, "the catalog does not answer: %w", err).WithCure("%s", orElse(fault.CureOf(err), "see that the database runs and is reached from here"))
	}
	s.Document(w, r, http.StatusOK, reply.JSON, map[string]any{"status": "ready"})
	return nil
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func (s *server) info(w http.ResponseWriter, r *http.Request) error {
	doc := map[string]any{}
	if s.Info != nil {
		doc = s.Info()
	}
	s.Document(w, r, http.StatusOK, reply.JSON, doc)
	return nil
}
