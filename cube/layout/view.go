package layout

import (
	"context"
	"encoding/hex"
	"slices"
	"sort"
	"sync"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// View is a cube at one snapshot. It never changes and is safe for concurrent use.
type View struct {
	cube     *Cube
	snapshot *icechunk.Snapshot
	slices   []cube.Slice // of the whole cube, in the order of the axis
	index    map[cube.SliceID]int
	tiles    []tile // those that exist, by row, column and group
	counts   map[place]int

	mu    sync.Mutex
	axes  map[place][]cube.Slice // those that somebody asked for
	cells []Cell                 // nil until somebody asks
}

// Cell is one window of the cube's frame at one resolution, with its time axis.
type Cell struct {
	// Path of the cell's Zarr group, such as "r3c0/20m".
	Path     string
	Row, Col int
	// Group names the resolution.
	Group string
	Grid  cube.Grid
	// Window is the cell's place in its group's frame.
	Window cube.Window
	// Slices are those whose footprint meets the cell, in the order of the axis. They are not to be changed.
	Slices []cube.Slice
	// ChunkRows and ChunkCols count the chunks of one slice.
	ChunkRows, ChunkCols int
}

// Cube is the cube the view belongs to.
func (v *View) Cube() *Cube { return v.cube }

// Snapshot is the id of the snapshot.
func (v *View) Snapshot() string { return v.snapshot.ID().String() }

// Spec returns what the cube was created with.
func (v *View) Spec() Spec { return v.cube.spec }

// Groups lists the cube's resolutions, the first group first.
func (v *View) Groups() []Group { return v.cube.spec.Groups() }

// Frame finds a resolution by its name; its grid is the whole frame.
func (v *View) Frame(group string) (Group, error) { return v.cube.spec.Group(group) }

// Slices lists the slices of the whole cube in the order of the axis. They are not to be changed.
func (v *View) Slices() []cube.Slice { return v.slices }

// Lookup finds a slice of the cube by its id, whichever cells it stands in.
func (v *View) Lookup(id cube.SliceID) (cube.Slice, bool) {
	i, ok := v.index[id]
	if !ok {
		return cube.Slice{}, false
	}
	return v.slices[i], true
}

// Cells lists the cells that exist, by row, column and group. They are not to be changed.
func (v *View) Cells() []Cell {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cells == nil {
		v.cells = make([]Cell, len(v.tiles))
		for i, t := range v.tiles {
			v.cells[i] = t.cell(v.axis(t.place))
		}
	}
	return v.cells
}

func (t tile) cell(axis []cube.Slice) Cell {
	return Cell{
		Path: t.path, Row: t.row, Col: t.col, Group: t.group.Name, Grid: t.grid, Window: t.window, Slices: axis,
		ChunkRows: t.chunkRows(), ChunkCols: t.chunkCols(),
	}
}

// axis lists the slices of the cells at a place; the caller holds the lock.
func (v *View) axis(p place) []cube.Slice {
	if a, ok := v.axes[p]; ok {
		return a
	}
	n := v.counts[p]
	a := v.slices
	if n != len(a) {
		a = make([]cube.Slice, 0, n)
		w := v.cube.spec.cellWindow(p)
		for _, s := range v.slices {
			if !s.Footprint.Intersect(w).Empty() {
				a = append(a, s)
			}
		}
	}
	v.axes[p] = a
	return a
}

// Cell finds a cell by its path. One that the tiling allows and no scene has reached yet has no slices.
func (v *View) Cell(path string) (Cell, error) {
	t, err := v.tile(path)
	if err != nil {
		return Cell{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return t.cell(v.axis(t.place)), nil
}

func (v *View) tile(path string) (tile, error) {
	t, ok := v.cube.find(path)
	if !ok {
		return tile{}, v.noCell(path)
	}
	return t.tile, nil
}

func (v *View) noCell(path string) error {
	s := v.cube.spec
	rows, cols := s.tiles()
	last := ""
	for i, g := range s.Groups() {
		if i == 0 {
			last = s.tile(place{rows - 1, cols - 1}, i, g).path
		}
	}
	err := fault.New(fault.NotFound, "cube %q has no cell %q", s.Name, path)
	if first := s.tile(place{}, 0, s.Groups()[0]).path; first != last || len(s.Further) > 0 {
		return err.WithCure("they are named by row, column and resolution, from %s to %s", first, last)
	}
	return err.WithCure("it has %s", last)
}

// Locate names the cell of a window's upper-left pixel, clamped into the frame. The window is in pixels
// of the group's frame; the one returned is in pixels of that cell, and may reach over its edges.
func (v *View) Locate(group string, w cube.Window) (cell string, in cube.Window, err error) {
	return v.cube.spec.locate(group, w)
}

// Slice finds a slice of a cell by its id.
func (v *View) Slice(cell string, id cube.SliceID) (index int, s cube.Slice, ok bool) {
	t, ok := v.cube.find(cell)
	if !ok {
		return 0, cube.Slice{}, false
	}
	return v.at(t.place, id)
}

// at finds a slice's index on the axis of the cells at a place.
func (v *View) at(p place, id cube.SliceID) (int, cube.Slice, bool) {
	s, ok := v.Lookup(id)
	if !ok {
		return 0, cube.Slice{}, false
	}
	v.mu.Lock()
	a := v.axis(p)
	v.mu.Unlock()
	i := sort.Search(len(a), func(i int) bool { return !a[i].Less(s) })
	if i == len(a) || a[i].ID != id {
		return 0, cube.Slice{}, false
	}
	return i, s, true
}

// FindSlice is Slice with an error that names what is missing.
func (v *View) FindSlice(cell string, id cube.SliceID) (int, error) {
	if _, err := v.tile(cell); err != nil {
		return 0, err
	}
	i, _, ok := v.Slice(cell, id)
	if ok {
		return i, nil
	}
	if _, ok := v.Lookup(id); ok {
		return 0, fault.New(fault.NotFound, "slice %q of cube %q does not reach cell %s", id, v.cube.spec.Name, cell)
	}
	return 0, v.noSlice(id)
}

func (v *View) noSlice(id cube.SliceID) error {
	return fault.New(fault.NotFound, "snapshot %s of cube %q has no slice %q", v.Snapshot(), v.cube.spec.Name, id)
}

// Array is the metadata of Image, Valid or Flags of a cell; the zero Array where there is none.
func (v *View) Array(cell, name string) zarr.Array {
	t, ok := v.cube.find(cell)
	if !ok || !slices.Contains([]string{Image, Valid, Flags}, name) {
		return zarr.Array{}
	}
	return t.array(name, v.counts[t.place])
}

// Ref finds a chunk of Image, Valid or Flags; false means that it is absent, which is fill, not observed
// or no flag.
func (v *View) Ref(ctx context.Context, cell, name string, slice, cy, cx int) (icechunk.Ref, bool, error) {
	return v.snapshot.Ref(ctx, "/"+cell+"/"+name, chunkIndex(name, slice, cy, cx))
}

// PixelDigests returns the SHA-256, in hex, of the chunks a window touches: for each slice in the order
// given, and each cell the window meets, row by row, those of the image row by row, then those of the
// validity. The window is in pixels of the cell and may reach over its edges. The id "" (padding) gives
// none, nor does a cell that the slice does not reach.
func (v *View) PixelDigests(ctx context.Context, cell string, ids []cube.SliceID, w cube.Window) ([]string, error) {
	t, err := v.tile(cell)
	if err != nil {
		return nil, err
	}
	w.Row, w.Col = w.Row+t.window.Row, w.Col+t.window.Col
	meets := v.cube.spec.meets(t, w)
	var out []string
	for _, id := range ids {
		if id == "" {
			continue
		}
		if _, ok := v.Lookup(id); !ok && len(meets) > 0 {
			return nil, v.noSlice(id)
		}
		for _, m := range meets {
			i, _, ok := v.at(m.place, id)
			if !ok {
				continue
			}
			if out, err = v.appendDigests(ctx, out, m, uint32(i), w); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// appendDigests adds the digests of one slice of one cell; the window is in pixels of the frame.
func (v *View) appendDigests(ctx context.Context, out []string, t tile, slice uint32, w cube.Window) ([]string, error) {
	in := w.Intersect(t.window)
	in.Row, in.Col = in.Row-t.window.Row, in.Col-t.window.Col
	edge, cols := t.group.ChunkSize(), t.chunkCols()
	for _, name := range []string{imageDigest, validDigest} {
		data, err := v.digests(ctx, t, name, slice)
		if err != nil {
			return nil, err
		}
		for cy := in.Row / edge; cy <= (in.Row+in.Height-1)/edge; cy++ {
			for cx := in.Col / edge; cx <= (in.Col+in.Width-1)/edge; cx++ {
				at := (cy*cols + cx) * digestBytes
				out = append(out, hex.EncodeToString(data[at:at+digestBytes]))
			}
		}
	}
	return out, nil
}

// ChunkDigests returns the recorded SHA-256 of every chunk of Image, Valid or Flags of a slice in one cell,
// row by row.
func (v *View) ChunkDigests(ctx context.Context, cell, name string, id cube.SliceID) ([][]byte, error) {
	i, err := v.FindSlice(cell, id)
	if err != nil {
		return nil, err
	}
	data, err := v.Digests(ctx, cell, name, i)
	if err != nil {
		return nil, err
	}
	return slices.Collect(slices.Chunk(data, digestBytes)), nil
}
