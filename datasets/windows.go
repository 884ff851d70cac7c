package datasets

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strconv"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
)

// maxSamples bounds what one version may hold in memory while it is committed.
const maxSamples = 50_000_000

// layWindows lays windows over the frame, wholly inside it, and moves each by its jitter. Windows that
// no slice reaches are left out where the cube has cells.
func (p *plan) layWindows() ([]sample, error) {
	g, rule, tiled := p.region.Grid, p.recipe.Window, p.region.Tiled()
	rows, cols, step := fit(g.Height, rule), fit(g.Width, rule), p.step()
	n := rows * cols
	tooMany := func() error {
		return fault.New(fault.TooLarge, "the recipe gives more than %d windows", maxSamples).WithCure("make window.stride larger")
	}
	switch {
	case n == 0:
		return nil, fault.New(fault.Invalid, "no window of %d×%d pixels fits the grid of %d×%d", rule.Size, rule.Size, g.Width, g.Height).
			WithCure("make window.size smaller")
	case n > maxSamples && !tiled:
		return nil, tooMany()
	}
	var out []sample
	var names namer
	if !tiled {
		out = make([]sample, 0, n)
	}
	for i := 0; i < rows; i++ {
		if tiled {
			if i = p.nextRow(i, rows); i == rows {
				break
			}
		}
		for j := 0; j < cols; j++ {
			w := cube.Window{Row: i * rule.Stride, Col: j * rule.Stride, Height: rule.Size, Width: rule.Size}
			if tiled && !p.homes.reached(p.region.Span(w)) {
				j = p.skip(w.Col, rule, cols) - 1
				continue
			}
			if len(out) == maxSamples {
				return nil, tooMany()
			}
			id, err := names.name(p.region.Spot(w))
			if err != nil {
				return nil, err
			}
			s := sample{id: id}
			s.lay(jitter(w, g, rule.Jitter, step, id, p.recipe.Split.Salt))
			ok, err := p.homes.put(&s)
			if err != nil {
				return nil, err
			}
			if ok {
				out = append(out, s)
			}
		}
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Precondition, "no window of %d×%d pixels lies where the cube has scenes in time", rule.Size, rule.Size).
			WithCure("make window.size or window.stride smaller, or move time.at or time.range")
	}
	return out, nil
}

// nextRow is the first row of windows from i on that cells reach, or rows.
func (p *plan) nextRow(i, rows int) int {
	rule, g := p.recipe.Window, p.region.Grid
	for i < rows {
		w := cube.Window{Row: i * rule.Stride, Height: rule.Size, Width: g.Width}
		if p.homes.reached(p.region.Span(w)) {
			return i
		}
		i = p.skip(w.Row, rule, rows)
	}
	return rows
}

// skip is the next window, along one axis, that reaches a further cell than the one at a pixel.
func (p *plan) skip(at int, rule WindowRule, n int) int {
	edge := p.region.CellEdge()
	end := ((at+rule.Size-1)/edge + 1) * edge // where the last cell it meets ends
	return min(n, max(at/rule.Stride+1, (end-rule.Size)/rule.Stride+1))
}

func fit(length int, rule WindowRule) int {
	if rule.Size > length {
		return 0
	}
	return (length-rule.Size)/rule.Stride + 1
}

// namer names samples by their places on Earth, before jitter: the same place keeps its id when scenes or labels are
// added, so that versions can be compared sample by sample.
type namer struct {
	cell string
	grid cube.Grid
	// head, middle and tail are what the windows of a cell have in common of the canonical JSON of their places.
	head, middle, tail string
	text               []byte
}

func (n *namer) name(at layout.Spot) (placeID, error) {
	if n.text == nil || at.Cell != n.cell || at.Grid != n.grid {
		if err := n.enter(at); err != nil {
			return placeID{}, err
		}
	}
	text := append(n.text[:0], n.head...)
	text = strconv.AppendInt(text, int64(at.Window.Col), 10)
	text = append(text, n.middle...)
	text = strconv.AppendInt(text, int64(at.Window.Height), 10)
	text = append(text, `,"row":`...)
	text = strconv.AppendInt(text, int64(at.Window.Row), 10)
	text = append(text, n.tail...)
	text = strconv.AppendInt(text, int64(at.Window.Width), 10)
	n.text = append(text, '}')
	sum := sha256.Sum256(n.text)
	return placeID(sum[:len(placeID{})]), nil
}

// enter goes to another cell.
func (n *namer) enter(at layout.Spot) error {
	var parts [3]string
	for i, v := range []any{at.Cell, at.Grid.CRS, at.Grid.Transform} {
		text, err := cube.Canonical(v)
		if err != nil {
			return err
		}
		parts[i] = string(text)
	}
	n.cell, n.grid = at.Cell, at.Grid
	n.head = `{"cell":` + parts[0] + `,"col":`
	n.middle = `,"crs":` + parts[1] + `,"height":`
	n.tail = `,"transform":` + parts[2] + `,"width":`
	return nil
}

// jitter moves a window by up to most pixels each way in whole steps, drawn from hash(id, salt), and keeps it inside
// the grid.
func jitter(w cube.Window, g cube.Grid, most, step int, id placeID, salt string) cube.Window {
	if most == 0 {
		return w
	}
	sum := sha256.Sum256([]byte("terrapin-jitter-1\x00" + salt + "\x00" + id.String()))
	most /= step
	draw := func(b []byte) int { return step * (int(binary.BigEndian.Uint64(b)%uint64(2*most+1)) - most) }
	w.Row = min(max(0, w.Row+draw(sum[0:8])), g.Height-w.Height)
	w.Col = min(max(0, w.Col+draw(sum[8:16])), g.Width-w.Width)
	return w
}

// labelled keeps the samples with at least one labelled pixel, in place. The raster is read in strips of the grid's
// width, each once.
func (p *plan) labelled(ctx context.Context, samples []sample) ([]sample, error) {
	rev, width := p.labels, p.region.Grid.Width
	kept := samples[:0]
	strip, size := cube.Window{}, rev.DType.Size()
	var buf []byte
	var found []classCount
	for _, s := range samples { // in rows, but for jitter
		w := s.window()
		if w.Row < strip.Row || w.Row+w.Height > strip.Row+strip.Height {
			strip = cube.Window{Row: max(0, w.Row-w.Height), Height: 3 * w.Height, Width: width}
			buf = make([]byte, strip.Height*strip.Width*size)
			if err := rev.Read(ctx, strip, buf); err != nil {
				return nil, err
			}
		}
		if found = countLabels(found[:0], buf, strip, w, rev); len(found) == 0 {
			continue
		}
		var err error
		if s.labels, err = p.counts.put(found); err != nil {
			return nil, err
		}
		kept = append(kept, s)
	}
	return kept, nil
}
