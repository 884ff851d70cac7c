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
	// patience is how long a run without any memory waits before another must give its own up, and how long the
	// client of that one must have taken nothing.
	patience = 5 * time.Second
)

// budget bounds the memory of runs together. A run that has a block already, and reads ahead, may take no more than fills
// half of it; those that have none take turns, and may take up to all. Runs whose clients have taken a batch do not wait
// behind those of which no client ever has (see first). Where that is not enough, the runs whose clients have taken
// nothing for longest are told to end, as many as those that wait need: their clients can come again where they were.
type budget struct {
	limit    int64         // 0 means heapBytes
	patience time.Duration // 0 means patience

	mu      sync.Mutex
	out     int64 // bytes of blocks that are out
	shares  map[*share]struct{}
	hungry  []*share      // that wait for their first block, in order
	changed chan struct{} // closed when something comes back or a wait ends, where somebody waits
	swept   time.Time     // when garbage was collected last
}

// share is one run's part of a heap, and its Memory. The budget's lock guards all but the heap.
type share struct {
	heap *heap
	// stalled is told to give everything up, until it does once; nil where nobody can be told.
	stalled func(force bool) bool
	out     int // blocks that are out
	bytes   int64
	handed  int       // of these, with the transport
	took    bool      // its client has taken a block
	told    time.Time // when it was told to end
	// What it waits for, and since when.
	wants int64
	since time.Time
	due   bool // whoever else waits
	// moved is when the transport last got a block or was rid of a part of one, began when it did so first.
	moved, began time.Time
}

// loan is one block that is out.
type loan struct {
	share        *share
	bytes        int64
	handed, back bool
}

// Take is part of Memory.
func (s *share) Take(ctx context.Context, size int) (*Block, error) {
	budget := &s.heap.bytes
	l, others, err := budget.take(ctx, s, int64(size))
	if err != nil {
		return nil, err
	}
	b := s.heap.pop(size)
	block := NewBlock(b[:size], 0, func() {
		s.heap.push(b)
		budget.give(l)
	})
	block.others = others
	block.moves = func() { budget.moves(l) }
	// What is never released, such as what gRPC forgets of a lost connection, counts until it is garbage.
	runtime.AddCleanup(block, budget.give, l)
	return block, nil
}

// forget leaves nothing that knows the run: what it never releases must be garbage.
func (s *share) forget() {
	b := &s.heap.bytes
	b.mu.Lock()
	defer b.mu.Unlock()
	s.stalled = nil
}

