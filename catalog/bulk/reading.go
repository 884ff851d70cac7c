package bulk

import (
	"context"
	"runtime"
	"sync"

	"github.com/terrapin-eo/terrapin/catalog/tree"
)

// reading is a source that is being read: batches come out of it, in its order.
type reading struct {
	Source
	index int
	// from is where it is read on from; through says that an earlier load put all of it, and nothing comes.
	from    Position
	through bool
	batches chan *batch
}

// readAhead reads the sources one after the other. The next one is begun when the last batch of one before was taken, and not when it was put:
// else every core but one would be idle at the end of each source. Nobody reads any more when the channel is closed.
func (r *loading) readAhead(ctx context.Context, sources []Source) <-chan *reading {
	all := make([]*reading, len(sources))
	for i, s := range sources { // before the journal goes on
		all[i] = &reading{Source: s, index: i, batches: make(chan *batch)}
		all[i].from, all[i].through = r.Journal.position(i, s)
	}
	out := make(chan *reading)
	go func() {
		defer close(out)
		var ended sync.WaitGroup
		defer ended.Wait()
		for _, rd := range all {
			if !rd.through {
				ended.Wait()
				r.begin(ctx, rd, &ended)
			}
			select {
			case out <- rd:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// begin reads a source: one goroutine takes it apart, others read what comes, and one makes batches of it.
func (r *loading) begin(ctx context.Context, rd *reading, ended *sync.WaitGroup) {
	cores := runtime.GOMAXPROCS(0)
	ordered, work := make(chan *chunk, 4*cores), make(chan *chunk, 4*cores)
	ended.Go(func() {
		defer close(ordered)
		defer close(work)
		take(ctx, rd.Source, rd.from, ordered, work)
	})
	for range cores {
		ended.Go(func() {
			t := &tree.Tree{}
			for c := range work {
				r.readChunk(t, c)
			}
		})
	}
	ended.Go(func() {
		defer close(rd.batches)
		collect(ctx, r.Batch, ordered, rd.batches)
	})
}
