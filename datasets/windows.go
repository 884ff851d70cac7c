package datasets

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/labels"
)

// sample is a window on its way into a version.
type sample struct {
	id string
	// window is in pixels of the frame, home its index among the plan's.
	window cube.Window
	home   int32
	block  block
	split  int // index in Splits
	// labels counts the labelled pixels by value, in the order of the values; known only at commit.
	labels []classCount
}

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
			at := p.region.Spot(w)
			id, err := sampleID(at.Cell, at.Grid, at.Window)
			if err != nil {
				return nil, err
			}
			s := sample{id: id, window: jitter(w, g, rule.Jitter, step, id, p.recipe.Split.Salt)}
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

// sampleID names a sample by its place on Earth, before jitter: the same place keeps its id when
// scenes or labels are added, so that versions can be compared sample by sample.
func sampleID(cell string, g cube.Grid, w cube.Window) (string, error) {
	text, err := cube.Canonical(struct {
		Cell      string      `json:"cell"`
		CRS       string      `json:"crs"`
		Transform cube.Affine `json:"transform"`
		cube.Window
	}{cell, g.CRS, g.Transform, w})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16]), nil
}

// jitter moves a window by up to most pixels each way in whole steps, drawn from hash(id, salt), and keeps it inside
// the grid.
func jitter(w cube.Window, g cube.Grid, most, step int, id, salt string) cube.Window {
	if most == 0 {
		return w
	}
	sum := sha256.Sum256([]byte("terrapin-jitter-1\x00" + salt + "\x00" + id))
	most /= step
	draw := func(b []byte) int { return step * (int(binary.BigEndian.Uint64(b)%uint64(2*most+1)) - most) }
	w.Row = min(max(0, w.Row+draw(sum[0:8])), g.Height-w.Height)
	w.Col = min(max(0, w.Col+draw(sum[8:16])), g.Width-w.Width)
	return w
}

// labelled keeps the samples with at least one labelled pixel. The raster is read in strips of the
// grid's width, each once.
func labelled(ctx context.Context, samples []sample, rev *labels.Revision, g cube.Grid) ([]sample, error) {
	kept := samples[:0:0]
	strip, size := cube.Window{}, rev.DType.Size()
	var buf []byte
	for _, s := range samples { // in rows, but for jitter
		w := s.window
		if w.Row < strip.Row || w.Row+w.Height > strip.Row+strip.Height {
			strip = cube.Window{Row: max(0, w.Row-w.Height), Height: 3 * w.Height, Width: g.Width}
			buf = make([]byte, strip.Height*strip.Width*size)
			if err := rev.Read(ctx, strip, buf); err != nil {
				return nil, err
			}
		}
		if s.labels = countLabels(buf, strip, w, rev); len(s.labels) > 0 {
			kept = append(kept, s)
		}
	}
	return kept, nil
}
