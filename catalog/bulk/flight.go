package bulk

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
)

// flight is a batch on its way into the target.
type flight struct {
	*batch
	// items are those that may go; made are the collections that are made of them.
	items  []one
	made   map[string]json.RawMessage
	landed chan struct{}
	err    error
}

// alone reports whether others have to have landed before it and wait for it: it brings collections, which theirs may be in.
func (f *flight) alone() bool { return len(f.collections)+len(f.made) > 0 }

// meets reports whether both put the same document.
func (f *flight) meets(other *flight) bool {
	few, many := f.index, other.index
	if len(few) > len(many) {
		few, many = many, few
	}
	for ref := range few {
		if _, both := many[ref]; both {
			return true
		}
	}
	return false
}

// flights are those on their way, the first that left first.
type flights struct {
	*loading
	source Source
	index  int
	at     Position
	under  []*flight
}

// putAll puts batches, some at a time where the target likes that, and says how far the source was put. They are told of and kept in the
// journal in their order, and what of them could meet is put in it.
func (r *loading) putAll(ctx context.Context, rd *reading) (Position, error) {
	fs := &flights{loading: r, source: rd.Source, index: rd.index, at: rd.from}
	var going sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		going.Wait()
		fs.abandon()
	}()
	for {
		var first <-chan struct{}
		next := (<-chan *batch)(rd.batches)
		if len(fs.under) > 0 {
			first = fs.under[0].landed
		}
		if len(fs.under) >= r.pace.sets {
			next = nil
		}
		select {
		case <-first:
			if err := fs.land(ctx); err != nil {
				return fs.at, err
			}
		case b, more := <-next:
			if !more || b.end != nil {
				err := fs.landWhile(ctx, func() bool { return true })
				if err == nil && more {
					err = errSource{b.end}
				}
				return fs.at, err
			}
			f, err := fs.leave(ctx, b)
			if err != nil {
				return fs.at, err
			}
			fs.under = append(fs.under, f)
			going.Go(func() {
				defer close(f.landed)
				f.err = r.try(ctx, append(documents(f.collections), slices.Collect(maps.Values(f.made))...), entries(f.items))
			})
		}
	}
}

// leave sees what of a batch may be put, rejects the rest, and waits for those before that it has to wait for.
func (fs *flights) leave(ctx context.Context, b *batch) (*flight, error) {
	// What it may put depends on the collections that are there.
	if err := fs.landWhile(ctx, func() bool { return fs.under[0].alone() }); err != nil {
		return nil, err
	}
	for _, o := range b.rejected {
		if err := fs.reject(fs.source, o); err != nil {
			return nil, err
		}
	}
	items, made, err := fs.place(ctx, fs.source, b)
	if err != nil {
		return nil, err
	}
	f := &flight{batch: b, items: items, made: made, landed: make(chan struct{})}
	return f, fs.landWhile(ctx, func() bool { return f.alone() || slices.ContainsFunc(fs.under, f.meets) })
}

// landWhile waits for one after the other.
func (fs *flights) landWhile(ctx context.Context, more func() bool) error {
	for len(fs.under) > 0 && more() {
		if err := fs.land(ctx); err != nil {
			return err
		}
	}
	return nil
}

// land waits for the first, rejects what of it the catalog does not take, and keeps how far the source was put.
func (fs *flights) land(ctx context.Context) error {
	f := fs.under[0]
	<-f.landed
	fs.under = fs.under[1:]
	if ofDocument(f.err) {
		clear(fs.shelf) // somebody may have changed what this load knows
		if err := fs.apart(ctx, fs.source, f.batch, f.items, f.made); err != nil {
			return err
		}
	} else if f.err != nil {
		return f.err
	} else {
		fs.count(f.collections, f.items, f.made)
	}
	if fs.at.Number = f.at.Number; f.at.Cursor != "" {
		fs.at.Cursor = f.at.Cursor
	}
	fs.progress(fs.source, false)
	return fs.Journal.save(fs.index, fs.source, fs.at, false)
}

// abandon counts what was put of those that nobody waited for, as the load has ended.
func (fs *flights) abandon() {
	for _, f := range fs.under {
		if f.err == nil {
			fs.count(f.collections, f.items, f.made)
		}
	}
}
