package stream

import (
	"context"
	"slices"

	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream/receipts"
)

// mask is the word of tickets whose samples with damaged pixels are rows of weight 0.
const mask = "mask"

// maskBy makes the run mask what its ticket wants masked.
func (r *Run) maskBy(t SampleTicket) {
	if t.OnError == mask {
		r.masks, r.info.Shape.Weighted = true, true
	}
}

// lose takes the damage of a row for the reason to mask it. It reports whether rows of this run are masked.
func (r row) lose(damage error) bool {
	if r.lost != nil {
		*r.lost = damage
	}
	return r.lost != nil
}

// isLost reports whether the row is masked.
func (r row) isLost() bool { return r.lost != nil && *r.lost != nil }

// labelOf reads the label of a row. Damage of one that may be masked comes back by itself.
func (s *sampleSource) labelOf(ctx context.Context, sample datasets.Sample, at uint64, dst row) (damage, err error) {
	w, err := s.region.From(sample.Cell, sample.Window) // the raster's grid is the frame
	if err == nil {
		err = s.label.Read(ctx, w, dst.label)
	}
	if err == nil {
		return nil, nil
	}
	err = fault.New(fault.KindOf(err), "read the label of sample %s (position %d): %w", sample.ID, at, err)
	if dst.lost != nil && fault.Is(err, fault.Corrupt) {
		return err, nil
	}
	return nil, err
}

// void makes rows that are masked look like samples of which nothing was observed; unlabelled says whose labels are
// damaged.
func (s *sampleSource) void(unlabelled []error, rows []row) {
	for i, r := range rows {
		if unlabelled[i] != nil {
			r.lose(unlabelled[i])
		}
		if r.isLost() {
			for k := range s.layers {
				clear(r.pixels(k).Valid)
			}
			s.nothing(r)
		}
	}
}

// pad looks like a sample of which nothing was observed, at no time.
func (s *sampleSource) pad(dst row) {
	s.nothing(dst)
	for i := range dst.times {
		dst.times[i] = NoTime
	}
}

// nothing fills image and label with what they are where there is nothing.
func (s *sampleSource) nothing(dst row) {
	for k := range s.layers {
		s.layers[k].blank(dst.pixels(k).Image)
	}
	if s.version.Labels != nil {
		fillValues(dst.label, s.version.Labels.DType, s.version.Labels.Ignore)
	}
}

// Masked counts the rows that are masked.
func (b *Batch) Masked() int {
	n := 0
	for _, why := range b.Lost {
		if why != nil {
			n++
		}
	}
	return n
}

// weigh gives the rows their weights: 0 for padding and for what is masked.
func (b *Batch) weigh() {
	for i := range b.Weights {
		b.Weights[i] = 1
		if b.Positions[i] < 0 || b.Lost != nil && b.Lost[i] != nil {
			b.Weights[i] = 0
		}
	}
}

// tooMany counts what is masked of a run, and ends one that masks more than receipts can list: then it is not the odd
// chunk that is damaged, but the cube.
func (r *Run) tooMany(b *Batch) error {
	r.masked += b.Masked()
	if r.masked <= receipts.MaxMasked {
		return nil
	}
	last := b.Lost[slices.IndexFunc(b.Lost, func(why error) bool { return why != nil })]
	b.Release()
	return fault.New(fault.Corrupt, "more than %d samples of this stream are damaged; one of them: %w", receipts.MaxMasked, last).
		WithCure("run `terrapin store fsck --full`, and bring what it names back from a backup")
}
