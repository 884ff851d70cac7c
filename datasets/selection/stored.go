package selection

import (
	"cmp"
	"math"
	"slices"

	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
)

// stored lays a list in the order of storage and says where one group ends and another begins.
func stored(samples datasets.Samples, list order.List, at Storage) (order.List, order.Groups, error) {
	places, err := placesOf(samples, list)
	if err != nil {
		return nil, order.Groups{}, err
	}
	if at.WindowBytes > 0 {
		list, groups := order.Blocks(places, at.Storage, at.WindowBytes)
		return list, groups, nil
	}
	list, groups := byChunk(places, at)
	return list, groups, nil
}

// placesOf says where the samples of a list begin.
func placesOf(samples datasets.Samples, list order.List) ([]order.Place, error) {
	if list.Len() > math.MaxUint32 {
		return nil, fault.New(fault.TooLarge, "%d samples cannot be ordered by windows", list.Len()).WithCure(`use the shuffle "uniform"`)
	}
	places, cells := make([]order.Place, list.Len()), map[string]uint32{}
	var paths []string
	for i := range places {
		index := list.At(uint64(i))
		cell, row, col, err := samples.Place(int(index))
		if err != nil {
			return nil, err
		}
		if row < 0 || col < 0 {
			return nil, fault.New(fault.Corrupt, "sample %d begins at row %d, column %d of cell %s, before its first pixel", index, row, col, cell).
				WithCure("restore samples.idx from a backup, or commit the recipe again")
		}
		number, known := cells[cell]
		if !known {
			number = uint32(len(paths))
			cells[cell], paths = number, append(paths, cell)
		}
		places[i] = order.Place{Index: uint32(index), Cell: number, Row: uint32(row), Col: uint32(col)}
	}
	ranks := make([]uint32, len(paths))
	for rank, path := range slices.Sorted(slices.Values(paths)) {
		ranks[cells[path]] = uint32(rank)
	}
	for i := range places {
		places[i].Cell = ranks[places[i].Cell]
	}
	return places, nil
}

// byChunk sorts samples by chunk, row by row, and groups those of one.
func byChunk(places []order.Place, at Storage) (order.Listed, order.Groups) {
	edge := uint32(at.Edge)
	chunk := func(p order.Place) [3]uint32 { return [3]uint32{p.Cell, p.Row / edge, p.Col / edge} }
	slices.SortFunc(places, func(a, b order.Place) int {
		p, q := chunk(a), chunk(b)
		return cmp.Or(slices.Compare(p[:], q[:]), cmp.Compare(a.Index, b.Index))
	})
	list, groups := make(order.Listed, len(places)), order.Groups{Bytes: at.Bytes}
	for i, p := range places {
		list[i] = p.Index
		if i == 0 || chunk(p) != chunk(places[i-1]) {
			groups.Starts = append(groups.Starts, uint32(i))
		}
	}
	groups.Starts = append(groups.Starts, uint32(len(list)))
	return list, groups
}
