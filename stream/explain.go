package stream

import (
	"context"
	"math"

	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
)

// explained is how many steps at most an explanation looks at.
const explained = 64

// Explanation is what a run would read, found without reading pixels.
type Explanation struct {
	Samples uint64 `json:"samples"`
	Steps   uint64 `json:"steps"`
	Rows    uint64 `json:"rows"`
	// Order is the algorithm, and Shuffle what it mixes.
	Order   string `json:"order"`
	Shuffle string `json:"shuffle"`
	// Window is what a shuffle by windows goes by; nil for another.
	Window *ExplainedWindow `json:"window,omitempty"`
	// BatchBytes is the memory of one batch.
	BatchBytes int64 `json:"batch_bytes"`
	// Looked is how many steps the rest is the mean of, as if nothing were kept from one to the next.
	Looked uint64 `json:"looked_at_steps"`
	// Chunks are decoded for a batch, read in Reads ranges of ReadBytes in all.
	Chunks    float64 `json:"chunks_per_batch"`
	Reads     float64 `json:"reads_per_batch"`
	ReadBytes float64 `json:"read_bytes_per_batch"`
}

// ExplainedWindow says how samples are grouped where the order goes by windows.
type ExplainedWindow struct {
	// Block is how many chunks lie along the edge of a group, and Groups how many groups there are.
	Block  int `json:"block"`
	Groups int `json:"groups"`
	// Samples are those of a window: what stands close together comes from so many that are stored together in groups.
	Samples uint64 `json:"samples"`
	// Chunks are decoded for each sample if every group reads what its samples touch once; 0 where the order does not count them.
	Chunks float64 `json:"chunks_per_sample,omitempty"`
}

func windowOf(s order.Sequence) *ExplainedWindow {
	d, drawn := s.(*order.Drawn)
	if !drawn {
		return nil
	}
	groups, samples, windowed := d.Window()
	if !windowed {
		return nil
	}
	return &ExplainedWindow{Block: max(1, groups.Edge), Groups: groups.Len(), Samples: samples, Chunks: float64(groups.Chunks) / float64(max(1, d.Len()))}
}

// foreseer is a source that can say what reading rows takes.
type foreseer interface {
	foresee(ctx context.Context, first uint64, n int) (read.Cost, error)
}

// Explain says what the run would read. It is for runs of samples.
func (r *Run) Explain(ctx context.Context) (Explanation, error) {
	src, ok := r.src.(foreseer)
	t := r.info.Ticket.Samples
	if !ok || t == nil {
		return Explanation{}, fault.New(fault.Unsupported, "only what is read of a dataset can be explained")
	}
	rows := int(min(r.plan.Batch, r.info.Rows, math.MaxInt32))
	e := Explanation{
		Samples: r.info.Samples, Steps: r.info.Steps, Rows: r.info.Rows, Order: t.Order, Shuffle: t.Shuffle.fixed.String(),
		BatchBytes: int64(r.info.Shape.BlockBytes(rows)), Looked: min(r.info.Steps, explained),
	}
	if s, ok := r.src.(*sampleSource); ok {
		e.Window = windowOf(s.order)
	}
	for step := range e.Looked {
		part := r.plan.Part(step, r.rank)
		cost, err := src.foresee(ctx, part.First, part.Count)
		if err != nil {
			return e, err
		}
		e.Chunks += float64(cost.Misses+cost.Hits) / float64(e.Looked)
		e.Reads += float64(cost.Ranges) / float64(e.Looked)
		e.ReadBytes += float64(cost.BytesRead) / float64(e.Looked)
	}
	return e, nil
}

func (s *sampleSource) foresee(ctx context.Context, first uint64, n int) (read.Cost, error) {
	requests, err := s.upcoming(first, n)
	if err != nil {
		return read.Cost{}, err
	}
	return s.reader.Foresee(ctx, s.view, requests)
}
