package zarr

import (
	"encoding/binary"

	"github.com/pierrec/lz4/v4"

	"github.com/terrapin-eo/terrapin/cube/zarr/shuffle"
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
	formatBlosclz  = 0
	formatLZ4      = 1
	formatSnappy   = 2
	formatZlib     = 3
	formatZstd     = 4

	maxSplits    = 16
	minSplitSize = 128
	maxType      = 255
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

// decodeBlosc fills dst with all the data of a buffer.
func decodeBlosc(dst, src []byte) error { return decodeBloscRange(dst, src, 0, len(dst)) }

// decodeBloscRange fills dst with the bytes from lo of a buffer that must hold size bytes; only the
// blocks that hold some of them are decompressed.
func decodeBloscRange(dst, src []byte, lo, size int) error {
	f, err := openBlosc(src, size)
	if err != nil || len(dst) == 0 {
		return err
	}
	if f.copied() {
		copy(dst, f.src[bloscHeader+lo:])
		return nil
	}
	dst = dst[:len(dst):len(dst)]
	for i := lo / f.blockSize; i <= (lo+len(dst)-1)/f.blockSize; i++ {
		if err := f.decodeBlockInto(dst, lo, i); err != nil {
			return fault.New(fault.Corrupt, "blosc: block %d: %w", i, err)
		}
	}
	return nil
}

// openBlosc is a buffer that must hold size bytes, with the places of all its blocks.
func openBlosc(src []byte, size int) (bloscFrame, error) {
	f, err := parseBlosc(src)
	switch {
	case err != nil || f.size == 0 && size == 0:
		return f, err
	case f.size != size:
		return f, fault.New(fault.Corrupt, "blosc buffer of %d bytes, wanted %d", f.size, size)
	case f.copied():
		if len(f.src) != bloscHeader+f.size {
			err = fault.New(fault.Corrupt, "blosc: %d copied bytes, wanted %d", len(f.src)-bloscHeader, f.size)
		}
		return f, err
	}
	f.blockSize = min(f.blockSize, f.size)
	if blocks := (f.size-1)/f.blockSize + 1; blocks > (len(f.src)-bloscHeader)/4 {
		return f, fault.New(fault.Corrupt, "blosc: %d blocks in %d bytes", blocks, len(f.src))
	}
	return f, nil
}

// copied buffers hold the data as it is.
func (f *bloscFrame) copied() bool { return f.flags&flagCopied != 0 }

// block is where a block's data lies, and its streams.
func (f *bloscFrame) block(i int) (from, to int, src []byte, err error) {
	start := binary.LittleEndian.Uint32(f.src[bloscHeader+4*i:])
	if int64(start) > int64(len(f.src)) {
		return 0, 0, nil, fault.New(fault.Corrupt, "starts at %d of %d", start, len(f.src))
	}
	from = i * f.blockSize
	return from, min(from+f.blockSize, f.size), f.src[start:], nil
}

// decodeBlockInto puts what dst wants of a block in its place; dst begins at byte lo of the data.
func (f *bloscFrame) decodeBlockInto(dst []byte, lo, i int) error {
	from, to, src, err := f.block(i)
	if err != nil {
		return err
	}
	if from >= lo && to <= lo+len(dst) {
		return f.decodeBlock(dst[from-lo:to-lo], src)
	}
	whole := borrow(to - from)
	defer scratch.Put(whole)
	if err := f.decodeBlock(*whole, src); err != nil {
		return err
	}
	first, last := max(from, lo), min(to, lo+len(dst))
	copy(dst[first-lo:last-lo], (*whole)[first-from:])
	return nil
}

// decodeBlock decompresses the streams of one block and undoes the shuffle.
func (f *bloscFrame) decodeBlock(dst, src []byte) error {
	bytewise, bitwise := f.shuffled()
	if bytewise && f.constant(dst, src) {
		return nil
	}
	if !bytewise && !bitwise {
		return f.inflateBlock(dst, src)
	}
	tmp := borrow(len(dst))
	defer scratch.Put(tmp)
	if err := f.inflateBlock(*tmp, src); err != nil {
		return err
	}
	if bytewise {
		shuffle.Undo(dst, *tmp, f.typeSize)
	} else {
		shuffle.UndoBits(dst, *tmp, f.typeSize)
	}
	return nil
}

// shuffled tells how what the streams hold was rearranged.
func (f *bloscFrame) shuffled() (bytewise, bitwise bool) {
	bytewise = f.flags&flagShuffle != 0 && f.typeSize > 1
	return bytewise, !bytewise && f.flags&flagBitShuffle != 0 && f.blockSize >= f.typeSize
}

// streams is how many a block of so many bytes was compressed in.
func (f *bloscFrame) streams(size int) int {
	if f.flags&flagNoSplit == 0 && f.typeSize <= maxSplits && f.blockSize/f.typeSize >= minSplitSize && size == f.blockSize {
		return f.typeSize
	}
	return 1
}

// constant fills in a shuffled block whose elements are all the same.
func (f *bloscFrame) constant(dst, src []byte) bool {
	return f.flags>>formatShift == formatZstd && f.streams(len(dst)) == 1 && fillConstant(dst, src, f.typeSize)
}

// inflateBlock decompresses the streams of one block. Bytes of dst up to its capacity may be overwritten.
func (f *bloscFrame) inflateBlock(dst, src []byte) error { return f.eachStream(dst, src, f.inflate) }

// eachStream calls do with every stream of a block and with its part of dst.
func (f *bloscFrame) eachStream(dst, src []byte, do func(part, stream []byte) error) error {
	streams := f.streams(len(dst))
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
		// What follows a stream's place is overwritten by the next stream or never read: decoders
		// that may run over by a few bytes are faster.
		end := (i + 1) * each
		if err := do(dst[i*each:end:min(end+overrun, cap(dst))], src[:n]); err != nil {
			return err
		}
		src = src[n:]
	}
	return nil
}

