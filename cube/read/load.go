package read

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/terrapin-eo/terrapin/fault"
)

// arrived is a chunk whose bytes are there, or will not come; or one that was found decoded after all.
type arrived struct {
	job
	load  *load
	data  []byte
	buf   *buffer // that data lies in, or nil
	print uint64  // of data, where it was taken when that was read; else 0
	err   error
	from  *inFlight
	chunk *chunk
}

// done gives back the memory of the encoded bytes.
func (a *arrived) done() {
	a.drop()
	a.from.done()
}

// drop forgets the bytes.
func (a *arrived) drop() {
	if a.buf != nil {
		a.buf.free()
	}
	a.data, a.buf, a.print = nil, nil, 0
}

// inFlight is the room that a range takes. It is given back when all its chunks are decoded.
type inFlight struct {
	reader *Reader
	weight int64
	left   atomic.Int32
}

// fly waits for room for n bytes; the caller holds it once.
func (r *Reader) fly(ctx context.Context, n uint64) (*inFlight, error) {
	f := &inFlight{reader: r, weight: min(int64(n), r.cfg.FlightBytes)}
	if err := r.flight.Acquire(ctx, f.weight); err != nil {
		return nil, err
	}
	f.left.Store(1)
	return f, nil
}

func (f *inFlight) done() {
	if f == nil || f.left.Add(-1) > 0 {
		return
	}
	f.reader.flight.Release(f.weight)
}

// errand is a range to be read: chunks that the batch has claimed already, and others that lie behind them.
type errand struct {
	claimed []arrived
	jobs    []job
}

// fetch reads one range for those of its chunks that nobody has or loads, and hands them on.
func (w *work) fetch(ctx context.Context, e errand) {
	f, err := w.reader.fly(ctx, e.size())
	if err != nil { // the caller is gone, but others may wait for what is claimed
		for _, a := range e.claimed {
			a.err = err
			w.queue <- a
		}
		return
	}
	defer f.done()
	mine := e.claimed
	for _, j := range e.jobs {
		if a, own := w.claim(j, func(c *chunk) { w.queue <- arrived{job: j, chunk: c} }); own {
			mine = append(mine, a)
		}
	}
	end := uint64(0)
	for i := range mine {
		mine[i].from = f
		end = max(end, mine[i].end())
	}
	f.left.Add(int32(len(mine)))
	w.read(ctx, mine, end, func(a arrived) { w.queue <- a })
}

func (e errand) size() uint64 {
	from, end := uint64(math.MaxUint64), uint64(0)
	for _, a := range e.claimed {
		from, end = min(from, a.key.offset), max(end, a.end())
	}
	for _, j := range e.jobs {
		from, end = min(from, j.key.offset), max(end, j.end())
	}
	return end - from
}

// claim takes it on to load a chunk that is wanted, unless somebody has it, who is told, or loads it.
func (w *work) claim(j job, kept func(*chunk)) (a arrived, own bool) {
	if !w.wanted(j.unit) {
		return arrived{}, false
	}
	held, l, own := w.reader.cache.claim(j.key)
	switch {
	case held != nil:
		kept(held)
	case !own:
		w.later(j, l)
	}
	return arrived{job: j, load: l}, own
}

// read fills in the bytes of neighbouring chunks and hands each on as it comes, so that it is decoded
// while it is in the processor's caches and others are on their way. Where they do not come together each
// is asked for alone, so that one that is out of place takes no other with it.
func (b *batch) read(ctx context.Context, mine []arrived, end uint64, hand func(arrived)) {
	if len(mine) == 0 {
		return
	}
	first := mine[0].job
	if first.virtual() {
		mine[0].data, mine[0].err = b.readVirtual(ctx, first)
		hand(mine[0])
		return
	}
	n, err := b.stream(ctx, mine, end, hand)
	for _, a := range mine[n:] {
		switch {
		case err != nil && len(mine) > 1 && ctx.Err() == nil:
			alone := []arrived{a}
			if _, a.err = b.stream(ctx, alone, a.end(), hand); a.err == nil {
				continue
			}
		default:
			a.err = err
		}
		hand(a)
	}
	b.count.coalesced.Add(int64(len(mine) - 1))
}

// stream reads one range; it tells how many chunks of it came, and why no more did.
func (b *batch) stream(ctx context.Context, mine []arrived, end uint64, hand func(arrived)) (int, error) {
	leave, err := b.reader.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	from, begin := mine[0].key.offset, b.now()
	b.count.ranges.Add(1)
	b.count.bytesRead.Add(int64(end - from))
	s, err := b.view.Cube().Repo().StreamObject(ctx, mine[0].key.object, from, end-from)
	if err != nil {
		return 0, unlessGone(ctx, err)
	}
	defer s.Close()
	for i, a := range mine {
		b.room(&a)
		if err := b.receive(&a, func(at int64, piece []byte) error { return s.ReadInto(ctx, at, piece) }); err != nil {
			a.drop()
			return i, fmt.Errorf("read chunk object %s: %w", a.key.object, unlessGone(ctx, err))
		}
		b.span("read", begin, len(a.data))
		hand(a)
		begin = b.now()
	}
	return len(mine), nil
}

