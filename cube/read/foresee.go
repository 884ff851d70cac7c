package read

import (
	"context"
	"sync"

	"github.com/terrapin-eo/terrapin/cube/layout"
)

// Foresee says what ReadMany would do now, from the references alone: nothing is read but manifests.
// Chunks that others are loading are counted as misses.
func (r *Reader) Foresee(ctx context.Context, v *layout.View, qs []Request) (Cost, error) {
	b, err := r.foreseen(ctx, v, qs)
	if b == nil {
		return Cost{}, err
	}
	defer b.recycle()
	var c Cost
	for _, j := range b.ready {
		switch {
		case j.absent:
		case r.cache.has(j.key):
			c.Hits++
		default:
			c.Misses++
		}
	}
	for _, s := range b.spans {
		c.Ranges++
		c.BytesRead += int64(s.size)
		c.Coalesced += int64(len(s.jobs) - 1)
		c.Misses += int64(len(s.jobs))
	}
	return c, err
}

// Expectation is what somebody will read at a time.
type Expectation struct {
	reader *Reader
	once   sync.Once
	keys   []key
	time   uint64
	bytes  int64
}

// Bytes is what the chunks that are expected take, decoded.
func (e *Expectation) Bytes() int64 { return e.bytes }

// Expect tells which windows will be read at a time, which is any number that grows from one read to the next. Until they
// have been read, or Done, chunks they need leave the cache only when there is nothing else to drop, those of the latest
// time first; nothing is read. What is wrong with a window is said when it is read.
func (r *Reader) Expect(ctx context.Context, v *layout.View, qs []Request, time uint64) (*Expectation, error) {
	e := &Expectation{reader: r, time: time}
	b, err := r.foreseen(ctx, v, qs)
	if b == nil {
		return e, err
	}
	defer b.recycle()
	for _, list := range [][]job{b.ready, b.misses} {
		for _, j := range list {
			if !j.absent && !j.inline {
				e.keys = append(e.keys, j.key)
				e.bytes += b.weight(j)
			}
		}
	}
	r.cache.want(e.keys, time)
	return e, nil
}

// Reached tells that what was expected at a time is being read now. It returns the latest time that anybody's reading has
// reached: whoever is behind may go on from there, so that what all expect can be compared.
func (r *Reader) Reached(time uint64) uint64 { return r.cache.reached(time) }

// Done withdraws the expectation, whether it came true or not. A second time it does nothing.
func (e *Expectation) Done() {
	e.once.Do(func() { e.reader.cache.unwant(e.keys, e.time) })
}

// foreseen is a batch that was looked up and sifted, with nothing to fill. The error is that of the
// first window that cannot be read, of which nothing is foreseen.
func (r *Reader) foreseen(ctx context.Context, v *layout.View, qs []Request) (*batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := r.newBatch(v, pixels)
	b.dry = true
	for _, q := range qs {
		b.add(q)
	}
	b.unite()
	b.lookUp(ctx)
	b.sift()
	for i := range b.windows {
		if err := b.windows[i].err; err != nil {
			return b, err
		}
	}
	return b, nil
}

// weight is about what a job's chunk takes in the cache: of validity mostly one plane, if not none.
func (b *batch) weight(j job) int64 {
	a := b.array(j)
	if a.joined {
		return int64(a.planeBytes)
	}
	return int64(j.key.bands.count(a.planes)) * int64(a.planeBytes)
}
