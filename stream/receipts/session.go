package receipts

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// Record is a session as the ledger keeps it.
type Record struct {
	ID     string    `json:"session"`
	Run    string    `json:"run"`
	Actor  string    `json:"actor"`
	Opened time.Time `json:"opened"`
	// Last is when the client last acknowledged a step.
	Last   time.Time       `json:"last"`
	Ticket json.RawMessage `json:"ticket,omitempty"`
	// Samples counts the positions of the epoch, Planned the steps of the whole stream.
	Samples uint64 `json:"samples"`
	Planned uint64 `json:"planned"`
	// Proof is of what the server delivered, up to the step that was acknowledged.
	Proof
	Marks []Mark `json:"marks,omitempty"`
	// Claimed are steps beyond Proof that only the client's own chain proves: the server that delivered them
	// was killed, or gave up waiting for their acknowledgement.
	Claimed *Seen `json:"claimed,omitempty"`
	// Disputed is the first time that the client's own chain was not that of what was delivered. Up to Agreed
	// steps they were the same.
	Agreed   uint64 `json:"agreed"`
	Disputed *Seen  `json:"disputed,omitempty"`
	// Masked are the rows of the acknowledged steps whose pixels could not be read, by reason.
	Masked []Masked `json:"masked,omitempty"`
}

// Seen is the client's own chain over its first Steps steps.
type Seen struct {
	Steps uint64 `json:"steps"`
	Chain Hash   `json:"chain"`
}

// Acknowledged is the number of steps that the client has acknowledged.
func (r *Record) Acknowledged() uint64 {
	if r.Claimed != nil {
		return max(r.Steps, r.Claimed.Steps)
	}
	return r.Steps
}

// size is about what a record takes.
func (r *Record) size() int { return 2048 + len(r.Ticket) + len(r.Actor) + maskedSize(r.Masked) }

// Session is one stream of one rank. It is safe for concurrent use, but that steps are delivered in order.
type Session struct {
	ledger *Ledger

	mu  sync.Mutex
	rec Record
	// live: the stream goes on. After it, pending waits for the last acknowledgements, until expires.
	live    bool
	expires time.Time
	// lost: more was delivered than is remembered, so the server proves nothing beyond rec.Steps.
	lost    bool
	sent    Proof
	now     step
	pending []Proof // after each step that was delivered and not acknowledged
	masked  int     // rows that were masked
	unseen  []lost  // those of them that are not acknowledged, by step

	// unopened: the file does not know that the session was opened; guarded by the ledger's writing.
	unopened bool
	// counted is the size of the record in the ledger's, and guarded by the ledger.
	counted int
}

// ID is the session's name, 32 hex digits.
func (s *Session) ID() string { return s.rec.ID }

// Record is the session as it stands.
func (s *Session) Record() Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rec
	r.Marks = append([]Mark(nil), s.rec.Marks...)
	return r
}

func (s *Session) isLive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live || len(s.pending) > 0
}

// Delivered tells of rows that are handed to the client; last ends their step. Position -1 is padding.
func (s *Session) Delivered(positions []int64, ids []string, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost {
		return
	}
	s.now.add(&s.sent, positions, ids)
	if !last {
		return
	}
	s.now.end(&s.sent)
	if len(s.pending) >= maxPending || s.ledger.pending.Load() >= maxPendingAll {
		s.giveUp()
		return
	}
	s.ledger.pending.Add(1)
	s.pending = append(s.pending, s.sent)
}

// giveUp remembers nothing more of what is delivered; s.mu is held.
func (s *Session) giveUp() {
	s.ledger.pending.Add(-int64(len(s.pending)))
	s.lost, s.pending, s.now, s.unseen = true, nil, step{}, nil
}

// Acknowledge tells that the client has taken its first steps steps.
func (s *Session) Acknowledge(steps uint64) error { return s.acknowledge(steps, nil) }

func (s *Session) acknowledge(steps uint64, seen *Hash) error {
	s.mu.Lock()
	changed, err := s.take(steps, seen)
	size := s.rec.size()
	s.mu.Unlock()
	if changed {
		s.ledger.touch(s, size)
	}
	return err
}

// take does it; s.mu is held.
func (s *Session) take(steps uint64, seen *Hash) (changed bool, err error) {
	if steps <= s.rec.Acknowledged() && !(seen != nil && steps == s.rec.Steps && s.rec.Agreed < steps) {
		return false, nil // told before
	}
	known := s.rec.Steps + uint64(len(s.pending))
	if steps > known {
		if !s.lost || steps > s.rec.Planned {
			return false, fault.New(fault.Invalid, "session %s: step %d is acknowledged, %d were delivered", s.rec.ID, steps, known).
				WithCure("acknowledge the number of steps that were received")
		}
		if seen == nil {
			return false, fault.New(fault.Precondition, "session %s: the server no longer knows what it delivered after step %d", s.rec.ID, known).
				WithCure("send the chain over what was received as \"seen\"")
		}
		s.advance(known)
		s.rec.Claimed, s.rec.Last = &Seen{steps, *seen}, s.ledger.now()
		return true, nil
	}
	if steps > s.rec.Steps {
		s.advance(steps)
		s.rec.Last = s.ledger.now()
	}
	if seen != nil {
		s.compare(*seen)
	}
	return true, nil
}

// advance moves what is acknowledged on to a step that is pending.
func (s *Session) advance(steps uint64) {
	n := int(steps - s.rec.Steps)
	for _, p := range s.pending[:n] {
		s.rec.Proof = p
		s.rec.Marks = marked(s.rec.Marks, p.Steps, p.Chain)
	}
	s.pending = s.pending[n:]
	s.tellMasked()
	s.ledger.pending.Add(-int64(n))
}

// compare notes whether the client received what was delivered, up to the step acknowledged just now.
func (s *Session) compare(seen Hash) {
	switch {
	case s.rec.Disputed != nil:
	case seen == s.rec.Chain:
		s.rec.Agreed = s.rec.Steps
	default:
		s.rec.Disputed = &Seen{s.rec.Steps, seen}
	}
}

// End tells that the stream is over. Acknowledgements are taken for some minutes more.
func (s *Session) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live, s.expires = false, s.ledger.cfg.Now().Add(lingering)
}

// expire forgets what nobody has acknowledged for long.
func (s *Session) expire(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live && len(s.pending) > 0 && now.After(s.expires) {
		s.giveUp()
	}
}
