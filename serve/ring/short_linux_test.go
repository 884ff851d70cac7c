package ring

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/terrapin-eo/terrapin/fault"
)

// Where the machine has no memory left, a run ends as one that can be taken up elsewhere, its slot is not lost, and who comes
// again finds no ring for a while.
func TestAMachineWithoutMemory(t *testing.T) {
	page := unix.Getpagesize()
	file, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	bytes, err := unix.Mmap(file, 0, 2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(t, err)
	full, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", file), unix.O_RDONLY|unix.O_CLOEXEC, 0) // nothing can be added to it here
	require.NoError(t, err)
	defer unix.Close(full)
	s := New(Config{})
	m := &memory{file: full, bytes: bytes, slot: page, free: make(chan int, 2), fresh: []bool{true, true}, idle: time.Minute, out: s.ranOut}
	defer m.close()
	m.free <- 0
	m.free <- 1
	for range 3 {
		_, err = m.Take(t.Context(), 100)
		require.True(t, fault.Is(err, fault.Unavailable), err)
		require.ErrorContains(t, err, "none left on this machine")
		require.Contains(t, fault.CureOf(err), "HTTP")
		require.Len(t, m.free, 2)
	}
	_, err = s.reserve(2, 100)
	require.True(t, fault.Is(err, fault.TooLarge), err)
	s.short = time.Now()
	_, err = s.reserve(2, 100)
	require.NoError(t, err)
	m.file = file
	b, err := m.Take(t.Context(), 100)
	require.NoError(t, err)
	require.Len(t, b.Bytes, 100)
}

// A slot is given its memory piece by piece; who goes away meanwhile gives it back, and nobody is told that there is none.
func TestAllocationEndsWithItsRun(t *testing.T) {
	m, err := newMemory(2, 2*pagesAtOnce+12345, time.Minute)
	require.NoError(t, err)
	defer m.close()
	m.out = func() { t.Error("there is memory") }
	held := func() int64 {
		var is unix.Stat_t
		require.NoError(t, unix.Fstat(m.file, &is))
		return 512 * is.Blocks
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		_, err := m.Take(gone, 100)
		require.ErrorIs(t, err, context.Canceled)
		require.Len(t, m.free, 2)
		require.Zero(t, held())
	}
	b, err := m.Take(t.Context(), 100)
	require.NoError(t, err)
	require.EqualValues(t, m.slot, held())
	require.EqualValues(t, 0, b.Bytes[99])
}
