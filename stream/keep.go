package stream

import (
	"bytes"
	"context"
	"fmt"

	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream/receipts"
)

// Keep begins a session of receipts if the ticket names a run, and adds its id to Info.Facts as "session".
// It is called before the first Next, and once the rows are really to be delivered.
func (r *Run) Keep(actor string) error {
	t := r.info.Ticket.Samples
	if r.ledger == nil || t == nil || t.Run == "" {
		return nil
	}
	s, err := r.ledger.Begin(receipts.Opening{
		Run: t.Run, Actor: actor, Ticket: r.info.Ticket.JSON(), Samples: r.info.Samples, Steps: r.info.Steps,
	})
	if err != nil {
		return err
	}
	r.session = s
	facts := r.info.Facts // a JSON object that is not empty
	r.info.Facts = fmt.Appendf(bytes.Clone(facts[:len(facts)-1]), `,"session":%q}`, s.ID())
	return nil
}

// delivered tells the session, if there is one, what leaves.
func (r *Run) delivered(b *Batch) {
	if r.session != nil && b != nil {
		for i, why := range b.Lost {
			if why != nil {
				r.session.Masked(b.Positions[i], b.IDs[i], why.Error())
			}
		}
		r.session.Delivered(b.Positions, b.IDs, b.Part == b.Parts-1)
	}
}

// Acknowledge tells that the client has taken the first steps steps of the run; only what was acknowledged is
// kept as seen. It may be called from any goroutine, and after Close.
func (r *Run) Acknowledge(steps uint64) error {
	if r.session == nil {
		return nil
	}
	return r.session.Acknowledge(steps)
}

// Row is one row of a stream: which sample stands where.
type Row struct {
	Step     uint64 `json:"step"`
	Position uint64 `json:"position"`
	ID       string `json:"id"`
	// Masked rows came with weight 0, as their pixels could not be read; the session's record says why.
	Masked bool `json:"masked,omitempty"`
}

// MaxRows bounds the rows of one call of Rows.
const MaxRows = 10000

// Rows lists n rows, from row first on, of the first steps steps of a stream, as the order has them; nothing is
// read. It returns how many rows those steps have.
func (e *Engine) Rows(ctx context.Context, t SampleTicket, steps, first uint64, n int) ([]Row, uint64, error) {
	src, t, err := e.openSamples(ctx, t)
	if err != nil {
		return nil, 0, err
	}
	plan, err := order.NewPlan(src.order.Len(), t.Start, t.BatchSize, t.WorldSize, order.Tail(t.Tail))
	if err != nil {
		return nil, 0, fault.New(fault.KindOf(err), "ticket: %w", err)
	}
	steps = min(steps, plan.Steps())
	if steps == 0 {
		return []Row{}, 0, nil
	}
	total := (steps-1)*plan.Batch + uint64(plan.Part(steps-1, t.Rank).Count)
	rows := []Row{}
	for i := min(first, total); i < total && len(rows) < min(n, MaxRows); i++ {
		step := i / plan.Batch
		at := plan.Part(step, t.Rank).First + i%plan.Batch
		sample, err := src.samples.At(int(src.order.At(at)))
		if err != nil {
			return nil, 0, err
		}
		rows = append(rows, Row{Step: step, Position: at, ID: sample.ID})
	}
	return rows, total, nil
}
