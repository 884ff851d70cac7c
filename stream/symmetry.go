package stream

import (
	"context"

	"github.com/terrapin-eo/terrapin/datasets/order"
)

// turnBy makes the run lay its windows by the symmetries that its ticket asks for.
func (r *Run) turnBy(t SampleTicket) error {
	if t.Augment == "" {
		return nil
	}
	if err := t.Augment.Check(r.info.Shape.Height, r.info.Shape.Width); err != nil {
		return inKey("augment", err)
	}
	s := order.NewSymmetries(t.Augment, t.Digest, t.Split, t.Seed, t.Epoch)
	r.turns, r.info.Shape.Turned = &s, true
	return nil
}

// turn lays the windows of a batch, whose arrays are filled. Padding stays as it is.
func (r *Run) turn(ctx context.Context, b *Batch) error {
	if r.turns == nil {
		return nil
	}
	return inParallel(ctx, b.Rows, func(_ context.Context, i int) error {
		b.Symmetries[i] = 0
		if b.Positions[i] >= 0 {
			s := r.turns.At(uint64(b.Positions[i]))
			b.Symmetries[i] = byte(s)
			b.row(r.info.Shape, i).turn(r.info.Shape, s)
		}
		return nil
	})
}

// turn lays a row's images, their validity and its label alike.
func (r row) turn(shape Shape, s order.Symmetry) {
	for k, i := range shape.images() {
		p := r.pixels(k)
		turnPlanes(p.Image, i.DType.Size(), i.Height, i.Width, s)
		turnPlanes(p.Valid, 1, i.Height, i.Width, s)
	}
	if r.label != nil {
		turnPlanes(r.label, shape.Label.Size(), shape.Height, shape.Width, s)
	}
}
