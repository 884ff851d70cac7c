package read

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
)

// key says where the bytes of a chunk lie and what they decode to. Nothing there is ever overwritten,
// so equal keys are equal values, in whatever snapshot they were met.
type key struct {
	array          uint32
	object         icechunk.ID
	offset, length uint64
	bands          mask
	// at is the place of a chunk of which only some bands are decoded: their digest is that of all.
	at uint64
	// text is the inline content, or the location and version of a virtual chunk.
	text string
}

// cache keeps decoded chunks within a budget of bytes and lets one caller load a chunk for all who want
// it meanwhile. It is cut into shards with a lock each. Each shard is an S3-FIFO (Yang et al., SOSP
// 2023): what is new waits in a small queue and comes into the main one if it was asked for again, then
// or soon after it left; so one pass over everything does not push out what is used over and over. Where
// it is known when a chunk is read next, that decides instead.
type cache struct {
	shards []shard
	seed   maphash.Seed
	// buffers is false where only chunks are kept that take no memory of their own.
	buffers bool
	// present is the latest time of what was expected that is being read.
	present atomic.Uint64
}

// shardBytes is the least budget of a shard: many times a chunk.
const (
	shardBytes = 32 << 20
	maxShards  = 16
	// alikeBytes is the budget of chunks that are alike all over where no others are kept.
	alikeBytes = 1 << 20
)

func newCache(budget int64) *cache {
	buffers := budget > 0
	if !buffers {
		budget = alikeBytes
	}
	n := 1
	for n < maxShards && int64(2*n)*shardBytes <= budget {
		n *= 2
	}
	c := &cache{shards: make([]shard, n), seed: maphash.MakeSeed(), buffers: buffers}
	for i := range c.shards {
		c.shards[i] = shard{budget: budget / int64(n), entries: map[key]*entry{}, ghosts: map[uint64]int{}}
	}
	return c
}

func (c *cache) shard(k key) (*shard, uint64) {
	h := maphash.Comparable(c.seed, k)
	return &c.shards[h>>32%uint64(len(c.shards))], h
}

type shard struct {
	mu          sync.Mutex
	budget      int64
	bytes       int64
	entries     map[key]*entry
	small, main queue
	evicted     int64
	// ghosts are the hashes of what left the small queue last, in the order they did.
	ghosts map[uint64]int
	gone   []uint64
	wants  wants
}

// entry is a chunk that is kept, or the load of one that is under way.
type entry struct {
	key   key
	hash  uint64
	chunk *chunk
	load  *load
	uses  uint8
	newer *entry // in its queue
	// next is when it is expected, and at its place in the heap of those that are, counted from 1; 0 is in none.
	next uint64
	at   int
}

// load is one chunk on its way. Whoever waits for it is counted, so that it holds the chunk for them.
type load struct {
	done    chan struct{}
	waiters int32
	chunk   *chunk
	err     error
}

// maxUses is as far as uses are counted.
const maxUses = 3

// keeps reports whether there is room for a chunk of so many bytes at all.
func (c *cache) keeps(bytes int) bool { return c.buffers && int64(bytes) <= c.shards[0].budget }

// has reports whether a chunk is kept now.
func (c *cache) has(k key) bool {
	if !c.buffers {
		return false
	}
	s, _ := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[k]
	return e != nil && e.chunk != nil
}

// claim returns the chunk, held for the caller; or the load to wait for; or, mine, a new load that the
// caller must finish.
func (c *cache) claim(k key) (held *chunk, l *load, mine bool) {
	s, h := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used(k, h, c.present.Load())
	e := s.entries[k]
	switch {
	case e == nil:
		l = &load{done: make(chan struct{})}
		s.entries[k] = &entry{key: k, hash: h, load: l}
		return nil, l, true
	case e.chunk == nil:
		e.load.waiters++
		return nil, e.load, false
	}
	return e.use(), nil, false
}

// finish ends a load: with a chunk that its caller holds, or an error, of which nothing is kept.
func (c *cache) finish(k key, l *load, got *chunk, err error) {
	s, _ := c.shard(k)
	s.mu.Lock()
	e := s.entries[k]
	l.chunk, l.err = got, err
	if err == nil {
		got.holders.Add(l.waiters)
	}
	if err == nil && (c.buffers || got.buf == nil) {
		got.holders.Add(1)
		e.chunk, e.load = got, nil
		s.keep(e)
	} else {
		delete(s.entries, k)
	}
	s.mu.Unlock()
	close(l.done)
}

// get returns a chunk that is kept, held for the caller, or nil.
func (c *cache) get(k key) *chunk {
	s, h := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[k]
	if e == nil || e.chunk == nil {
		return nil
	}
	s.used(k, h, c.present.Load())
	return e.use()
}

// use counts a use; the lock is held.
func (e *entry) use() *chunk {
	e.uses = min(e.uses+1, maxUses)
	e.chunk.holders.Add(1)
	return e.chunk
}

// await returns what a load gives, held for the caller.
func (c *cache) await(ctx context.Context, k key, l *load) (*chunk, error) {
	select {
	case <-l.done:
		return l.chunk, l.err
	case <-ctx.Done():
		c.leave(k, l)
		return nil, ctx.Err()
	}
}

// leave gives up waiting for a load.
func (c *cache) leave(k key, l *load) {
	s, _ := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case l.chunk != nil: // it came after all
		l.chunk.release()
	case l.err == nil:
		l.waiters--
	}
}

// waiters reports how many wait for a load.
func (c *cache) waiters(k key, l *load) int {
	s, _ := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(l.waiters)
}

// sum adds up a figure of all shards.
func (c *cache) sum(of func(s *shard) int64) int64 {
	n := int64(0)
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += of(s)
		s.mu.Unlock()
	}
	return n
}

// bytes is what is kept now.
func (c *cache) bytes() int64 { return c.sum(func(s *shard) int64 { return s.bytes }) }

// evictions is how many chunks made room for others.
func (c *cache) evictions() int64 { return c.sum(func(s *shard) int64 { return s.evicted }) }

// full reports whether nine tenths of the budget are used.
func (c *cache) full() bool {
	return c.buffers && c.bytes() >= c.sum(func(s *shard) int64 { return s.budget })/10*9
}

// expected is how many chunks are wanted by somebody.
func (c *cache) expected() int {
	return int(c.sum(func(s *shard) int64 { return int64(len(s.wants.of)) }))
}
