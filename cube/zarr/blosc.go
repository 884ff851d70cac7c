package zarr

import (
	"encoding/binary"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/terrapin-eo/terrapin/fault"
)

// The container of c-blosc 1, which is what Zarr's "blosc" means: a header of 16 bytes (version,
// inner version, flags, type size; sizes of data, block and buffer as uint32), the starts of the
// blocks, then each block as one compressed stream, or as one per byte of the type.
const (
	bloscHeader    = 16
	bloscVersion   = 2
	flagShuffle    = 0x01
	flagCopied     = 0x02
	flagBitShuffle = 0x04
	flagNoSplit    = 0x10
	formatShift    = 5
	formatLZ4      = 1
	formatZlib     = 3
	formatZstd     = 4

	maxSplits    = 16
	minSplitSize = 128
	// writeBlock fits the second-level cache, so that a block is unshuffled while it is still there.
	writeBlock = 256 << 10
	maxType    = 255
)

type bloscFrame struct {
	flags     byte
	typeSize  int
	size      int
	blockSize int
	src       []byte
}

func parseBlosc(src []byte) (bloscFrame, error) {
	if len(src) < bloscHeader {
		return bloscFrame{}, fault.New(fault.Corrupt, "%d bytes are no blosc buffer", len(src))
	}
	f := bloscFrame{
		flags: src[2], typeSize: int(src[3]),
		size:      int(binary.LittleEndian.Uint32(src[4:])),
		blockSize: int(binary.LittleEndian.Uint32(src[8:])),
	}
	stored := int(binary.LittleEndian.Uint32(src[12:]))
	switch {
	case src[0] < 1 || src[0] > bloscVersion:
		return bloscFrame{}, fault.New(fault.Unsupported, "blosc format %d", src[0])
	case stored > len(src) || stored < bloscHeader || f.size > maxChunkBytes || f.typeSize == 0:
		return bloscFrame{}, fault.New(fault.Corrupt, "blosc header: %d bytes of type size %d stored in %d of %d", f.size, f.typeSize, stored, len(src))
	case f.size > 0 && (f.blockSize < 1 || f.blockSize > maxChunkBytes):
		return bloscFrame{}, fault.New(fault.Corrupt, "blosc header: blocks of %d bytes", f.blockSize)
	}
	f.src = src[:stored]
	return f, nil
}

// bloscSize is the size of the data in a buffer.
func bloscSize(src []byte) (int, error) {
	f, err := parseBlosc(src)
	return f.size, err
}

var scratch = sync.Pool{New: func() any { return new([]byte) }}

func borrow(n int) *[]byte {
	b := scratch.Get().(*[]byte)
	if cap(*b) < n {
		*b = make([]byte, n)
	}
	*b = (*b)[:n]
	return b
}

func decodeBlosc(dst, src []byte) error {
	f, err := parseBlosc(src)
	if err != nil {
		return err
	}
	if f.size != len(dst) {
		return fault.New(fault.Corrupt, "blosc buffer of %d bytes, wanted %d", f.size, len(dst))
	}
	if f.size == 0 {
		return nil
	}
	if f.flags&flagCopied != 0 {
		if len(f.src) != bloscHeader+f.size {
			return fault.New(fault.Corrupt, "blosc: %d copied bytes, wanted %d", len(f.src)-bloscHeader, f.size)
		}
		copy(dst, f.src[bloscHeader:])
		return nil
	}
	f.blockSize = min(f.blockSize, f.size)
	blocks := (f.size + f.blockSize - 1) / f.blockSize
	if blocks > (len(f.src)-bloscHeader)/4 {
		return fault.New(fault.Corrupt, "blosc: %d blocks in %d bytes", blocks, len(f.src))
	}
	for i := range blocks {
		lo, hi := i*f.blockSize, min((i+1)*f.blockSize, f.size)
		start := binary.LittleEndian.Uint32(f.src[bloscHeader+4*i:])
		if int64(start) > int64(len(f.src)) {
			return fault.New(fault.Corrupt, "blosc: block %d starts at %d of %d", i, start, len(f.src))
		}
		if err := f.decodeBlock(dst[lo:hi], f.src[start:]); err != nil {
			return fault.New(fault.Corrupt, "blosc: block %d: %w", i, err)
		}
	}
	return nil
}