// room is where the bytes of a chunk are read to.
func (b *batch) room(a *arrived) {
	if a.data = b.straight(a.job); a.data == nil {
		a.buf = borrow(int(a.key.length))
		a.data = a.buf.bytes
	}
}

// receive reads the bytes of a chunk and takes their fingerprint piece by piece as they come, for what was just read is in
// the processor's nearest caches.
func (b *batch) receive(a *arrived, read func(offset int64, piece []byte) error) error {
	if b.reader.cfg.Unverified {
		return read(int64(a.key.offset), a.data)
	}
	for at := 0; at < len(a.data); at += pieceBytes {
		piece := a.data[at:min(at+pieceBytes, len(a.data))]
		if err := read(int64(a.key.offset)+int64(at), piece); err != nil {
			return err
		}
		a.print = b.reader.known.print(a.print, piece)
	}
	return nil
}

func (b *batch) readVirtual(ctx context.Context, j job) ([]byte, error) {
	leave, err := b.reader.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	begin := b.now()
	data, err := b.view.Cube().Repo().ReadChunk(ctx, b.found[j.layer][j.unit].Ref)
	b.span("read", begin, len(data))
	b.count.ranges.Add(1)
	b.count.bytesRead.Add(int64(len(data)))
	return data, unlessGone(ctx, err)
}

// unlessGone tells a store that gave up by itself from a caller that went away.
func unlessGone(ctx context.Context, err error) error {
	if fault.Is(err, fault.Canceled) && ctx.Err() == nil {
		return fault.New(fault.Unavailable, "the store took too long: %w", err)
	}
	return err
}

// enter waits for the turn to read a range.
func (r *Reader) enter(ctx context.Context) (leave func(), err error) {
	select {
	case r.ranges <- struct{}{}:
		return func() { <-r.ranges }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// later puts a chunk off until everything that this batch loads itself is done: whoever waits for
// others while they wait for him waits for ever.
func (b *batch) later(j job, l *load) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waits = append(b.waits, wait{j, l})
}

// serve deals with a chunk that needs no range.
func (w *work) serve(ctx context.Context, j job) {
	switch {
	case j.absent:
		w.copyOut(ctx, j, nil)
	case j.inline:
		held, l, own := w.reader.cache.claim(j.key)
		switch {
		case own:
			w.decode(ctx, arrived{job: j, load: l, data: w.found[j.layer][j.unit].Ref.Inline})
		case held != nil:
			w.hit(ctx, j, held)
		default:
			w.later(j, l)
		}
	default:
		if held := w.reader.cache.get(j.key); held != nil {
			w.hit(ctx, j, held)
		} else {
			w.later(j, nil)
		}
	}
}

// take deals with a chunk that a range brought.
func (w *work) take(ctx context.Context, a arrived) {
	if a.chunk != nil {
		w.hit(ctx, a.job, a.chunk)
	} else {
		w.decode(ctx, a)
	}
}

func (b *batch) hit(ctx context.Context, j job, c *chunk) {
	b.count.hits.Add(1)
	defer c.release()
	b.copyOut(ctx, j, c)
}

// obtain gets a chunk by itself, however many times whoever loads it gives up.
func (b *batch) obtain(ctx context.Context, w wait) {
	cache := b.reader.cache
	for {
		if w.load == nil {
			if ctx.Err() != nil {
				return
			}
			held, l, own := cache.claim(w.key)
			switch {
			case held != nil:
				b.hit(ctx, w.job, held)
				return
			case own:
				b.loadAlone(ctx, arrived{job: w.job, load: l})
				return
			}
			w.load = l
		}
		c, err := cache.await(ctx, w.key, w.load)
		switch {
		case err == nil:
			b.count.joined.Add(1)
			b.hit(ctx, w.job, c)
			return
		case ctx.Err() != nil:
			return
		case !fault.Is(err, fault.Canceled):
			b.failUnit(w.job, err)
			return
		}
		w.load = nil // whoever loaded it gave up, not the chunk
	}
}

func (b *batch) loadAlone(ctx context.Context, a arrived) {
	if a.inline {
		a.data = b.found[a.layer][a.unit].Ref.Inline
	} else if f, err := b.reader.fly(ctx, a.key.length); err != nil {
		a.err = err
	} else {
		a.from = f
		b.read(ctx, []arrived{a}, a.end(), func(a arrived) { b.decode(ctx, a) })
		return
	}
	b.decode(ctx, a)
}

// array is that of a job's chunk.
func (b *batch) array(j job) *array {
	return b.places[b.parts[b.units[j.unit].from].place].arrays[j.layer]
}
