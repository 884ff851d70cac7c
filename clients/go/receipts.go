package terrapin

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"net/http"
	"sync"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// Steps that are taken one after the other are told together; what was taken last is told when the loader ends.
const (
	tellEvery  = 200 * time.Millisecond
	tellWithin = 5 * time.Second
)

// session is one stream whose receipts the server keeps.
type session struct {
	id string
	// received steps, and the chain over them (docs/spec/receipts.md).
	received uint64
	chain    [sha256.Size]byte
	// taken are those that more was asked for after; told and kept are what the server, and its ledger's file, know.
	taken      uint64
	takenChain [sha256.Size]byte
	told, kept uint64
}

// receipts tells the server what was taken, in the background. Without a session it does nothing.
type receipts struct {
	client *Client
	sum    hash.Hash
	rows   uint32 // of the step under way
	places []byte // their positions
	names  []byte // and ids, with line feeds between

	mu       sync.Mutex
	sessions []*session
	problem  error
	wake     chan struct{}
	quit     chan struct{}
	done     chan struct{} // nil before anything was taken
}

func newReceipts(c *Client) *receipts {
	return &receipts{client: c, sum: sha256.New(), wake: make(chan struct{}, 1), quit: make(chan struct{})}
}

// opened notes the session of a stream.
func (r *receipts) opened(facts json.RawMessage) {
	var f struct {
		Session string `json:"session"`
	}
	r.rows, r.places, r.names = 0, r.places[:0], r.names[:0]
	if json.Unmarshal(facts, &f) != nil || f.Session == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions = append(r.sessions, &session{id: f.Session})
}

// last is the session of the stream that is read.
func (r *receipts) last() *session {
	if len(r.sessions) == 0 {
		return nil
	}
	return r.sessions[len(r.sessions)-1]
}

// row notes the rows of a message that are no padding.
func (r *receipts) row(b *Batch) {
	if r.last() == nil {
		return
	}
	for i := range b.Rows {
		at := b.Position(i)
		if at < 0 {
			continue
		}
		if r.rows > 0 {
			r.names = append(r.names, '\n')
		}
		r.rows++
		r.places = binary.LittleEndian.AppendUint64(r.places, uint64(at))
		r.names = append(r.names, b.ID(i)...)
	}
}

// step ends one.
func (r *receipts) step() {
	s := r.last()
	if s == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Reset()
	r.sum.Write(s.chain[:]) // a hash takes everything
	r.names = append(r.names, 0, 0, 0, 0)
	count := r.names[len(r.names)-4:]
	binary.LittleEndian.PutUint32(count, r.rows)
	r.sum.Write(count)
	r.sum.Write(r.places)
	r.sum.Write(r.names[:len(r.names)-4])
	r.sum.Sum(s.chain[:0])
	s.received++
	r.rows, r.places, r.names = 0, r.places[:0], r.names[:0]
}

// take notes that the caller asks for more: all that was received is taken.
func (r *receipts) take() {
	s := r.last()
	if s == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.received == s.taken {
		return
	}
	s.taken, s.takenChain = s.received, s.chain
	if r.done == nil {
		r.done = make(chan struct{})
		go r.run()
	}
	select {
	case r.wake <- struct{}{}:
	default: // it will look
	}
}

// run tells what was taken until the loader ends.
func (r *receipts) run() {
	defer close(r.done)
	for {
		select {
		case <-r.wake:
		case <-r.quit:
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), tellWithin)
		_ = r.tell(ctx, false) // what is not told now is told later; other errors are kept
		cancel()
		select {
		case <-time.After(tellEvery):
		case <-r.quit:
			return
		}
	}
}

// tell acknowledges what is not told yet; durable waits for the ledger's file.
func (r *receipts) tell(ctx context.Context, durable bool) error {
	for _, s := range r.untold(durable) {
		body := map[string]any{"steps": s.taken, "seen": hex.EncodeToString(s.takenChain[:])}
		if durable {
			body["durable"] = true
		}
		var answer struct {
			Steps uint64 `json:"steps"`
		}
		err := r.client.document(ctx, http.MethodPost, r.client.base+"/v1/sessions/"+s.id+"/acknowledge", body, &answer)
		if fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Canceled) {
			return err
		}
		r.mu.Lock()
		if err != nil {
			r.problem = errors.Join(r.problem, fault.New(fault.KindOf(err), "acknowledge %d steps of session %s: %w", s.taken, s.id, err))
		}
		for _, known := range r.sessions {
			if known.id == s.id {
				known.told = max(known.told, s.taken)
				if durable {
					known.kept = max(known.kept, s.taken)
				}
			}
		}
		r.mu.Unlock()
	}
	return nil
}

// untold are copies of the sessions that something is to be told of.
func (r *receipts) untold(durable bool) (out []session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sessions {
		if s.taken > s.told || durable && s.taken > s.kept {
			out = append(out, *s)
		}
	}
	return out
}

// flush tells everything that was received, for a checkpoint is made of it.
func (r *receipts) flush(ctx context.Context) error {
	r.mu.Lock()
	if s := r.last(); s != nil {
		s.taken, s.takenChain = s.received, s.chain
	}
	r.mu.Unlock()
	if err := r.tell(ctx, true); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.problem
}

// end tells what is left, for some seconds.
func (r *receipts) end() error {
	close(r.quit)
	if r.done != nil {
		<-r.done
	}
	ctx, cancel := context.WithTimeout(context.Background(), tellWithin)
	defer cancel()
	if err := r.tell(ctx, false); err != nil {
		return err
	}
	return r.problem
}
