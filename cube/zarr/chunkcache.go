package zarr

import (
	"container/list"
	"sync"
)

// plainCache is how many decoded bytes an open array keeps: 512 chunks of a usual class raster.
const plainCache = 32 << 20

// chunkCache keeps decoded chunks of one array, the least recently used first out. Chunks in it are
// shared and never changed.
type chunkCache struct {
	mu      sync.Mutex
	budget  int
	used    int
	entries map[[2]int]*list.Element
	recent  *list.List // of cachedChunk, newest in front
}

type cachedChunk struct {
	at   [2]int
	data []byte
}

func newChunkCache(budget int) *chunkCache {
	return &chunkCache{budget: budget, entries: map[[2]int]*list.Element{}, recent: list.New()}
}

// get returns a chunk, or nil if it is not there.
func (c *chunkCache) get(at [2]int) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[at]
	if !ok {
		return nil
	}
	c.recent.MoveToFront(e)
	return e.Value.(cachedChunk).data
}

// put keeps a chunk; one that is larger than the budget is not kept.
func (c *chunkCache) put(at [2]int, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[at] != nil || len(data) > c.budget {
		return
	}
	c.entries[at] = c.recent.PushFront(cachedChunk{at, data})
	for c.used += len(data); c.used > c.budget; {
		last := c.recent.Back()
		old := c.recent.Remove(last).(cachedChunk)
		delete(c.entries, old.at)
		c.used -= len(old.data)
	}
}
