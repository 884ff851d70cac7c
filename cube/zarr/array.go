// Package zarr speaks Zarr v3: array and group metadata, chunk codecs, and small plain arrays kept
// directly in a bucket. It owns the bytes of a chunk and of zarr.json and refuses every codec or
// extension it cannot undo exactly. The invariant: what it decodes is what the official libraries
// decode, and an absent chunk means the fill value and nothing else.
package zarr

import (
	"math"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// maxChunkBytes is what one blosc buffer can hold, and so the largest chunk there can be.
const maxChunkBytes = math.MaxInt32 - bloscHeader

// Array is the metadata of one Zarr array on a regular chunk grid.
type Array struct {
	Shape  []int
	Chunks []int
	DType  cube.DType
	// Fill is the value of every element of an absent chunk.
	Fill float64
	// FillBits is one element of the fill value, little-endian, where Fill cannot say it: an integer
	// beyond 2^53, a NaN with a payload, an imaginary part, raw bits. nil is that of Fill.
	FillBits []byte
	// FillText is the fill value of an array of strings.
	FillText string
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
	if err := checkDType(a.DType); err != nil {
		return err
	}
	size := int64(max(1, a.ElementSize()))
	for i, c := range a.Chunks {
		if a.Shape[i] < 0 || c < 1 || int64(c) > maxChunkBytes {
			return fault.New(fault.Invalid, "zarr array: shape %v in chunks %v", a.Shape, a.Chunks)
		}
		if size *= int64(c); size > maxChunkBytes {
			return fault.New(fault.TooLarge, "zarr array: a chunk %v of %s has more than %d bytes", a.Chunks, a.DType, maxChunkBytes).
				WithCure("choose smaller chunks")
		}
	}
	if err := a.checkFill(); err != nil {
		return err
	}
	return a.checkChain(0)
}

// NumChunks is the number of chunks along each dimension.
func (a Array) NumChunks() []int {
	n := make([]int, len(a.Shape))
	for i := range n {
		n[i] = (a.Shape[i] + a.Chunks[i] - 1) / a.Chunks[i]
	}
	return n
}

// Raw reports whether an encoded chunk is its values as they are, so that there is nothing to decode.
func (a Array) Raw() bool {
	chain := a.chain()
	return a.DType != String && len(chain) == 1 && chain[0].Name == "bytes" && (!chain[0].Big || a.wordSize() <= 1)
}

// ChunkBytes is the size of one decoded chunk.
func (a Array) ChunkBytes() int {
	n := a.ElementSize()
	for _, c := range a.Chunks {
		n *= c
	}
	return n
}
