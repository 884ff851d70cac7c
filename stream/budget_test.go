package stream

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Runs whose clients take nothing keep no other from its memory: those that kept theirs longest are told to end.
func TestWhoTakesNothingMakesRoom(t *testing.T) {
	const blocks, idle, size = 16, 200, 1 << 10
	h := &heap{bytes: budget{limit: blocks * size, patience: 3 * time.Millisecond}}
	var ended atomic.Int32
	for range idle {
		s := &share{heap: h}
		first, err := s.Take(t.Context(), size)
		require.NoError(t, err)
		first.moves() // it is with the transport
		s.stalled = func(bool) bool {
			ended.Add(1)
			go first.release()
			return true
		}
		h.bytes.mu.Lock()
		require.LessOrEqual(t, h.bytes.out, int64(blocks*size))
		h.bytes.mu.Unlock()
	}
	cut := ended.Load()
	require.GreaterOrEqual(t, cut, int32(idle-blocks))
	require.LessOrEqual(t, cut, int32(idle), "not many more than need be: one that is told needs a moment")
	active := &share{heap: h}
	for range 100 {
		b, err := active.Take(t.Context(), size)
		require.NoError(t, err)
		b.release()
	}
	require.LessOrEqual(t, ended.Load(), cut+2, "one makes room for all of it")
}

// A run that waits is told whether it does so for its own client, or for what others have.
func TestWhoHasTheMemoryIsTold(t *testing.T) {
	const size = 1 << 10
	h := &heap{bytes: budget{limit: 4 * size, patience: time.Hour}}
	greedy, other := &share{heap: h}, &share{heap: h}
	var held []*Block
	for range 2 {
		b, err := greedy.Take(t.Context(), size)
		require.NoError(t, err)
		require.Zero(t, b.others)
		held = append(held, b)
	}
	later := func(release func()) { time.AfterFunc(20*time.Millisecond, release) }
	later(held[0].release)
	b, err := greedy.Take(t.Context(), size)
	require.NoError(t, err)
	require.Zero(t, b.others, "its own client held half of all")
	full, err := other.Take(t.Context(), 2*size)
	require.NoError(t, err)
	third := &share{heap: h}
	later(full.release)
	first, err := third.Take(t.Context(), size)
	require.NoError(t, err)
	require.Greater(t, first.others, 10*time.Millisecond)
}

// Reading ahead takes half at most, so that a run that has nothing finds something.
func TestReadingAheadLeavesHalf(t *testing.T) {
	const size = 1 << 10
	h := &heap{bytes: budget{limit: 8 * size, patience: time.Hour}}
	greedy := &share{heap: h}
	var held []*Block
	for range 4 {
		b, err := greedy.Take(t.Context(), size)
		require.NoError(t, err)
		held = append(held, b)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := greedy.Take(ctx, size)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	for range 4 {
		_, err := (&share{heap: h}).Take(t.Context(), size)
		require.NoError(t, err)
	}
	got := make(chan error)
	go func() {
		_, err := (&share{heap: h}).Take(t.Context(), size)
		got <- err
	}()
	held[0].release()
	require.NoError(t, <-got, "who waits is told")
	runtime.KeepAlive(held)
}

// A block larger than all there is goes alone.
func TestALargeBlockGoesAlone(t *testing.T) {
	h := &heap{bytes: budget{limit: 10, patience: time.Hour}}
	b, err := (&share{heap: h}).Take(t.Context(), 1000)
	require.NoError(t, err)
	require.Len(t, b.Bytes, 1000)
	b.release()
	require.Zero(t, h.bytes.out)
}

// What nobody releases is counted until it is garbage, and once.
func TestForgottenBlocksComeBack(t *testing.T) {
	h := &heap{bytes: budget{limit: 1 << 10, patience: time.Millisecond}}
	for range 5 {
		b, err := (&share{heap: h}).Take(t.Context(), 1<<10)
		require.NoError(t, err)
		require.NotNil(t, b)
	}
	b, err := (&share{heap: h}).Take(t.Context(), 1<<10)
	require.NoError(t, err)
	b.release()
	runtime.GC()
	time.Sleep(10 * time.Millisecond)
	h.bytes.mu.Lock()
	defer h.bytes.mu.Unlock()
	require.Zero(t, h.bytes.out)
}

// Who still reads, or whose client still takes something, is not told to end.
func TestWhoIsAtWorkIsNotCut(t *testing.T) {
	const size = 1 << 10
	h := &heap{bytes: budget{limit: 2 * size, patience: 500 * time.Millisecond}}
	reads, sends := &share{heap: h}, &share{heap: h}
	for _, s := range []*share{reads, sends} {
		s.stalled = func(bool) bool { t.Error("cut off"); return true }
	}
	reading, err := reads.Take(t.Context(), size)
	require.NoError(t, err)
	sending, err := sends.Take(t.Context(), size)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			sending.moves()
			time.Sleep(2 * time.Millisecond)
		}
	}()
	_, err = (&share{heap: h}).Take(ctx, size)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	runtime.KeepAlive(reading)
}

