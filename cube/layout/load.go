package layout

import (
	"context"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
	"golang.org/x/sync/errgroup"
)

const (
	maxViews   = 64
	maxDigests = 128 << 20
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
			var err error
			cell.Slices[i], err = v.record(gctx, cell.Path, uint32(i))
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

// find returns where a chunk of records or digests is, which must be there.
func (v *View) find(ctx context.Context, cell, name string, index []uint32) (icechunk.Ref, refKey, error) {
	path := "/" + cell + "/" + name
	ref, ok, err := v.snapshot.Ref(ctx, path, index)
	if err == nil && !ok {
		err = fault.New(fault.Corrupt, "chunk %v of %s is missing", index, path)
	}
	return ref, refKey{ref.Object, ref.Offset, ref.Length, string(ref.Inline)}, err
}

// decode reads one chunk of records or digests.
func (v *View) decode(ctx context.Context, cell, name string, index []uint32, ref icechunk.Ref) ([]byte, error) {
	data := make([]byte, v.arrays[name].ChunkBytes())
	encoded, err := v.cube.repo.ReadChunk(ctx, ref)
	if err == nil {
		err = v.arrays[name].Decode(data, encoded)
	}
	if err != nil {
		kind := fault.KindOf(err)
		if kind == fault.NotFound { // the snapshot says that it is there
			kind = fault.Corrupt
		}
		return nil, fault.New(kind, "read chunk %v of /%s/%s in %s: %w", index, cell, name, v.cube.url, err)
	}
	return data, nil
}

// record returns the record of a slice, decoded once however many snapshots share it.
func (v *View) record(ctx context.Context, cell string, i uint32) (cube.Slice, error) {
	index := []uint32{i, 0}
	ref, key, err := v.find(ctx, cell, recordArray, index)
	if err != nil {
		return cube.Slice{}, err
	}
	c := v.cube
	c.mu.Lock()
	s, ok := c.records[key]
	c.mu.Unlock()
	if ok {
		return s, nil
	}
	text, err := v.decode(ctx, cell, recordArray, index, ref)
	if err != nil {
		return cube.Slice{}, err
	}
	if s, err = decodeRecord(text); err != nil {
		return cube.Slice{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records[key] = s
	return s, nil
}

// digests returns the chunk digests of a slice, from a cache of bounded size.
func (v *View) digests(ctx context.Context, cell, name string, i uint32) ([]byte, error) {
	index := []uint32{i, 0, 0, 0}
	ref, key, err := v.find(ctx, cell, name, index)
	if err != nil {
		return nil, err
	}
	c := v.cube
	c.mu.Lock()
	data, ok := c.digests[key]
	c.mu.Unlock()
	if ok {
		return data, nil
	}
	if data, err = v.decode(ctx, cell, name, index, ref); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.digested += len(data); c.digested > maxDigests {
		clear(c.digests)
		c.digested = len(data)
	}
	c.digests[key] = data
	return data, nil
}
