package icechunk

import (
	"container/list"
	"context"
	"sync"
)

// cache keeps decoded immutable files, least recently used out first, within a budget of bytes.
// Concurrent requests for one file load it once.
type cache[V any] struct {
	budget int64
	load   func(context.Context, ID) (V, int64, error)

	mu    sync.Mutex
	used  int64
	slots map[ID]*slot[V]
	order *list.List // of *slot[V], newest in front
}

type slot[V any] struct {
	id   ID
	elem *list.Element

	mu     sync.Mutex // held while loading
	loaded bool
	value  V
	cost   int64
}

func newCache[V any](budget int64, load func(context.Context, ID) (V, int64, error)) *cache[V] {
	return &cache[V]{budget: budget, load: load, slots: map[ID]*slot[V]{}, order: list.New()}
}

func (c *cache[V]) get(ctx context.Context, id ID) (V, error) {
	s := c.slot(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded {
		return s.value, nil
	}
	value, cost, err := c.load(ctx, id)
	if err != nil {
		c.forget(s)
		return value, err
	}
	s.value, s.loaded = value, true
	c.charge(s, cost)
	return value, nil
}

// put keeps a file that was just written, so that nobody has to read it.
func (c *cache[V]) put(id ID, value V, cost int64) {
	s := c.slot(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded {
		return
	}
	s.value, s.loaded = value, true
	c.charge(s, cost)
}

func (c *cache[V]) slot(id ID) *slot[V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.slots[id]
	if !ok {
		s = &slot[V]{id: id}
		s.elem = c.order.PushFront(s)
		c.slots[id] = s
	}
	c.order.MoveToFront(s.elem)
	return s
}

func (c *cache[V]) charge(s *slot[V], cost int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slots[s.id] != s {
		return
	}
	s.cost = cost
	c.used += cost
	for c.used > c.budget && c.order.Len() > 1 {
		c.drop(c.order.Back().Value.(*slot[V]))
	}
}

func (c *cache[V]) forget(s *slot[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(s)
}

// drop removes a slot that is still in the map; the caller holds the lock.
func (c *cache[V]) drop(s *slot[V]) {
	if c.slots[s.id] != s {
		return
	}
	delete(c.slots, s.id)
	c.order.Remove(s.elem)
	c.used -= s.cost
}
