// Package zarr speaks Zarr v3: array and group metadata, chunk codecs, and small plain arrays kept
// directly in a bucket. It owns the bytes of a chunk and of zarr.json and refuses every codec or
// extension it cannot undo exactly. The invariant: what it decodes is what the official libraries
// decode, and an absent chunk means the fill value and nothing else.
package zarr

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// String is the data type of arrays of UTF-8 strings; their chunks go through EncodeStrings and
// DecodeStrings instead of Encode and Decode.
const String cube.DType = "string"

// maxChunkBytes is what one blosc buffer can hold, and so the largest chunk there can be.
const maxChunkBytes = math.MaxInt32 - bloscHeader

// Array is the metadata of one Zarr array on a regular chunk grid.
type Array struct {
	Shape  []int
	Chunks []int
	DType  cube.DType
	// Fill is the value of every element of an absent chunk.
	Fill float64
	// Dims names the dimensions; nil leaves them unnamed.
	Dims  []string
	Attrs map[string]any
	// Codecs is the chain a chunk goes through when it is written; nil means Compressed(DType).
	Codecs []Codec

	keys chunkKeys
}

// Check refuses metadata that no chunk can be written or read with.
func (a Array) Check() error {
	if len(a.Shape) != len(a.Chunks) || len(a.Shape) > 32 {
		return fault.New(fault.Invalid, "zarr array: %d dimensions, chunks of %d", len(a.Shape), len(a.Chunks))
	}
	if a.Dims != nil && len(a.Dims) != len(a.Shape) {
		return fault.New(fault.Invalid, "zarr array: %d dimensions, %d names of them", len(a.Shape), len(a.Dims))
	}
	size := int64(max(1, a.elementSize()))
	for i, c := range a.Chunks {
		if a.Shape[i] < 0 || c < 1 || int64(c) > maxChunkBytes {
			return fault.New(fault.Invalid, "zarr array: shape %v in chunks %v", a.Shape, a.Chunks)
		}
		if size *= int64(c); size > maxChunkBytes {
			return fault.New(fault.TooLarge, "zarr array: a chunk %v of %s has more than %d bytes", a.Chunks, a.DType, maxChunkBytes).
				WithCure("choose smaller chunks")
		}
	}
	if a.DType != String {
		if _, err := cube.ParseDType(string(a.DType)); err != nil {
			return err
		}
		if !a.DType.Holds(a.Fill) {
			return fault.New(fault.Invalid, "zarr array: fill value %g does not fit %s", a.Fill, a.DType)
		}
	}
	return checkChain(a.chain(), a.DType)
}

// NumChunks is the number of chunks along each dimension.
func (a Array) NumChunks() []int {
	n := make([]int, len(a.Shape))
	for i := range n {
		n[i] = (a.Shape[i] + a.Chunks[i] - 1) / a.Chunks[i]
	}
	return n
}

// ChunkBytes is the size of one decoded chunk.
func (a Array) ChunkBytes() int {
	n := a.elementSize()
	for _, c := range a.Chunks {
		n *= c
	}
	return n
}

func (a Array) elementSize() int {
	if a.DType == String {
		return 0
	}
	return a.DType.Size()
}

// fillBits is one element of the fill value. NaN is the canonical one, as the format says.
func (a Array) fillBits() []byte {
	b := make([]byte, 8)
	switch {
	case math.IsNaN(a.Fill) && a.DType == cube.Float32:
		binary.LittleEndian.PutUint32(b, 0x7fc00000)
	case math.IsNaN(a.Fill) && a.DType == cube.Float64:
		binary.LittleEndian.PutUint64(b, 0x7ff8000000000000)
	default:
		a.DType.Put(b, a.Fill)
	}
	return b[:a.DType.Size()]
}

// FillChunk sets every value of buf to the fill value.
func (a Array) FillChunk(buf []byte) {
	n := copy(buf, a.fillBits())
	for n < len(buf) {
		n += copy(buf[n:], buf[:n])
	}
}

// IsFill reports whether every value of a chunk is the fill value, bit for bit.
func (a Array) IsFill(chunk []byte) bool {
	bits := a.fillBits()
	n := len(bits)
	if len(chunk) < n || !bytes.Equal(chunk[:n], bits) {
		return len(chunk) == 0
	}
	return bytes.Equal(chunk[n:], chunk[:len(chunk)-n]) // every element equals the one before it
}
