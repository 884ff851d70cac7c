package zarr

import (
	"encoding/binary"
	"math"

	"github.com/terrapin-eo/terrapin/fault"
)

// missing marks an inner chunk that is all fill value.
const missing = math.MaxUint64

func (a *Array) checkSharding(nesting int) error {
	chain := a.chain()
	s := chain[serialiser(chain)].Sharding
	if s == nil || len(s.Chunks) != len(a.Chunks) {
		return fault.New(fault.Invalid, "zarr array: a shard of chunks %v in %d dimensions", s, len(a.Chunks))
	}
	for i, n := range s.Chunks {
		if n < 1 || a.Chunks[i]%n != 0 {
			return fault.New(fault.Invalid, "zarr array: inner chunks %v do not divide the shard %v", s.Chunks, a.Chunks)
		}
	}
	for i := range s.IndexCodecs {
		if c := &s.IndexCodecs[i]; c.Name != "crc32c" && (i > 0 || c.Name != "bytes") {
			return fault.New(fault.Unsupported, "zarr array: shard index through %v, whose size depends on its content", names(s.IndexCodecs)).
				WithCure("the index takes bytes and crc32c")
		}
	}
	if len(s.IndexCodecs) == 0 || s.IndexCodecs[0].Name != "bytes" || s.IndexCodecs[0].unordered {
		return fault.New(fault.Invalid, "zarr array: shard index through %v", names(s.IndexCodecs))
	}
	return a.inner(s).checkChain(nesting + 1)
}

// inner is one chunk of the array as an array of inner chunks.
func (a *Array) inner(s *Sharding) *Array {
	b := *a
	b.Shape, b.Chunks, b.Codecs, b.Dims, b.Attrs = a.Chunks, s.Chunks, s.Codecs, nil, nil
	return &b
}

func product(n []int) int {
	p := 1
	for _, v := range n {
		p *= v
	}
	return p
}

// indexBytes is the encoded size of a shard's index.
func (s *Sharding) indexBytes(entries int) int { return 16*entries + 4*(len(s.IndexCodecs)-1) }

// shardBound is the most bytes that a shard may have.
func (a *Array) shardBound(s *Sharding) int {
	inner := a.inner(s)
	chain := inner.chain()
	most := inner.bound(chain[serialiser(chain):])
	return int(min(int64(most+16)*int64(product(inner.NumChunks()))+1024, maxChunkBytes))
}

// Shard reads chunks of a sharded array part by part: the index first, then the ranges of the inner
// chunks that are wanted.
type Shard struct {
	array *Array
	s     *Sharding
}

// Shard tells how chunks are sharded. It is false where they are not, or where the shard as a whole is
// compressed or transposed, so that its parts have no place of their own in the object.
func (a Array) Shard() (Shard, bool) {
	chain := a.chain()
	if len(chain) != 1 || chain[0].Sharding == nil {
		return Shard{}, false
	}
	return Shard{&a, chain[0].Sharding}, true
}

// Inner is a chunk as an array of inner chunks: its Shape is that of the chunk, and its Decode and
// Encode take inner chunks.
func (s Shard) Inner() Array { return *s.array.inner(s.s) }

// IndexRange is where the index lies in an object of a size: the bytes [offset, offset+n).
func (s Shard) IndexRange(size int64) (offset, n int64, err error) {
	n = int64(s.s.indexBytes(product(s.array.inner(s.s).NumChunks())))
	switch {
	case n > size:
		return 0, 0, fault.New(fault.Corrupt, "shard of %d bytes: its index alone has %d", size, n)
	case s.s.IndexFirst:
		return 0, n, nil
	}
	return size - n, n, nil
}

// Index reads the index, whose bytes IndexRange named, of an object of a size.
func (s Shard) Index(encoded []byte, size int64) (ShardIndex, error) {
	grid := s.array.inner(s.s).NumChunks()
	entries := product(grid)
	if len(encoded) != s.s.indexBytes(entries) {
		return ShardIndex{}, fault.New(fault.Corrupt, "shard index of %d bytes, wanted %d", len(encoded), s.s.indexBytes(entries))
	}
	for range s.s.IndexCodecs[1:] {
		var err error
		if encoded, err = openChecksum(encoded); err != nil {
			return ShardIndex{}, fault.New(fault.Corrupt, "shard index: %w", err)
		}
	}
	return ShardIndex{encoded, grid, size, s.s.IndexCodecs[0].Big}, nil
}

// ShardIndex is the place of every inner chunk of one shard.
type ShardIndex struct {
	entries []byte
	grid    []int
	size    int64
	big     bool
}

// Range is the place of an inner chunk, by its index within the shard: the bytes [offset, offset+n). It
// is false for one that is not stored and so all fill value.
func (x ShardIndex) Range(index ...int) (offset, n int64, stored bool, err error) {
	at := 0
	for i, v := range index {
		if i >= len(x.grid) || v < 0 || v >= x.grid[i] {
			return 0, 0, false, fault.New(fault.Internal, "inner chunk %v of %v", index, x.grid)
		}
		at = at*x.grid[i] + v
	}
	return x.at(at)
}

