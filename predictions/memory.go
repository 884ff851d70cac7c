package predictions

import (
	"sync/atomic"

	"github.com/terrapin-eo/terrapin/fault"
)

// defaultMemory is what the live runs of a process may hold together unless a Config says otherwise.
const defaultMemory = 8 << 30

// held is what the live runs of this process hold.
var held atomic.Int64

func (c Config) memory() int64 {
	if c.MemoryBytes > 0 {
		return c.MemoryBytes
	}
	return defaultMemory
}

// need is what the run holds from its first window on: its values, their validity, and what was written.
func (r *Run) need() int64 {
	s := r.spec
	return int64(s.Area.Height) * int64(s.Area.Width) * int64(len(s.Names)*s.DType.Size()+2)
}

// hold makes room for the raster, if there is none yet.
func (r *Run) hold() error {
	if r.data != nil {
		return nil
	}
	need, most := r.need(), r.cfg.memory()
	if sum := held.Add(need); sum > most {
		held.Add(-need)
		return fault.New(fault.Unavailable, "run %s: it takes %d MiB of memory, other runs hold %d, and together they may hold %d",
			r.ID(), mebibytes(need), mebibytes(sum-need), mebibytes(most)).WithCure("write it again when other runs have ended, or predict a smaller area")
	}
	pixels := r.spec.Area.Height * r.spec.Area.Width
	r.data = make([]byte, pixels*len(r.spec.Names)*r.spec.DType.Size())
	r.valid, r.written = make([]byte, pixels), make([]byte, pixels)
	return nil
}

// release gives the raster's room back.
func (r *Run) release() {
	if r.data != nil {
		held.Add(-r.need())
	}
	r.data, r.valid, r.written = nil, nil, nil
}

// mebibytes rounds up, so that what holds something is never said to hold none.
func mebibytes(n int64) int64 { return (n + 1<<20 - 1) >> 20 }
