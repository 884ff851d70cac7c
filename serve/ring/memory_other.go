//go:build !linux

package ring

import (
	"context"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream"
)

// memory is a ring of slots, which needs Linux's memfd.
type memory struct {
	file, slot int
	out        func()
}

func newMemory(int, int, time.Duration) (*memory, error) {
	return nil, fault.New(fault.Unsupported, "shared memory needs Linux").WithCure(otherTransports)
}

// Take is part of stream.Memory.
func (*memory) Take(context.Context, int) (*stream.Block, error) { return nil, nil }

func (*memory) close() {}