// drain waits until all blocks have come back.
func (s *share) drain(ctx context.Context) {
	b := &s.heap.bytes
	for {
		b.mu.Lock()
		left, changed := s.out, b.change()
		b.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// take waits until a block may be taken, and says how long it would not have waited without others.
func (b *budget) take(ctx context.Context, s *share, size int64) (l *loan, others time.Duration, err error) {
	limit, pause := b.limit, b.patience
	if limit == 0 {
		limit = heapBytes
	}
	if pause == 0 {
		pause = patience
	}
	defer b.leave(s)
	late := time.NewTimer(pause)
	defer late.Stop()
	for {
		l, changed, hungry, alone := b.try(s, size, limit, pause)
		if l != nil {
			return l, others, nil
		}
		began := time.Now()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, others, ctx.Err()
		case <-late.C:
			if hungry && !b.sweep(pause) {
				b.endStale(limit, pause)
			}
			late.Reset(pause / 5)
		}
		if alone {
			others += time.Since(began)
		}
	}
}

// try takes a block if there is room and it is the share's turn; alone says that there would be, were there no other.
func (b *budget) try(s *share, size, limit int64, pause time.Duration) (l *loan, changed <-chan struct{}, hungry, alone bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	hungry = s.out == 0
	turn := len(b.hungry) == 0 || hungry && b.first(s, limit, pause) == s
	if !hungry {
		limit /= 2
	}
	if !turn || b.out > 0 && b.out+size > limit {
		if hungry && !slices.Contains(b.hungry, s) {
			s.wants, s.since = size, time.Now()
			b.hungry = append(b.hungry, s)
		}
		return nil, b.change(), hungry, s.bytes+size <= limit
	}
	if b.shares == nil {
		b.shares = map[*share]struct{}{}
	}
	b.shares[s] = struct{}{}
	b.out += size
	s.out++
	s.bytes += size
	return &loan{share: s, bytes: size}, nil, hungry, false
}

// first is whose turn it is, of those that wait for their first block and one that comes last: who came first, but
// runs whose clients take their batches go before those that never had one taken. One of these that has waited for pause is
// due where half of the memory is with runs whose clients go on taking: else those could keep it out for ever.
func (b *budget) first(s *share, limit int64, pause time.Duration) *share {
	first := b.hungry[0]
	if !first.took && !first.due && time.Since(first.since) > pause {
		busy := int64(0)
		for o := range b.shares {
			if o.moved.Sub(o.began) > pause && time.Since(o.moved) < pause {
				busy += o.bytes
			}
		}
		first.due = busy >= limit/2
	}
	if first.took || first.due {
		return first
	}
	if i := slices.IndexFunc(b.hungry, func(o *share) bool { return o.took }); i >= 0 {
		return b.hungry[i]
	}
	if s.took {
		return s
	}
	return first
}

// leave ends a share's waiting for its turn.
func (b *budget) leave(s *share) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.hungry, s); i >= 0 {
		b.hungry = slices.Delete(b.hungry, i, i+1)
		s.due = false
		b.changes()
	}
}

// change is closed at the next change; the lock is held, as it is for changes.
func (b *budget) change() <-chan struct{} {
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.changed
}

func (b *budget) changes() {
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// moves notes that the transport has got a block, or is rid of a part of it.
func (b *budget) moves(l *loan) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.back {
		return
	}
	if !l.handed {
		l.handed = true
		l.share.handed++
	}
	l.share.moved = time.Now()
	if l.share.began.IsZero() {
		l.share.began = l.share.moved
	}
}

// give takes a block back; a second time it does nothing.
func (b *budget) give(l *loan) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.back {
		return
	}
	l.back = true
	s := l.share
	b.out -= l.bytes
	s.bytes -= l.bytes
	if s.out--; s.out == 0 {
		delete(b.shares, s)
	}
	if l.handed {
		s.handed--
		s.moved = time.Now()
		s.took = s.took || s.told.IsZero()
	}
	b.changes()
}

// sweep collects garbage where nobody has for some time: some of what is out may be, and is given back by and by.
func (b *budget) sweep(age time.Duration) bool {
	b.mu.Lock()
	due := time.Since(b.swept) > age
	if due {
		b.swept = time.Now()
	}
	b.mu.Unlock()
	if due {
		runtime.GC()
	}
	return due
}

// endStale tells runs to end whose clients have taken nothing for longer than age, those first that have for longest, until
// there will be room for all that wait. One that would take others with it is told only where there is no other.
func (b *budget) endStale(limit int64, age time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	need := b.out - limit
	for _, s := range b.hungry {
		need += s.wants
	}
	var stale []*share
	for s := range b.shares {
		if !s.told.IsZero() && time.Since(s.told) < age {
			need -= s.bytes // it is about to go
		} else if s.stalled != nil && s.handed > 0 && time.Since(s.moved) > age {
			stale = append(stale, s)
		}
	}
	slices.SortFunc(stale, func(x, y *share) int { return x.moved.Compare(y.moved) })
	ended := false
	for _, force := range []bool{false, true} {
		for _, s := range stale {
			if need > 0 && s.stalled != nil && s.stalled(force) {
				s.stalled, s.told, ended = nil, time.Now(), true
				need -= s.bytes
			}
		}
		if ended {
			return
		}
	}
}
