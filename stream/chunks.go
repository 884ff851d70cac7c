package stream

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/terrapin-eo/terrapin/cube/read"
)

// Chunks counts the chunks that a run has wanted, by where they were, up to when a batch was handed out; what was read ahead
// of it is in them, and runs over windows and batches that share a chunk count it each time.
type Chunks struct {
	// Kept were decoded in the cache, Joined on their way there for another batch or run, and Decoded were read for this one.
	Kept    int64 `json:"kept"`
	Joined  int64 `json:"joined"`
	Decoded int64 `json:"decoded"`
	// BytesRead came from objects.
	BytesRead int64 `json:"bytes_read"`
}

// ChunksBytes is the length of counts in a frame.
const ChunksBytes = 32

// Append writes the counts in their order, as little-endian integers of 8 bytes, at the end of b.
func (c Chunks) Append(b []byte) []byte {
	for _, n := range []int64{c.Kept, c.Joined, c.Decoded, c.BytesRead} {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return b
}

// tally sums up what the reads of a run took. It is part of a source.
type tally struct{ kept, joined, decoded, bytes atomic.Int64 }

func (t *tally) add(c read.Cost) {
	t.kept.Add(c.Hits - c.Joined)
	t.joined.Add(c.Joined)
	t.decoded.Add(c.Misses)
	t.bytes.Add(c.BytesRead)
}

// taken is part of source.
func (t *tally) taken() Chunks {
	return Chunks{Kept: t.kept.Load(), Joined: t.joined.Load(), Decoded: t.decoded.Load(), BytesRead: t.bytes.Load()}
}
