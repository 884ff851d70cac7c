// Package faulty breaks a store in tests: a driver around another one that, at a step it is told, loses a
// write or its answer, gives up, takes long, tears what is read, or has no space. It owns no meaning of
// its own: without a fault it is the driver below, and what it does under one is what networks and disks
// do. It refuses to break the contract in ways that no store does, such as half a write.
package faulty

import (
	"context"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// Op is an operation of a driver.
type Op string

// The operations. A listing is one call, however long it is.
const (
	Any    Op = ""
	Get    Op = "get"
	Put    Op = "put"
	Stat   Op = "stat"
	List   Op = "list"
	Delete Op = "delete"
)

// Kind is what goes wrong.
type Kind int

// What can go wrong. Those that an operation cannot have are Unavailable: nothing is torn or lost where
// nothing is read or written.
const (
	// Unavailable: nothing happens and the caller is told to try again, as with 503.
	Unavailable Kind = iota
	// NotApplied: nothing happens and the call fails, without a word on trying again.
	NotApplied
	// LostAnswer: a write or a deletion is done and its answer does not arrive.
	LostAnswer
	// Torn: the body of a Get breaks off somewhere.
	Torn
	// NoSpace: a write finds the disk full.
	NoSpace
	// Slow: the call takes Fault.Delay, or until the caller goes away.
	Slow
	// Dies: the process ends before the call; nothing that it asks afterwards is answered, until Set.
	Dies
	// DiesAfter: the same, just after a write or a deletion is done.
	DiesAfter
)

var kindNames = [...]string{"unavailable", "not applied", "lost answer", "torn", "no space", "slow", "dies", "dies after"}

func (k Kind) String() string { return kindNames[k] }

// Fault says when something goes wrong, and what.
type Fault struct {
	Op Op
	// Key is a part of the keys that are hit; "" hits all.
	Key string
	// At is the first call hit of those that Op and Key choose, counted from 1. With 0 each is hit with the
	// probability Rate.
	At   int
	Rate float64
	// Times is how many calls in a row are hit from At on; 0 is one, negative all that follow.
	Times int
	Kind  Kind
	Delay time.Duration
}

// Call is one call of a driver.
type Call struct {
	Op  Op
	Key string
}

// Driver is a store with faults. It is safe for concurrent use.
type Driver struct {
	inner store.Driver

	mu     sync.Mutex
	rng    *rand.Rand
	faults []armed
	calls  []Call
	hits   int
	dead   bool
	before func(Call)
	after  func(Call, error)
}

type armed struct {
	Fault
	met int
}

var _ store.Driver = (*Driver)(nil)

// Errors of a fault, for errors.Is. A full disk is syscall.ENOSPC.
var (
	ErrUnavailable = fault.New(fault.Unavailable, "the store is too busy (a fault of the test)")
	ErrDied        = fault.New(fault.Unavailable, "the process was killed (a fault of the test)")
	ErrLost        = fault.New(fault.Unavailable, "the connection was lost (a fault of the test)")
)

// New wraps a driver. The seed decides what Fault.Rate hits and where bodies are torn.
func New(inner store.Driver, seed uint64) *Driver {
	return &Driver{inner: inner, rng: rand.New(rand.NewPCG(seed, 1))}
}

// Unwrap is the driver below.
func (d *Driver) Unwrap() store.Driver { return d.inner }

// Set replaces the faults and begins to count anew; without arguments nothing goes wrong any more.
func (d *Driver) Set(faults ...Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults, d.calls, d.hits, d.dead = nil, nil, 0, false
	for _, f := range faults {
		d.faults = append(d.faults, armed{Fault: f})
	}
}

// Before has a function called before each call, on the caller's goroutine: for what others do meanwhile.
func (d *Driver) Before(f func(Call)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = f
}

// After has a function called after each call, before its answer.
func (d *Driver) After(f func(Call, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.after = f
}

// Calls lists the calls since Set, in the order they came.
func (d *Driver) Calls() []Call {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Call(nil), d.calls...)
}

// Hits counts the calls since Set in which something went wrong.
func (d *Driver) Hits() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hits
}

