package layout

import (
	"context"
	"slices"
	"sync"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
)

// request is one group of scenes of one call that waits to be committed.
type request struct {
	scenes  []scene
	message string
	alone   bool // it was in a snapshot that failed, and is tried by itself

	done     chan struct{} // closed when the fields below are set
	snapshot icechunk.ID
	outcomes []Outcome
}

// queue lets one caller at a time commit, with what others wait for.
type queue struct {
	turn chan struct{} // holds a token while somebody commits

	mu      sync.Mutex
	waiting []*request
}

func newQueue() *queue { return &queue{turn: make(chan struct{}, 1)} }

// run has a request done: by whoever commits next, or by the caller itself when its turn comes. The error
// is that of the caller's own attempt.
func (q *queue) run(ctx context.Context, r *request, do func(context.Context, []*request) error) error {
	q.mu.Lock()
	q.waiting = append(q.waiting, r)
	q.mu.Unlock()
	for {
		select {
		case <-r.done:
			return nil
		case <-ctx.Done():
			if q.withdraw(r) {
				return ctx.Err()
			}
			// Somebody is committing it; what comes of that is known soon.
			select {
			case <-r.done:
				return nil
			case q.turn <- struct{}{}:
				<-q.turn
			}
		case q.turn <- struct{}{}:
			err, mine := q.lead(ctx, r, do)
			<-q.turn
			if mine {
				return err
			}
		}
	}
}

// withdraw takes a request out of the queue; false means that somebody is working on it or has done it.
func (q *queue) withdraw(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, r)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// lead commits the caller's request with others that wait. Where they fail together, each is left to its
// own caller to try by itself, so that one does not fail the others.
func (q *queue) lead(ctx context.Context, own *request, do func(context.Context, []*request) error) (err error, mine bool) {
	batch := q.take(own)
	if len(batch) == 0 {
		return nil, false // done by another, as own.done says
	}
	err = do(ctx, batch)
	if err != nil && len(batch) > 1 {
		q.mu.Lock()
		for _, r := range batch {
			r.alone = true
		}
		q.waiting = append(batch, q.waiting...)
		q.mu.Unlock()
		return nil, false
	}
	if err == nil {
		for _, r := range batch {
			close(r.done)
		}
	}
	return err, true
}

// take picks the caller's request and those waiting that fit into one snapshot beside it.
func (q *queue) take(own *request) []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !slices.Contains(q.waiting, own) {
		return nil
	}
	batch, n := []*request{own}, len(own.scenes)
	var rest []*request
	for _, r := range q.waiting {
		switch {
		case r == own:
		case own.alone || r.alone || n+len(r.scenes) > GroupSize:
			rest = append(rest, r)
		default:
			batch, n = append(batch, r), n+len(r.scenes)
		}
	}
	q.waiting = rest
	return batch
}
