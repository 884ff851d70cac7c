package selection

import (
	"context"

	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
)

// Chunks numbers the chunks of an edge that samples begin in, row by row, and gives that of each sample by its index.
func Chunks(samples datasets.Samples, edge int) ([]uint32, error) {
	list, groups, err := stored(samples, nil, Storage{Storage: order.Storage{Edge: edge}})
	if err != nil {
		return nil, err
	}
	out := make([]uint32, samples.Len())
	for g := range len(groups.Starts) - 1 {
		for i := groups.Starts[g]; i < groups.Starts[g+1]; i++ {
			out[list.At(uint64(i))] = uint32(g)
		}
	}
	return out, nil
}

// Classes numbers the classes of a split's samples, and gives that of each by its index; -1 is none. It is nil where the
// version has no labels, or its manifest does not say.
func Classes(ctx context.Context, v *datasets.Version, split string) ([]int32, error) {
	samples, err := v.Split(split)
	if err != nil || v.Labels == nil {
		return nil, err
	}
	s := scan{version: v, split: split, ask: Ask{Weights: datasets.Balanced}, n: samples.Len()}
	if err := s.run(ctx); fault.Is(err, fault.Precondition) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	out := make([]int32, len(s.values))
	for i, number := range s.values {
		out[i] = int32(number)
	}
	return out, nil
}
