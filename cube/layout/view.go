package layout

import (
	"context"
	"encoding/hex"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
	"golang.org/x/sync/errgroup"
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

const (
	maxViews   = 64
	maxBlocks  = 128 << 20
	loaders    = 16
	noMoreThan = 1 << 20 // slices of a cell
)

// view opens a snapshot, or returns the view that is open.
func (c *Cube) view(ctx context.Context, id icechunk.ID) (*View, error) {
	c.mu.Lock()
	v, ok := c.views[id]
	c.mu.Unlock()
	if ok {
		return v, nil
	}
	v, err := c.load(ctx, id)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cube %q at snapshot %s: %w", c.spec.Name, id, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.views[id]; ok {
		return known, nil
	}
	if len(c.views) >= maxViews {
		clear(c.views) // views in use live on with their users
	}
	c.views[id] = v
	return v, nil
}

func (c *Cube) load(ctx context.Context, id icechunk.ID) (*View, error) {
	snapshot, err := c.repo.Snapshot(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, err := readSpec(snapshot); err != nil {
		return nil, err
	}
	s := c.spec
	cell := Cell{Path: s.cellPath(), Grid: s.Grid, ChunkRows: chunks(s.Grid.Height, s.ChunkSize()), ChunkCols: chunks(s.Grid.Width, s.ChunkSize())}
	n, err := countSlices(snapshot, cell.Path)
	if err != nil {
		return nil, err
	}
	v := &View{cube: c, snapshot: snapshot, arrays: s.arrays(n), index: make(map[cube.SliceID]int, n)}
	cell.Slices = make([]cube.Slice, n)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(loaders)
	for i := range cell.Slices {
		group.Go(func() error {
			text, err := v.block(gctx, cell.Path, recordArray, []uint32{uint32(i), 0})
			if err == nil {
				cell.Slices[i], err = decodeRecord(text)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, sl := range cell.Slices {
		if i > 0 && !cell.Slices[i-1].Less(sl) {
			return nil, fault.New(fault.Corrupt, "slices %d and %d of %s are out of order", i-1, i, cell.Path)
		}
		v.index[sl.ID] = i
	}
	v.cells = []Cell{cell}
	return v, nil
}

// countSlices demands that all arrays of a cell agree on the length of the axis.
func countSlices(snapshot *icechunk.Snapshot, cell string) (int, error) {
	n := uint64(0)
	for i, name := range append([]string{timeArray}, sliced...) {
		node, ok := snapshot.Node("/" + cell + "/" + name)
		if !ok || node.Array == nil || len(node.Array.Shape) == 0 {
			return 0, fault.New(fault.Corrupt, "array %s/%s is missing", cell, name)
		}
		if i == 0 {
			n = node.Array.Shape[0]
		}
		if node.Array.Shape[0] != n || n > noMoreThan {
			return 0, fault.New(fault.Corrupt, "array %s/%s has %d slices, the time axis %d", cell, name, node.Array.Shape[0], n).
				WithCure("another program changed this cube; go back to a snapshot that Terrapin wrote")
		}
	}
	return int(n), nil
}

// refKey is where the bytes of a chunk are; what lies there never changes.
type refKey struct {
	object         icechunk.ID
	offset, length uint64
	inline         string
}

// block reads and decodes one chunk of records or digests, which must be there.
func (v *View) block(ctx context.Context, cell, name string, index []uint32) ([]byte, error) {
	path := "/" + cell + "/" + name
	ref, ok, err := v.snapshot.Ref(ctx, path, index)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.Corrupt, "chunk %v of %s is missing", index, path)
	}
	key := refKey{ref.Object, ref.Offset, ref.Length, string(ref.Inline)}
	c := v.cube
	c.mu.Lock()
	data, ok := c.blocks[key]
	c.mu.Unlock()
	if ok {
		return data, nil
	}
	encoded, err := c.repo.ReadChunk(ctx, ref)
	if err == nil {
		data = make([]byte, v.arrays[name].ChunkBytes())
		err = v.arrays[name].Decode(data, encoded)
	}
	if err != nil {
		kind := fault.KindOf(err)
		if kind == fault.NotFound { // the snapshot says that it is there
			kind = fault.Corrupt
		}
		return nil, fault.New(kind, "read chunk %v of %s in %s: %w", index, path, c.url, err)
	}
	if name == recordArray {
		data = []byte(strings.TrimRight(string(data), " "))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blocked += len(data); c.blocked > maxBlocks {
		clear(c.blocks)
		c.blocked = len(data)
	}
	c.blocks[key] = data
	return data, nil
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
			data, err := v.block(ctx, cell, name, []uint32{uint32(i), 0, 0, 0})
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
