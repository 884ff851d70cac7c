package read

import (
	"container/list"
	"context"
	"sync"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
)

// key says where the bytes of a chunk lie. Nothing there is ever overwritten, so equal keys are equal
// values, in whatever snapshot they were met.
type key struct {
	cube, array      string
	object           icechunk.ID
	offset, length   uint64
	inline, location string
}

// cache keeps decoded chunks, least recently used first out, and lets one caller load a chunk for all
// who want it meanwhile.
type cache struct {
	mu      sync.Mutex
	budget  int64
	used    int64
	entries map[key]*list.Element
	recent  *list.List // of *entry, newest in front
	loading map[key]*load
	hits    int64
	misses  int64
}

type entry struct {
	key  key
	data []byte
}

type load struct {
	done chan struct{}
	data []byte
	err  error
}

func newCache(budget int64) *cache {
	return &cache{budget: budget, entries: map[key]*list.Element{}, recent: list.New(), loading: map[key]*load{}}
}

// get returns the chunk of a key, by the loader if nobody has it.
func (c *cache) get(ctx context.Context, k key, loader func() ([]byte, error)) ([]byte, error) {
	for {
		data, l, mine := c.find(k)
		switch {
		case data != nil:
			return data, nil
		case mine:
			return c.run(k, l, loader)
		}
		select {
		case <-l.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if l.err == nil {
			return l.data, nil
		}
		if !fault.Is(l.err, fault.Canceled) || ctx.Err() != nil {
			return nil, l.err
		}
		// Whoever loaded it gave up, not the chunk: try again for this caller.
	}
}

// find returns the data, or the load to wait for, or a new load that is the caller's to run.
func (c *cache) find(k key) (data []byte, l *load, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[k]; ok {
		c.recent.MoveToFront(e)
		c.hits++
		return e.Value.(*entry).data, nil, false
	}
	if l, ok := c.loading[k]; ok {
		c.hits++
		return nil, l, false
	}
	c.misses++
	l = &load{done: make(chan struct{})}
	c.loading[k] = l
	return nil, l, true
}

// run loads; whatever happens, a panic included, those who wait are released.
func (c *cache) run(k key, l *load, loader func() ([]byte, error)) ([]byte, error) {
	l.err = fault.New(fault.Internal, "the load of a chunk did not end")
	defer func() {
		c.mu.Lock()
		delete(c.loading, k)
		if l.err == nil {
			c.keep(k, l.data)
		}
		c.mu.Unlock()
		close(l.done)
	}()
	data, err := loader()
	l.data, l.err = data, err
	if err != nil {
		return nil, err
	}
	return data, nil
}

// keep stores a chunk and makes room; the lock is held. One larger than the budget is not kept.
func (c *cache) keep(k key, data []byte) {
	size := int64(len(data))
	if size > c.budget {
		return
	}
	c.entries[k] = c.recent.PushFront(&entry{k, data})
	c.used += size
	for c.used > c.budget {
		oldest := c.recent.Back()
		e := oldest.Value.(*entry)
		c.recent.Remove(oldest)
		delete(c.entries, e.key)
		c.used -= int64(len(e.data))
	}
}

func (c *cache) stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{Hits: c.hits, Misses: c.misses, Bytes: c.used}
}
