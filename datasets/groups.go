package datasets

import (
	"fmt"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/fault"
)

// Group is what the samples of a version have of a further resolution: the same ground, in pixels of its own.
type Group struct {
	// Name is that of the resolution, such as "20m".
	Name string
	// Cell is the path of the cube's only cell of the resolution, or its name.
	Cell string
	// Grid is that of the cell, or of the resolution's whole frame.
	Grid   cube.Grid
	DType  cube.DType
	Nodata *float64 // nil if it has none

	Bands     []string // in the recipe's order
	BandIndex []int    // their places on the resolution's band axis
	// Scale is how many pixels of the version's grid lie along the edge of one; windows are whole ones of it.
	Scale int
	Stats []BandStats // in the order of Bands
}

// Window is a window of the version's grid in pixels of the group.
func (g Group) Window(w cube.Window) cube.Window { return coarser(w, g.Scale) }

func coarser(w cube.Window, scale int) cube.Window {
	return cube.Window{Row: w.Row / scale, Col: w.Col / scale, Height: w.Height / scale, Width: w.Width / scale}
}

// group is what the samples of a plan have of one resolution.
type group struct {
	region layout.Region
	// scale is that of Group; 1 for the finest, whose grid is the windows'.
	scale int
	bands []string
	index []int
	stats []BandStats
}

// spot is a window of the frame of the finest group in its cell of this one.
func (g *group) spot(w cube.Window) layout.Spot { return g.region.Spot(coarser(w, g.scale)) }

// request reads what a sample has of the group.
func (g *group) request(ids []cube.SliceID, w cube.Window) read.Request {
	at := g.spot(w)
	return read.Request{Cell: at.Cell, Slices: ids, Window: at.Window, Bands: g.index}
}

func (g *group) dtype() cube.DType { return g.region.Group.DType }

// chunk names the chunk of the frame that a pixel lies in.
type chunk struct{ row, col int }

// span is the first and the last chunk of the frame that a window of the finest group touches.
func (g *group) span(w cube.Window) (first, last chunk) {
	edge := g.region.Group.ChunkSize()
	w = coarser(w, g.scale)
	return chunk{w.Row / edge, w.Col / edge}, chunk{(w.Row + w.Height - 1) / edge, (w.Col + w.Width - 1) / edge}
}

// pixels counts those of a block of chunks.
func (g *group) pixels(first, last chunk) float64 {
	edge, grid := g.region.Group.ChunkSize(), g.region.Grid
	height := min(grid.Height, (last.row+1)*edge) - first.row*edge
	width := min(grid.Width, (last.col+1)*edge) - first.col*edge
	return float64(height) * float64(width)
}

// step is what window rules must be multiples of, so that every window is whole pixels of every group.
func (p *plan) step() int {
	step := 1
	for _, g := range p.groups {
		a, b := step, g.scale
		for b != 0 {
			a, b = b, a%b
		}
		step = step / a * g.scale
	}
	return step
}

// checkWindows refuses windows that cut pixels of a coarser resolution.
func (p *plan) checkWindows() error {
	step := p.step()
	rule := p.recipe.Window
	for i, r := range []struct {
		key   string
		value int
	}{{"size", rule.Size}, {"stride", rule.Stride}, {"jitter", rule.Jitter}} {
		if r.value%step == 0 {
			continue
		}
		fine := p.region.Group.Name
		what := fmt.Sprintf("window.%s %d is not whole pixels of every resolution of the features: it counts pixels of %s, and", r.key, r.value, fine)
		for _, g := range p.groups[1:] {
			what += fmt.Sprintf(" those of %s (%s) are %d of them wide,", g.region.Group.Name, g.bands[0], g.scale)
		}
		return p.recipe.windowAt[i].error(fault.Invalid, what[:len(what)-1],
			fmt.Sprintf("make window.size, window.stride and window.jitter multiples of %d, or choose features of one resolution: %s", step, perGroup(p.view.Groups())))
	}
	return nil
}

// statistics are those of all groups.
func (p *plan) statistics() []BandStats {
	var out []BandStats
	for _, g := range p.groups {
		out = append(out, g.stats...)
	}
	return out
}

// imagesNote says which images a sample has.
func (p *plan) imagesNote() string {
	parts := make([]string, len(p.groups))
	for i, g := range p.groups {
		name := "image"
		if i > 0 {
			name += "_" + g.region.Group.Name
		}
		size := p.recipe.Window.Size / g.scale
		parts[i] = fmt.Sprintf("%s of %d×%d pixels (%s)", name, size, size, strings.Join(g.bands, ", "))
	}
	return "a sample has " + strings.Join(parts, ", ") + "; the window and labels count pixels of the first"
}
