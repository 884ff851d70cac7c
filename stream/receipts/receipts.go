// Package receipts is the ledger of what training runs have seen: for each session, that is one stream of
// one rank, what it was opened with and a proof of the rows that its client acknowledged. It owns the proof
// (a chain of hashes, marks along it, sums that tell where it differs) and the file that keeps it; it
// refuses acknowledgements of what was not delivered, and it knows neither pixels nor how an order is
// computed. The invariants: a session takes the same space however long it is; what is read back after a
// crash was true when it was written, and lags behind by no more than Config.FlushEvery.
package receipts

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// Limits of what a ledger holds.
const (
	// MaxTicket bounds the ticket of a session, in bytes.
	MaxTicket = 64 << 10
	// maxBytes bounds all sessions together, in bytes of their records.
	maxBytes = 64 << 20
	// maxPending bounds the steps of one session that were delivered and not acknowledged, and
	// maxPendingAll those of all sessions.
	maxPending    = 1 << 15
	maxPendingAll = 1 << 18
	// lingering is how long the acknowledgements of a stream that has ended are waited for.
	lingering = 10 * time.Minute
)

var runName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,127}$`)

// CheckRun refuses what is no name of a run.
func CheckRun(name string) error {
	if !runName.MatchString(name) {
		return fault.New(fault.Invalid, "%.140q is no name of a run", name).
			WithCure("use up to 128 letters, digits and . _ : @ + = -, beginning with a letter or digit")
	}
	return nil
}

// Config is how a ledger is kept.
type Config struct {
	// Path is the ledger's file; its folder exists.
	Path string
	// Log gets what goes wrong with the file; nil is the default logger.
	Log *slog.Logger
	// FlushEvery is how often what was acknowledged is written; 0 is half a second.
	FlushEvery time.Duration
	// MaxSessions bounds the sessions; beyond it whole runs are dropped, those heard of longest ago first. 0 is 16,384.
	MaxSessions int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Ledger keeps sessions. It is safe for concurrent use.
type Ledger struct {
	cfg     Config
	pending atomic.Int64

	mu       sync.Mutex
	sessions map[string]*Session
	runs     map[string]*run
	size     int // bytes of all records, about
	dropped  Dropped
	// damaged counts the lines of the file, and of those before it, that do not read.
	damaged uint64
	// orphans are sessions that are acknowledged in the file and never opened, with their run; while it is read.
	orphans map[string]string
	// dirty are the sessions that the file does not know as they are.
	dirty map[*Session]bool

	// writing is held by who writes the file.
	writing sync.Mutex
	file    *journal
	stop    chan struct{}
	stopped sync.WaitGroup
}

// run is the sessions of one name, in the order in which they were opened.
type run struct{ sessions []*Session }

// Open opens the ledger in a file, or begins one. Only one process may have it open.
func Open(cfg Config) (*Ledger, error) {
	l := empty(cfg)
	file, got, err := openJournal(cfg.Path, l.replay)
	if err != nil {
		return nil, err
	}
	l.tell(got)
	l.file, l.stop = file, make(chan struct{})
	l.mu.Lock()
	l.makeRoom(nil)
	l.mu.Unlock()
	l.stopped.Go(l.flushNowAndThen)
	return l, nil
}

// Read returns the ledger in a file as it stands there, for queries only. A file that is not there is an
// empty ledger.
func Read(path string) (*Ledger, error) {
	l := empty(Config{Path: path, Log: slog.New(slog.DiscardHandler)})
	got, err := readJournal(path, l.replay)
	l.tell(got)
	return l, err
}

func empty(cfg Config) *Ledger {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.FlushEvery == 0 {
		cfg.FlushEvery = time.Second / 2
	}
	if cfg.MaxSessions == 0 {
		cfg.MaxSessions = 1 << 14
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Ledger{cfg: cfg, sessions: map[string]*Session{}, runs: map[string]*run{}, orphans: map[string]string{}, dirty: map[*Session]bool{}}
}

// Opening is what a session is opened with.
type Opening struct {
	// Run is the name of the run that the session belongs to.
	Run   string
	Actor string
	// Ticket is resolved: it alone decides what has to be delivered.
	Ticket json.RawMessage
	// Samples counts the positions of the epoch, Steps the steps of this stream.
	Samples, Steps uint64
}

// Begin opens a session. It is in the file when Begin returns. A disk that fails is told to the log and ends no training.
func (l *Ledger) Begin(o Opening) (*Session, error) {
	if err := CheckRun(o.Run); err != nil {
		return nil, err
	}
	if len(o.Ticket) > MaxTicket {
		return nil, fault.New(fault.TooLarge, "a ticket of %d bytes: receipts keep at most %d", len(o.Ticket), MaxTicket).
			WithCure("leave the key \"run\" out to read without receipts")
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // crypto/rand does not fail
	now := l.now()
	actor := o.Actor
	if len(actor) > maxActor {
		actor = strings.ToValidUTF8(actor[:maxActor], "") // a letter that is cut is none
	}
	s := &Session{ledger: l, live: true, rec: Record{
		ID: hex.EncodeToString(id[:]), Run: o.Run, Actor: actor, Opened: now, Last: now,
		Ticket: o.Ticket, Samples: o.Samples, Planned: o.Steps,
	}}
	l.mu.Lock()
	l.add(s)
	gone := l.makeRoom(s)
	l.mu.Unlock()
	if len(gone) > 0 {
		l.cfg.Log.Warn("the ledger of receipts is full: old runs are dropped", "runs", gone, "kept", l.cfg.MaxSessions)
	}
	if err := l.open(s); err != nil { // before anybody else knows the session
		l.cfg.Log.Error("a session of receipts is not written", "session", s.rec.ID, "error", err, "cure", fault.CureOf(err))
	}
	return s, nil
}

const maxActor = 256

// now is the time as records have it.
func (l *Ledger) now() time.Time { return l.cfg.Now().UTC().Truncate(time.Millisecond) }

// add puts a session in; l.mu is held.
func (l *Ledger) add(s *Session) {
	l.sessions[s.rec.ID] = s
	r := l.runs[s.rec.Run]
	if r == nil {
		r = &run{}
		l.runs[s.rec.Run] = r
	}
	r.sessions = append(r.sessions, s)
	l.count(s, s.rec.size())
}

// count takes the size of a session's record into that of all; l.mu is held.
func (l *Ledger) count(s *Session, size int) {
	l.size += size - s.counted
	s.counted = size
}

// find returns a session by its id.
func (l *Ledger) find(id string) *Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sessions[id]
}

// Acknowledge tells that the client of a session has taken its first steps steps. seen, where given, is
// the client's own chain over them. With durable the file has it when Acknowledge returns. It returns what
// is acknowledged now.
func (l *Ledger) Acknowledge(id string, steps uint64, seen *Hash, durable bool) (uint64, error) {
	s := l.find(id)
	if s == nil {
		return 0, fault.New(fault.NotFound, "no session %.40q in the ledger of receipts", id).
			WithCure("take the id from the key \"session\" of the stream's `terrapin` metadata; old runs are dropped")
	}
	if err := s.acknowledge(steps, seen); err != nil {
		return 0, err
	}
	if durable {
		if err := l.flush(); err != nil {
			return 0, err
		}
	}
	r := s.Record()
	return r.Acknowledged(), nil
}

// makeRoom drops whole runs, but not that of keep nor one that is being read, until the ledger is within its
// limits. Where no other run is left it drops the oldest sessions of this one. l.mu is held.
func (l *Ledger) makeRoom(keep *Session) (gone []string) {
	for len(l.sessions) > l.cfg.MaxSessions || l.size > maxBytes {
		name := l.oldest(keep)
		if name == "" {
			break
		}
		l.drop(name)
		gone = append(gone, name)
	}
	if keep == nil {
		return gone
	}
	r := l.runs[keep.rec.Run]
	for (len(l.sessions) > l.cfg.MaxSessions || l.size > maxBytes) && len(r.sessions) > 1 && !r.sessions[0].isLive() {
		l.forget(r.sessions[0])
		r.sessions = r.sessions[1:]
		l.dropped.Sessions++
	}
	return gone
}

// oldest is the run that was heard of longest ago, "" if none may go.
func (l *Ledger) oldest(keep *Session) (name string) {
	var when time.Time
	for n, r := range l.runs {
		if keep != nil && n == keep.rec.Run || slices.ContainsFunc(r.sessions, (*Session).isLive) {
			continue
		}
		last := r.last()
		if name == "" || last.Before(when) || last.Equal(when) && n < name {
			name, when = n, last
		}
	}
	return name
}

func (r *run) last() time.Time {
	var last time.Time
	for _, s := range r.sessions {
		if at := s.Record().Last; at.After(last) {
			last = at
		}
	}
	return last
}

// drop forgets a run; l.mu is held.
func (l *Ledger) drop(name string) {
	r := l.runs[name]
	if last := r.last(); last.After(l.dropped.Until) {
		l.dropped.Until = last
	}
	for _, s := range r.sessions {
		l.forget(s)
	}
	delete(l.runs, name)
	l.dropped.Runs++
	l.dropped.Sessions += uint64(len(r.sessions))
}

func (l *Ledger) forget(s *Session) {
	delete(l.sessions, s.rec.ID)
	delete(l.dirty, s)
	l.count(s, 0)
}
