package zarr

import (
	"encoding/binary"
	"slices"

	"github.com/pierrec/lz4/v4"

	"github.com/terrapin-eo/terrapin/cube/zarr/shuffle"
	"github.com/terrapin-eo/terrapin/fault"
)

// Blocks are what one decode touches: small enough that a block is unshuffled while it is still in the
// second-level cache, large enough to compress, and whole planes (a band, a date) of the chunk where
// planes have about that size, so that a few bands are read without decompressing the others.
const (
	writeBlock = 256 << 10
	leastPlane = 64 << 10
	mostPlane  = 512 << 10
)

// bloscBlock chooses the block size for data whose last two dimensions hold plane bytes.
func bloscBlock(size, plane, typeSize int) int {
	block := writeBlock
	switch {
	case plane >= leastPlane && plane <= mostPlane:
		block = plane
	case plane > 0 && plane < leastPlane:
		block = (2 * leastPlane) / plane * plane
	}
	block = min(block, size)
	if block > typeSize {
		block -= block % typeSize
	}
	return block
}

func checkBlosc(c *Codec) error {
	switch {
	case c.CName == "snappy":
		return fault.New(fault.Unsupported, "blosc with snappy inside").WithCure("use zstd, lz4, lz4hc, blosclz or zlib")
	case c.CName != "zstd" && c.CName != "lz4" && c.CName != "lz4hc" && c.CName != "blosclz" && c.CName != "zlib":
		return fault.New(fault.Invalid, "blosc: unknown compressor %q", c.CName).WithCure("use zstd, lz4, lz4hc, blosclz or zlib")
	case c.Shuffle != "shuffle" && c.Shuffle != "noshuffle" && c.Shuffle != "bitshuffle":
		return fault.New(fault.Invalid, "blosc: unknown shuffle %q", c.Shuffle).WithCure("use noshuffle, shuffle or bitshuffle")
	case c.Level < 0 || c.Level > 9:
		return fault.New(fault.Invalid, "blosc: level %d", c.Level).WithCure("use 0 to 9")
	case c.TypeSize < 0 || c.TypeSize > maxType || c.BlockSize < 0:
		return fault.New(fault.Invalid, "blosc: type size %d, block size %d", c.TypeSize, c.BlockSize)
	}
	return nil
}

// encodeBlosc writes blosc with zstd or lz4 inside; plane is the size of the chunk's last two
// dimensions, 0 if nobody knows. With byte shuffle every full block is one stream per byte of the
// type, since the bytes of one significance compress alike.
func encodeBlosc(data []byte, c *Codec, plane int) ([]byte, error) {
	if c.CName != "zstd" && c.CName != "lz4" {
		return nil, fault.New(fault.Unsupported, "writing blosc with %s", c.CName).WithCure("write with zstd or lz4")
	}
	if err := checkBlosc(c); err != nil {
		return nil, err
	}
	typeSize := max(1, c.TypeSize)
	if out := encodeConstant(data, typeSize); out != nil {
		return out, nil
	}
	flags := byte(formatZstd << formatShift)
	if c.CName == "lz4" {
		flags = formatLZ4 << formatShift
	}
	switch {
	case c.Shuffle == "shuffle" && typeSize > 1:
		flags |= flagShuffle
	case c.Shuffle == "bitshuffle":
		flags |= flagBitShuffle
	}
	block := bloscBlock(len(data), plane, typeSize)
	if c.BlockSize > 0 {
		block = min(len(data), max(c.BlockSize/typeSize, 1)*typeSize)
	}
	split := flags&flagShuffle != 0 && typeSize <= maxSplits && block/typeSize >= minSplitSize
	if !split {
		flags |= flagNoSplit
	}
	blocks := 0
	if block > 0 {
		blocks = (len(data)-1)/block + 1
	}
	w := bloscWriter{out: make([]byte, bloscHeader+4*blocks, bloscHeader+len(data)/8*5+64), flags: flags, level: c.Level}
	tmp := borrow(block)
	defer scratch.Put(tmp)
	for i := range blocks {
		binary.LittleEndian.PutUint32(w.out[bloscHeader+4*i:], uint32(len(w.out)))
		part := data[i*block : min((i+1)*block, len(data))]
		streams := 1
		if split && len(part) == block {
			streams = typeSize
		}
		switch shuffled := (*tmp)[:len(part)]; {
		case flags&flagShuffle != 0:
			shuffle.Bytes(shuffled, part, typeSize)
			part = shuffled
		case flags&flagBitShuffle != 0 && block >= typeSize:
			shuffle.Bits(shuffled, part, typeSize)
			part = shuffled
		}
		w.streams(part, streams)
		if len(w.out) >= bloscHeader+len(data) {
			break // no gain: copied below
		}
	}
	if len(w.out) >= bloscHeader+len(data) {
		flags |= flagCopied
		w.out = append(w.out[:bloscHeader], data...)
	}
	putBloscHeader(w.out, flags, typeSize, len(data), block)
	return w.out, nil
}

func putBloscHeader(out []byte, flags byte, typeSize, size, block int) {
	out[0], out[1], out[2], out[3] = bloscVersion, 1, flags, byte(typeSize)
	binary.LittleEndian.PutUint32(out[4:], uint32(size))
	binary.LittleEndian.PutUint32(out[8:], uint32(block))
	binary.LittleEndian.PutUint32(out[12:], uint32(len(out)))
}

type bloscWriter struct {
	out   []byte
	flags byte
	level int
}

// streams appends one block in n streams; one that gains less than a 32nd is stored as it is, since
// copying it back is many times faster than decompressing it.
func (w *bloscWriter) streams(part []byte, n int) {
	each := len(part) / n
	for j := range n {
		stream := part[j*each : (j+1)*each]
		at := len(w.out)
		w.out = append(w.out, 0, 0, 0, 0)
		if w.flags>>formatShift == formatLZ4 {
			w.out = appendLZ4(w.out, stream)
		} else {
			w.out = appendZstd(w.out, stream, bloscLevel(w.level), false)
		}
		if size := len(w.out) - at - 4; size > len(stream)-len(stream)/32 || size >= len(stream) {
			w.out = append(w.out[:at+4], stream...)
		}
		binary.LittleEndian.PutUint32(w.out[at:], uint32(len(w.out)-at-4))
	}
}

// bloscLevel is zstd's level for one of blosc: what c-blosc takes from 3 on (2n-1) costs several times
// the time for a percent of size.
func bloscLevel(level int) int {
	switch {
	case level <= 2:
		return 1
	case level <= 6:
		return 3
	case level <= 8:
		return 6
	}
	return 12
}

// appendLZ4 appends a stream as long as the data where that does not shrink.
func appendLZ4(out, data []byte) []byte {
	out = slices.Grow(out, lz4.CompressBlockBound(len(data)))
	n, err := lz4.CompressBlock(data, out[len(out):cap(out)], nil)
	if err != nil || n == 0 {
		return append(out, data...)
	}
	return out[:len(out)+n]
}
