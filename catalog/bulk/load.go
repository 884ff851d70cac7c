package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/tree"
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
	// Batch is how many documents are put at once; 0 means 1,000. Backoff is how long a target that is not there now is
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

const (
	// chunkItems and chunkBytes are what one core reads at a time.
	chunkItems = 64
	chunkBytes = 1 << 20
	// batchBytes bounds a batch of large documents.
	batchBytes = 16 << 20
)

// Run loads the sources one after the other. What was put stays put, whatever happens later; an error says what ended the
// load. A source that is damaged is rejected from there on, and the next one follows.
func (l Load) Run(ctx context.Context, sources []Source) (Loaded, error) {
	if l.Batch == 0 {
		l.Batch = 1000
	}
	if l.Backoff == 0 {
		l.Backoff = 500 * time.Millisecond
	}
	r := &loading{Load: l, shelf: map[string]*shelved{}}
	for i, s := range sources {
		err := r.source(ctx, i, s)
		r.done.Bytes += s.Read()
		if damaged := (errSource{}); errors.As(err, &damaged) && fault.Is(damaged, fault.Corrupt) && len(sources) > 1 {
			err = r.reject(s, one{bad: damaged})
		}
		if err != nil {
			return r.result(), err
		}
	}
	return r.result(), nil
}

// errSource is an error of what is read, and not of where it goes.
type errSource struct{ error }

func (e errSource) Unwrap() error { return e.error }

// loading is a load at work. Its fields belong to the goroutine that puts.
type loading struct {
	Load
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

// chunk is some documents on their way: first as they are in the source, then read. ready is closed when they are.
type chunk struct {
	docs  []Document
	read  []prepared
	bad   []error
	ready chan struct{}
	// end is why there are no more.
	end error
}

// source loads one source: one goroutine takes it apart, others read what comes, and this one puts it in its order.
func (r *loading) source(ctx context.Context, index int, s Source) error {
	from, through := r.Journal.position(index, s)
	r.done.Skipped += from.Number
	if through {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	var ended sync.WaitGroup
	defer ended.Wait()
	defer cancel()
	cores := runtime.GOMAXPROCS(0)
	ordered, work := make(chan *chunk, 4*cores), make(chan *chunk, 4*cores)
	ended.Go(func() {
		defer close(ordered)
		defer close(work)
		take(ctx, s, from, ordered, work)
	})
	for range cores {
		ended.Go(func() {
			for c := range work {
				r.readChunk(c)
			}
		})
	}
	batches := make(chan *batch, 1)
	ended.Go(func() {
		defer close(batches)
		collect(ctx, r.Batch, ordered, batches)
	})
	at := from
	for b := range batches {
		if b.end != nil {
			return errSource{b.end}
		}
		if err := r.put(ctx, s, b); err != nil {
			return err
		}
		if at.Number = b.at.Number; b.at.Cursor != "" {
			at.Cursor = b.at.Cursor
		}
		if err := r.Journal.save(index, s, at, false); err != nil {
			return err
		}
		r.progress(s, false)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if at.Number == 0 {
		r.done.Empty = append(r.done.Empty, s.Name())
	}
	r.progress(s, true)
	return r.Journal.save(index, s, at, true)
}

// take cuts a source into chunks.
func take(ctx context.Context, s Source, from Position, ordered, work chan<- *chunk) {
	c, size := &chunk{ready: make(chan struct{})}, 0
	send := func() bool {
		for _, to := range []chan<- *chunk{ordered, work} {
			select {
			case to <- c:
			case <-ctx.Done():
				return false
			}
		}
		c, size = &chunk{ready: make(chan struct{})}, 0
		return true
	}
	for doc, err := range s.Documents(ctx, from) {
		if err != nil {
			c.end = err
			break
		}
		c.docs = append(c.docs, doc)
		if size += len(doc.Raw); len(c.docs) == chunkItems || size >= chunkBytes {
			if !send() {
				return
			}
		}
	}
	send()
}

// readChunk reads the documents of a chunk.
func (r *loading) readChunk(c *chunk) {
	defer close(c.ready)
	c.read, c.bad = make([]prepared, len(c.docs)), make([]error, len(c.docs))
	t := &tree.Tree{}
	for i, doc := range c.docs {
		if c.bad[i] = doc.Err; doc.Err == nil {
			c.read[i], c.bad[i] = prepare(t, doc.Raw, doc.Base, r.Collection)
		}
	}
}

// batch is what is put at once. A document that comes twice is put as it comes last.
type batch struct {
	collections []one
	items       []one
	index       map[catalog.ItemRef]int
	rejected    []one
	bytes       int
	at          Position
	end         error
}

// one is a document of a batch and where it came from.
type one struct {
	Document
	prepared
	bad error
}

func (o one) ref() catalog.ItemRef {
	if o.isItem {
		return o.item.Ref
	}
	return catalog.ItemRef{Collection: o.collection.ID}
}

func (b *batch) add(o one) {
	if b.at.Number = o.Number; o.Cursor != "" {
		b.at.Cursor = o.Cursor
	}
	if o.bad != nil {
		b.rejected = append(b.rejected, o)
		return
	}
	list := &b.collections
	if o.isItem {
		list = &b.items
		b.bytes += len(o.item.Document)
	}
	o.Raw = nil
	if i, twice := b.index[o.ref()]; twice {
		(*list)[i] = o
		return
	}
	b.index[o.ref()] = len(*list)
	*list = append(*list, o)
}

func (b *batch) len() int { return len(b.collections) + len(b.items) + len(b.rejected) }

// collect makes batches of chunks, in their order.
func collect(ctx context.Context, size int, ordered <-chan *chunk, batches chan<- *batch) {
	fresh := func() *batch { return &batch{index: map[catalog.ItemRef]int{}} }
	b := fresh()
	send := func() bool {
		select {
		case batches <- b:
			b = fresh()
			return true
		case <-ctx.Done():
			return false
		}
	}
	for c := range ordered {
		select {
		case <-c.ready:
		case <-ctx.Done():
			return
		}
		for i, doc := range c.docs {
			b.add(one{Document: doc, prepared: c.read[i], bad: c.bad[i]})
			if (b.len() >= size || b.bytes >= batchBytes) && !send() {
				return
			}
		}
		if c.end != nil {
			if b.len() == 0 || send() {
				b.end = c.end
				send()
			}
			return
		}
	}
	if b.len() > 0 {
		send()
	}
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

func documents(list []one) (out []json.RawMessage) {
	for _, o := range list {
		out = append(out, o.collection.Document)
	}
	return out
}

func entries(list []one) (out []catalog.Entry) {
	for _, o := range list {
		out = append(out, o.item)
	}
	return out
}
