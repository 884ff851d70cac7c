package read

import (
	"context"
	"errors"

	"github.com/terrapin-eo/terrapin/store"
)

// near deals with the chunks of a range that are in the machine's memory, which no bucket far away says of any: each is read
// and decoded by one worker, and so still in the nearest caches when it is decoded. From the first that has to be waited for on the range is a
// fetcher's.
func (w *work) near(ctx context.Context, s span) {
	var file store.Near
	if !s.jobs[0].virtual() {
		file = w.view.Cube().Repo().NearObject(s.jobs[0].key.object)
	}
	if file == nil {
		w.far <- errand{jobs: s.jobs}
		return
	}
	defer file.Close()
	came := 0
	for i, j := range s.jobs {
		a, own := w.claim(j, func(c *chunk) { w.hit(ctx, j, c) })
		if !own {
			continue
		}
		if !w.takeNow(ctx, file, &a) {
			w.far <- errand{claimed: []arrived{a}, jobs: s.jobs[i+1:]}
			break
		}
		w.count.bytesRead.Add(int64(j.key.length))
		came++
	}
	if came > 0 {
		w.count.ranges.Add(1)
		w.count.coalesced.Add(int64(came - 1))
	}
}

// errFar: the bytes have to be waited for.
var errFar = errors.New("not in memory")

// takeNow reads a chunk and decodes it, if it can be read without waiting.
func (b *batch) takeNow(ctx context.Context, file store.Near, a *arrived) bool {
	var err error
	cut := false
	b.working(func() {
		begin := b.now()
		b.room(a)
		err = b.receive(a, func(at int64, piece []byte) error {
			if !file.ReadNow(at, piece) {
				return errFar
			}
			return nil
		})
		if err != nil {
			a.drop()
			return
		}
		b.span("read", begin, len(a.data))
		if cut = b.cuttable(a); cut {
			b.cutUp(a)
		}
	})
	switch {
	case err != nil:
		return false
	case cut:
		a.done()
	default:
		b.decode(ctx, *a)
	}
	return true
}
