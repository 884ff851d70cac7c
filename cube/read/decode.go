package read

import (
	"context"
	"runtime/debug"
	"slices"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// decode decodes a chunk that this batch has claimed and gives it to all who want it.
func (b *batch) decode(ctx context.Context, a arrived) {
	defer a.from.done()
	if a.err == nil {
		a.err = ctx.Err()
	}
	var c *chunk
	if a.err == nil {
		if dst := b.whole(a.job); dst != nil {
			b.decodeInPlace(a, dst)
			return
		}
		c, a.err = b.decoded(a)
	}
	b.reader.cache.finish(a.key, a.load, c, a.err)
	if a.err != nil {
		b.failUnit(a.job, a.err)
		return
	}
	b.copyOut(a.job, c)
	c.release()
}

// errTaken tells those who wait for a chunk that it went straight to its only taker.
var errTaken = fault.New(fault.Canceled, "the chunk was not kept")

// decodeInPlace spares the copy of a chunk that nobody keeps.
func (b *batch) decodeInPlace(a arrived, dst []byte) {
	var c *chunk
	err := b.decodeInto(a, dst)
	switch {
	case err != nil:
		b.failUnit(a.job, err)
	case b.reader.cache.waiters(a.key, a.load) == 0:
		err = errTaken
	default:
		buf := borrow(len(dst))
		copy(buf.bytes, dst)
		c = newChunk(b.array(a.job), a.key.bands, buf)
		defer c.release()
	}
	b.reader.cache.finish(a.key, a.load, c, err)
}

func (b *batch) decoded(a arrived) (*chunk, error) {
	array := b.array(a.job)
	buf := borrow(a.key.bands.count(array.planes) * array.planeBytes)
	if err := b.decodeInto(a, buf.bytes); err != nil {
		buf.free()
		return nil, err
	}
	return newChunk(array, a.key.bands, buf), nil
}

// decodeInto runs the decoder as one of the workers.
func (b *batch) decodeInto(a arrived, dst []byte) (err error) {
	b.reader.workers <- struct{}{}
	defer func() { <-b.reader.workers }()
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	start := time.Now()
	err = b.array(a.job).decode(a.key.bands, dst, a.data)
	b.count.decoding.Add(int64(time.Since(start)))
	b.count.misses.Add(1)
	return err
}

// whole is where a chunk can be decoded in place: nothing is kept, nobody else wants it, and one window
// takes it as it is.
func (b *batch) whole(j job) []byte {
	u := b.units[j.unit]
	if b.reader.cache.buffers || u.to-u.from != 1 {
		return nil
	}
	p := b.parts[u.from]
	w, at := &b.windows[p.window], b.places[p.place].chunkWindow(p)
	a := w.arrays[j.layer]
	n := j.key.bands.count(a.planes)
	if w.mask == 0 || w.at != at || at.Intersect(b.places[p.place].Window) != at || a.joined || len(w.bands) != n || !slices.IsSorted(w.bands) || w.mask.count(a.planes) != n {
		return nil
	}
	return w.out[j.layer][int(p.slot)*n*a.planeBytes : (int(p.slot)+1)*n*a.planeBytes]
}

// copyOut gathers as one of the workers.
func (b *batch) copyOut(j job, c *chunk) {
	b.reader.workers <- struct{}{}
	defer func() { <-b.reader.workers }()
	defer func() {
		if p := recover(); p != nil {
			b.failUnit(j, panicked(p))
		}
	}()
	b.gather(j.unit, int(j.layer), c)
}

// panicked is a defect met on a goroutine where no transport could turn it into an error.
func panicked(p any) error { return fault.New(fault.Internal, "panic: %v\n%s", p, debug.Stack()) }
