package ring

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream"
)

// memory is a ring of slots in a memfd, mapped here and by one client. Nobody can make it smaller or larger, so that
// no access fails; the client may write to its slots, of which nothing is taken for granted here.
type memory struct {
	file  int
	bytes []byte
	slot  int // bytes of one
	free  chan int
	fresh []bool // by slot: it has no memory yet
	idle  time.Duration
	out   func() // is told that the machine has no more; nil where nobody asks

	clearing sync.WaitGroup
	closing  atomic.Bool
}

// newMemory makes a ring of slots for messages of up to size bytes.
func newMemory(slots, size int, idle time.Duration) (*memory, error) {
	m := &memory{slot: slotBytes(size), free: make(chan int, slots), fresh: make([]bool, slots), idle: idle}
	var err error
	if m.file, err = unix.MemfdCreate("terrapin-ring", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING); err != nil {
		return nil, unavailable("make a memfd", err)
	}
	if err := m.establish(slots * m.slot); err != nil {
		_ = unix.Close(m.file) // the error says more
		return nil, err
	}
	for i := range slots {
		m.fresh[i] = true
		m.free <- i
	}
	return m, nil
}

func (m *memory) establish(size int) error {
	if err := unix.Ftruncate(m.file, int64(size)); err != nil {
		return unavailable("size a memfd", err)
	}
	if _, err := unix.FcntlInt(uintptr(m.file), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		return unavailable("seal a memfd", err)
	}
	var err error
	if m.bytes, err = unix.Mmap(m.file, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return unavailable("map a memfd", err)
	}
	_ = unix.Madvise(m.bytes, unix.MADV_HUGEPAGE) // where the kernel cannot, small pages do
	return nil
}

func unavailable(what string, err error) error {
	return fault.New(fault.TooLarge, "shared memory: %s: %w", what, err).WithCure(otherTransports)
}

// Take is part of stream.Memory: it waits for a slot that the client has given back. Who takes nothing for a long time
// is given up.
func (m *memory) Take(ctx context.Context, size int) (*stream.Block, error) {
	var slot int
	select {
	case slot = <-m.free:
	default:
		late := time.NewTimer(m.idle)
		defer late.Stop()
		select {
		case slot = <-m.free:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-late.C:
			return nil, fault.New(fault.Unavailable, "%w in %s, so that the run was ended", stream.ErrIdle, m.idle).
				WithCure("open it again at the position where it stands; the Python client does so by itself")
		}
	}
	bytes := m.bytes[slot*m.slot : slot*m.slot+m.slot]
	if m.fresh[slot] {
		m.fresh[slot] = false
		if err := m.allocate(ctx, slot); err != nil {
			m.fresh[slot] = true
			m.free <- slot
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if m.out != nil {
				m.out()
			}
			// What is not there now would have been a signal that ends the process.
			return nil, fault.New(fault.Unavailable, "shared memory: there is none left on this machine: %w", err).
				WithCure("read on over HTTP or Arrow Flight from the position where this stands, as clients do by themselves unless told to read over a ring alone, or use smaller batches")
		}
		m.clearing.Go(func() { m.clear(bytes) })
	}
	return stream.NewBlock(bytes[:size], slot, func() { m.free <- slot }), nil
}

// pagesAtOnce is how much of a slot is given its memory, or made ready, in one call.
const pagesAtOnce = 2 << 20

// allocate gives a slot its memory, as it comes: by and by, for a signal undoes what one call has done. What cannot be
// given whole is not kept.
func (m *memory) allocate(ctx context.Context, slot int) error {
	first := int64(slot * m.slot)
	for done := 0; done < m.slot; {
		n := min(m.slot-done, pagesAtOnce)
		err := unix.Fallocate(m.file, 0, first+int64(done), int64(n))
		switch {
		case ctx.Err() != nil:
			err = ctx.Err()
		case err == unix.EINTR:
			continue
		}
		if err != nil {
			_ = unix.Fallocate(m.file, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, first, int64(m.slot)) // else it is given back with the ring
			return err
		}
		done += n
	}
	return nil
}

// clear makes the pages of a slot ready to be written to, which takes as long as reading a fifth of a batch out of a cache:
// by and by, while what goes there is read. Where a page is written to before, it is made ready then.
func (m *memory) clear(bytes []byte) {
	for len(bytes) > 0 && !m.closing.Load() {
		n := min(len(bytes), pagesAtOnce)
		_ = unix.Madvise(bytes[:n], unix.MADV_POPULATE_WRITE) // older kernels cannot
		bytes = bytes[n:]
	}
}

// close gives the memory up here; a client that has mapped it keeps what it holds.
func (m *memory) close() {
	m.closing.Store(true)
	m.clearing.Wait()
	_ = unix.Munmap(m.bytes) // both only fail for what is no mapping and no file
	_ = unix.Close(m.file)
}
