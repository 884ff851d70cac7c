// Package ring hands batches to a process on the same machine without copying them: a run is put together in shared
// memory that one client has mapped, and a unix socket says which slot holds what (docs/spec/frames.md). It owns the
// socket, the memory and who may use which slot; the form of what is said is serve/frame's. The invariants: a slot that
// a client holds is not written to before the client gives it back or is gone, however it went; nothing is left
// behind in the file system.
package ring

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"runtime"
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
	// Idle is how long a client may give back no slot while it holds them all, and ask for nothing between two runs; 0
	// means ten minutes.
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
	closing  chan struct{} // closed when the server takes nothing new
	used     int64         // bytes of rings
	short    time.Time     // until when the machine has no memory for new ones
}

const (
	minSlots, defaultSlots, maxSlots = 2, 4, 64
	maxRequest                       = 1 << 20
	requestWithin                    = 10 * time.Second
	shortPause, longPause            = 5 * time.Millisecond, time.Second
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
	s := &Server{cfg: cfg, told: reply.Writer{Log: cfg.Log}, closing: make(chan struct{})}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Listen makes a socket of a new name that is in no file system, so that none is left behind.
func Listen() (net.Listener, error) {
	if runtime.GOOS != "linux" {
		return nil, fault.New(fault.Unsupported, "shared memory needs Linux").WithCure(otherTransports)
	}
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
	for pause := shortPause; ; {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = shortPause
			s.conns.Go(func() { s.serve(conn.(*net.UnixConn)) })
		case s.ended():
			return nil
		default: // such as too many open files, which passes
			s.cfg.Log.Warn("no client on this machine can be taken now", "error", err, "again_in", pause.String())
			select {
			case <-time.After(pause):
			case <-s.closing:
			}
			pause = min(2*pause, longPause)
		}
	}
}

// begin notes the listener, unless the server has ended.
func (s *Server) begin(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended() {
		return false
	}
	s.listener = l
	s.conns.Add(1)
	return true
}

func (s *Server) ended() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// Shutdown takes no new clients, lets runs under way end, and cuts them off when ctx ends.
func (s *Server) Shutdown(ctx context.Context) {
	s.mu.Lock()
	if !s.ended() {
		close(s.closing)
	}
	if s.listener != nil {
		_ = s.listener.Close() // Serve closes it, too
	}
	s.mu.Unlock()
	defer s.stop()
	defer context.AfterFunc(ctx, s.stop)()
	s.conns.Wait()
}

// serve answers one connection.
func (s *Server) serve(conn *net.UnixConn) {
	defer conn.Close()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	l := &link{server: s, conn: conn, requests: make(chan []byte, 1)}
	defer l.close()
	// A client that does not read cannot keep the server from ending.
	defer context.AfterFunc(s.ctx, func() { _ = conn.SetDeadline(time.Now().Add(time.Second)) })()
	var listening sync.WaitGroup
	defer listening.Wait()
	defer func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) }() // ends the listening
	listening.Go(func() {
		defer cancel() // a client that is gone, or says what makes no sense, wants nothing more
		l.hear()
	})
	if err := l.outcome(l.guarded(ctx)); err != nil {
		var f frame.Failure
		f.Kind, f.Message, f.Cure = s.told.Told(ctx, err)
		if last, err := f.Append(nil); err == nil {
			_ = conn.SetWriteDeadline(time.Now().Add(requestWithin))
			_, _ = conn.Write(last) // who is gone needs no reason
		}
	}
}

// reserve takes the memory of a ring out of what all may use.
func (s *Server) reserve(slots, size int) (int64, error) {
	total := int64(slots) * int64(slotBytes(size))
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.short) {
		return 0, fault.New(fault.TooLarge, "this machine had no memory for a ring a moment ago").WithCure(otherTransports)
	}
	if s.used+total > s.cfg.Bytes {
		return 0, fault.New(fault.TooLarge, "a ring of %d slots of %d bytes is more than is left of the %d bytes for rings, of which %d are used", slots, size, s.cfg.Bytes, s.used).
			WithCure(otherTransports)
	}
	s.used += total
	return total, nil
}

// shortFor is how long no new rings are made after the machine had no memory for one.
const shortFor = 30 * time.Second

// ranOut notes that the machine has no memory left: who comes again is passed on to another transport.
func (s *Server) ranOut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.short = time.Now().Add(shortFor)
}

func (s *Server) free(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= bytes
}
