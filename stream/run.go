package stream

import (
	"context"
	"io"
	"runtime"
	"runtime/debug"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream/receipts"
)

// source is what a run reads: rows of one shape by their position in the run's order.
type source interface {
	shape() Shape
	// fill reads the rows at positions first, first+1 and so on, together. Their image, valid and label
	// may hold anything before.
	fill(ctx context.Context, first uint64, dst []row) error
	// pad makes a row that stands for no sample.
	pad(dst row)
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

// Run reads the batches of one ticket in order. Batches ahead of the one asked for are read meanwhile;
// a run holds at most three at once. Next and Close are for one goroutine.
type Run struct {
	info Info
	src  source
	plan order.Plan
	rank int
	rows int // of a message, at most

	ledger  *receipts.Ledger  // nil keeps nothing
	session *receipts.Session // nil before Keep, and where nothing is kept

	start   sync.Once
	stop    context.CancelFunc
	results chan result
	err     error
}

type result struct {
	batch *Batch
	err   error
}

func newRun(info Info, src source, plan order.Plan, rank, messageBytes int) (*Run, error) {
	r := &Run{info: info, src: src, plan: plan, rank: rank, rows: int(plan.Batch)}
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
	per := r.info.Shape.RowBytes()
	most := r.rows
	if r.plan.Tail != order.Pad {
		most = int(min(uint64(most), r.plan.N-r.plan.Start))
	}
	switch {
	case per > MaxMessageBytes:
		return fault.New(fault.TooLarge, "ticket: one row takes %.0f bytes, a message carries at most %d", per, MaxMessageBytes).
			WithCure("ask for smaller windows, fewer bands or fewer times")
	case messageBytes > 0:
		r.rows = min(r.rows, max(1, int(float64(messageBytes)/per)))
	case per*float64(most) > MaxMessageBytes:
		return fault.New(fault.TooLarge, "ticket: a batch of %d rows takes %.0f bytes, a message carries at most %d", most, per*float64(most), MaxMessageBytes).
			WithCure("use batch_size %d or smaller, or add \"message_bytes\": %d to cut batches into several messages", int(MaxMessageBytes/per), 64<<20)
	}
	return nil
}

// Info describes the run.
func (r *Run) Info() Info { return r.info }

// Steps is the number of batches of the run.
func (r *Run) Steps() uint64 { return r.info.Steps }

// lookAhead is how many batches wait, read, besides the one that is being read.
const lookAhead = 1

// Next returns the next batch, or the next part of one, and io.EOF after the last. After an error it
// returns that error again. The run stops when ctx of the first call ends.
func (r *Run) Next(ctx context.Context) (*Batch, error) {
	r.start.Do(func() { r.begin(ctx) })
	if r.err != nil {
		return nil, r.err
	}
	select {
	case res, ok := <-r.results:
		if !ok {
			res.err = fault.New(fault.Canceled, "read batches: the run was stopped")
		}
		r.err = res.err
		r.delivered(res.batch)
		return res.batch, res.err
	case <-ctx.Done():
		return nil, fault.New(fault.Canceled, "read batches: %w", ctx.Err())
	}
}

// Close gives up what has not been asked for and waits until nothing of the run is under way.
func (r *Run) Close() {
	if r.session != nil {
		defer r.session.End()
	}
	r.start.Do(func() { r.err = io.EOF })
	if r.stop == nil {
		return
	}
	r.stop()
	for res := range r.results {
		_ = res // what was read ahead is not wanted any more
	}
}

func (r *Run) begin(ctx context.Context) {
	ctx, r.stop = context.WithCancel(ctx)
	r.results = make(chan result, lookAhead)
	go func() {
		defer close(r.results)
		err := r.produce(ctx)
		if err == nil {
			err = io.EOF
		}
		select {
		case r.results <- result{err: err}:
		case <-ctx.Done():
		}
	}()
}

// produce reads every step, part by part, into r.results.
func (r *Run) produce(ctx context.Context) error {
	for step := range r.info.Steps {
		part := r.plan.Part(step, r.rank)
		rows := part.Count + part.Pad
		parts := (rows + r.rows - 1) / r.rows
		for p := range parts {
			first := p * r.rows
			b, err := r.assemble(ctx, part, first, min(r.rows, rows-first))
			if err != nil {
				return err
			}
			b.Step, b.Part, b.Parts = step, p, parts
			select {
			case r.results <- result{batch: b}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// assemble reads some rows of a step's part side by side.
func (r *Run) assemble(ctx context.Context, part order.Part, first, rows int) (*Batch, error) {
	b := newBatch(r.info.Shape, rows)
	wanted := make([]row, 0, rows)
	for i := range rows {
		dst := b.row(r.info.Shape, i)
		if first+i >= part.Count {
			b.Positions[i] = -1
			r.src.pad(dst)
			continue
		}
		b.Positions[i] = int64(part.First + uint64(first+i))
		if b.Weights != nil {
			b.Weights[i] = 1
		}
		wanted = append(wanted, dst)
	}
	if len(wanted) == 0 {
		return b, nil
	}
	if err := guarded(func() error { return r.src.fill(ctx, part.First+uint64(first), wanted) }); err != nil {
		return nil, err
	}
	return b, nil
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
