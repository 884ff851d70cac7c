package zarr

import (
	"bytes"
	"encoding/binary"
)

// Chunks whose elements are all the same (no data, all valid) are common and cost next to nothing: they
// are written as zstd frames of nothing but runs, some bytes for every 128 KiB, and such frames are
// filled in without decompressing.
const (
	zstdMagic     = 0xFD2FB528
	zstdMostBlock = 128 << 10
	zstdRunBlock  = 1
	// constantBlock is how much one blosc block of a constant holds: c-blosc takes three times that
	// much memory to decode it.
	constantBlock = 16 << 20
)

// isConstant reports whether all elements of data, whole ones, are the same. Data that is not constant
// differs early, or costs one comparison at the speed of memory.
func isConstant(data []byte, size int) bool {
	return len(data) > size && len(data)%size == 0 && bytes.Equal(data[size:], data[:len(data)-size])
}

// fill repeats an element over dst.
func fill(dst, element []byte) {
	n := copy(dst, element)
	for n > 0 && n < len(dst) {
		n += copy(dst[n:], dst[:n])
	}
}

// encodeConstant is a blosc buffer of byte-shuffled zstd if data is constant and worth it, else nil.
func encodeConstant(data []byte, typeSize int) []byte {
	if len(data) < 1024 || !isConstant(data, typeSize) {
		return nil
	}
	block := min(len(data), constantBlock/typeSize*typeSize)
	blocks := (len(data)-1)/block + 1
	flags := byte(formatZstd<<formatShift | flagNoSplit)
	if typeSize > 1 {
		flags |= flagShuffle
	}
	out := make([]byte, bloscHeader+4*blocks)
	for i := range blocks {
		binary.LittleEndian.PutUint32(out[bloscHeader+4*i:], uint32(len(out)))
		at := len(out)
		out = append(out, 0, 0, 0, 0)
		out = appendRuns(out, data[:typeSize], min(block, len(data)-i*block)/typeSize)
		binary.LittleEndian.PutUint32(out[at:], uint32(len(out)-at-4))
	}
	putBloscHeader(out, flags, typeSize, len(data), block)
	return out
}

// appendRuns appends a zstd frame: each of the bytes n times.
func appendRuns(out, bytes []byte, n int) []byte {
	out = binary.LittleEndian.AppendUint32(out, zstdMagic)
	out = append(out, 2<<6|1<<5) // one segment, its size in four bytes
	out = binary.LittleEndian.AppendUint32(out, uint32(len(bytes)*n))
	for i, b := range bytes {
		for left := n; left > 0; left -= zstdMostBlock {
			size := min(left, zstdMostBlock)
			header := uint32(size<<3 | zstdRunBlock<<1)
			if i == len(bytes)-1 && size == left {
				header |= 1 // the last one
			}
			out = append(out, byte(header), byte(header>>8), byte(header>>16), b)
		}
	}
	return out
}

// zstdRuns walks a zstd frame of nothing but runs and calls each with every one of them. It says
// false, maybe after some calls, of any other frame; those are for a real decoder.
func zstdRuns(src []byte, size int, each func(b byte, n int) bool) bool {
	if len(src) < 9 || binary.LittleEndian.Uint32(src) != zstdMagic || src[4] != 2<<6|1<<5 || int64(binary.LittleEndian.Uint32(src[5:])) != int64(size) {
		return false
	}
	for src = src[9:]; len(src) >= 4; src = src[4:] {
		header := uint32(src[0]) | uint32(src[1])<<8 | uint32(src[2])<<16
		n := int(header >> 3)
		if header>>1&3 != zstdRunBlock || n > zstdMostBlock || n > size || !each(src[3], n) {
			return false
		}
		if size -= n; header&1 != 0 {
			return size == 0 && len(src) == 4
		}
	}
	return false
}

// fillConstant fills dst if the one shuffled stream in src is that of a constant.
func fillConstant(dst, src []byte, typeSize int) bool {
	if len(src) < 4 || len(dst)%typeSize != 0 || int64(binary.LittleEndian.Uint32(src)) > int64(len(src)-4) {
		return false
	}
	var element [maxType]byte
	plane, done := len(dst)/typeSize, 0
	ok := zstdRuns(src[4:4+binary.LittleEndian.Uint32(src)], len(dst), func(b byte, n int) bool {
		j := done / plane
		if n == 0 || (done+n-1)/plane != j || done%plane != 0 && element[j] != b {
			return false
		}
		element[j] = b
		done += n
		return true
	})
	if ok {
		fill(dst, element[:typeSize])
	}
	return ok
}
