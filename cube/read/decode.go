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
	defer a.done()
	if a.err == nil {
		a.err = ctx.Err()
	}
	var c *chunk
	if a.err == nil {
		if b.cutOut(&a) {
			return
		}
		if dst := b.whole(a.job); dst != nil {
			b.decodeInPlace(ctx, a, dst)
			return
		}
		c, a.err = b.decoded(ctx, &a)
	}
	b.reader.cache.finish(a.key, a.load, c, forOthers(a.err))
	if a.err != nil {
		b.failUnit(a.job, a.err)
		return
	}
	a.sure = true
	b.copyOut(ctx, a.job, c)
	c.release()
}

// errTaken tells those who wait for a chunk that it went straight to its only taker.
var errTaken = fault.New(fault.Canceled, "the chunk was not kept")

// decodeInPlace spares the copy of a chunk that nobody keeps.
func (b *batch) decodeInPlace(ctx context.Context, a arrived, dst []byte) {
	var c *chunk
	_, err := b.decodeInto(ctx, a, dst)
	switch {
	case err != nil:
		b.failUnit(a.job, err)
		err = forOthers(err)
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

// decoded makes a chunk of what has arrived: of the very memory, if it is stored as it is.
func (b *batch) decoded(ctx context.Context, a *arrived) (*chunk, error) {
	array := b.array(a.job)
	buf := a.buf
	if a.key.bands == 0 && array.raw && buf != nil && len(a.data) == array.bytes {
		a.buf = nil
	} else {
		buf = borrow(a.key.bands.count(array.planes) * array.planeBytes)
	}
	sum, err := b.decodeInto(ctx, *a, buf.bytes)
	if err != nil {
		buf.free()
		return nil, err
	}
	c := newChunk(array, a.key.bands, buf)
	c.sum.Store(sum)
	return c, nil
}

// decodeInto decodes, and demands what was recorded: the digest may have to be waited for, while others decode. The sum is
// nil where it need not be made.
func (b *batch) decodeInto(ctx context.Context, a arrived, dst []byte) (made *sum, err error) {
	defer recovered(&err)
	var seen uint64
	b.working(func() {
		start := time.Now()
		defer func() {
			b.count.decoding.Add(int64(time.Since(start)))
			b.span("decode", start, len(dst))
		}()
		b.count.misses.Add(1)
		seen = b.reader.bytesOf(a)
		if b.reader.cfg.Unverified || a.sure && b.reader.known.has(seen) {
			err = b.array(a.job).decode(a.key.bands, dst, a.data)
			return
		}
		made, err = b.decodeAll(a, dst)
	})
	if err != nil || made == nil {
		return nil, err
	}
	if err := b.compare(ctx, a.job, made); err != nil {
		return nil, err
	}
	b.reader.known.add(seen)
	return made, nil
}

// working does something as one of the workers.
func (b *batch) working(do func()) {
	b.reader.workers <- struct{}{}
	defer func() { <-b.reader.workers }()
	do()
}

// decodeAll decodes all bands, for only they have a digest, and leaves those wanted in dst.
func (b *batch) decodeAll(a arrived, dst []byte) (*sum, error) {
	array := b.array(a.job)
	h, w := b.extent(a.job)
	if a.key.bands == 0 {
		if err := array.decode(0, dst, a.data); err != nil {
			return nil, err
		}
		return array.sum(dst, h, w), nil
	}
	whole := borrow(array.bytes)
	defer whole.free()
	if err := array.Decode(whole.bytes, a.data); err != nil {
		return nil, err
	}
	err := a.key.bands.runs(func(from, to int) error {
		dst = dst[copy(dst, whole.bytes[from*array.planeBytes:to*array.planeBytes]):]
		return nil
	})
	return array.sum(whole.bytes, h, w), err
}

// whole is where a chunk can be decoded in place: it is not kept, nobody else wants it, and one window
// takes it as it is.
func (b *batch) whole(j job) []byte {
	u := b.units[j.unit]
	p := b.parts[u.from]
	w, at := &b.windows[p.window], b.places[p.place].chunkWindow(p)
	a := w.arrays[j.layer]
	n := j.key.bands.count(a.planes)
	if u.to-u.from != 1 || b.reader.cache.worth(j.key, n*a.planeBytes) {
		return nil
	}
	if w.mask == 0 || w.at != at || at.Intersect(b.places[p.place].Window) != at || a.joined || len(w.bands) != n || !slices.IsSorted(w.bands) || w.mask.count(a.planes) != n {
		return nil
	}
	return w.out[j.layer][int(p.slot)*n*a.planeBytes : (int(p.slot)+1)*n*a.planeBytes]
}

// straight is where a chunk that is stored as it is can be read to; nil where it has to go through memory of its own.
func (b *batch) straight(j job) []byte {
	if a := b.array(j); !a.raw || j.key.bands != 0 || j.key.length != uint64(a.bytes) {
		return nil
	}
	return b.whole(j)
}

// copyOut verifies what may have to wait for its digest, and gathers as one of the workers.
func (b *batch) copyOut(ctx context.Context, j job, c *chunk) {
	if err := b.copied(ctx, j, c); err != nil {
		b.failUnit(j, err)
	}
}

func (b *batch) copied(ctx context.Context, j job, c *chunk) (err error) {
	defer recovered(&err)
	if err := b.verify(ctx, j, c); err != nil {
		return err
	}
	b.working(func() {
		begin := b.now()
		b.gather(j.unit, int(j.layer), c)
		b.span("gather", begin, b.array(j).bytes)
	})
	return nil
}

// recovered makes an error of a defect met on a goroutine where no transport could turn it into one.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fault.New(fault.Internal, "panic: %v\n%s", p, debug.Stack())
	}
}