// A brisk run does not keep one that waits from its turn, nor from having an idle one cut.
func TestABriskRunLeavesATurn(t *testing.T) {
	const size = 1 << 10
	h := &heap{bytes: budget{limit: 2 * size, patience: 50 * time.Millisecond}}
	idle := &share{heap: h}
	kept, err := idle.Take(t.Context(), 2*size-1)
	require.NoError(t, err)
	kept.moves()
	idle.stalled = func(force bool) bool {
		if force {
			go kept.release()
		}
		return force
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	go func() {
		brisk := &share{heap: h}
		for ctx.Err() == nil {
			if b, err := brisk.Take(ctx, 1); err == nil {
				time.Sleep(time.Millisecond)
				b.release()
			}
		}
	}()
	large, err := (&share{heap: h}).Take(ctx, size)
	require.NoError(t, err)
	large.release()
}

// What is garbage is given back before anybody is cut off.
func TestGarbageComesFirst(t *testing.T) {
	const size = 1 << 10
	h := &heap{bytes: budget{limit: 2 * size, patience: 1500 * time.Millisecond}}
	idle := &share{heap: h}
	kept, err := idle.Take(t.Context(), size)
	require.NoError(t, err)
	kept.moves()
	idle.stalled = func(bool) bool { t.Error("cut off"); return true }
	_, err = (&share{heap: h}).Take(t.Context(), size)
	require.NoError(t, err)
	b, err := (&share{heap: h}).Take(t.Context(), size)
	require.NoError(t, err)
	b.release()
	runtime.KeepAlive(kept)
}

// Those that take nothing go together, as many as are needed, and the one that waits behind many of them waits for a round
// or two, not for one after another.
func TestIdleOnesGoTogether(t *testing.T) {
	const size, room, pause = 1 << 10, 40, 100 * time.Millisecond
	h := &heap{bytes: budget{limit: room * size, patience: pause}}
	var ended atomic.Int32
	idle := func() {
		s := &share{heap: h}
		b, err := s.Take(t.Context(), size)
		if err != nil {
			return
		}
		h.bytes.mu.Lock()
		s.stalled = func(bool) bool {
			ended.Add(1)
			go b.release()
			return true
		}
		h.bytes.mu.Unlock()
		b.moves()
	}
	for range room {
		idle()
	}
	for range room {
		go idle()
	}
	for waiting := 0; waiting < room; time.Sleep(time.Millisecond) {
		h.bytes.mu.Lock()
		waiting = len(h.bytes.hungry)
		h.bytes.mu.Unlock()
	}
	began := time.Now()
	b, err := (&share{heap: h}).Take(t.Context(), size)
	require.NoError(t, err)
	require.Less(t, time.Since(began), 20*pause, "one after the other they would take 40")
	b.release()
	require.LessOrEqual(t, ended.Load(), int32(room+1), "no more than were in the way")
}

// A run whose client takes its batches does not wait behind those of which nobody ever has.
func TestWhoTakesComesFirst(t *testing.T) {
	const size = 1 << 10
	h := &heap{bytes: budget{limit: 4 * size, patience: time.Hour}}
	brisk := &share{heap: h}
	take := func(s *share, n int) *Block {
		b, err := s.Take(t.Context(), n)
		require.NoError(t, err)
		b.moves()
		return b
	}
	take(brisk, size).release()
	kept := take(&share{heap: h}, 2*size)
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error)
	go func() {
		_, err := (&share{heap: h}).Take(ctx, 4*size)
		waits <- err
	}()
	for waiting := false; !waiting; time.Sleep(time.Millisecond) {
		h.bytes.mu.Lock()
		waiting = len(h.bytes.hungry) == 1
		h.bytes.mu.Unlock()
	}
	for range 100 {
		take(brisk, size).release()
	}
	cancel()
	require.ErrorIs(t, <-waits, context.Canceled)
	kept.release()
}

// Runs that keep all memory busy let a new one in, once it has waited.
func TestBusyRunsLetANewOneIn(t *testing.T) {
	const size = 1 << 10
	h := &heap{bytes: budget{limit: 4 * size, patience: 50 * time.Millisecond}}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 8 {
		go func() {
			s := &share{heap: h}
			for ctx.Err() == nil {
				b, err := s.Take(ctx, size)
				if err != nil {
					return
				}
				b.moves()
				time.Sleep(time.Millisecond)
				b.release()
			}
		}()
	}
	time.Sleep(20 * time.Millisecond)
	b, err := (&share{heap: h}).Take(ctx, 3*size)
	require.NoError(t, err)
	b.release()
}
