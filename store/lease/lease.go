// Package lease lets one process at a time be the committer of a bucket. It owns an object that says who
// that is and until when, taken and renewed by compare-and-swap; it refuses a second holder and names the
// first. The invariant: of two processes that both saw a lease run out, one gets it. It is courtesy, not
// safety: what is committed is guarded by its own compare-and-swap.
package lease

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

const (
	// DefaultTTL is how long a lease lasts without being renewed: what others wait after a machine died.
	DefaultTTL = 60 * time.Second
	// grace is added before a lease counts as run out: clocks are told to the second only.
	grace = 3 * time.Second
	// patience bounds one request of renewal or release.
	patience = 10 * time.Second
	// tries is how often a lease that others change at the same moment is looked at.
	tries = 20
)

// Holder is what the object says, as JSON.
type Holder struct {
	// Owner is a random name of this very hold; "" is a lease that was given back.
	Owner string `json:"owner"`
	// Host is the machine's name, for people.
	Host string `json:"host,omitempty"`
	// Node tells within which boot and process namespace PID and Started mean something.
	Node    string `json:"node,omitempty"`
	PID     int    `json:"pid,omitempty"`
	Started uint64 `json:"started,omitempty"`
	// URLs are what the holder announced, such as a server's addresses.
	URLs json.RawMessage `json:"urls,omitempty"`
	// Expires is by the store's clock.
	Expires time.Time `json:"expires"`
}

// Held says that another process holds the lease.
type Held struct{ Holder Holder }

func (e *Held) Error() string {
	return "the lease is held by " + e.Holder.Host + " until " + e.Holder.Expires.Format(time.RFC3339)
}

// Config says where a lease lies.
type Config struct {
	Bucket *store.Bucket
	Key    string
	// TTL is DefaultTTL if 0.
	TTL time.Duration
	// Now tells the store's time; nil is this machine's.
	Now func() time.Time
	Log *slog.Logger
}

// Lease is the right that this process holds until Release or until it is lost.
type Lease struct {
	cfg  Config
	stop context.CancelFunc
	done chan struct{}
	lost chan struct{}

	mu     sync.Mutex
	holder Holder
	etag   string
	err    error
}

// Acquire takes the lease if it is free, has run out, or its holder is a process of this machine that
// ended; else the error is *Held. It is renewed until Release.
func Acquire(ctx context.Context, cfg Config) (*Lease, error) {
	if cfg.TTL == 0 {
		cfg.TTL = DefaultTTL
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	l := &Lease{cfg: cfg, done: make(chan struct{}), lost: make(chan struct{}), holder: self()}
	err := l.take(ctx)
	for try := 1; errors.Is(err, store.ErrConflict) && try < tries; try++ { // somebody else moved: look again
		err = l.take(ctx)
	}
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	go l.keep(running)
	return l, nil
}

// take makes one attempt.
func (l *Lease) take(ctx context.Context) error {
	raw, info, err := l.cfg.Bucket.Read(ctx, l.cfg.Key, store.Range{})
	condition := store.Condition{IfMatch: info.ETag}
	switch {
	case errors.Is(err, store.ErrNotFound):
		condition = store.Condition{IfAbsent: true}
	case err != nil:
		return err
	default:
		var now Holder
		if err := json.Unmarshal(raw, &now); err != nil {
			return fault.New(fault.Corrupt, "%s/%s is no lease: %w", l.cfg.Bucket.URL(), l.cfg.Key, err).WithCure("delete that object if no terrapin works on this place")
		}
		if now.Owner != "" && !now.ended() && l.cfg.Now().Before(now.Expires.Add(grace)) {
			return &Held{Holder: now}
		}
	}
	return l.write(ctx, l.holder, condition)
}

// write puts a new state of the lease in the place of a known one.
func (l *Lease) write(ctx context.Context, h Holder, c store.Condition) error {
	if h.Owner != "" {
		h.Expires = l.cfg.Now().Add(l.cfg.TTL).UTC().Truncate(time.Second)
	}
	raw, err := json.Marshal(h)
	if err != nil {
		return fault.New(fault.Internal, "encode the lease: %w", err)
	}
	info, err := l.cfg.Bucket.Write(ctx, l.cfg.Key, append(raw, '\n'), c)
	if err != nil {
		return err
	}
	l.holder, l.etag = h, info.ETag
	return nil
}

// keep renews the lease until it is stopped or lost.
func (l *Lease) keep(ctx context.Context) {
	defer close(l.done)
	tick := time.NewTicker(l.cfg.TTL / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := l.renew(ctx); err != nil {
			close(l.lost)
			return
		}
	}
}

// renew tries once; the error says that the lease is lost.
func (l *Lease) renew(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	trying, cancel := context.WithTimeout(ctx, min(patience, l.cfg.TTL/4))
	defer cancel()
	err := l.write(trying, l.holder, store.Condition{IfMatch: l.etag})
	place := l.cfg.Bucket.URL() + "/" + l.cfg.Key
	switch {
	case err == nil || ctx.Err() != nil:
		return nil
	case errors.Is(err, store.ErrConflict):
		l.err = fault.New(fault.Precondition, "another process took the lease %s over, since this one had not renewed it in time", place).
			WithCure("run the command again; what was committed stays")
	case l.cfg.Now().After(l.holder.Expires):
		l.err = fault.New(fault.Unavailable, "the lease %s could not be renewed and ran out: %w", place, err).
			WithCure("look at the network and the store, and run the command again; what was committed stays")
	default:
		l.cfg.Log.WarnContext(ctx, "the lease could not be renewed; trying again", "lease", place, "expires", l.holder.Expires, "error", err)
	}
	return l.err
}

// Announce tells others where the holder can be reached.
func (l *Lease) Announce(ctx context.Context, urls any) error {
	raw, err := json.Marshal(urls)
	if err != nil {
		return fault.New(fault.Internal, "encode the addresses: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.holder
	h.URLs = raw
	return l.write(ctx, h, store.Condition{IfMatch: l.etag})
}

// Lost is closed when the lease is no longer held though nobody released it; Err says why then.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Err says why the lease was lost, or nil.
func (l *Lease) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Release gives the lease back, so that nobody has to wait for it to run out.
func (l *Lease) Release(ctx context.Context) error {
	l.stop()
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil // it is another's now
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := l.write(ctx, Holder{Expires: l.cfg.Now().UTC().Truncate(time.Second)}, store.Condition{IfMatch: l.etag})
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

func self() Holder {
	h := process()
	h.Owner = rand.Text()
	return h
}
