package zarr

import (
	"github.com/terrapin-eo/terrapin/fault"
)

// Encode passes a whole chunk of values, in C order and little-endian, through the codecs. The
// result never shares memory with the chunk.
func (a Array) Encode(chunk []byte) ([]byte, error) {
	if len(chunk) != a.ChunkBytes() || a.DType == String {
		return nil, fault.New(fault.Internal, "encode: a chunk of %d bytes, wanted %d of %s", len(chunk), a.ChunkBytes(), a.DType)
	}
	chain := a.chain()
	s := serialiser(chain)
	if s > 0 {
		order := orders(chain[:s], len(a.Chunks))
		turned := borrow(len(chunk))
		defer scratch.Put(turned)
		transpose(*turned, chunk, a.Chunks, order, a.ElementSize())
		return a.stored().Encode(*turned)
	}
	data := chunk
	switch {
	case chain[0].Name == "sharding_indexed":
		var err error
		if data, err = a.encodeShard(chunk, chain[0].Sharding); err != nil {
			return nil, err
		}
	case chain[0].Big && a.wordSize() > 1:
		data = append([]byte(nil), chunk...)
		swap(data, a.wordSize())
	}
	plane := a.ElementSize()
	for _, n := range a.Chunks[max(0, len(a.Chunks)-2):] {
		plane *= n
	}
	for i := 1; i < len(chain); i++ {
		var err error
		if data, err = chain[i].encode(data, plane); err != nil {
			return nil, fault.New(fault.KindOf(err), "encode %s: %w", chain[i].Name, err)
		}
		plane = 0 // known to the first compressor only
	}
	if len(data) > 0 && &data[0] == &chunk[0] {
		data = append([]byte(nil), data...)
	}
	return data, nil
}

func (c *Codec) encode(data []byte, plane int) ([]byte, error) {
	switch c.Name {
	case "blosc":
		return encodeBlosc(data, c, plane)
	case "zstd":
		return encodeZstd(data, c.Level, c.Checksum), nil
	case "gzip":
		return encodeGzip(data, c.Level)
	case "crc32c":
		return encodeChecksum(data), nil
	}
	return nil, fault.New(fault.Unsupported, "writing codec %q", c.Name).WithCure("write with blosc, zstd, gzip or crc32c")
}

// Decode undoes Encode into dst, whose length must be ChunkBytes.
func (a Array) Decode(dst, src []byte) error {
	if len(dst) != a.ChunkBytes() || a.DType == String {
		return fault.New(fault.Internal, "decode: a buffer of %d bytes, wanted %d of %s", len(dst), a.ChunkBytes(), a.DType)
	}
	return a.decode(dst, src, 0)
}

// DecodeRange fills dst with the bytes [lo, lo+len(dst)) of a decoded chunk, whole elements: for a
// chunk of bands, those of a few bands. Only the blosc blocks or inner chunks that hold some of them
// are decompressed; chains without such parts are decoded whole, with the same result.
func (a Array) DecodeRange(dst, src []byte, lo int) error {
	size := a.ElementSize()
	if a.DType == String || lo < 0 || lo > a.ChunkBytes()-len(dst) || lo%size != 0 || len(dst)%size != 0 {
		return fault.New(fault.Internal, "decode: bytes %d to %d of a chunk of %d of %s", lo, lo+len(dst), a.ChunkBytes(), a.DType)
	}
	return a.decode(dst, src, lo)
}

func (a *Array) decode(dst, src []byte, lo int) error {
	chain := a.chain()
	s := serialiser(chain)
	if s < 0 {
		return fault.New(fault.Internal, "decode: codecs %v", names(chain))
	}
	if s > 0 {
		return a.decodeTurned(dst, src, lo)
	}
	if len(dst) == 0 {
		return nil
	}
	sharded := chain[0].Name == "sharding_indexed"
	last := 2 // compressors outside of the innermost one make what it reads
	if sharded {
		last = 1
	}
	for i := len(chain) - 1; i >= last; i-- {
		var err error
		if src, err = chain[i].open(src, a.bound(chain[:i])); err != nil {
			return decodeFault(chain[i].Name, err)
		}
	}
	if sharded {
		return a.decodeShard(dst, src, lo, chain[0].Sharding)
	}
	if len(chain) > 1 {
		if err := chain[1].decodeRange(dst, src, lo, a.ChunkBytes()); err != nil {
			return decodeFault(chain[1].Name, err)
		}
	} else {
		if len(src) != a.ChunkBytes() {
			return fault.New(fault.Corrupt, "decode: %d bytes, wanted %d", len(src), a.ChunkBytes())
		}
		copy(dst, src[lo:])
	}
	if chain[0].Big {
		swap(dst, a.wordSize())
	}
	return nil
}

