// Package runs answers what training runs have seen: the ledger of receipts over HTTP, and the samples behind it.
// It owns the paths /v1/runs and /v1/sessions; it refuses acknowledgements that a page of somebody else's makes a
// browser send, and it stores nothing. The invariant: every answer is bounded, however much a run has seen.
package runs

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/origin"
	"github.com/terrapin-eo/terrapin/serve/reply"
	"github.com/terrapin-eo/terrapin/stream"
	"github.com/terrapin-eo/terrapin/stream/receipts"
)

// Prefixes are the paths that the handler stands at.
func Prefixes() []string { return []string{"/v1/runs", "/v1/sessions"} }

// Config is what is answered from.
type Config struct {
	Receipts *receipts.Ledger
	// Rows lists rows of a stream by the order of its ticket; it is stream.Engine's.
	Rows func(ctx context.Context, t stream.SampleTicket, steps, first uint64, n int) ([]stream.Row, uint64, error)
	Log  *slog.Logger
}

// maxBody bounds an acknowledgement, and maxSessions the sessions of one answer.
const (
	maxBody     = 4 << 10
	maxSessions = 1000
)

type server struct {
	Config
	reply.Writer
}

// New returns the handler.
func New(cfg Config) http.Handler {
	s := &server{Config: cfg, Writer: reply.Writer{Log: cfg.Log}}
	mux := http.NewServeMux()
	mux.Handle("GET /v1/runs", s.Handler(s.list))
	mux.Handle("GET /v1/runs/{run}", s.Handler(s.show))
	mux.Handle("GET /v1/sessions/{session}", s.Handler(s.session))
	mux.Handle("GET /v1/sessions/{session}/samples", s.Handler(s.samples))
	mux.Handle("POST /v1/sessions/{session}/acknowledge", s.Handler(s.acknowledge))
	mux.Handle("/", s.Handler(unknown))
	return mux
}

func unknown(_ http.ResponseWriter, r *http.Request) error {
	return fault.New(fault.NotFound, "no %s %s", r.Method, r.URL.Path).
		WithCure("there are GET /v1/runs, /v1/runs/NAME, /v1/sessions/ID and /v1/sessions/ID/samples, and POST /v1/sessions/ID/acknowledge")
}

func (s *server) list(w http.ResponseWriter, r *http.Request) error {
	list, dropped := s.Receipts.Runs()
	s.Document(w, r, http.StatusOK, reply.JSON, map[string]any{"runs": list, "dropped": dropped, "damaged": s.Receipts.Damaged()})
	return nil
}

// show answers with the sessions of a run, oldest first, those after the one that the query's "after" names;
// "next" is where the rest begins.
func (s *server) show(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("run")
	all, err := s.Receipts.Sessions(name)
	if err != nil {
		return err
	}
	if after := r.URL.Query().Get("after"); after != "" {
		for i, rec := range all {
			if rec.ID == after {
				all = all[i+1:]
				break
			}
		}
	}
	doc := map[string]any{"run": name, "sessions": all, "damaged": s.Receipts.Damaged()}
	if len(all) > maxSessions {
		doc["sessions"], doc["next"] = all[:maxSessions], all[maxSessions-1].ID
	}
	s.Document(w, r, http.StatusOK, reply.JSON, doc)
	return nil
}

func (s *server) session(w http.ResponseWriter, r *http.Request) error {
	rec, err := s.Receipts.Session(r.PathValue("session"))
	if err != nil {
		return err
	}
	s.Document(w, r, http.StatusOK, reply.JSON, rec)
	return nil
}

// samples answers with the rows that a session acknowledged, page by page, as the order has them.
func (s *server) samples(w http.ResponseWriter, r *http.Request) error {
	rec, err := s.Receipts.Session(r.PathValue("session"))
	if err != nil {
		return err
	}
	first, err := count(r, "first", 0)
	if err != nil {
		return err
	}
	limit, err := count(r, "limit", 1000)
	if err != nil {
		return err
	}
	page, err := PageOf(r.Context(), s.Rows, rec, first, int(min(limit, stream.MaxRows)))
	if err != nil {
		return err
	}
	s.Document(w, r, http.StatusOK, reply.JSON, page)
	return nil
}

// Page is some rows of a session, from row First on, of Total that were acknowledged.
type Page struct {
	Session string       `json:"session"`
	First   uint64       `json:"first"`
	Total   uint64       `json:"total"`
	Samples []stream.Row `json:"samples"`
}

// PageOf lists rows that a session acknowledged.
func PageOf(ctx context.Context, rows func(ctx context.Context, t stream.SampleTicket, steps, first uint64, n int) ([]stream.Row, uint64, error),
	rec receipts.Record, first uint64, n int) (Page, error) {
	t, err := stream.ParseTicket(rec.Ticket)
	if err != nil || t.Samples == nil {
		return Page{}, fault.New(fault.Corrupt, "the ticket of session %s does not read: %v", rec.ID, err)
	}
	list, total, err := rows(ctx, *t.Samples, rec.Acknowledged(), first, n)
	masked := rec.MaskedPositions()
	for i := range list {
		list[i].Masked = masked[list[i].Position]
	}
	return Page{Session: rec.ID, First: first, Total: total, Samples: list}, err
}

func count(r *http.Request, key string, otherwise uint64) (uint64, error) {
	text := r.URL.Query().Get(key)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, fault.New(fault.Invalid, "%s=%.40q is no count", key, text).WithCure("give a whole number from 0")
	}
	return n, nil
}

func (s *server) acknowledge(w http.ResponseWriter, r *http.Request) error {
	if err := origin.Check(r, "an acknowledgement"); err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return fault.New(fault.Invalid, "read the acknowledgement: %w", err)
	}
	if len(body) > maxBody {
		return fault.New(fault.TooLarge, "an acknowledgement is at most %d bytes", maxBody)
	}
	told, err := receipts.ParseAcknowledgement(bytes.TrimSpace(body), true)
	if err != nil {
		return err
	}
	told.Session = r.PathValue("session")
	answer, err := s.Receipts.Take(told)
	if err != nil {
		return err
	}
	s.Document(w, r, http.StatusOK, reply.JSON, json.RawMessage(answer))
	return nil
}
