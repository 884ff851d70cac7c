package compact

import (
	"cmp"
	"context"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/layout"
)

const (
	// surveyRefs bounds how many references a survey holds at a time; each takes some 150 bytes.
	surveyRefs = 1 << 16
	// windowBytes bounds what the chunks of a window may decode to: beyond that, larger ranges gain nothing.
	windowBytes = 128 << 20
)

// position is a place of a chunk in a cell.
type position struct{ row, col int32 }

// survey finds out what is worth moving in a cell. It looks at some places at a time, at all their dates.
func survey(ctx context.Context, cfg Config, v *layout.View, cell layout.Cell) (*plan, error) {
	p := &plan{path: cell.Path, axis: cell.Slices, layers: layersOf(v, cell.Path), cols: cell.ChunkCols}
	if len(cell.Slices) == 0 {
		return p, nil
	}
	side := uint32(1) << bits.Len(uint(max(cell.ChunkRows, cell.ChunkCols)-1))
	dates := fitting(cfg.Dates, v.Array(cell.Path, layout.Image).ChunkBytes())
	places := cell.ChunkRows * cell.ChunkCols
	block := max(1, surveyRefs/(len(cell.Slices)*len(p.layers)))
	for from := 0; from < places; from += block {
		var at []position
		for i := from; i < min(from+block, places); i++ {
			at = append(at, position{int32(i / cell.ChunkCols), int32(i % cell.ChunkCols)})
		}
		found, err := lookUp(ctx, v, p, at, 0, len(p.axis)-1)
		if err != nil {
			return nil, err
		}
		for i, pos := range at {
			p.look(found, i, len(at), pos, hilbert(side, uint32(pos.row), uint32(pos.col)), dates, cfg.All)
		}
	}
	slices.SortStableFunc(p.tasks, func(a, b task) int {
		return cmp.Or(cmp.Compare(int(a.from)/dates, int(b.from)/dates), cmp.Compare(a.along, b.along), cmp.Compare(a.from, b.from))
	})
	return p, nil
}

// fitting is how many dates are laid together where an image chunk decodes to so many bytes.
func fitting(dates, chunk int) int {
	most := windowBytes / (max(chunk, 1) + chunk/2) // a window may become half as long again
	return min(dates, max(most, 1))
}

func layersOf(v *layout.View, cell string) []string {
	layers := []string{layout.Image, layout.Valid}
	if len(v.Array(cell, layout.Flags).Shape) > 0 {
		layers = append(layers, layout.Flags)
	}
	return layers
}

// lookUp finds the references of some places from one date to another: by layer, then date, then place.
func lookUp(ctx context.Context, v *layout.View, p *plan, at []position, from, to int) ([][]icechunk.Found, error) {
	out := make([][]icechunk.Found, len(p.layers))
	for l, name := range p.layers {
		var index []uint32
		for t := from; t <= to; t++ {
			for _, pos := range at {
				index = append(index, uint32(t))
				if name != layout.Flags {
					index = append(index, 0)
				}
				index = append(index, uint32(pos.row), uint32(pos.col))
			}
		}
		out[l] = make([]icechunk.Found, (to-from+1)*len(at))
		if err := v.LookUp(ctx, p.path, name, index, out[l]); err != nil {
			return nil, err
		}
		for _, f := range out[l] {
			if f.Err != nil {
				return nil, f.Err
			}
		}
	}
	return out, nil
}

// look decides about one place, the i-th of n that were looked up.
func (p *plan) look(found [][]icechunk.Found, i, n int, pos position, along uint32, dates int, all bool) {
	var days []int32     // that have a stored chunk of image or validity
	var chunks []extent  // of these, image before validity
	var ends, runs []int // of each day in chunks; lengths of what lies together
	for t := range p.axis {
		together := len(chunks) > 0
		was := len(chunks)
		for l := range 2 {
			if f := found[l][t*n+i]; stored(f) {
				e := extentOf(f.Ref)
				together = together && e.follows(chunks[len(chunks)-1])
				chunks = append(chunks, e)
			}
		}
		if len(chunks) == was {
			continue
		}
		days, ends = append(days, int32(t)), append(ends, len(chunks))
		if together {
			runs[len(runs)-1]++
		} else {
			runs = append(runs, 1)
		}
	}
	if len(days) == 0 {
		return
	}
	todo, waiting := windows(runs, dates, all)
	begin := func(day int) int {
		if day == 0 {
			return 0
		}
		return ends[day-1]
	}
	p.waiting += int64(len(chunks) - begin(len(days)-waiting))
	count(&p.before, chunks, ends)
	for k, w := range todo {
		var made extent // where it will lie, for the estimate
		binary.LittleEndian.PutUint64(made.object[:], uint64(k)+1)
		for j := begin(w.from); j < begin(w.to); j++ {
			size := chunks[j].to - chunks[j].from
			made.from, made.to = made.to, made.to+size
			chunks[j] = made
			p.bytes += int64(size)
			p.chunks++
		}
		p.tasks = append(p.tasks, task{pos.row, pos.col, days[w.from], days[w.to-1], along})
		p.addFlags(found, i, n, days[w.from], days[w.to-1])
	}
	count(&p.after, chunks, ends)
}

// addFlags counts the flags that move along.
func (p *plan) addFlags(found [][]icechunk.Found, i, n int, from, to int32) {
	if len(found) < 3 {
		return
	}
	for t := from; t <= to; t++ {
		if f := found[2][int(t)*n+i]; stored(f) {
			p.chunks++
			p.bytes += int64(f.Ref.Length)
		}
	}
}

// count cuts the dates of a place into series.
func count(t *tally, chunks []extent, ends []int) {
	from := 0
	for day := SeriesDates; ; day += SeriesDates {
		to := ends[min(day, len(ends))-1]
		t.count(slices.Clone(chunks[from:to]))
		if day >= len(ends) {
			return
		}
		from = to
	}
}
