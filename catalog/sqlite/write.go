package sqlite

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/terrapin-eo/terrapin/catalog"
)

// Apply makes a set of changes. Sets that wait together go into one transaction, each whole or not at all, so that
// they wait for the disk once.
func (c *Catalog) Apply(ctx context.Context, ch catalog.Changes) (int64, error) {
	j, err := newJob(ctx, ch)
	if err == nil {
		err = c.writes.do(ctx, j)
	}
	if err != nil {
		return 0, c.wrap("apply changes", err)
	}
	return j.revision, nil
}

// job is a set of changes on its way, read already.
type job struct {
	catalog.Changes
	collections []catalog.CollectionEntry
	entries     []entry
	// state is who has it: see below.
	state    atomic.Int32
	done     chan struct{}
	revision int64
	err      error
}

// A job waits until the writer takes it or whoever brought it gives up.
const (
	waiting = iota
	taken
	dropped
)

func newJob(ctx context.Context, ch catalog.Changes) (*job, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	j := &job{Changes: ch, done: make(chan struct{})}
	for _, doc := range ch.Collections {
		e, err := catalog.ParseCollection(doc)
		if err != nil {
			return nil, err
		}
		j.collections = append(j.collections, e)
	}
	entries, err := ch.Read()
	if err != nil {
		return nil, err
	}
	j.entries = prepareAll(entries)
	return j, nil
}

// writer is the connection that writes, and what waits for it.
type writer struct {
	*conn
	checkpoints *checkpointer
	jobs        chan *job
	closed      chan struct{}
	end         sync.Once
	idle        sync.WaitGroup
	// seen are the forms of properties that the table of properties has at a revision of the collections.
	seen   map[likeness]struct{}
	seenAt int64
	// exclusive is taken by what has the connection for itself.
	exclusive sync.Mutex
}

// together bounds what one transaction holds.
const (
	jobsTogether = 64
	docsTogether = 4000
)

func newWriter(c *conn, p *checkpointer) *writer {
	return &writer{conn: c, checkpoints: p, jobs: make(chan *job), closed: make(chan struct{}), seen: map[likeness]struct{}{}}
}

// do hands over a job and waits for it. Once it is being made, it is waited for whatever the context says.
func (w *writer) do(ctx context.Context, j *job) error {
	select {
	case w.jobs <- j:
	case <-w.closed:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.state.CompareAndSwap(waiting, dropped) {
			return ctx.Err()
		}
		<-j.done
	}
	return j.err
}

// start makes jobs until the writer is closed.
func (w *writer) start() {
	w.idle.Go(func() {
		for {
			select {
			case j := <-w.jobs:
				w.batch(j)
			case <-w.closed:
				return
			}
		}
	})
}

// gather takes the jobs that wait, of which the first is at hand.
func (w *writer) gather(first *job) []*job {
	var out []*job
	docs := 0
	take := func(j *job) {
		if j.state.CompareAndSwap(waiting, taken) {
			out, docs = append(out, j), docs+len(j.entries)+len(j.DeleteItems)
		}
	}
	take(first)
	for len(out) < jobsTogether && docs < docsTogether {
		select {
		case j := <-w.jobs:
			take(j)
		default:
			return out
		}
	}
	return out
}

// batch makes the jobs that wait in one transaction and answers them when it is on the disk. They are taken when the connection is free,
// which may be minutes from now where an index is being made: until then each can be given up.
func (w *writer) batch(first *job) {
	w.exclusive.Lock()
	defer w.exclusive.Unlock()
	jobs := w.gather(first)
	err := w.transact(jobs)
	for _, j := range jobs {
		if err != nil {
			j.err = err
		}
		close(j.done)
	}
}

func (w *writer) transact(jobs []*job) error {
	ctx := context.Background()
	if len(jobs) == 0 {
		return nil
	}
	if _, err := w.exec(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	t := &transaction{writer: w, ctx: ctx, kept: map[likeness]struct{}{}}
	err := t.recall()
	if err == nil {
		err = t.makeAll(jobs)
	}
	if err == nil {
		_, err = w.exec(ctx, `COMMIT`)
	}
	if err != nil {
		_, _ = w.exec(ctx, `ROLLBACK`) // which fails where the database has done so itself
		return err
	}
	items := 0
	for _, j := range jobs {
		items += len(j.entries) + len(j.DeleteItems)
	}
	w.checkpoints.wrote(items)
	w.seenAt = t.shelf
	if len(w.seen)+len(t.kept) > manyLikenesses {
		clear(w.seen)
	}
	maps.Copy(w.seen, t.kept)
	return nil
}

// alone runs something with the connection between two transactions.
func (w *writer) alone(use func(*conn) error) error {
	w.exclusive.Lock()
	defer w.exclusive.Unlock()
	return use(w.conn)
}

// close ends the transaction that is under way and closes the connection.
func (w *writer) close() error {
	first := false
	w.end.Do(func() { close(w.closed); first = true })
	if !first {
		return nil
	}
	w.idle.Wait()
	return errors.Join(w.checkpoints.close(), w.conn.close())
}

// makeAll makes each job whole or not at all; an error of its own is the job's, one of the transaction is returned.
func (t *transaction) makeAll(jobs []*job) error {
	for _, j := range jobs {
		if len(jobs) == 1 { // the transaction itself is all or nothing
			return t.make(j)
		}
		if _, err := t.exec(t.ctx, `SAVEPOINT job`); err != nil {
			return err
		}
		if j.err = t.make(j); j.err != nil {
			if _, err := t.exec(t.ctx, `ROLLBACK TO job`); err != nil {
				return errors.Join(j.err, err)
			}
		}
		if _, err := t.exec(t.ctx, `RELEASE job`); err != nil {
			return err
		}
	}
	return nil
}
