package read

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
)

// batch is some windows being read together. What it is made of is used again for the next batch.
type batch struct {
	reader *Reader
	view   *layout.View
	layers layers
	dry    bool   // nothing is filled, only foreseen
	loans  *Loans // nil where everything is copied
	timed  Spans  // or nil
	bytes  int    // that are filled, once they are loaded

	windows []window
	places  []place
	placeAt map[*cell]int32
	parts   []part // sorted by chunk
	units   []unit
	index   []uint32
	found   [maxLayers][]icechunk.Found

	jobs
	count counters
	// recorded loads the digests of slices in which chunks have yet to be verified.
	recorded map[record]func() ([]byte, error)

	mu sync.Mutex // of waits and of the windows' errors
}

// window is one request resolved: where it lies in the frame of its group and what it fills.
type window struct {
	at     cube.Window
	bands  []int
	mask   mask
	arrays [maxLayers]*array
	out    [maxLayers][]byte
	failed atomic.Bool
	err    error // set once, under the lock of the batch
}

// place is a cell that windows touch.
type place struct {
	*cell
	arrays [maxLayers]*array
}

// part is one chunk's share of one slot of a window. The shares of a window do not overlap.
type part struct {
	place, slice, cy, cx int32
	window, slot         int32
}

func (p part) compare(o part) int {
	switch {
	case p.place != o.place:
		return int(p.place - o.place)
	case p.slice != o.slice:
		return int(p.slice - o.slice)
	case p.cy != o.cy:
		return int(p.cy - o.cy)
	}
	return int(p.cx - o.cx)
}

// unit is a chunk's place in a cube, and the parts that are cut out of it.
type unit struct{ from, to int32 }

func (r *Reader) newBatch(v *layout.View, layers layers) *batch {
	b, _ := r.batches.Get().(*batch)
	if b == nil {
		b = &batch{placeAt: map[*cell]int32{}, recorded: map[record]func() ([]byte, error){}}
	}
	b.reader, b.view, b.layers = r, v, layers
	return b
}

// recycle gives the batch's lists to a later one, without what they point to.
func (b *batch) recycle() {
	r := b.reader
	b.count.drain(&r.total)
	clear(b.windows)
	clear(b.places)
	clear(b.placeAt)
	clear(b.recorded)
	for i := range b.found {
		clear(b.found[i])
	}
	b.clear()
	b.windows, b.places, b.parts, b.units = b.windows[:0], b.places[:0], b.parts[:0], b.units[:0]
	b.reader, b.view, b.dry, b.loans, b.timed = nil, nil, false, nil, nil
	r.batches.Put(b)
}

// add resolves one request; what is wrong with it is its window's error.
func (b *batch) add(q Request, out ...[]byte) {
	b.windows = append(b.windows, window{})
	i := len(b.windows) - 1
	if err := b.resolve(int32(i), q, out); err != nil {
		b.fail(i, err)
	}
}

func (b *batch) resolve(i int32, q Request, out [][]byte) error {
	c, err := b.reader.atlas.cell(b.view, q.Cell)
	if err != nil {
		return err
	}
	w := &b.windows[i]
	w.at, w.bands = q.Window, q.Bands
	w.at.Row, w.at.Col = w.at.Row+c.Window.Row, w.at.Col+c.Window.Col
	for l, layer := range b.layers {
		if w.arrays[l] = c.array(layer); w.arrays[l] == nil {
			return noFlags(c)
		}
	}
	if err := w.check(q, b.layers, out); err != nil {
		return err
	}
	inside := w.at.Intersect(c.frame)
	for slot, id := range q.Slices {
		if b.dry {
			break
		}
		if id == "" {
			w.blank(slot, w.at)
		} else if inside != w.at {
			w.blankOutside(slot, inside)
		}
	}
	return b.eachCell(c, inside, func(at int32, in cube.Window) error {
		for slot, id := range q.Slices {
			if id == "" {
				continue
			}
			s, ok := b.view.Lookup(id)
			if !ok {
				_, err := b.view.FindSlice(q.Cell, id)
				return err
			}
			slice, ok := b.places[at].slice(s)
			switch {
			case ok:
				b.cut(part{place: at, slice: int32(slice), window: i, slot: int32(slot)}, in)
			case !b.dry:
				w.blank(slot, in)
			}
		}
		return nil
	})
}

// eachCell visits the cells that a window of the frame meets, row by row, with its part in each; one
// that is wholly outside meets the cell it was counted from, with nothing.
func (b *batch) eachCell(from *cell, inside cube.Window, visit func(place int32, in cube.Window) error) error {
	if in := inside.Intersect(from.Window); in == inside || inside.Empty() {
		return visit(b.place(from), in)
	}
	for row := inside.Row; row < inside.Row+inside.Height; {
		next := row
		for col := inside.Col; col < inside.Col+inside.Width; {
			path, _, err := b.view.Locate(from.Group, cube.Window{Row: row, Col: col, Height: 1, Width: 1})
			if err != nil {
				return err
			}
			c, err := b.reader.atlas.cell(b.view, path)
			if err != nil {
				return err
			}
			if err := visit(b.place(c), inside.Intersect(c.Window)); err != nil {
				return err
			}
			next, col = c.Window.Row+c.Window.Height, c.Window.Col+c.Window.Width
		}
		row = next
	}
	return nil
}

