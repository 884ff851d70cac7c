package stream

import (
	"context"
	"errors"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream/receipts"
)

// source is what a run reads: rows of one shape by their position in the run's order.
type source interface {
	shape() Shape
	// fill reads the rows at positions first, first+1 and so on, together. They may hold anything before.
	fill(ctx context.Context, first uint64, dst []row) error
	// pad makes a row that stands for no sample; it is blank.
	pad(dst row)
	// taken counts the chunks that were wanted so far.
	taken() Chunks
}

// Info is what is known of a run before its first batch.
type Info struct {
	// Ticket is resolved: it names the version or snapshot, so that reading it later gives the same.
	Ticket Ticket
	// Pinned reports whether the ticket as it was given was resolved already.
	Pinned bool
	Shape  Shape
	// Samples counts the samples of the split, or the windows of the area.
	Samples uint64
	// Steps is the number of batches of this run, and Rows the number of rows in them.
	Steps, Rows uint64
	// Digest is the dataset version's; "" for window runs.
	Digest string
	// Facts is one JSON document about what is sent: bands, contracts, classes, statistics and so on.
	Facts []byte
}

// Run reads the batches of one ticket in order. Batches ahead of the one asked for are read meanwhile, lookAhead + 1
// at most. Use, Next and Close are for one goroutine.
type Run struct {
	info   Info
	src    source
	plan   order.Plan
	rank   int
	rows   int // of a message, at most
	memory Memory
	lends  bool
	turns  *order.Symmetries // nil lays no window otherwise
	masks  bool              // rows whose pixels are damaged
	masked int               // rows so far

	ledger  *receipts.Ledger  // nil keeps nothing
	session *receipts.Session // nil before Keep, and where nothing is kept

	start   sync.Once
	stop    context.CancelFunc
	results chan chan result // of messages under way, in order
	reading sync.WaitGroup
	err     error

	watched watched
	expired atomic.Bool
}

type result struct {
	batch *Batch
	err   error
	// taking and room are when a block was asked for and when it was there.
	taking, room time.Time
	others       time.Duration // of these, while others had the memory
}

func newRun(info Info, src source, plan order.Plan, rank, messageBytes int, memory Memory) (*Run, error) {
	r := &Run{info: info, src: planted(src, plan.N), plan: plan, rank: rank, rows: int(plan.Batch), memory: memory}
	r.info.Shape = src.shape()
	r.info.Shape.Weighted = plan.Tail == order.Pad
	if err := r.cut(messageBytes); err != nil {
		return nil, err
	}
	r.info.Steps = plan.Steps()
	if r.info.Steps > 0 {
		last := plan.Part(r.info.Steps-1, rank)
		r.info.Rows = (r.info.Steps-1)*plan.Batch + uint64(last.Count+last.Pad)
	}
	return r, nil
}

// cut settles how many rows go into one message.
func (r *Run) cut(messageBytes int) error {
	per, fit := r.info.Shape.RowBytes(), r.info.Shape.mostRows()
	most := r.rows
	if r.plan.Tail != order.Pad {
		most = int(min(uint64(most), r.plan.N-r.plan.Start))
	}
	switch {
	case fit == 0:
		return fault.New(fault.TooLarge, "ticket: one row takes %.0f bytes, a message carries at most %d with what tells of it", per, MaxMessageBytes).
			WithCure("ask for smaller windows, fewer bands or fewer times")
	case messageBytes > 0:
		r.rows = min(r.rows, fit, max(1, int(float64(messageBytes)/per)))
	case most > fit:
		return fault.New(fault.TooLarge, "ticket: a batch of %d rows takes %.0f bytes, a message carries at most %d with what tells of it", most, per*float64(most), MaxMessageBytes).
			WithCure("use batch_size %d or smaller, or add \"message_bytes\": %d to cut batches into several messages", fit, 64<<20)
	}
	return nil
}

// Info describes the run.
func (r *Run) Info() Info { return r.info }

// Steps is the number of batches of the run.
func (r *Run) Steps() uint64 { return r.info.Steps }

// MessageRows is the most rows that a message of this run has.
func (r *Run) MessageRows() int {
	return int(min(uint64(r.rows), max(r.info.Rows, 1)))
}

// Use makes the run put its batches together in somebody's memory, whose blocks must hold MessageRows rows. It comes
// before the first Next.
func (r *Run) Use(m Memory) { r.memory = m }

// OnStall says how to end the run where its client takes nothing and others need the memory of its batches. end is
// called from any goroutine, must not wait and gives nothing back itself; it reports whether it ends the run, which it may
// refuse, unless forced, where others would end with it. Without it the run keeps what it has. It comes before the first Next.
func (r *Run) OnStall(end func(force bool) bool) {
	if s, ok := r.memory.(*share); ok {
		s.stalled = func(force bool) bool {
			ends := end(force)
			if ends {
				r.Expire()
			}
			return ends
		}
	}
}

// Drain waits until all batches that were handed out are released, or ctx ends.
func (r *Run) Drain(ctx context.Context) {
	if s, ok := r.memory.(*share); ok {
		s.drain(ctx)
	}
}

// lookAhead is how many batches are read, or being read, besides the one that waits to be taken.
const lookAhead = 1

