package selection

import (
	"cmp"
	"math"
	"slices"

	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
)

// spot is a sample by the chunk that it begins in.
type spot struct {
	cell     uint32 // place of its path among those there are
	row, col int32  // of the chunk
	index    uint32
}

func (a spot) sameChunk(b spot) bool { return a.cell == b.cell && a.row == b.row && a.col == b.col }

// stored sorts a list by chunk and says where one chunk's samples end and another's begin.
func stored(samples datasets.Samples, list order.List, at Storage) (order.List, order.Groups, error) {
	if list.Len() > math.MaxUint32 {
		return nil, order.Groups{}, fault.New(fault.TooLarge, "%d samples cannot be ordered by windows", list.Len()).WithCure(`use the shuffle "uniform"`)
	}
	spots, cells := make([]spot, list.Len()), map[string]uint32{}
	var paths []string
	for i := range spots {
		index := list.At(uint64(i))
		cell, row, col, err := samples.Place(int(index))
		if err != nil {
			return nil, order.Groups{}, err
		}
		number, known := cells[cell]
		if !known {
			number = uint32(len(paths))
			cells[cell], paths = number, append(paths, cell)
		}
		spots[i] = spot{cell: number, row: int32(row / at.Edge), col: int32(col / at.Edge), index: uint32(index)}
	}
	ranks := make([]uint32, len(paths))
	sorted := slices.Sorted(slices.Values(paths))
	for rank, path := range sorted {
		ranks[cells[path]] = uint32(rank)
	}
	slices.SortFunc(spots, func(a, b spot) int {
		return cmp.Or(cmp.Compare(ranks[a.cell], ranks[b.cell]), cmp.Compare(a.row, b.row), cmp.Compare(a.col, b.col), cmp.Compare(a.index, b.index))
	})
	out, groups := make(order.Listed, len(spots)), order.Groups{Bytes: at.GroupBytes}
	for i, s := range spots {
		out[i] = s.index
		if i == 0 || !s.sameChunk(spots[i-1]) {
			groups.Starts = append(groups.Starts, uint32(i))
		}
	}
	groups.Starts = append(groups.Starts, uint32(len(spots)))
	return out, groups, nil
}
