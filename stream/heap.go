package stream

import (
	"slices"
	"sync"
	"unsafe"
)

// heap is memory that all runs of an engine use again once a batch was released: fresh memory costs more than the pixels
// that are put into it. What nobody releases is garbage like any other.
type heap struct {
	mu    sync.Mutex
	free  [][]byte // the last released last
	size  int      // bytes of free
	bytes budget
}

// keptBytes bounds what waits to be used again.
const keptBytes = 512 << 20

// borrow gives memory that holds anything, until it is released; no budget counts it.
func (h *heap) borrow(size int) (b []byte, release func()) {
	b = h.pop(size)
	return b[:size], func() { h.push(b) }
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