// Next returns the next batch, or the next part of one, and io.EOF after the last. After an error it
// returns that error again. The run stops when ctx of the first call ends. The caller releases the batch.
func (r *Run) Next(ctx context.Context) (*Batch, error) {
	r.start.Do(func() { r.begin(ctx) })
	if r.err != nil {
		return nil, r.err
	}
	asked := r.watched.now()
	var res result
	select {
	case under, ok := <-r.results:
		if !ok {
			res.err = fault.New(fault.Canceled, "read batches: the run was stopped")
			break
		}
		res = <-under
	case <-ctx.Done():
		return nil, fault.New(fault.Canceled, "read batches: %w", ctx.Err())
	}
	if r.err = res.err; r.err == nil {
		r.err = r.tooMany(res.batch)
	}
	if r.err != nil {
		r.stop() // what is read further on is not wanted
		return nil, r.err
	}
	res.batch.Chunks = r.src.taken()
	res.batch.Moves()
	r.delivered(res.batch)
	r.watched.delivered(res, asked)
	return res.batch, nil
}

// Expire notes that the run is given up because its client takes nothing. It may be called from any goroutine.
func (r *Run) Expire() { r.expired.Store(true) }

// Close gives up what has not been asked for and waits until nothing of the run is under way.
func (r *Run) Close() {
	if r.session != nil {
		defer r.session.End()
	}
	r.start.Do(func() { r.err = io.EOF })
	if s, ok := r.memory.(*share); ok {
		defer s.forget()
	}
	if r.stop == nil {
		return
	}
	defer func() { r.watched.ended(r.err, r.expired.Load()) }()
	r.stop()
	for under := range r.results {
		if res := <-under; res.batch != nil {
			res.batch.Release()
		}
	}
	r.reading.Wait()
}

func (r *Run) begin(ctx context.Context) {
	ctx, r.stop = context.WithCancel(r.watched.begin(ctx, r.info))
	r.results = make(chan chan result, lookAhead)
	go func() {
		defer close(r.results)
		err := guarded(func() error { return r.produce(ctx) })
		if err == nil {
			err = io.EOF
		}
		last := make(chan result, 1)
		last <- result{err: err}
		select {
		case r.results <- last:
		case <-ctx.Done():
		}
	}()
}

// produce begins to read every message; the results come through r.results in order. Blocks are taken in order, too, so
// that a later message never waits for the slot of an earlier one.
func (r *Run) produce(ctx context.Context) error {
	ahead := horizonOf(r)
	defer ahead.close()
	return r.messages(func(m message) error {
		taking := r.watched.now()
		block, err := r.memory.Take(ctx, r.info.Shape.BlockBytes(m.rows))
		if err != nil {
			if errors.Is(err, ErrIdle) {
				r.Expire()
			}
			return err
		}
		room := r.watched.now()
		under, done := make(chan result, 1), make(chan struct{})
		ahead.reach(m.step)
		r.reading.Go(func() {
			defer close(done)
			res := r.read(ctx, m, block)
			res.taking, res.room, res.others = taking, room, block.others
			under <- res
			ahead.passed(m)
			r.watched.assembled(m, room)
		})
		ahead.advance(ctx, m.step)
		select {
		case r.results <- under:
			if m.step+uint64(m.part) == 0 {
				<-done // somebody waits for the first, which the second would delay
			}
			return nil
		case <-ctx.Done():
			if res := <-under; res.batch != nil {
				res.batch.Release()
			}
			return ctx.Err()
		}
	})
}

// read puts one message together in a block.
func (r *Run) read(ctx context.Context, m message, block *Block) result {
	var b *Batch
	err := guarded(func() error {
		b = newBatch(r.info.Shape, m.rows, block)
		b.Step, b.Part, b.Parts = m.step, m.part, m.parts
		if r.masks {
			b.Lost = make([]error, m.rows)
		}
		return r.assemble(ctx, r.plan.Part(m.step, r.rank), m.first, b)
	})
	if err != nil {
		if b == nil {
			block.release()
		} else {
			b.Release()
		}
		return result{err: err}
	}
	return result{batch: b}
}

// assemble reads some rows of a step's part side by side.
func (r *Run) assemble(ctx context.Context, part order.Part, first int, b *Batch) error {
	wanted := make([]row, 0, b.Rows)
	for i := range b.Rows {
		dst := b.row(r.info.Shape, i)
		if first+i >= part.Count {
			b.Positions[i] = -1
			dst.blank()
			r.src.pad(dst)
			continue
		}
		b.Positions[i] = int64(part.First + uint64(first+i))
		wanted = append(wanted, dst)
	}
	if len(wanted) > 0 {
		if err := r.fill(ctx, part.First+uint64(first), wanted, b); err != nil {
			return err
		}
	}
	b.weigh()
	if err := r.turn(ctx, b); err != nil {
		return err
	}
	return b.write()
}

// guarded turns a panic into an error: it runs where no transport could recover one.
func guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, "read a batch: panic: %v\n%s", p, debug.Stack())
		}
	}()
	return do()
}

// inParallel does something with every row, on all processors.
func inParallel(ctx context.Context, rows int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range rows {
		g.Go(func() error { return guarded(func() error { return do(ctx, i) }) })
	}
	return g.Wait()
}
