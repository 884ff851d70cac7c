package ring

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/frame"
	"github.com/terrapin-eo/terrapin/stream"
)

// link is one connection: runs one after the other, in the same memory as long as that is large enough.
type link struct {
	server   *Server
	conn     *net.UnixConn
	requests chan []byte
	busy     atomic.Bool // a request is not answered whole

	memory   *memory // nil before the first run
	reserved int64   // bytes of memory, of what all rings may use

	mu   sync.Mutex
	fail error           // what the client said wrong
	run  *stream.Run     // that is read, or was last
	held []*stream.Batch // by the client, by slot
}

// request is what a client asks for: as JSON, after its length.
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

// guarded turns a panic into an error: nothing else would recover it here.
func (l *link) guarded(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, "serve a ring: panic: %v\n%s", p, debug.Stack())
		}
	}()
	for patience := requestWithin; ; patience = l.server.cfg.Idle {
		select {
		case text := <-l.requests:
			if err := l.answer(ctx, text); err != nil {
				return err
			}
		case <-time.After(patience):
			return nil // nobody waits for a reason
		case <-l.server.closing:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// hear listens until the client is gone or says what makes no sense, which is kept.
func (l *link) hear() {
	for {
		err := l.listen()
		if err == nil {
			continue
		}
		var said *fault.Error
		if errors.As(err, &said) {
			l.mu.Lock()
			l.fail = err
			l.mu.Unlock()
		}
		return
	}
}

// outcome is what the client is told of the error that ended its run: what it did wrong itself, if it did, and not that a
// server that goes away had to end the run.
func (l *link) outcome(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.fail != nil:
		return l.fail
	case err != nil && l.server.ctx.Err() != nil:
		return fault.New(fault.Unavailable, "the server goes away").WithCure("read on from the position where this stands, when it is back")
	}
	return err
}

// parse reads a request.
func (l *link) parse(text []byte) (request, stream.Ticket, error) {
	var q request
	if err := json.Unmarshal(text, &q); err != nil {
		return q, stream.Ticket{}, fault.New(fault.Invalid, "the request is no JSON: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(q.Key), []byte(l.server.cfg.Key)) != 1 {
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

// answer is one run.
func (l *link) answer(ctx context.Context, text []byte) error {
	q, ticket, err := l.parse(text)
	if err != nil {
		return err
	}
	run, err := l.server.cfg.Engine.Open(ctx, ticket)
	if err != nil {
		return err
	}
	defer run.Close()
	if q.Info {
		l.busy.Store(false)
		return l.send(frame.HelloOf(run), -1)
	}
	file, err := l.prepare(q.Slots, run.Info().Shape.BlockBytes(run.MessageRows()))
	if err != nil {
		return err
	}
	run.Use(l.memory)
	if err := run.Keep(q.Actor); err != nil {
		return err
	}
	l.mu.Lock()
	l.run = run
	l.mu.Unlock()
	hello := frame.HelloOf(run)
	hello.Slots, hello.SlotBytes = q.Slots, l.memory.slot
	if err := l.send(hello, file); err != nil {
		return err
	}
	return l.deliver(ctx, run)
}

// prepare sees that there is a ring of that many slots of that many bytes. It returns the file of a new one, and -1
// where the client has mapped it already.
func (l *link) prepare(slots, size int) (int, error) {
	if l.memory != nil && len(l.held) == slots && l.memory.slot >= size {
		return -1, nil
	}
	l.close()
	reserved, err := l.server.reserve(slots, size)
	if err != nil {
		return -1, err
	}
	l.reserved = reserved
	if l.memory, err = newMemory(slots, size, l.server.cfg.Idle); err != nil {
		return -1, err
	}
	l.memory.out = l.server.ranOut
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = make([]*stream.Batch, slots)
	return l.memory.file, nil
}

// close gives the memory up.
func (l *link) close() {
	if l.memory != nil {
		l.memory.close()
		l.memory = nil
	}
	l.server.free(l.reserved)
	l.reserved = 0
}

// deliver puts batches at the client's disposal until the last.
func (l *link) deliver(ctx context.Context, run *stream.Run) error {
	for {
		b, err := run.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		head := b.Chunks.Append(frame.Of(b, 0, b.Block().Slot).Append(make([]byte, 0, frame.HeaderBytes+stream.ChunksBytes)))
		l.give(b)
		l.within(l.server.cfg.Idle)
		if _, err := l.conn.Write(head); err != nil {
			return fault.New(fault.Canceled, "say that a batch is there: %w", err)
		}
	}
	l.busy.Store(false) // before the client can know
	l.within(l.server.cfg.Idle)
	if _, err := l.conn.Write(frame.Header{Kind: frame.End}.Append(nil)); err != nil {
		return fault.New(fault.Canceled, "say that all is read: %w", err)
	}
	return nil
}

// give notes that the client is about to have a batch.
func (l *link) give(b *stream.Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[b.Block().Slot] = b
}

// back takes a slot back.
func (l *link) back(slot uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slot >= uint64(len(l.held)) || l.held[slot] == nil {
		return fault.New(fault.Invalid, "a client gave back slot %d, which it does not have", slot)
	}
	l.held[slot].Release()
	l.held[slot] = nil
	return nil
}

// acknowledge notes what the client has taken of the run that is read, or was last.
func (l *link) acknowledge(steps uint64) error {
	l.mu.Lock()
	run := l.run
	l.mu.Unlock()
	if run == nil {
		return fault.New(fault.Invalid, "a client acknowledged steps of no run")
	}
	return run.Acknowledge(steps)
}
