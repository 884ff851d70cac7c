package bulk

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/fault"
)

// Load says how documents come into a catalog.
type Load struct {
	Target Target
	// Collection is that of items that name none.
	Collection string
	// Journal, where not nil, keeps how far the load came.
	Journal *Journal
	// Rejected is told of each document that is not taken, Progress of how far the load is, a few times a second. Either
	// may be nil.
	Rejected func(Rejection) error
	Progress func(Progress)
	// Batch is how many documents are put at once; 0 means what suits the target. Backoff is how long a target that is not there now is
	// left alone before the second try, doubled for each of the five further ones; 0 means half a second.
	Batch   int
	Backoff time.Duration
}

// Rejection is a document that is not taken.
type Rejection struct {
	Source string `json:"source"`
	// Line is where it begins in a text; Number is which of the source's documents it is.
	Line       int    `json:"line,omitempty"`
	Number     int    `json:"number"`
	ID         string `json:"id,omitempty"`
	Collection string `json:"collection,omitempty"`
	Reason     string `json:"reason"`
	Cure       string `json:"cure"`
}

// Progress is how far a load is.
type Progress struct {
	Source string
	// Items were put, Rejected were not, since the load began.
	Items, Rejected int
	// Read of Size bytes of the source were read; Size is 0 where it is not known.
	Read, Size int64
}

// Loaded is what a load did.
type Loaded struct {
	// Collections are those whose documents were put, Derived those that were made of their items, as there was no document.
	Collections, Derived []string
	// Items were put, in how many documents that came; Rejected were not.
	Items, Rejected int
	// Bytes were read.
	Bytes int64
	// Skipped documents were put by an earlier load, as the journal says.
	Skipped int
	// Empty are the names of sources without a single document.
	Empty []string
}

// Run loads the sources one after the other. What was put stays put, whatever happens later; an error says what ended the
// load. A source that is damaged is rejected from there on, and the next one follows.
func (l Load) Run(ctx context.Context, sources []Source) (Loaded, error) {
	p := paceOf(l.Target)
	if l.Batch == 0 {
		l.Batch = p.items
	}
	if l.Backoff == 0 {
		l.Backoff = 500 * time.Millisecond
	}
	r := &loading{Load: l, pace: p, shelf: map[string]*shelved{}}
	ctx, cancel := context.WithCancel(ctx)
	readings := r.readAhead(ctx, sources)
	defer func() {
		cancel()
		for range readings { // until nobody reads
		}
	}()
	for rd := range readings {
		err := r.put(ctx, rd)
		r.done.Bytes += rd.Read()
		if damaged := (errSource{}); errors.As(err, &damaged) && fault.Is(damaged, fault.Corrupt) && len(sources) > 1 {
			err = r.reject(rd.Source, one{bad: damaged})
		}
		if err != nil {
			return r.result(), err
		}
	}
	return r.result(), ctx.Err()
}

// errSource is an error of what is read, and not of where it goes.
type errSource struct{ error }

func (e errSource) Unwrap() error { return e.error }

// loading is a load at work. Its fields belong to the goroutine that puts.
type loading struct {
	Load
	pace  pace
	shelf map[string]*shelved
	done  Loaded
	shown time.Time
}

func (r *loading) result() Loaded {
	slices.Sort(r.done.Collections)
	slices.Sort(r.done.Derived)
	r.done.Collections, r.done.Derived = slices.Compact(r.done.Collections), slices.Compact(r.done.Derived)
	return r.done
}

// put puts what is read of one source, in its order.
func (r *loading) put(ctx context.Context, rd *reading) error {
	r.done.Skipped += rd.from.Number
	if rd.through {
		return nil
	}
	at, err := r.putAll(ctx, rd)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	if at.Number == 0 {
		r.done.Empty = append(r.done.Empty, rd.Name())
	}
	r.progress(rd.Source, true)
	return r.Journal.save(rd.index, rd.Source, at, true)
}

// reject tells of a document that is not taken.
func (r *loading) reject(s Source, o one) error {
	r.done.Rejected++
	if r.Rejected == nil {
		return nil
	}
	out := Rejection{Source: s.Name(), Line: o.Line, Number: o.Number, Reason: o.bad.Error(), Cure: fault.CureOf(o.bad)}
	if ref := o.ref(); ref.Collection != "" {
		out.ID, out.Collection = ref.ID, ref.Collection
	} else if o.Raw != nil {
		out.ID, out.Collection = gjson.GetBytes(o.Raw, "id").String(), gjson.GetBytes(o.Raw, "collection").String()
	}
	if out.Cure == "" {
		out.Cure = "mend the document, and load it again"
	}
	return r.Rejected(out)
}

func (r *loading) progress(s Source, last bool) {
	if r.Progress == nil || !last && time.Since(r.shown) < 250*time.Millisecond {
		return
	}
	r.shown = time.Now()
	r.Progress(Progress{Source: s.Name(), Items: r.done.Items, Rejected: r.done.Rejected, Read: s.Read(), Size: s.Size()})
}

// passes reports whether an error may be gone when the same is tried again.
func passes(err error) bool { return fault.Is(err, fault.Unavailable) }

// ofDocument reports whether an error is about what was put, and not about where it went.
func ofDocument(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	return slices.Contains([]fault.Kind{fault.Invalid, fault.Conflict, fault.TooLarge, fault.Unsupported, fault.Precondition, fault.NotFound, fault.Corrupt}, fault.KindOf(err))
}
