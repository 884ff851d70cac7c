package layout

import (
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// Region is what windows are laid over: one cell, or the whole frame of a resolution, in which a window
// belongs to the cell of its upper left pixel.
type Region struct {
	// Name is a cell's path, such as "r0c0/10m", or that of a resolution, such as "10m".
	Name  string
	Group Group
	// Grid is the cell's, or the frame's.
	Grid cube.Grid
	// Slices are all that reach the region, in the order of the axis. They are not to be changed.
	Slices []cube.Slice

	view *View
	// at is the grid's place in the frame, edge that of a cell in pixels of the group, 0 where there is one cell.
	at    cube.Window
	edge  int
	index int // of the group
}

// Spot is a window in the cell that it belongs to.
type Spot struct {
	// Cell is the cell's path, Grid its grid.
	Cell string
	Grid cube.Grid
	// Window is in pixels of the cell and may reach over its edges.
	Window cube.Window
}

// Span is a block of cells: the first row and column, and how many.
type Span struct{ Row, Col, Rows, Cols int }

// Region finds a cell by its path or a frame by the name of its resolution; "" is the frame of the first
// group. Where the cube has no tiling, a frame goes by the path of the cell that it is.
func (v *View) Region(name string) (Region, error) {
	s := v.cube.spec
	for i, g := range s.Groups() {
		if g.Name != name && (name != "" || i > 0) {
			continue
		}
		r := Region{Name: g.Name, Group: g, Grid: g.Grid, Slices: v.slices, view: v, at: g.Grid.All(), edge: s.cellEdge(g), index: i}
		if r.edge == 0 {
			r.Name = s.tile(place{}, i, g).path
		}
		return r, nil
	}
	t, err := v.tile(name)
	if err != nil {
		return Region{}, fault.New(fault.KindOf(err), "%w", err).WithCure("%s; the names of resolutions stand for the whole cube", fault.CureOf(err))
	}
	v.mu.Lock()
	axis := v.axis(t.place)
	v.mu.Unlock()
	return Region{Name: t.path, Group: t.group, Grid: t.grid, Slices: axis, view: v, at: t.window, edge: s.cellEdge(t.group), index: t.index}, nil
}

// Tiled reports whether the region is a frame of several cells, each with a time axis of its own.
func (r Region) Tiled() bool { return r.Name == r.Group.Name }

// CellEdge is the edge of a cell in pixels of the region; 0 where the cube has no tiling.
func (r Region) CellEdge() int { return r.edge }

// Spot names the cell of a window's upper left pixel, which is clamped into the region.
func (r Region) Spot(w cube.Window) Spot {
	if !r.Tiled() {
		return Spot{Cell: r.Name, Grid: r.Grid, Window: w}
	}
	var p place
	p.row = min(max(w.Row, 0), r.Grid.Height-1) / r.edge
	p.col = min(max(w.Col, 0), r.Grid.Width-1) / r.edge
	t := r.tile(p)
	w.Row, w.Col = w.Row-t.window.Row, w.Col-t.window.Col
	return Spot{Cell: t.path, Grid: t.grid, Window: w}
}

// From turns a window in pixels of a cell into one of the region.
func (r Region) From(cell string, w cube.Window) (cube.Window, error) {
	if cell == r.Name {
		return w, nil
	}
	t, err := r.view.tile(cell)
	if err != nil {
		return w, err
	}
	w.Row, w.Col = w.Row+t.window.Row-r.at.Row, w.Col+t.window.Col-r.at.Col
	return w, nil
}

// Span is the cells that a window meets; a region of one cell is one.
func (r Region) Span(w cube.Window) Span {
	in := w.Intersect(r.Grid.All())
	if !r.Tiled() || in.Empty() {
		return Span{Rows: 1, Cols: 1}
	}
	row, col := in.Row/r.edge, in.Col/r.edge
	return Span{Row: row, Col: col, Rows: (in.Row+in.Height-1)/r.edge - row + 1, Cols: (in.Col+in.Width-1)/r.edge - col + 1}
}

// Standing lists the slices that stand on the axis of any cell of a span, in the order of the axis.
func (r Region) Standing(s Span) []cube.Slice {
	if !r.Tiled() {
		return r.Slices
	}
	r.view.mu.Lock()
	defer r.view.mu.Unlock()
	if s.Rows == 1 && s.Cols == 1 {
		return r.view.axis(place{s.Row, s.Col})
	}
	reach := map[cube.SliceID]bool{}
	for row := s.Row; row < s.Row+s.Rows; row++ {
		for col := s.Col; col < s.Col+s.Cols; col++ {
			for _, sl := range r.view.axis(place{row, col}) {
				reach[sl.ID] = true
			}
		}
	}
	if len(reach) == len(r.Slices) {
		return r.Slices
	}
	out := make([]cube.Slice, 0, len(reach))
	for _, sl := range r.Slices {
		if reach[sl.ID] {
			out = append(out, sl)
		}
	}
	return out
}

// Reaching lists the slices whose footprint has a pixel in common with a window, in the order of the
// axis; of a region of one cell all slices do.
func (r Region) Reaching(w cube.Window) []cube.Slice {
	standing := r.Standing(r.Span(w))
	if !r.Tiled() {
		return standing
	}
	sc, _ := scaleOf(r.view.cube.spec.Grid, r.Group.Grid)
	out := make([]cube.Slice, 0, len(standing))
	for _, s := range standing {
		if !sc.window(s.Footprint).Intersect(w).Empty() {
			out = append(out, s)
		}
	}
	return out
}

// Paths lists the cells, at each resolution, that a window of the first group's frame touches: by row,
// column and group.
func (s Spec) Paths(w cube.Window) []string {
	groups := s.Groups()
	var out []string
	for _, p := range s.touched(w) {
		for i, g := range groups {
			out = append(out, s.tile(p, i, g).path)
		}
	}
	return out
}

// Parts cuts a window of the region at the edges of cells, row by row.
func (r Region) Parts(w cube.Window) []Spot {
	w = w.Intersect(r.Grid.All())
	if w.Empty() {
		return nil
	}
	if !r.Tiled() {
		return []Spot{{Cell: r.Name, Grid: r.Grid, Window: w}}
	}
	var out []Spot
	s := r.Span(w)
	for row := s.Row; row < s.Row+s.Rows; row++ {
		for col := s.Col; col < s.Col+s.Cols; col++ {
			t := r.tile(place{row, col})
			in := w.Intersect(t.window)
			in.Row, in.Col = in.Row-t.window.Row, in.Col-t.window.Col
			out = append(out, Spot{Cell: t.path, Grid: t.grid, Window: in})
		}
	}
	return out
}

func (r Region) tile(p place) tile { return r.view.cube.spec.tile(p, r.index, r.Group) }
