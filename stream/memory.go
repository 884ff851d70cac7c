package stream

import (
	"context"
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

// heap is memory that is used again once a batch was released. What nobody releases is garbage like any other.
type heap struct {
	mu   sync.Mutex
	free [][]byte
}

// kept is how many blocks wait to be used again: as many as a run has under way.
const kept = lookAhead + 2

// Take is part of Memory; it never waits.
func (h *heap) Take(_ context.Context, size int) (*Block, error) {
	b := h.pop(size)
	return NewBlock(b[:size], 0, func() { h.push(b) }), nil
}

func (h *heap) pop(size int) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.free) > 0 {
		b := h.free[len(h.free)-1]
		h.free = h.free[:len(h.free)-1]
		if len(b) >= size {
			return b
		}
	}
	b := make([]byte, size+Align)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (Align - 1)
	return b[skip : skip+size]
}

func (h *heap) push(b []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.free) < kept {
		h.free = append(h.free, b)
	}
}