// decodeFault is the error of a chunk that cannot be undone: the metadata was understood, so whatever is
// wrong with it, the chunk is not what was written.
func decodeFault(name string, err error) error {
	return fault.New(fault.Corrupt, "decode %s: %w", name, err)
}

// decodeTurned decodes a chunk that was transposed before it became bytes.
func (a *Array) decodeTurned(dst, src []byte, lo int) error {
	whole := a.ChunkBytes()
	turned := borrow(whole)
	defer scratch.Put(turned)
	b := a.stored()
	if err := b.decode(*turned, src, 0); err != nil {
		return err
	}
	chain := a.chain()
	order := inverse(orders(chain[:serialiser(chain)], len(a.Chunks)))
	if len(dst) == whole {
		transpose(dst, *turned, b.Chunks, order, a.ElementSize())
		return nil
	}
	straight := borrow(whole)
	defer scratch.Put(straight)
	transpose(*straight, *turned, b.Chunks, order, a.ElementSize())
	copy(dst, (*straight)[lo:])
	return nil
}

// decodeRange undoes the codec next to the values: dst becomes the bytes from lo of the size it holds.
func (c *Codec) decodeRange(dst, src []byte, lo, size int) error {
	switch c.Name {
	case "blosc":
		return decodeBloscRange(dst, src, lo, size)
	case "crc32c":
		data, err := openChecksum(src)
		if err == nil && len(data) != size {
			err = fault.New(fault.Corrupt, "%d bytes, wanted %d", len(data), size)
		}
		if err == nil {
			copy(dst, data[lo:])
		}
		return err
	}
	whole := dst[:len(dst):len(dst)]
	if len(dst) < size {
		tmp := borrow(size)
		defer scratch.Put(tmp)
		whole = (*tmp)[:size:size]
	}
	var n int
	var err error
	switch c.Name {
	case "zstd":
		n, err = decodeZstd(whole, src)
	case "gzip":
		n, err = decodeGzip(whole, src)
	case "numcodecs.zlib":
		n, err = decodeZlib(whole, src)
	default:
		return fault.New(fault.Unsupported, "codec %q", c.Name)
	}
	if err == nil && n != size {
		err = fault.New(fault.Corrupt, "%d bytes, wanted %d", n, size)
	}
	if err == nil && len(dst) < size {
		copy(dst, whole[lo:])
	}
	return err
}

// open undoes a codec whose result may have any size up to limit.
func (c *Codec) open(src []byte, limit int) ([]byte, error) {
	switch c.Name {
	case "blosc":
		n, err := bloscSize(src)
		if err == nil && n > limit {
			err = errTooSmall
		}
		if err != nil {
			return nil, err
		}
		into := make([]byte, n)
		return into, decodeBlosc(into, src)
	case "zstd":
		return openZstd(src, limit)
	case "gzip":
		return openGzip(src, limit)
	case "numcodecs.zlib":
		return openZlib(src, limit)
	case "crc32c":
		return openChecksum(src)
	}
	return nil, fault.New(fault.Unsupported, "codec %q", c.Name)
}

// bound is the most bytes that a chain may make of a chunk: no compressor grows its input by more than
// an eighth and some headers, a shard adds its index.
func (a *Array) bound(chain []Codec) int {
	limit := a.ChunkBytes()
	if chain[0].Name == "sharding_indexed" {
		limit = a.shardBound(chain[0].Sharding)
	}
	for range chain[1:] {
		limit = grown(limit)
	}
	return limit
}

func grown(n int) int { return min(n+n/8+4096, maxChunkBytes) }

// swap turns the bytes of every word round.
func swap(data []byte, word int) {
	for at := 0; at+word <= len(data) && word > 1; at += word {
		for i, j := at, at+word-1; i < j; i, j = i+1, j-1 {
			data[i], data[j] = data[j], data[i]
		}
	}
}
