package stream

import (
	"context"
	"errors"
	"time"
)

// ErrIdle is in the error of a Memory whose client takes nothing.
var ErrIdle = errors.New("nothing was asked for")

// Align is what the address of a block and the place of every array in it are multiples of.
const Align = 64

// Block is a piece of memory in which one message is put together.
type Block struct {
	// Bytes may hold anything when the block is taken.
	Bytes []byte
	// Slot is the block's number where its memory counts them.
	Slot    int
	release func()
	others  time.Duration // that others' blocks were waited for
	moves   func()        // is told of every part that leaves; nil where nobody asks
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
