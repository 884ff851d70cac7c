package stream

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	// heapBytes is what the blocks of all runs that use the heap may take together where nothing else is said.
	heapBytes = 4 << 30
	// patience is how long a run without any memory waits before another must give its own up, and how long that
	// one must have kept it.
	patience = 5 * time.Second
)

// budget bounds the memory of runs together. A run that has a block already, and reads ahead, may take no more than fills
// half of it; one that has none may take up to all. Where that is not enough, the run whose client has taken
// nothing for longest is told to end: its client can come again where it was.
type budget struct {
	limit    int64         // 0 means heapBytes
	patience time.Duration // 0 means patience

	mu      sync.Mutex
	out     int64 // bytes of blocks that are out
	loans   map[*loan]struct{}
	changed chan struct{} // closed when something comes back, where somebody waits
}

// share is one run's part of a heap, and its Memory.
type share struct {
	heap *heap
	// stalled is told, once, to give everything up; nil where nobody can be told.
	stalled func()
	out     int // blocks that are out; the budget's lock guards it
}

// loan is one block that is out.
type loan struct {
	share *share
	bytes int64
	since time.Time
	back  bool
}

// Take is part of Memory.
func (s *share) Take(ctx context.Context, size int) (*Block, error) {
	l, err := s.heap.bytes.take(ctx, s, int64(size))
	if err != nil {
		return nil, err
	}
	b := s.heap.pop(size)
	block := NewBlock(b[:size], 0, func() {
		s.heap.push(b)
		s.heap.bytes.give(l)
	})
	// What is never released, such as what gRPC forgets of a lost connection, counts until it is garbage.
	runtime.AddCleanup(block, s.heap.bytes.give, l)
	return block, nil
}

// take waits until a block may be taken.
func (b *budget) take(ctx context.Context, s *share, size int64) (*loan, error) {
	limit, pause := b.limit, b.patience
	if limit == 0 {
		limit = heapBytes
	}
	if pause == 0 {
		pause = patience
	}
	for {
		l, changed, hungry := b.try(s, size, limit)
		if l != nil {
			return l, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
			if hungry {
				runtime.GC() // some of it may be garbage
				b.endStalest(pause)
			}
		}
	}
}

func (b *budget) try(s *share, size, limit int64) (*loan, <-chan struct{}, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	hungry := s.out == 0
	if !hungry {
		limit /= 2
	}
	if b.out > 0 && b.out+size > limit {
		if b.changed == nil {
			b.changed = make(chan struct{})
		}
		return nil, b.changed, hungry
	}
	l := &loan{share: s, bytes: size, since: time.Now()}
	if b.loans == nil {
		b.loans = map[*loan]struct{}{}
	}
	b.loans[l] = struct{}{}
	b.out += size
	s.out++
	return l, nil, hungry
}

// give takes a block back; a second time it does nothing.
func (b *budget) give(l *loan) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.back {
		return
	}
	l.back = true
	delete(b.loans, l)
	b.out -= l.bytes
	l.share.out--
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// endStalest tells the run that has kept a block for longest, and for longer than age, to end.
func (b *budget) endStalest(age time.Duration) {
	b.mu.Lock()
	var all []*loan
	for l := range b.loans {
		if l.share.stalled != nil && time.Since(l.since) > age {
			all = append(all, l)
		}
	}
	var tell func()
	if len(all) > 0 {
		oldest := slices.MinFunc(all, func(x, y *loan) int { return x.since.Compare(y.since) }).share
		tell, oldest.stalled = oldest.stalled, nil
	}
	b.mu.Unlock()
	if tell != nil {
		tell()
	}
}
