package read

import "fmt"

// Scribble overwrites memory that goes back to the pool, so that whoever still reads it sees it.
func Scribble() { scribble.Store(true) }

// LendAll lends planes of any size.
func (r *Reader) LendAll() { r.leastLoan = 1 }

// Forget makes every chunk one that was never met.
func (r *Reader) Forget() { clear(r.known.slots) }

// Idle says what is left of work that has ended: "" if all of a reader's limits are free, nothing is
// being loaded and nothing but the cache holds what is kept.
func (r *Reader) Idle() string {
	if len(r.workers)+len(r.ranges) > 0 {
		return fmt.Sprintf("%d workers and %d ranges under way", len(r.workers), len(r.ranges))
	}
	if !r.flight.TryAcquire(r.cfg.FlightBytes) {
		return "bytes in flight were not given back"
	}
	r.flight.Release(r.cfg.FlightBytes)
	for i := range r.cache.shards {
		s := &r.cache.shards[i]
		s.mu.Lock()
		defer s.mu.Unlock()
		bytes := int64(0)
		for k, e := range s.entries {
			if e.chunk == nil {
				return fmt.Sprintf("the load of %+v did not end", k)
			}
			if n := e.chunk.holders.Load(); n != 1 {
				return fmt.Sprintf("%+v has %d holders", k, n)
			}
			bytes += e.cost()
		}
		if queued := s.small.bytes + s.main.bytes + s.wants.bytes; bytes != s.bytes || s.bytes != queued || s.bytes > s.budget {
			return fmt.Sprintf("%d bytes kept, %d counted, %d queued, of %d", bytes, s.bytes, queued, s.budget)
		}
	}
	return ""
}
