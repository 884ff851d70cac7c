package read

import (
	"container/heap"
	"math"
	"slices"
)

// never is when nobody expects to read a chunk.
const never = math.MaxUint64

// wants are when the chunks of a shard are expected to be read, by the hash of their key; small lists in no order. What is
// kept and expected lies in a heap, what is read last on top, for that is dropped first (Belady's rule, as far as is told).
type wants struct {
	times map[uint64][]uint64
	later entries
	bytes int64 // of later
}

// next is when a chunk is expected first.
func (w *wants) next(hash uint64) uint64 {
	first := uint64(never)
	for _, t := range w.times[hash] {
		first = min(first, t)
	}
	return first
}

// forget takes back one expectation of a chunk for a time.
func (w *wants) forget(hash, time uint64) {
	list := w.times[hash]
	i := slices.Index(list, time)
	switch {
	case i < 0:
	case len(list) == 1:
		delete(w.times, hash)
	default:
		list[i] = list[len(list)-1]
		w.times[hash] = list[:len(list)-1]
	}
}

// entries are a heap by the time when each is expected.
type entries []*entry

func (h entries) Len() int           { return len(h) }
func (h entries) Less(i, j int) bool { return h[i].next > h[j].next }
func (h entries) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i+1, j+1
}

func (h *entries) Push(x any) {
	e := x.(*entry)
	*h = append(*h, e)
	e.at = len(*h)
}

func (h *entries) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last], e.at = nil, 0
	*h = (*h)[:last]
	return e
}

// await puts an entry that is in no queue among those that are expected.
func (s *shard) await(e *entry, next uint64) {
	e.next = next
	heap.Push(&s.wants.later, e)
	s.wants.bytes += e.cost()
}

// latest takes out the entry that is expected last.
func (s *shard) latest() *entry {
	e := heap.Pop(&s.wants.later).(*entry)
	s.wants.bytes -= e.cost()
	return e
}

// moved puts an entry of the heap where it belongs after expectations of it changed. One in a queue is found when its turn
// comes to be dropped.
func (s *shard) moved(e *entry) {
	if e == nil || e.at == 0 {
		return
	}
	if next := s.wants.next(e.hash); next != never {
		e.next = next
		heap.Fix(&s.wants.later, e.at-1)
		return
	}
	heap.Remove(&s.wants.later, e.at-1)
	s.wants.bytes -= e.cost()
	e.uses = 0 // nobody is known to want it: those in front of it leave first
	s.main.push(e)
}

// used takes back the first expectation of a chunk that is due: that of whoever is reading it. What is expected later is
// another use.
func (s *shard) used(k key, hash, present uint64) {
	if len(s.wants.times) == 0 {
		return
	}
	if next := s.wants.next(hash); next <= present {
		s.wants.forget(hash, next)
		s.moved(s.entries[k])
	}
}

// want notes that chunks will be read at a time.
func (c *cache) want(keys []key, time uint64) {
	c.eachShard(keys, func(s *shard, k key, hash uint64) {
		if s.wants.times == nil {
			s.wants.times = map[uint64][]uint64{}
		}
		s.wants.times[hash] = append(s.wants.times[hash], time)
		s.moved(s.entries[k])
	})
}

// unwant takes back what want noted, if no use did.
func (c *cache) unwant(keys []key, time uint64) {
	c.eachShard(keys, func(s *shard, k key, hash uint64) {
		s.wants.forget(hash, time)
		s.moved(s.entries[k])
	})
}

func (c *cache) eachShard(keys []key, do func(s *shard, k key, hash uint64)) {
	for _, k := range keys {
		s, hash := c.shard(k)
		s.mu.Lock()
		do(s, k, hash)
		s.mu.Unlock()
	}
}

// reached notes that somebody reads what was expected at a time, and returns the latest that anybody has reached.
func (c *cache) reached(time uint64) uint64 {
	for {
		now := c.present.Load()
		if now >= time {
			return now
		}
		if c.present.CompareAndSwap(now, time) {
			return time
		}
	}
}

// worth reports whether a chunk of so many bytes would stay in the cache when it came in.
func (c *cache) worth(k key, bytes int) bool {
	if !c.keeps(bytes) {
		return false
	}
	s, hash := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wants.times) == 0 || s.bytes+int64(bytes) <= s.budget {
		return true
	}
	next := s.wants.next(hash)
	return next != never && (s.small.n+s.main.n > 0 || len(s.wants.later) == 0 || s.wants.later[0].next > next)
}
