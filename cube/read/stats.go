package read

import (
	"sync/atomic"
	"time"
)

// Cost counts what reading took.
type Cost struct {
	// Hits are chunks that were kept or on their way for someone else, Misses those read and decoded.
	// A chunk of pixels and its chunk of validity are two; those absent from the cube are not counted.
	Hits, Misses int64
	// Joined are the Hits that had to be waited for, since somebody else was reading them.
	Joined int64
	// Ranges were read from objects, BytesRead in all; Coalesced chunks came with the range of another.
	Ranges, BytesRead, Coalesced int64
	// Decoding is the time spent in decoders, summed over workers.
	Decoding time.Duration
}

// Stats is the cost of all reads since the reader was made.
type Stats struct {
	Cost
	// Bytes are the decoded bytes kept now; Evictions counts the chunks that made room for others.
	Bytes, Evictions int64
	// Lent are the chunks that are lent now: each as often as it is.
	Lent int64
}

// Report is what one batch did.
type Report struct {
	Cost
	// Errs has one entry per window, nil for those that were read; Errs is nil if all were.
	Errs []error
}

// Stats returns the counts so far.
func (r *Reader) Stats() Stats {
	return Stats{Cost: r.total.cost(), Bytes: r.cache.bytes(), Evictions: r.cache.evictions(), Lent: r.lent.Load()}
}

// Full reports whether the kept chunks fill most of their budget, so that some are dropped for others.
func (r *Reader) Full() bool { return r.cache.full() }

// Expected is how many chunks somebody expects to read.
func (r *Reader) Expected() int { return r.cache.expected() }

// CacheBytes is the budget of decoded chunks.
func (r *Reader) CacheBytes() int64 { return max(r.cfg.CacheBytes, 0) }

type counters struct {
	hits, joined, misses, ranges, bytesRead, coalesced, decoding atomic.Int64
}

func (c *counters) cost() Cost {
	return Cost{
		Hits: c.hits.Load(), Joined: c.joined.Load(), Misses: c.misses.Load(), Ranges: c.ranges.Load(), BytesRead: c.bytesRead.Load(),
		Coalesced: c.coalesced.Load(), Decoding: time.Duration(c.decoding.Load()),
	}
}

// drain adds the counts to a total and begins anew.
func (c *counters) drain(total *counters) {
	total.hits.Add(c.hits.Swap(0))
	total.joined.Add(c.joined.Swap(0))
	total.misses.Add(c.misses.Swap(0))
	total.ranges.Add(c.ranges.Swap(0))
	total.bytesRead.Add(c.bytesRead.Swap(0))
	total.coalesced.Add(c.coalesced.Swap(0))
	total.decoding.Add(c.decoding.Swap(0))
}