// check demands that what is asked for exists and that the buffers have its size.
func (w *window) check(q Request, layers layers, out [][]byte) error {
	planes := w.arrays[0].planes
	if w.bands == nil {
		w.bands = upTo(planes)
	}
	for _, band := range w.bands {
		if band < 0 || band >= planes {
			return fault.New(fault.Invalid, "read: band %d of %d", band, planes)
		}
	}
	w.mask = maskOf(w.bands, planes)
	if q.Window.Empty() || len(w.bands) == 0 {
		return fault.New(fault.Invalid, "read: an empty request: window %+v, %d bands", q.Window, len(w.bands))
	}
	for l, layer := range layers {
		if out == nil {
			break
		}
		want := len(q.Slices) * w.planes(l) * w.at.Height * w.at.Width * w.arrays[l].size
		if len(out[l]) != want {
			return fault.New(fault.Internal, "read: a buffer of %d bytes for %s, wanted %d", len(out[l]), layer.name, want)
		}
		w.out[l] = out[l]
	}
	return nil
}

// planes is how many a layer fills for each slot.
func (w *window) planes(layer int) int {
	if w.arrays[layer].joined {
		return 1
	}
	return len(w.bands)
}

// few are the bands of most cubes, counted.
var few = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

func upTo(n int) []int {
	if n <= len(few) {
		return few[:n]
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func (b *batch) place(c *cell) int32 {
	if i, ok := b.placeAt[c]; ok {
		return i
	}
	p := place{cell: c}
	for l, layer := range b.layers {
		p.arrays[l] = c.array(layer)
	}
	b.places = append(b.places, p)
	b.placeAt[c] = int32(len(b.places) - 1)
	return int32(len(b.places) - 1)
}

// cut adds the parts of one slot of a window that one cell holds.
func (b *batch) cut(p part, in cube.Window) {
	at := &b.places[p.place]
	if in.Empty() {
		return
	}
	edge := at.arrays[0].edge
	row, col := in.Row-at.Window.Row, in.Col-at.Window.Col
	for cy := row / edge; cy <= (row+in.Height-1)/edge; cy++ {
		for cx := col / edge; cx <= (col+in.Width-1)/edge; cx++ {
			p.cy, p.cx = int32(cy), int32(cx)
			b.parts = append(b.parts, p)
		}
	}
}

// unite sorts the parts by chunk, so that each chunk is met once however many windows want it.
func (b *batch) unite() {
	slices.SortFunc(b.parts, part.compare)
	for i := 0; i < len(b.parts); {
		j := i + 1
		for j < len(b.parts) && b.parts[i].compare(b.parts[j]) == 0 {
			j++
		}
		b.units = append(b.units, unit{int32(i), int32(j)})
		i = j
	}
}

// lookUp finds where all chunks are, cell by cell and array by array.
func (b *batch) lookUp(ctx context.Context) {
	for from := 0; from < len(b.units); {
		p := b.parts[b.units[from].from].place
		to := from
		b.index = b.index[:0]
		for ; to < len(b.units) && b.parts[b.units[to].from].place == p; to++ {
			at := b.parts[b.units[to].from]
			b.index = append(b.index, uint32(at.slice))
			if b.places[p].arrays[0].banded() {
				b.index = append(b.index, 0)
			}
			b.index = append(b.index, uint32(at.cy), uint32(at.cx))
		}
		for l := range b.layers {
			b.found[l] = slices.Grow(b.found[l][:from], to-from)[:to]
			out := b.found[l][from:to]
			if err := b.view.LookUp(ctx, b.places[p].Path, b.layers[l].name, b.index, out); err != nil {
				for i := range out {
					out[i] = icechunk.Found{Err: err}
				}
			}
		}
		from = to
	}
}

// fail notes why a window cannot be read; the first reason stays.
func (b *batch) fail(i int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w := &b.windows[i]; w.err == nil {
		w.err = err
		w.failed.Store(true)
	}
}

// bands are those of a chunk that windows want.
func (b *batch) bands(u int32, planes int) mask {
	var m mask
	for _, p := range b.parts[b.units[u].from:b.units[u].to] {
		if w := &b.windows[p.window]; w.mask != 0 {
			m |= w.mask
		} else {
			return 0
		}
	}
	return m.rounded(planes)
}

// wanted reports whether a window that has not failed needs a chunk.
func (b *batch) wanted(u int32) bool {
	for _, p := range b.parts[b.units[u].from:b.units[u].to] {
		if !b.windows[p.window].failed.Load() {
			return true
		}
	}
	return false
}

// report is what was done so far, and which windows failed.
func (b *batch) report() Report {
	out := Report{Cost: b.count.cost()}
	for i := range b.windows {
		if err := b.windows[i].err; err != nil {
			if out.Errs == nil {
				out.Errs = make([]error, len(b.windows))
			}
			out.Errs[i] = err
		}
	}
	return out
}