// decodeBlock decompresses the streams of one block and undoes the shuffle.
func (f bloscFrame) decodeBlock(dst, src []byte) error {
	byteShuffled := f.flags&flagShuffle != 0 && f.typeSize > 1
	bitShuffled := f.flags&flagBitShuffle != 0 && f.blockSize >= f.typeSize
	into := dst
	if byteShuffled || bitShuffled {
		tmp := borrow(len(dst))
		defer scratch.Put(tmp)
		into = *tmp
	}
	streams := 1
	if f.flags&flagNoSplit == 0 && f.typeSize <= maxSplits && f.blockSize/f.typeSize >= minSplitSize && len(dst) == f.blockSize {
		streams = f.typeSize
	}
	each := len(dst) / streams
	if each*streams != len(dst) {
		return fault.New(fault.Corrupt, "%d bytes in %d streams", len(dst), streams)
	}
	for i := range streams {
		if len(src) < 4 {
			return fault.New(fault.Corrupt, "stream %d is missing", i)
		}
		n := binary.LittleEndian.Uint32(src)
		if src = src[4:]; int64(n) > int64(len(src)) {
			return fault.New(fault.Corrupt, "stream %d has %d of %d bytes", i, len(src), n)
		}
		if err := f.inflate(into[i*each:(i+1)*each], src[:n]); err != nil {
			return err
		}
		src = src[n:]
	}
	switch {
	case byteShuffled:
		unshuffle(dst, into, f.typeSize)
	case bitShuffled:
		bitUnshuffle(dst, into, f.typeSize)
	}
	return nil
}

// inflate undoes the inner compressor; a stream as long as its data is the data.
func (f bloscFrame) inflate(dst, src []byte) error {
	if len(src) == len(dst) {
		copy(dst, src)
		return nil
	}
	var n int
	var err error
	switch format := f.flags >> formatShift; format {
	case formatZstd:
		var out []byte
		out, err = zstdDecoder().DecodeAll(src, dst[:0:len(dst)])
		n = len(out)
	case formatLZ4:
		n, err = lz4.UncompressBlock(src, dst)
	case formatZlib:
		return decodeZlib(dst, src)
	default:
		name := map[byte]string{0: "blosclz", 2: "snappy"}[format]
		return fault.New(fault.Unsupported, "blosc: inner compressor %d %s", format, name)
	}
	if err != nil {
		return fault.New(fault.Corrupt, "stream: %w", err)
	}
	if n != len(dst) {
		return fault.New(fault.Corrupt, "stream of %d bytes, wanted %d", n, len(dst))
	}
	return nil
}

// encodeBlosc writes zstd streams, one per byte of the type while blocks are full, since the bytes of
// one significance compress alike.
func encodeBlosc(data []byte, c Codec) ([]byte, error) {
	if c.CName != "zstd" || c.Shuffle == "bitshuffle" {
		return nil, fault.New(fault.Unsupported, "writing blosc with %s and %s", c.CName, c.Shuffle)
	}
	typeSize := max(1, c.TypeSize)
	if typeSize > maxType {
		return nil, fault.New(fault.Invalid, "blosc type size %d", typeSize)
	}
	flags := byte(formatZstd << formatShift)
	if c.Shuffle == "shuffle" {
		flags |= flagShuffle
	}
	block := min(len(data), writeBlock)
	if block > typeSize {
		block -= block % typeSize
	}
	split := flags&flagShuffle != 0 && typeSize > 1 && typeSize <= maxSplits && block/typeSize >= minSplitSize
	if !split {
		flags |= flagNoSplit
	}
	blocks := 0
	if block > 0 {
		blocks = (len(data) + block - 1) / block
	}
	out := make([]byte, bloscHeader+4*blocks, bloscHeader+4*blocks+len(data)/2+64)
	tmp := borrow(block)
	defer scratch.Put(tmp)
	for i := range blocks {
		binary.LittleEndian.PutUint32(out[bloscHeader+4*i:], uint32(len(out)))
		part := data[i*block : min((i+1)*block, len(data))]
		streams := 1
		if split && len(part) == block {
			streams = typeSize
		}
		if flags&flagShuffle != 0 && typeSize > 1 {
			shuffle((*tmp)[:len(part)], part, typeSize)
			part = (*tmp)[:len(part)]
		}
		out = appendStreams(out, part, streams, bloscLevel(c.Level))
		if len(out) >= bloscHeader+len(data) {
			break // no gain: copied below
		}
	}
	if len(out) >= bloscHeader+len(data) {
		flags |= flagCopied
		out = append(out[:bloscHeader], data...)
	}
	out[0], out[1], out[2], out[3] = bloscVersion, 1, flags, byte(typeSize)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(data)))
	binary.LittleEndian.PutUint32(out[8:], uint32(block))
	binary.LittleEndian.PutUint32(out[12:], uint32(len(out)))
	return out, nil
}

func appendStreams(out, part []byte, streams int, level zstd.EncoderLevel) []byte {
	each := len(part) / streams
	for j := range streams {
		stream := part[j*each : (j+1)*each]
		at := len(out)
		out = appendZstd(append(out, 0, 0, 0, 0), stream, level, false)
		if n := len(out) - at - 4; n >= len(stream) {
			out = append(out[:at+4], stream...)
		}
		binary.LittleEndian.PutUint32(out[at:], uint32(len(out)-at-4))
	}
	return out
}

func bloscLevel(level int) zstd.EncoderLevel {
	switch {
	case level <= 2:
		return zstd.SpeedFastest
	case level <= 6:
		return zstd.SpeedDefault
	}
	return zstd.SpeedBetterCompression
}
