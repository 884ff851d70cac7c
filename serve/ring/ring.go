// Package ring hands batches to a process on the same machine without copying them: a run is put together in shared
// memory that one client has mapped, and a unix socket says which slot holds what (docs/spec/frames.md). It owns the
// socket, the memory and who may use which slot; the form of what is said is serve/frame's. The invariants: a slot that
// a client holds is not written to before the client gives it back or is gone, however it went; nothing is left
// behind in the file system.
package ring

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/frame"
	"github.com/terrapin-eo/terrapin/serve/reply"
	"github.com/terrapin-eo/terrapin/stream"
)

// Config is what a server of rings reads from and how much it gives.
type Config struct {
	Engine *stream.Engine
	// Key must come with every request: who has it can reach this server's own address.
	Key string
	// Bytes bounds the memory of all rings together; 0 means 4 GiB.
	Bytes int64
	// Idle is how long a client may give back no slot while it holds them all; 0 means ten minutes.
	Idle time.Duration
	// Log gets what clients are not told. Nil means the default logger.
	Log *slog.Logger
}

// Server gives rings to clients.
type Server struct {
	cfg   Config
	told  reply.Writer
	ctx   context.Context // ends with the server
	stop  context.CancelFunc
	conns sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	closing  bool
	used     int64 // bytes of rings
}

const (
	minSlots, defaultSlots, maxSlots = 2, 4, 64
	maxRequest                       = 1 << 20
	helloWithin                      = 10 * time.Second
	otherTransports                  = "read over HTTP or Arrow Flight instead, or use smaller batches"
)

// New makes a server that serves nothing yet.
func New(cfg Config) *Server {
	if cfg.Bytes == 0 {
		cfg.Bytes = 4 << 30
	}
	if cfg.Idle == 0 {
		cfg.Idle = 10 * time.Minute
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Server{cfg: cfg, told: reply.Writer{Log: cfg.Log}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Listen makes a socket of a new name that is in no file system, so that none is left behind.
func Listen() (net.Listener, error) {
	l, err := net.Listen("unix", "@terrapin-"+rand.Text())
	if err != nil {
		return nil, fault.New(fault.Unsupported, "listen for processes on this machine: %w", err)
	}
	return l, nil
}

// URL is what tells a client on the same machine where a server is and which key it wants.
func URL(l net.Listener, key string) string {
	return "shm+unix:" + l.Addr().String() + "?key=" + key
}

// Serve answers on a listener until Shutdown; it closes the listener.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if !s.begin(l) {
		return nil
	}
	defer s.conns.Done()
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			s.conns.Go(func() { s.serve(conn.(*net.UnixConn)) })
		case s.ended():
			return nil
		default:
			return fault.New(fault.Unavailable, "serve rings on %s: %w", l.Addr(), err)
		}
	}
}

// begin notes the listener, unless the server has ended.
func (s *Server) begin(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.listener = l
	s.conns.Add(1)
	return true
}

func (s *Server) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// Shutdown takes no new clients, lets runs under way end, and cuts them off when ctx ends.
func (s *Server) Shutdown(ctx context.Context) {
	s.mu.Lock()
	s.closing = true
	if s.listener != nil {
		_ = s.listener.Close() // Serve closes it, too
	}
	s.mu.Unlock()
	defer s.stop()
	defer context.AfterFunc(ctx, s.stop)()
	s.conns.Wait()
}

// request is what a client sends first: its length as four bytes, little-endian, and this as JSON.
type request struct {
	Key    string          `json:"key"`
	Ticket json.RawMessage `json:"ticket"`
	// Slots is how many messages the ring holds; 0 leaves that to the server.
	Slots int `json:"slots"`
	// Info asks for the hello alone.
	Info bool `json:"info"`
	// Actor says who reads.
	Actor string `json:"actor"`
}

// serve answers one connection, which is one run.
func (s *Server) serve(conn *net.UnixConn) {
	defer conn.Close()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	if err := s.guarded(ctx, cancel, conn); err != nil {
		var f frame.Failure
		f.Kind, f.Message, f.Cure = s.told.Told(ctx, err)
		if last, err := f.Append(nil); err == nil {
			_ = conn.SetWriteDeadline(time.Now().Add(helloWithin))
			_, _ = conn.Write(last) // who is gone needs no reason
		}
	}
}

