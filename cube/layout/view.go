package layout

import (
	"context"
	"encoding/hex"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// View is a cube at one snapshot. It never changes and is safe for concurrent use.
type View struct {
	cube     *Cube
	snapshot *icechunk.Snapshot
	cells    []Cell
	index    map[cube.SliceID]int
	arrays   map[string]zarr.Array
}

// Cell is one grid of the cube with its time axis.
type Cell struct {
	// Path of the group, such as "r0c0/10m".
	Path   string
	Grid   cube.Grid
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

// Cells lists the cube's cells. The slices are not to be changed.
func (v *View) Cells() []Cell { return v.cells }

// Cell finds a cell by its path.
func (v *View) Cell(path string) (Cell, error) {
	var paths []string
	for _, c := range v.cells {
		if c.Path == path {
			return c, nil
		}
		paths = append(paths, c.Path)
	}
	return Cell{}, fault.New(fault.NotFound, "cube %q has no cell %q", v.cube.spec.Name, path).WithCure("it has %s", strings.Join(paths, ", "))
}

// Slice finds a slice of a cell by its id.
func (v *View) Slice(cell string, id cube.SliceID) (index int, s cube.Slice, ok bool) {
	for _, c := range v.cells {
		if i, ok := v.index[id]; ok && c.Path == cell {
			return i, c.Slices[i], true
		}
	}
	return 0, cube.Slice{}, false
}

// FindSlice is Slice with an error that names what is missing.
func (v *View) FindSlice(cell string, id cube.SliceID) (int, error) {
	if _, err := v.Cell(cell); err != nil {
		return 0, err
	}
	i, _, ok := v.Slice(cell, id)
	if !ok {
		return 0, fault.New(fault.NotFound, "snapshot %s of cube %q has no slice %q", v.Snapshot(), v.cube.spec.Name, id)
	}
	return i, nil
}

// Array is the metadata of Image or Valid.
func (v *View) Array(name string) zarr.Array { return v.arrays[name] }

// Ref finds a chunk of Image or Valid; false means that it is absent, which is fill or not observed.
func (v *View) Ref(ctx context.Context, cell, name string, slice, cy, cx int) (icechunk.Ref, bool, error) {
	return v.snapshot.Ref(ctx, "/"+cell+"/"+name, []uint32{uint32(slice), 0, uint32(cy), uint32(cx)})
}

// PixelDigests returns the SHA-256, in hex, of the chunks a window touches: for each slice in the order
// given, those of the image row by row, then those of the validity. The id "" (padding) gives none.
func (v *View) PixelDigests(ctx context.Context, cell string, ids []cube.SliceID, w cube.Window) ([]string, error) {
	c, err := v.Cell(cell)
	if err != nil {
		return nil, err
	}
	in := w.Intersect(c.Grid.All())
	var out []string
	for _, id := range ids {
		if id == "" || in.Empty() {
			continue
		}
		i, err := v.FindSlice(cell, id)
		if err != nil {
			return nil, err
		}
		for _, name := range []string{imageDigest, validDigest} {
			data, err := v.digests(ctx, cell, name, uint32(i))
			if err != nil {
				return nil, err
			}
			edge := v.cube.spec.ChunkSize()
			for cy := in.Row / edge; cy <= (in.Row+in.Height-1)/edge; cy++ {
				for cx := in.Col / edge; cx <= (in.Col+in.Width-1)/edge; cx++ {
					at := (cy*c.ChunkCols + cx) * digestBytes
					out = append(out, hex.EncodeToString(data[at:at+digestBytes]))
				}
			}
		}
	}
	return out, nil
}
