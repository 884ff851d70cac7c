package read

// entryBytes is charged for the bookkeeping of an entry, so that chunks that are alike all over, which
// take no memory of their own, are bounded too.
const entryBytes = 256

func (e *entry) cost() int64 { return e.chunk.cost() + entryBytes }

// queue is first in, first out; each entry knows the one that came after it.
type queue struct {
	oldest, newest *entry
	bytes          int64
	n              int
}

func (q *queue) push(e *entry) {
	if q.newest != nil {
		q.newest.newer = e
	} else {
		q.oldest = e
	}
	q.newest = e
	q.bytes += e.cost()
	q.n++
}

func (q *queue) pop() *entry {
	e := q.oldest
	if q.oldest = e.newer; q.oldest == nil {
		q.newest = nil
	}
	e.newer = nil
	q.bytes -= e.cost()
	q.n--
	return e
}

// keep takes a chunk in and makes room; the lock is held.
func (s *shard) keep(e *entry) {
	if _, again := s.ghosts[e.hash]; again {
		delete(s.ghosts, e.hash)
		s.main.push(e)
	} else {
		s.small.push(e)
	}
	s.bytes += e.cost()
	for s.bytes > s.budget {
		s.evict()
	}
}

// evict drops one entry: one that nobody expects to read, else the one that is expected last.
func (s *shard) evict() {
	for s.small.n+s.main.n > 0 {
		small := s.small.n > 0 && (s.small.bytes > s.budget/10 || s.main.n == 0)
		e := s.oldest(small)
		next := s.wants.next(e.hash)
		switch {
		case next != never:
			s.await(e, next)
		case small && e.uses > 1:
			e.uses = 0
			s.main.push(e)
		case !small && e.uses > 0:
			e.uses--
			s.main.push(e)
		default:
			if small {
				s.remember(e.hash)
			}
			s.drop(e)
			return
		}
	}
	s.drop(s.latest())
}

func (s *shard) oldest(small bool) *entry {
	if small {
		return s.small.pop()
	}
	return s.main.pop()
}

func (s *shard) drop(e *entry) {
	s.bytes -= e.cost()
	delete(s.entries, e.key)
	e.chunk.release()
	s.evicted++
}

// remember notes what left the small queue, as many as are kept.
func (s *shard) remember(hash uint64) {
	s.ghosts[hash]++
	s.gone = append(s.gone, hash)
	for len(s.gone) > max(64, s.small.n+s.main.n) {
		first := s.gone[0]
		s.gone = s.gone[1:]
		if s.ghosts[first]--; s.ghosts[first] <= 0 {
			delete(s.ghosts, first)
		}
	}
}
