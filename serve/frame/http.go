package frame

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/reply"
	"github.com/terrapin-eo/terrapin/stream"
)

// Prefix is where the data plane stands: Prefix streams what a ticket gives, Prefix + "/info" only says what it is.
const Prefix = "/v1/batches"

// MediaType is that of a stream of frames.
const MediaType = "application/vnd.terrapin.frames"

// maxTicket bounds a ticket, in bytes.
const maxTicket = 1 << 20

// Config is what the data plane reads from.
type Config struct {
	Engine *stream.Engine
	// Idle is how long a client may take no byte before its stream is cut off; 0 means ten minutes.
	Idle time.Duration
	// Log gets what clients are not told. Nil means the default logger.
	Log *slog.Logger
}

type plane struct {
	cfg Config
	reply.Writer
}

// Handler is the HTTP/1.1 data plane, for Prefix and what is below it. A ticket is the body of a POST, or the query's
// "ticket" of a GET.
func Handler(cfg Config) http.Handler {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Idle == 0 {
		cfg.Idle = 10 * time.Minute
	}
	p := &plane{cfg: cfg, Writer: reply.Writer{Log: cfg.Log}}
	mux := http.NewServeMux()
	for _, method := range []string{"GET ", "POST "} {
		mux.HandleFunc(method+Prefix, p.Handler(p.stream))
		mux.HandleFunc(method+Prefix+"/info", p.Handler(p.info))
	}
	return mux
}

// open opens the run that a request's ticket names.
func (p *plane) open(w http.ResponseWriter, r *http.Request) (*stream.Run, error) {
	text := []byte(r.URL.Query().Get("ticket"))
	if r.Method == http.MethodPost {
		var err error
		if text, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxTicket)); err != nil {
			return nil, fault.New(fault.Invalid, "read the ticket: %w", err).WithCure("send one JSON object, of %d bytes at most", maxTicket)
		}
	}
	t, err := stream.ParseTicket(text)
	if err != nil {
		return nil, err
	}
	return p.cfg.Engine.Open(r.Context(), t)
}

func (p *plane) info(w http.ResponseWriter, r *http.Request) error {
	run, err := p.open(w, r)
	if err != nil {
		return err
	}
	defer run.Close()
	p.Document(w, r, http.StatusOK, reply.JSON, HelloOf(run))
	return nil
}

func (p *plane) stream(w http.ResponseWriter, r *http.Request) error {
	run, err := p.open(w, r)
	if err != nil {
		return err
	}
	defer run.Close()
	if err := run.Keep(r.Header.Get("Terrapin-Actor")); err != nil {
		return err
	}
	head, err := HelloOf(run).Append(nil)
	if err != nil {
		return err
	}
	out := &sender{w: w, control: http.NewResponseController(w), idle: p.cfg.Idle}
	run.Lend()
	run.OnStall(func(bool) bool {
		if r.Context().Err() != nil {
			return false // over already
		}
		p.Log.InfoContext(r.Context(), "a client that takes nothing was cut off: others need the memory", "client", r.RemoteAddr)
		out.cut()
		return true
	})
	first, err := run.Next(r.Context())
	if err != nil && !errors.Is(err, io.EOF) {
		return err // with a status of its own, as nothing is sent yet
	}
	w.Header().Set("Content-Type", MediaType)
	w.Header().Set("Cache-Control", "no-store")
	out.send(head)
	for b := first; err == nil; b, err = run.Next(r.Context()) {
		if out.batch(b); out.err != nil {
			break
		}
	}
	switch {
	case out.err != nil:
		if errors.Is(out.err, os.ErrDeadlineExceeded) {
			run.Expire()
		}
		p.Log.DebugContext(r.Context(), "a stream was not taken", "err", out.err)
	case errors.Is(err, io.EOF):
		out.send(Header{Kind: End}.Append(nil))
	default:
		p.fail(r.Context(), out, err)
	}
	return nil
}

// fail ends a stream that has begun with the reason.
func (p *plane) fail(ctx context.Context, out *sender, err error) {
	var f Failure
	f.Kind, f.Message, f.Cure = p.Told(ctx, err)
	if last, err := f.Append(nil); err == nil {
		out.send(last)
	}
}

// sender writes until the first error.
type sender struct {
	w       io.Writer
	control *http.ResponseController
	idle    time.Duration
	stalled atomic.Bool
	moved   func() // of the batch that is sent, after each piece
	err     error
}

// cut ends what is being sent, and what would be; it may be called from any goroutine.
func (s *sender) cut() {
	s.stalled.Store(true)
	_ = s.control.SetWriteDeadline(time.Unix(1, 0)) // a connection that has none is gone
}

var errStalled = fault.New(fault.Unavailable, "the client took nothing while others needed the memory").WithCure("read on where the stream broke")

func (s *sender) send(b []byte) {
	if s.err != nil {
		return
	}
	for len(b) > 0 && s.err == nil {
		n := min(len(b), piece)
		s.err = s.control.SetWriteDeadline(time.Now().Add(s.idle))
		if s.stalled.Load() { // after the deadline is set, which may have undone the cut's
			s.err = errStalled
		}
		if s.err == nil {
			_, s.err = s.w.Write(b[:n])
		}
		if s.moved != nil {
			s.moved()
		}
		b = b[n:]
	}
}

// piece is how many bytes a client must take within the idle time.
const piece = 1 << 20

// batch sends a batch and releases it.
func (s *sender) batch(b *stream.Batch) {
	defer b.Release()
	block := b.Block().Bytes
	s.moved = b.Moves
	s.send(Of(b, len(block), 0).Append(make([]byte, 0, HeaderBytes)))
	for _, piece := range b.Pieces(block) {
		s.send(piece)
	}
	s.send(b.Chunks.Append(make([]byte, 0, stream.ChunksBytes)))
	if s.err == nil {
		s.err = s.control.Flush()
	}
}