// guarded turns a panic into an error: nothing else would recover it here.
func (s *Server) guarded(ctx context.Context, cancel context.CancelFunc, conn *net.UnixConn) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, "serve a ring: panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.run(ctx, cancel, conn)
}

// asked reads the request.
func (s *Server) asked(conn *net.UnixConn) (request, stream.Ticket, error) {
	var q request
	text, err := readRequest(conn)
	if err != nil {
		return q, stream.Ticket{}, fault.New(fault.Canceled, "read the request: %w", err)
	}
	if err := json.Unmarshal(text, &q); err != nil {
		return q, stream.Ticket{}, fault.New(fault.Invalid, "the request is no JSON: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(q.Key), []byte(s.cfg.Key)) != 1 {
		return q, stream.Ticket{}, fault.New(fault.Precondition, "the key is not that of the server at this socket").
			WithCure("take socket and key from the server's /v1/server")
	}
	if q.Slots == 0 {
		q.Slots = defaultSlots
	}
	if q.Slots < minSlots || q.Slots > maxSlots {
		return q, stream.Ticket{}, fault.New(fault.Invalid, "%d slots", q.Slots).WithCure("ask for %d to %d", minSlots, maxSlots)
	}
	t, err := stream.ParseTicket(q.Ticket)
	return q, t, err
}

func (s *Server) run(ctx context.Context, cancel context.CancelFunc, conn *net.UnixConn) error {
	q, ticket, err := s.asked(conn)
	if err != nil {
		return err
	}
	run, err := s.cfg.Engine.Open(ctx, ticket)
	if err != nil {
		return err
	}
	defer run.Close()
	if q.Info {
		return send(conn, frame.HelloOf(run), -1)
	}
	size := run.Info().Shape.BlockBytes(run.MessageRows())
	total, err := s.reserve(q.Slots, size)
	if err != nil {
		return err
	}
	defer s.free(total)
	m, err := newMemory(q.Slots, size, s.cfg.Idle)
	if err != nil {
		return err
	}
	defer m.close()
	defer run.Close() // before the memory goes that it fills
	run.Use(m)
	if err := run.Keep(q.Actor); err != nil {
		return err
	}
	hello := frame.HelloOf(run)
	hello.Slots, hello.SlotBytes = q.Slots, m.slot
	if err := send(conn, hello, m.file); err != nil {
		return err
	}
	held := &holding{slots: make([]*stream.Batch, q.Slots), acknowledge: run.Acknowledge}
	var listening sync.WaitGroup
	defer listening.Wait()
	defer func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) }() // ends the listening
	listening.Go(func() {
		defer cancel() // a client that is gone, or says what makes no sense, wants nothing more
		for {
			if err := held.listen(conn); err != nil {
				return
			}
		}
	})
	return s.send(ctx, conn, run, held)
}

// send puts batches at the client's disposal until the last.
func (s *Server) send(ctx context.Context, conn *net.UnixConn, run *stream.Run, held *holding) error {
	for {
		b, err := run.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		head := frame.Of(b, 0, b.Block().Slot).Append(make([]byte, 0, frame.HeaderBytes))
		held.give(b)
		if _, err := conn.Write(head); err != nil {
			return fault.New(fault.Canceled, "say that a batch is there: %w", err)
		}
	}
	if _, err := conn.Write(frame.Header{Kind: frame.End}.Append(nil)); err != nil {
		return fault.New(fault.Canceled, "say that all is read: %w", err)
	}
	return nil // what the client has mapped stays
}

// reserve takes the memory of a ring out of what all may use.
func (s *Server) reserve(slots, size int) (int64, error) {
	total := int64(slots) * int64(size)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used+total > s.cfg.Bytes {
		return 0, fault.New(fault.TooLarge, "a ring of %d slots of %d bytes is more than is left of the %d bytes for rings, of which %d are used", slots, size, s.cfg.Bytes, s.used).
			WithCure(otherTransports)
	}
	s.used += total
	return total, nil
}

func (s *Server) free(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= bytes
}
