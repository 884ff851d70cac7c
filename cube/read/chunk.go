package read

import (
	"bytes"
	"math/bits"
	"sync"
	"sync/atomic"
)

// chunk is one decoded chunk, or what is left of it once it is known to be alike all over. Whoever holds
// it may read it; with the last holder its memory goes back to the pool.
type chunk struct {
	holders atomic.Int32
	// buf is nil where every element is value.
	buf   *buffer
	value [8]byte
	// planes is how many there are in buf: one per band that was decoded, or one if all are alike.
	planes int
	bands  mask
	sum    atomic.Pointer[sum]
}

// mask is the set of bands of a chunk that was decoded; 0 is all of them.
type mask uint64

// maskOf is the set that a window wants of a chunk of so many bands.
func maskOf(bands []int, planes int) mask {
	if planes > 64 {
		return 0
	}
	var m mask
	for _, b := range bands {
		m |= 1 << b
	}
	return m
}

// rounded adds the bands that cost nothing to have: a single one between two others shares a block with
// one of them. Where more than three of four are wanted it is all.
func (m mask) rounded(planes int) mask {
	m |= m << 1 & (m >> 1)
	if 4*bits.OnesCount64(uint64(m)) > 3*planes {
		return 0
	}
	return m
}

// count is how many bands of so many are in the set.
func (m mask) count(planes int) int {
	if m == 0 {
		return planes
	}
	return bits.OnesCount64(uint64(m))
}

// runs yields the bands of the set that follow each other: from the first to before the end.
func (m mask) runs(yield func(from, to int) error) error {
	for from := 0; m>>from != 0; {
		from += bits.TrailingZeros64(uint64(m >> from))
		to := from + bits.TrailingZeros64(^uint64(m>>from))
		if err := yield(from, to); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// newChunk wraps decoded memory for one holder and gives back what it does not need.
func newChunk(a *array, bands mask, buf *buffer) *chunk {
	c := &chunk{planes: bands.count(a.planes), bands: bands}
	c.holders.Store(1)
	data, size := buf.bytes, a.size
	copy(c.value[:], data[:size])
	if bytes.Equal(data[size:], data[:len(data)-size]) { // each element equals the one before it
		buf.free()
		return c
	}
	if a.joined && c.planes > 1 {
		n := a.planeBytes
		if bytes.Equal(data[n:], data[:len(data)-n]) { // each plane equals the one before it
			one := borrow(n)
			copy(one.bytes, data[:n])
			buf.free()
			buf, c.planes = one, 1
		}
	}
	c.buf = buf
	return c
}

// plane is that of a band.
func (c *chunk) plane(a *array, band int) []byte {
	i := c.index(band)
	return c.buf.bytes[i*a.planeBytes : (i+1)*a.planeBytes]
}

// index is the number of a band's plane.
func (c *chunk) index(band int) int {
	switch {
	case c.planes == 1:
		return 0
	case c.bands != 0:
		return bits.OnesCount64(uint64(c.bands & (1<<band - 1)))
	}
	return band
}

// cost is what a chunk takes in the cache.
func (c *chunk) cost() int64 {
	if c.buf == nil {
		return 0
	}
	return int64(cap(c.buf.bytes))
}

func (c *chunk) release() {
	if c.holders.Add(-1) == 0 && c.buf != nil {
		c.buf.free()
		c.buf = nil
	}
}

// buffer is memory from the pool. Fresh memory has to be cleared by the runtime, which costs a tenth of
// decoding into it.
type buffer struct {
	bytes []byte
	class int
}

// pools holds free buffers by class of size; what is not used is left to the garbage collector.
var pools [264]sync.Pool

// borrow returns n bytes that hold anything.
func borrow(n int) *buffer {
	class, size := classOf(n)
	b, _ := pools[class].Get().(*buffer)
	if b == nil {
		b = &buffer{bytes: fresh(size), class: class}
	}
	b.bytes = b.bytes[:n]
	return b
}

// scribble makes misuse of freed memory visible to the tests.
var scribble atomic.Bool

func (b *buffer) free() {
	if scribble.Load() {
		all := b.bytes[:cap(b.bytes)]
		for i := range all {
			all[i] = 0xDB
		}
	}
	pools[b.class].Put(b)
}

// classOf rounds a size up by an eighth at most (small ones to 64 bytes).
func classOf(n int) (class, size int) {
	if n <= 1024 {
		class = max(1, (n+63)/64)
		return class, 64 * class
	}
	octave := bits.Len(uint(n - 1)) // 2^(octave-1) < n ≤ 2^octave
	base := 1 << (octave - 1)
	eighth := base / 8
	k := (n - base + eighth - 1) / eighth
	return 16 + 8*(octave-11) + k, base + k*eighth
}
