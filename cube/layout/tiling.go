package layout

import (
	"cmp"
	"fmt"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// place names a cell of the tiling: its row from the north and its column from the west.
type place struct{ row, col int }

func comparePlaces(a, b place) int {
	return cmp.Or(cmp.Compare(a.row, b.row), cmp.Compare(a.col, b.col))
}

// tile is one cell at one resolution, existing or not.
type tile struct {
	place
	group Group
	// index is the group's place in Spec.Groups.
	index int
	path  string
	// window is the tile's part of the group's frame, grid its own.
	window cube.Window
	grid   cube.Grid
}

// tiles counts the rows and columns of cells.
func (s Spec) tiles() (rows, cols int) {
	if s.CellSize == 0 {
		return 1, 1
	}
	return chunks(s.Grid.Height, s.CellSize), chunks(s.Grid.Width, s.CellSize)
}

// cellWindow is a cell's part of the first group's frame.
func (s Spec) cellWindow(p place) cube.Window {
	if s.CellSize == 0 {
		return s.Grid.All()
	}
	return cube.Window{Row: p.row * s.CellSize, Col: p.col * s.CellSize, Height: s.CellSize, Width: s.CellSize}.Intersect(s.Grid.All())
}

// cellEdge is the edge of a cell in pixels of a group; 0 where there is one cell.
func (s Spec) cellEdge(g Group) int {
	sc, _ := scaleOf(s.Grid, g.Grid)
	return s.CellSize * sc.down / sc.up
}

// touched lists the cells that a window of the first group's frame meets, row by row.
func (s Spec) touched(w cube.Window) []place {
	if s.CellSize == 0 {
		return []place{{}}
	}
	if w = w.Intersect(s.Grid.All()); w.Empty() {
		return nil
	}
	var out []place
	for row := w.Row / s.CellSize; row <= (w.Row+w.Height-1)/s.CellSize; row++ {
		for col := w.Col / s.CellSize; col <= (w.Col+w.Width-1)/s.CellSize; col++ {
			out = append(out, place{row, col})
		}
	}
	return out
}

// tile makes the cell of a group at a place.
func (s Spec) tile(p place, index int, g Group) tile {
	sc, _ := scaleOf(s.Grid, g.Grid)
	t := tile{place: p, group: g, index: index, path: fmt.Sprintf("r%dc%d/%s", p.row, p.col, g.Name), window: sc.window(s.cellWindow(p))}
	t.grid = g.Grid
	if t.window != g.Grid.All() {
		t.grid.Transform[2], t.grid.Transform[5] = g.Grid.Transform.Apply(float64(t.window.Col), float64(t.window.Row))
		t.grid.Width, t.grid.Height = t.window.Width, t.window.Height
	}
	return t
}

// find parses the path of a cell, such as "r3c0/20m".
func (s Spec) find(path string) (tile, bool) {
	var p place
	var name string
	if n, err := fmt.Sscanf(path, "r%dc%d/%s", &p.row, &p.col, &name); err != nil || n != 3 {
		return tile{}, false
	}
	rows, cols := s.tiles()
	if p.row < 0 || p.row >= rows || p.col < 0 || p.col >= cols {
		return tile{}, false
	}
	for i, g := range s.Groups() {
		if g.Name == name {
			t := s.tile(p, i, g)
			return t, t.path == path
		}
	}
	return tile{}, false
}

// knownTile is a cell that somebody asked for, with the metadata of its arrays, empty ones.
type knownTile struct {
	tile
	arrays map[string]zarr.Array
}

// find is Spec.find with a memory.
func (c *Cube) find(path string) (*knownTile, bool) {
	if k, ok := c.tiles.Load(path); ok {
		return k.(*knownTile), true
	}
	t, ok := c.spec.find(path)
	if !ok {
		return nil, false
	}
	k, _ := c.tiles.LoadOrStore(t.path, &knownTile{t, c.spec.arrays(t, 0)})
	return k.(*knownTile), true
}

// array is the metadata of an array with n slices.
func (k *knownTile) array(name string, n int) zarr.Array {
	a := k.arrays[name]
	if len(a.Shape) > 0 {
		a.Shape = append([]int{n}, a.Shape[1:]...)
	}
	return a
}

func (t tile) chunkRows() int { return chunks(t.grid.Height, t.group.ChunkSize()) }
func (t tile) chunkCols() int { return chunks(t.grid.Width, t.group.ChunkSize()) }

// locate names the cell of a window's upper-left pixel, clamped into the frame, and the window in
// pixels of that cell.
func (s Spec) locate(group string, w cube.Window) (string, cube.Window, error) {
	for i, g := range s.Groups() {
		if g.Name != group {
			continue
		}
		var p place
		if edge := s.cellEdge(g); edge > 0 {
			p.row = min(max(w.Row, 0), g.Grid.Height-1) / edge
			p.col = min(max(w.Col, 0), g.Grid.Width-1) / edge
		}
		t := s.tile(p, i, g)
		w.Row, w.Col = w.Row-t.window.Row, w.Col-t.window.Col
		return t.path, w, nil
	}
	_, err := s.Group(group)
	return "", cube.Window{}, err
}

// checkTiling refuses cells whose edges would cut chunks.
func (s Spec) checkTiling() error {
	if s.CellSize == 0 {
		return nil
	}
	if s.CellSize < 0 || s.CellSize > 1<<20 {
		return fault.New(fault.Invalid, "cells of %d pixels; they have at most %d", s.CellSize, 1<<20).WithCure("choose an edge such as 10240")
	}
	step := 1
	groups := s.Groups()
	for _, g := range groups {
		sc, _ := scaleOf(s.Grid, g.Grid)
		need := g.ChunkSize() * sc.up // a cell is a whole number of chunks of each group
		need /= gcd(need, sc.down)
		step = step / gcd(step, need) * need
	}
	if s.CellSize%step != 0 {
		return fault.New(fault.Invalid, "cells of %d pixels are not whole chunks of every group", s.CellSize).
			WithCure("choose a multiple of %d, such as %d", step, chunks(s.CellSize, step)*step)
	}
	if rows, cols := s.tiles(); int64(rows)*int64(cols) > 1<<20 {
		return fault.New(fault.TooLarge, "%d×%d cells", rows, cols).WithCure("choose larger cells")
	}
	return nil
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// meets lists the cells of a tile's group that a window of the group's frame meets, row by row.
func (s Spec) meets(t tile, w cube.Window) []tile {
	w = w.Intersect(t.group.Grid.All())
	if w.Empty() {
		return nil
	}
	edge := s.cellEdge(t.group)
	if edge == 0 {
		return []tile{s.tile(place{}, t.index, t.group)}
	}
	var out []tile
	for row := w.Row / edge; row <= (w.Row+w.Height-1)/edge; row++ {
		for col := w.Col / edge; col <= (w.Col+w.Width-1)/edge; col++ {
			out = append(out, s.tile(place{row, col}, t.index, t.group))
		}
	}
	return out
}
