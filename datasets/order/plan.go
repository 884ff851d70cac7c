package order

import (
	"github.com/terrapin-eo/terrapin/fault"
)

// Tail says what becomes of the last positions of an epoch that do not fill a step of all ranks.
type Tail string

// The tail policies.
const (
	// Short gives a last batch with fewer samples; only where there is one rank.
	Short Tail = "short"
	// Drop leaves the last positions out.
	Drop Tail = "drop"
	// Pad fills the last step with padding of weight 0 and position -1.
	Pad Tail = "pad"
)

// Plan cuts the positions [Start, N) of an epoch into steps: step g is the positions
// Start + [g*World*Batch, (g+1)*World*Batch), and rank r has its r-th part of Batch positions. Every
// rank makes the same number of steps.
type Plan struct {
	N, Start uint64
	Batch    uint64
	World    uint64
	Tail     Tail
}

// Part is what one rank has in one step: Count positions from First, then Pad places of padding.
type Part struct {
	First uint64
	Count int
	Pad   int
}

// NewPlan checks the figures and settles the tail: "" is short for one rank, else drop.
func NewPlan(n, start uint64, batch, world int, tail Tail) (Plan, error) {
	const most = 1 << 20
	switch {
	case batch < 1 || batch > most:
		return Plan{}, fault.New(fault.Invalid, "batch_size %d is not between 1 and %d", batch, most)
	case world < 1 || world > most:
		return Plan{}, fault.New(fault.Invalid, "world_size %d is not between 1 and %d", world, most)
	case start > n:
		return Plan{}, fault.New(fault.Invalid, "start %d lies beyond the %d samples of the split", start, n).
			WithCure("resume with the state of this very dataset version and split")
	}
	switch tail {
	case "":
		tail = Short
		if world > 1 {
			tail = Drop
		}
	case Short:
		if world > 1 {
			return Plan{}, fault.New(fault.Invalid, "tail %q cannot be had with world_size %d: ranks would get different batches", tail, world).
				WithCure("use tail %q or %q", Drop, Pad)
		}
	case Drop, Pad:
	default:
		return Plan{}, fault.New(fault.Invalid, "unknown tail %q", tail).WithCure("use %q, %q or %q", Short, Drop, Pad)
	}
	return Plan{N: n, Start: start, Batch: uint64(batch), World: uint64(world), Tail: tail}, nil
}

// Steps is the number of steps every rank makes.
func (p Plan) Steps() uint64 {
	left, size := p.N-p.Start, p.World*p.Batch
	steps := left / size
	if p.Tail != Drop && left%size != 0 {
		steps++
	}
	return steps
}

// Part returns the positions of a rank in a step. A rank or step that the plan does not have is a
// defect of the caller and panics.
func (p Plan) Part(step uint64, rank int) Part {
	if rank < 0 || uint64(rank) >= p.World || step >= p.Steps() {
		panic("order: no such step or rank")
	}
	first := p.Start + step*p.World*p.Batch + uint64(rank)*p.Batch
	count := uint64(0)
	if first < p.N {
		count = min(p.Batch, p.N-first)
	} else {
		first = p.N
	}
	part := Part{First: first, Count: int(count)}
	if p.Tail == Pad {
		part.Pad = int(p.Batch - count)
	}
	return part
}

// After is the position at which the epoch goes on once all ranks have made a number of steps: the
// start of a resumed run with any other batch size or number of ranks.
func (p Plan) After(steps uint64) uint64 {
	return min(p.N, p.Start+steps*p.World*p.Batch)
}
