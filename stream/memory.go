package stream

import (
	"context"
	"slices"
	"sync"
	"unsafe"
)

// Align is what the address of a block and the place of every array in it are multiples of.
const Align = 64

// Block is a piece of memory in which one message is put together.
type Block struct {
	// Bytes may hold anything when the block is taken.
	Bytes []byte
	// Slot is the block's number where its memory counts them.
	Slot    int
	release func()
}

// NewBlock makes a block of somebody's memory; release, called once, gives it back.
func NewBlock(b []byte, slot int, release func()) *Block {
	return &Block{Bytes: b, Slot: slot, release: release}
}

// Memory gives the blocks that the batches of one run are put together in.
type Memory interface {
	// Take gives a block of at least size bytes that nobody uses, at a multiple of Align. It waits while there is
	// none, and ends with ctx.
	Take(ctx context.Context, size int) (*Block, error)
}

// heap is memory that all runs of an engine use again once a batch was released: fresh memory costs more than the pixels
// that are put into it. What nobody releases is garbage like any other.
type heap struct {
	mu   sync.Mutex
	free [][]byte // the last released last
	size int      // bytes of free
}

// keptBytes bounds what waits to be used again.
const keptBytes = 512 << 20

// Take is part of Memory; it never waits.
func (h *heap) Take(_ context.Context, size int) (*Block, error) {
	b := h.pop(size)
	return NewBlock(b[:size], 0, func() { h.push(b) }), nil
}

// pop finds a block that fits and is not much too large.
func (h *heap) pop(size int) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, b := range slices.Backward(h.free) {
		if len(b) >= size && len(b) <= 2*size {
			h.free = slices.Delete(h.free, i, i+1)
			h.size -= len(b)
			return b
		}
	}
	b := make([]byte, size+Align)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (Align - 1)
	return b[skip : skip+size]
}

// push keeps a block, instead of those that waited longest.
func (h *heap) push(b []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.free = append(h.free, b)
	for h.size += len(b); h.size > keptBytes; {
		h.size -= len(h.free[0])
		h.free = slices.Delete(h.free, 0, 1)
	}
}
