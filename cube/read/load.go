package read

import (
	"context"
	"sync/atomic"

	"github.com/terrapin-eo/terrapin/fault"
)

// arrived is a chunk whose bytes are there, or will not come; or one that was found decoded after all.
type arrived struct {
	job
	load  *load
	data  []byte
	err   error
	from  *inFlight
	chunk *chunk
}

// inFlight is a range in memory. It is given back when all its chunks are decoded.
type inFlight struct {
	reader *Reader
	buf    *buffer
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
	if f.buf != nil {
		f.buf.free()
	}
	f.reader.flight.Release(f.weight)
}

// fetch reads one range for those of its chunks that nobody has or loads, and hands them on.
func (w *work) fetch(ctx context.Context, s span) {
	f, err := w.reader.fly(ctx, s.size)
	if err != nil {
		return // the caller is gone
	}
	defer f.done()
	mine := make([]arrived, 0, len(s.jobs))
	end := uint64(0)
	for _, j := range s.jobs {
		if !w.wanted(j.unit) {
			continue
		}
		held, l, own := w.reader.cache.claim(j.key)
		switch {
		case held != nil:
			w.queue <- arrived{job: j, chunk: held}
		case !own:
			w.later(j, l)
		default:
			mine = append(mine, arrived{job: j, load: l, from: f})
			end = max(end, j.end())
		}
	}
	if len(mine) == 0 {
		return
	}
	w.read(ctx, f, mine, end)
	for _, a := range mine {
		f.left.Add(1)
		w.queue <- a
	}
}

// read fills in the bytes of neighbouring chunks. Where they do not come together each is asked for
// alone, so that one that is out of place takes no other with it.
func (b *batch) read(ctx context.Context, f *inFlight, mine []arrived, end uint64) {
	first := mine[0].job
	if first.virtual() {
		mine[0].data, mine[0].err = b.readVirtual(ctx, first)
		return
	}
	from := first.key.offset
	f.buf = borrow(int(end - from))
	err := b.readRange(ctx, first, from, f.buf.bytes)
	for i := range mine {
		a := &mine[i]
		a.data = f.buf.bytes[a.key.offset-from : a.end()-from]
		switch {
		case err != nil && len(mine) > 1 && ctx.Err() == nil:
			a.err = b.readRange(ctx, a.job, a.key.offset, a.data)
		case err != nil:
			a.err = err
		}
	}
	b.count.coalesced.Add(int64(len(mine) - 1))
}

func (b *batch) readRange(ctx context.Context, j job, offset uint64, dst []byte) error {
	leave, err := b.reader.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	b.count.ranges.Add(1)
	b.count.bytesRead.Add(int64(len(dst)))
	return unlessGone(ctx, b.view.Cube().Repo().ReadObjectInto(ctx, j.key.object, offset, dst))
}

func (b *batch) readVirtual(ctx context.Context, j job) ([]byte, error) {
	leave, err := b.reader.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	data, err := b.view.Cube().Repo().ReadChunk(ctx, b.found[j.layer][j.unit].Ref)
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
		mine := []arrived{a}
		b.read(ctx, f, mine, a.end())
		a = mine[0]
	}
	b.decode(ctx, a)
}

// array is that of a job's chunk.
func (b *batch) array(j job) *array {
	return b.places[b.parts[b.units[j.unit].from].place].arrays[j.layer]
}
