package stream

import (
	"context"
	"slices"

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

// turn lays a row's image, its validity and its label alike.
func (r row) turn(shape Shape, s order.Symmetry) {
	turnPlanes(r.image, shape.DType.Size(), shape.Height, shape.Width, s)
	turnPlanes(r.valid, 1, shape.Height, shape.Width, s)
	if r.label != nil {
		turnPlanes(r.label, shape.Label.Size(), shape.Height, shape.Width, s)
	}
}

// turnPlanes lays planes of numbers of some bytes each, one after another, in place.
func turnPlanes(planes []byte, size, height, width int, s order.Symmetry) {
	n := height * width * size
	for at := 0; at < len(planes) && s != 0; at += n {
		plane := planes[at : at+n]
		switch size {
		case 1:
			turnPlane(plane, height, width, s)
		case 2:
			turnPlane(numbers[uint16](plane), height, width, s)
		case 4:
			turnPlane(numbers[uint32](plane), height, width, s)
		default:
			turnPlane(numbers[uint64](plane), height, width, s)
		}
	}
}

func turnPlane[T any](plane []T, height, width int, s order.Symmetry) {
	if s&order.Transposed != 0 {
		transpose(plane, height)
	}
	switch s &^ order.Transposed {
	case order.Mirrored:
		for ; len(plane) > 0; plane = plane[width:] {
			slices.Reverse(plane[:width])
		}
	case order.Flipped:
		for top, bottom := 0, height-1; top < bottom; top, bottom = top+1, bottom-1 {
			a, b := plane[top*width:(top+1)*width], plane[bottom*width:(bottom+1)*width]
			for i := range a {
				a[i], b[i] = b[i], a[i]
			}
		}
	case order.Mirrored | order.Flipped:
		slices.Reverse(plane)
	}
}

// tile is the edge of the squares that are transposed one after the other: two of them lie in the nearest cache.
const tile = 32

// transpose swaps the rows and columns of a square.
func transpose[T any](square []T, edge int) {
	for top := 0; top < edge; top += tile {
		for left := top; left < edge; left += tile {
			for y := top; y < min(top+tile, edge); y++ {
				for x := max(left, y+1); x < min(left+tile, edge); x++ {
					square[y*edge+x], square[x*edge+y] = square[x*edge+y], square[y*edge+x]
				}
			}
		}
	}
}
