package read

import (
	"context"
	"sync"
	"sync/atomic"
)

// perWorker is how many bytes are worth another worker: copying them takes longer than waking one.
const perWorker = 1 << 20

// run reads what was added. Nothing of it is under way any more when it returns.
func (b *batch) run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return b.stopped(err)
	}
	b.timed = spansOf(ctx)
	b.unite()
	b.lookUp(ctx)
	b.sift()
	recalled := b.recall(ctx)
	b.load(ctx)
	b.await(ctx)
	recalled()
	if err := ctx.Err(); err != nil {
		return b.stopped(err)
	}
	for i := range b.windows {
		if err := b.windows[i].err; err != nil {
			return err
		}
	}
	return nil
}

// stopped says of every window that it was given up.
func (b *batch) stopped(err error) error {
	for i := range b.windows {
		b.fail(i, err)
	}
	return err
}

// load works through what is ready and, meanwhile, through the ranges.
func (b *batch) load(ctx context.Context) {
	workers := min(b.reader.cfg.Workers, len(b.ready)+len(b.misses))
	b.bytes = b.size()
	if len(b.spans) == 0 {
		workers = min(workers, 1+b.bytes/perWorker)
	}
	w := work{batch: b, far: make(chan errand, len(b.spans)), queue: make(chan arrived)}
	fetchers := min(len(b.spans), b.reader.cfg.Ranges)
	w.looking.Store(int32(workers))
	w.fetching.Store(int32(fetchers))
	if fetchers == 0 {
		close(w.queue)
	}
	if !b.view.Cube().Repo().HasNear() {
		for _, s := range b.spans {
			w.far <- errand{jobs: s.jobs}
		}
		w.nextSpan.Store(int32(len(b.spans)))
	}
	var done sync.WaitGroup
	for range fetchers {
		done.Go(func() { w.fetchAll(ctx) })
	}
	for range workers - 1 {
		done.Go(func() { w.workAll(ctx) })
	}
	w.workAll(ctx)
	done.Wait()
}

// size is the bytes that are filled.
func (b *batch) size() int {
	n := 0
	for i := range b.windows {
		for _, out := range b.windows[i].out {
			n += len(out)
		}
	}
	return n
}

// await takes what others were loading, and what left the cache before it was copied.
func (b *batch) await(ctx context.Context) {
	var next atomic.Int32
	one := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(b.waits) {
				return
			}
			b.obtain(ctx, b.waits[i])
		}
	}
	var done sync.WaitGroup
	for range min(b.reader.cfg.Workers, len(b.waits)) - 1 {
		done.Go(one)
	}
	one()
	done.Wait()
}

// work is what the goroutines of one batch share.
type work struct {
	*batch
	nextReady, nextSpan, looking, fetching atomic.Int32
	// far takes ranges that have to be waited for, until all workers have looked at all ranges.
	far chan errand
	// queue takes chunks whose bytes are there, until the last fetcher is done.
	queue chan arrived
}

// fetchAll reads ranges that have to be waited for, one after another.
func (w *work) fetchAll(ctx context.Context) {
	defer func() {
		if w.fetching.Add(-1) == 0 {
			close(w.queue)
		}
	}()
	for e := range w.far {
		w.fetch(ctx, e)
	}
}

// workAll takes what is ready while ranges are under way, for what is decoded then may push it out of the
// cache; then the ranges that are in memory; and then what has arrived.
func (w *work) workAll(ctx context.Context) {
	for ctx.Err() == nil {
		i := int(w.nextReady.Add(1)) - 1
		if i >= len(w.ready) {
			break
		}
		w.serve(ctx, w.ready[i])
	}
	for ctx.Err() == nil {
		i := int(w.nextSpan.Add(1)) - 1
		if i >= len(w.spans) {
			break
		}
		w.near(ctx, w.spans[i])
	}
	if w.looking.Add(-1) == 0 {
		close(w.far)
	}
	for a := range w.queue {
		w.take(ctx, a)
	}
}