func (x ShardIndex) at(i int) (offset, n int64, stored bool, err error) {
	from, size := binary.LittleEndian.Uint64(x.entries[16*i:]), binary.LittleEndian.Uint64(x.entries[16*i+8:])
	if x.big {
		from, size = binary.BigEndian.Uint64(x.entries[16*i:]), binary.BigEndian.Uint64(x.entries[16*i+8:])
	}
	switch {
	case from == missing && size == missing:
		return 0, 0, false, nil
	case from > uint64(x.size) || size > uint64(x.size)-from:
		return 0, 0, false, fault.New(fault.Corrupt, "shard: inner chunk %d is at %d with %d bytes of %d", i, from, size, x.size)
	}
	return int64(from), int64(size), true, nil
}

// decodeShard fills dst with the bytes from lo of a chunk; inner chunks without any of them are left
// alone.
func (a *Array) decodeShard(dst, src []byte, lo int, s *Sharding) error {
	shard := Shard{a, s}
	at, n, err := shard.IndexRange(int64(len(src)))
	if err != nil {
		return err
	}
	index, err := shard.Index(src[at:at+n], int64(len(src)))
	if err != nil {
		return err
	}
	inner := a.inner(s)
	tmp := borrow(inner.ChunkBytes())
	defer scratch.Put(tmp)
	b := newBox(a.Chunks, s.Chunks, a.ElementSize())
	fillKnown := false
	for i := range product(index.grid) {
		first, end := b.at(i, index.grid)
		if end <= lo || first >= lo+len(dst) {
			continue
		}
		offset, size, stored, err := index.at(i)
		if err != nil {
			return err
		}
		whole := end-first == len(*tmp) && first >= lo && end <= lo+len(dst) // one run of the chunk
		into := *tmp
		if whole {
			into = dst[first-lo : end-lo]
		}
		switch {
		case stored:
			fillKnown = false
			err = inner.decode(into, src[offset:offset+size], 0)
		case whole || !fillKnown:
			inner.FillChunk(into)
			fillKnown = !whole
		}
		if err != nil {
			return fault.New(fault.KindOf(err), "shard: inner chunk %d: %w", i, err)
		}
		if !whole {
			b.rows(first, func(at, run, from int) {
				if begin, stop := max(at, lo), min(at+run, lo+len(dst)); begin < stop {
					copy(dst[begin-lo:stop-lo], into[from+begin-at:])
				}
			})
		}
	}
	return nil
}

// encodeShard encodes the inner chunks that are not all fill value, in C order.
func (a *Array) encodeShard(chunk []byte, s *Sharding) ([]byte, error) {
	inner := a.inner(s)
	grid := inner.NumChunks()
	entries := product(grid)
	index := make([]byte, 0, s.indexBytes(entries))
	var out []byte
	if s.IndexFirst {
		out = make([]byte, s.indexBytes(entries))
	}
	tmp := borrow(inner.ChunkBytes())
	defer scratch.Put(tmp)
	b := newBox(a.Chunks, s.Chunks, a.ElementSize())
	order := binary.AppendByteOrder(binary.LittleEndian)
	if s.IndexCodecs[0].Big {
		order = binary.BigEndian
	}
	for i := range entries {
		first, _ := b.at(i, grid)
		b.rows(first, func(at, run, from int) { copy((*tmp)[from:from+run], chunk[at:]) })
		from, size := uint64(missing), uint64(missing)
		if !inner.IsFill(*tmp) {
			encoded, err := inner.Encode(*tmp)
			if err != nil {
				return nil, err
			}
			from, size = uint64(len(out)), uint64(len(encoded))
			out = append(out, encoded...)
		}
		index = order.AppendUint64(order.AppendUint64(index, from), size)
	}
	for range s.IndexCodecs[1:] {
		index = encodeChecksum(index)
	}
	if s.IndexFirst {
		copy(out, index)
		return out, nil
	}
	return append(out, index...), nil
}

// box walks inner chunks of one shape within a chunk, all in bytes of C order.
type box struct {
	shape, strides []int
	span           int // from the first byte of an inner chunk to behind its last
}

func newBox(chunk, inner []int, size int) box {
	b := box{shape: inner, strides: make([]int, len(chunk)+1), span: size}
	b.strides[len(chunk)] = size
	for i := len(chunk) - 1; i >= 0; i-- {
		b.strides[i] = b.strides[i+1] * chunk[i]
		b.span += (inner[i] - 1) * b.strides[i+1]
	}
	return b
}

// at is where the first byte of inner chunk i of a grid lies, and where behind its last.
func (b box) at(i int, grid []int) (first, end int) {
	for d := len(grid) - 1; d >= 0; d-- {
		first += i % grid[d] * b.shape[d] * b.strides[d+1]
		i /= grid[d]
	}
	return first, first + b.span
}

// rows calls each for every run of an inner chunk: run bytes at a place in the chunk, and from a place
// in the inner chunk.
func (b box) rows(first int, each func(at, run, from int)) {
	dims := len(b.shape)
	run := b.strides[dims]
	if dims > 0 {
		run *= b.shape[dims-1]
	}
	index := make([]int, dims)
	for at, from := first, 0; ; from += run {
		each(at, run, from)
		d := dims - 2
		for ; d >= 0; d-- {
			at += b.strides[d+1]
			if index[d]++; index[d] < b.shape[d] {
				break
			}
			at -= b.strides[d+1] * b.shape[d]
			index[d] = 0
		}
		if d < 0 {
			return
		}
	}
}