// enter notes a call and decides what happens to it.
func (d *Driver) enter(ctx context.Context, c Call) (hit *Fault, at float64, after func(Call, error), err error) {
	d.mu.Lock()
	if d.dead {
		d.mu.Unlock()
		return nil, 0, nil, ErrDied
	}
	d.calls = append(d.calls, c)
	for i := range d.faults {
		f := &d.faults[i]
		if f.Op != Any && f.Op != c.Op || !strings.Contains(c.Key, f.Key) {
			continue
		}
		f.met++
		met := f.met >= f.At && (f.Times < 0 || f.met < f.At+max(f.Times, 1))
		if f.At == 0 {
			met = d.rng.Float64() < f.Rate
		}
		if met && hit == nil {
			hit = &f.Fault
		}
	}
	if hit != nil {
		d.hits++
		d.dead = hit.Kind == Dies || hit.Kind == DiesAfter
	}
	at = d.rng.Float64()
	before, after := d.before, d.after
	d.mu.Unlock()
	if before != nil {
		before(c)
	}
	if hit != nil && hit.Kind == Slow {
		timer := time.NewTimer(hit.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, 0, nil, ctx.Err()
		}
		hit = nil
	}
	if after == nil {
		after = func(Call, error) {}
	}
	return hit, at, after, nil
}

// Get opens a range.
func (d *Driver) Get(ctx context.Context, key string, r store.Range) (io.ReadCloser, store.Info, error) {
	c := Call{Get, key}
	hit, at, after, err := d.enter(ctx, c)
	if err != nil {
		return nil, store.Info{}, err
	}
	if hit != nil && hit.Kind != Torn {
		after(c, hit.err())
		return nil, store.Info{}, hit.err()
	}
	rc, info, err := d.inner.Get(ctx, key, r)
	after(c, err)
	if hit != nil && err == nil {
		n := info.Size - r.Offset
		if r.Length > 0 {
			n = min(n, r.Length)
		}
		return torn{io.LimitReader(rc, int64(at*float64(n))), rc}, info, nil
	}
	return rc, info, err
}

// torn is a body that breaks off.
type torn struct {
	io.Reader
	io.Closer
}

// Put writes an object.
func (d *Driver) Put(ctx context.Context, key string, body io.Reader, cond store.Condition) (store.Info, error) {
	c := Call{Put, key}
	hit, _, after, err := d.enter(ctx, c)
	if err != nil {
		return store.Info{}, err
	}
	if hit != nil && !hit.applied() {
		after(c, hit.err())
		return store.Info{}, hit.err()
	}
	info, err := d.inner.Put(ctx, key, body, cond)
	after(c, err)
	if hit != nil && err == nil {
		return store.Info{}, hit.err()
	}
	return info, err
}

// Stat describes an object.
func (d *Driver) Stat(ctx context.Context, key string) (store.Info, error) {
	c := Call{Stat, key}
	hit, _, after, err := d.enter(ctx, c)
	if err != nil {
		return store.Info{}, err
	}
	if hit != nil {
		after(c, hit.err())
		return store.Info{}, hit.err()
	}
	info, err := d.inner.Stat(ctx, key)
	after(c, err)
	return info, err
}

// List yields objects; a listing that fails does so after the first of them.
func (d *Driver) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return func(yield func(store.Info, error) bool) {
		c := Call{List, prefix}
		hit, _, after, err := d.enter(ctx, c)
		if err != nil {
			yield(store.Info{}, err)
			return
		}
		defer func() { after(c, nil) }()
		for info, err := range d.inner.List(ctx, prefix) {
			if !yield(info, err) {
				return
			}
			if hit != nil {
				break
			}
		}
		if hit != nil {
			yield(store.Info{}, hit.err())
		}
	}
}

// Delete removes an object.
func (d *Driver) Delete(ctx context.Context, key string) error {
	c := Call{Delete, key}
	hit, _, after, err := d.enter(ctx, c)
	if err != nil {
		return err
	}
	if hit != nil && !hit.applied() {
		after(c, hit.err())
		return hit.err()
	}
	err = d.inner.Delete(ctx, key)
	after(c, err)
	if hit != nil && err == nil {
		return hit.err()
	}
	return err
}

// applied reports whether a write is done all the same.
func (f *Fault) applied() bool { return f.Kind == LostAnswer || f.Kind == DiesAfter }

// err is what the caller is told.
func (f *Fault) err() error {
	switch f.Kind {
	case NotApplied, LostAnswer:
		return ErrLost
	case Dies, DiesAfter:
		return ErrDied
	case NoSpace:
		return fault.New(fault.Unavailable, "%w (a fault of the test)", syscall.ENOSPC).WithCure("free some space")
	default:
		return ErrUnavailable
	}
}
