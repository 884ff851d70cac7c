package selection

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
)

// stored lays a list in the order of storage and says where one group ends and another begins.
func stored(samples datasets.Samples, kept *order.Bitmap, at Storage) (order.List, order.Groups, error) {
	if samples.Len() > math.MaxUint32 {
		return nil, order.Groups{}, fault.New(fault.TooLarge, "%d samples cannot be ordered by windows", samples.Len()).WithCure(`use the shuffle "uniform"`)
	}
	var err error
	places := placesOf(samples, kept, &err)
	var list order.Listed
	var groups order.Groups
	if at.WindowBytes > 0 {
		list, groups = order.Blocks(places, at.Storage, at.WindowBytes)
	} else {
		list, groups = byChunk(slices.Collect(places), at)
	}
	if err != nil {
		return nil, order.Groups{}, err
	}
	return list, groups, nil
}

// placesOf says where the samples begin that are kept, nil for all. What goes wrong ends it, and is left in failed.
func placesOf(samples datasets.Samples, kept *order.Bitmap, failed *error) iter.Seq[order.Place] {
	cells := samples.Cells()
	ranks := order.Ranks(cells)
	return func(yield func(order.Place) bool) {
		var wrong error
		err := samples.Places(func(i, cell, row, col int) bool {
			if kept != nil && !kept.Has(uint64(i)) {
				return true
			}
			if row < 0 || col < 0 {
				wrong = fault.New(fault.Corrupt, "sample %d begins at row %d, column %d of cell %s, before its first pixel", i, row, col, cells[cell]).
					WithCure("restore samples.idx from a backup, or commit the recipe again")
				return false
			}
			return yield(order.Place{Index: uint32(i), Cell: ranks[cell], Row: uint32(row), Col: uint32(col)})
		})
		if wrong != nil {
			err = wrong
		}
		if err != nil {
			*failed = err
		}
	}
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
