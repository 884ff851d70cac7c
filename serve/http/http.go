// Package http serves what the catalog and the bucket hold over HTTP: a STAC API with OGC API
// Features, the objects behind its links, and the verbs that a client sends to the server. It owns
// URLs, media types and status codes; it refuses what it does not know instead of passing over it,
// and it never opens a link that somebody else wrote. The invariant: every link it gives out leads
// back to it under the address that the client used.
package http

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
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
	// TempDir is where uploads wait for their verb; "" is the system's.
	TempDir string
	// MaxUpload bounds the bytes of one call of a verb; 0 means 64 GiB.
	MaxUpload int64
	// Below are further handlers by the path they stand at, such as "/zarr": they answer that path and all
	// below it as they see fit.
	Below map[string]http.Handler
}

// maxBody bounds a request that is one JSON document.
const maxBody = 4 << 20

type server struct {
	Config
	// scope says what the caller may see.
	scope func(*http.Request) catalog.Scope
}

// New returns the handler of all routes.
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
	if cfg.MaxUpload == 0 {
		cfg.MaxUpload = 64 << 30
	}
	s := &server{Config: cfg, scope: func(*http.Request) catalog.Scope { return catalog.Everything() }}
	return s.access(s.recovered(s.below(s.routes())))
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

func (s *server) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(shared, middleware.GetHead)
	r.NotFound(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, fault.New(fault.NotFound, "there is nothing at %s", r.URL.Path).WithCure("begin at the landing page, /"))
	})
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		s.write(w, r, http.StatusMethodNotAllowed, typeJSON, failure("invalid", r.Method+" is not for "+r.URL.Path, "see /api for what is"))
	})
	r.Get("/", s.handle(s.landing))
	r.Get("/conformance", s.handle(s.conformance))
	r.Get("/api", s.handle(s.openAPI))
	r.Get("/api.html", s.handle(s.apiPage))
	r.Get("/collections", s.handle(s.collections))
	r.Get("/collections/{collection}", s.handle(s.collection))
	r.Get("/collections/{collection}/items", s.handle(s.items))
	r.Get("/collections/{collection}/items/{item}", s.handle(s.item))
	r.Get("/search", s.handle(s.searchGet))
	r.Post("/search", s.handle(s.searchPost))
	r.Get("/assets/*", s.handle(s.asset))
	r.Get("/healthz", s.handle(s.health))
	r.Get("/v1/server", s.handle(s.info))
	r.Post("/v1/verbs/{verb}", s.handle(s.verb))
	return r
}

// handle answers with the handler's error, if it has one.
func (s *server) handle(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

// shared lets pages of any origin read, and answers what browsers ask beforehand. Verbs are not
// shared, as they change things.
func shared(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if !strings.HasPrefix(r.URL.Path, "/v1/verbs/") {
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Access-Control-Expose-Headers", "Link, ETag, Allow, Content-Crs, Location, Content-Range, Accept-Ranges, Content-Length")
		}
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "Accept, Accept-Language, Authorization, Content-Type, If-Match, If-None-Match, Range")
		h.Set("Access-Control-Max-Age", "86400")
		h.Set("Allow", "GET, HEAD, POST, OPTIONS")
		w.WriteHeader(http.StatusNoContent)
	})
}

func (s *server) health(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	if err := s.Catalog.Ping(ctx); err != nil {
		return fault.New(fault.Unavailable, "the catalog does not answer: %w", err)
	}
	s.write(w, r, http.StatusOK, typeJSON, map[string]any{"status": "ok"})
	return nil
}

func (s *server) info(w http.ResponseWriter, r *http.Request) error {
	doc := map[string]any{}
	if s.Info != nil {
		doc = s.Info()
	}
	s.write(w, r, http.StatusOK, typeJSON, doc)
	return nil
}
