package read

import (
	"container/heap"
	"math"
	"slices"
)

// never is when nobody expects to read a chunk.
const never = math.MaxUint64

// wants are when the chunks of a shard are expected to be read, by the hash of their key. What is
// kept and expected lies in a heap, what is read last on top, for that is dropped first (Belady's rule, as far as is told).
type wants struct {
	of    map[uint64]uses
	later entries
	bytes int64 // of later
}

// uses are those of one chunk that are expected, the earliest first. Whoever expects one takes it back, and that it has been
// made is only counted: so nobody takes back what somebody else still waits for.
type uses struct {
	times []uint64
	made  int // of times, the first; at most as many
}

// next is when a chunk is expected first.
func (w *wants) next(hash uint64) uint64 {
	if u := w.of[hash]; u.made < len(u.times) {
		return u.times[u.made]
	}
	return never
}

// expect notes one more use.
func (w *wants) expect(hash, time uint64) {
	if w.of == nil {
		w.of = map[uint64]uses{}
	}
	u := w.of[hash]
	at := len(u.times)
	for at > 0 && u.times[at-1] > time { // mostly none
		at--
	}
	u.times = slices.Insert(u.times, at, time)
	w.of[hash] = u
}

// forget takes back one expectation of a chunk for a time, and with it one use that was made. Of one that was never made,
// somebody else's use then counts as to come until that one is taken back, too.
func (w *wants) forget(hash, time uint64) {
	u := w.of[hash]
	i := slices.Index(u.times, time)
	switch {
	case i < 0:
		return
	case len(u.times) == 1:
		delete(w.of, hash)
		return
	}
	u.times, u.made = slices.Delete(u.times, i, i+1), max(0, u.made-1)
	w.of[hash] = u
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

// used counts the first expectation of a chunk that is due as made, by whoever is reading it. What is expected later is
// another use.
func (s *shard) used(k key, hash, present uint64) {
	if len(s.wants.of) == 0 {
		return
	}
	if s.wants.next(hash) <= present {
		u := s.wants.of[hash]
		u.made++
		s.wants.of[hash] = u
		s.moved(s.entries[k])
	}
}

// want notes that chunks will be read at a time.
func (c *cache) want(keys []key, time uint64) {
	c.eachShard(keys, func(s *shard, k key, hash uint64) {
		s.wants.expect(hash, time)
		s.moved(s.entries[k])
	})
}

// unwant takes back what want noted, once.
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
	if len(s.wants.of) == 0 || s.bytes+int64(bytes) <= s.budget {
		return true
	}
	next := s.wants.next(hash)
	return next != never && (s.small.n+s.main.n > 0 || len(s.wants.later) == 0 || s.wants.later[0].next > next)
}