// planes are the low and the high bytes of a byte-shuffled block of elements of two bytes: in tmp, or where they lie in src
// as they are.
func (f *bloscFrame) planes(tmp, src []byte) (low, high []byte, err error) {
	if f.streams(len(tmp)) == 1 {
		err = f.inflateBlock(tmp, src)
		return tmp[:len(tmp)/2], tmp[len(tmp)/2:], err
	}
	err = f.eachStream(tmp, src, func(part, stream []byte) error {
		low, high = high, part
		if len(stream) == len(part) {
			high = stream
			return nil
		}
		return f.inflate(part, stream)
	})
	return low, high, err
}

// inflate undoes the inner compressor; a stream as long as its data is the data. Bytes of dst up to
// its capacity may be overwritten.
func (f *bloscFrame) inflate(dst, src []byte) error {
	if len(src) == len(dst) {
		copy(dst, src)
		return nil
	}
	var n int
	var err error
	switch format := f.flags >> formatShift; format {
	case formatZstd:
		n, err = decodeZstd(dst, src)
	case formatLZ4:
		n, err = lz4.UncompressBlock(src, dst)
	case formatBlosclz:
		n, err = decodeBlosclz(dst, src)
	case formatZlib:
		n, err = decodeZlib(dst, src)
	case formatSnappy:
		return fault.New(fault.Unsupported, "snappy inside").
			WithCure("if the array was written with snappy, write it again with lz4 or zstd; if not, this chunk is damaged")
	default:
		return fault.New(fault.Corrupt, "inner compressor %d", format)
	}
	if err != nil {
		return fault.New(fault.Corrupt, "stream: %w", err)
	}
	if n != len(dst) {
		return fault.New(fault.Corrupt, "stream of %d bytes, wanted %d", n, len(dst))
	}
	return nil
}
