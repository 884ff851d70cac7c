package layout

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
	"golang.org/x/sync/errgroup"
)

const (
	maxViews   = 64
	maxHeld    = 1 << 17 // slices of all views that are kept
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
	if c.held += len(v.slices); len(c.views) >= maxViews || c.held > maxHeld {
		clear(c.views) // views in use live on with their users
		c.held = len(v.slices)
	}
	c.views[id] = v
	return v, nil
}

// load opens a snapshot. What did not change since the view loaded last is shared with it.
func (c *Cube) load(ctx context.Context, id icechunk.ID) (*View, error) {
	snapshot, err := c.repo.Snapshot(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, err := readSpec(snapshot); err != nil {
		return nil, err
	}
	v := &View{cube: c, snapshot: snapshot}
	if err := v.loadSlices(ctx); err != nil {
		return nil, err
	}
	c.mu.Lock()
	last := c.last
	c.mu.Unlock()
	v.count(last)
	v.tiles = c.existing(snapshot)
	for _, t := range v.tiles {
		if err := v.checkAxis(t); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	c.last = v
	c.mu.Unlock()
	return v, nil
}

// loadSlices reads the records of the whole cube.
func (v *View) loadSlices(ctx context.Context) error {
	path := v.cube.spec.recordPath()
	n, err := v.length(path)
	if err != nil {
		return err
	}
	refs := make([]icechunk.Ref, n)
	for chunk, err := range v.snapshot.Refs(ctx, path) {
		if err != nil {
			return err
		}
		if len(chunk.Index) == 2 && chunk.Index[1] == 0 {
			refs[chunk.Index[0]] = chunk.Ref
		}
	}
	v.slices, v.index = make([]cube.Slice, n), make(map[cube.SliceID]int, n)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(loaders)
	for i, ref := range refs {
		if ref.Inline == nil && ref.Length == 0 {
			return fault.New(fault.Corrupt, "chunk [%d 0] of %s is missing", i, path)
		}
		if s, ok := v.cube.record(ref); ok {
			v.slices[i] = s
			continue
		}
		group.Go(func() error {
			var err error
			v.slices[i], err = v.readRecord(gctx, path, i, ref)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, s := range v.slices {
		if i > 0 && !v.slices[i-1].Less(s) {
			return fault.New(fault.Corrupt, "slices %d and %d of %s are out of order", i-1, i, path)
		}
		v.index[s.ID] = i
	}
	return nil
}

// count works out how many slices each cell has, and keeps the axes of an earlier view that are the same.
func (v *View) count(last *View) {
	v.counts, v.axes = map[place]int{}, map[place][]cube.Slice{}
	var before []cube.Slice
	if last != nil {
		last.mu.Lock()
		maps.Copy(v.axes, last.axes)
		last.mu.Unlock()
		maps.Copy(v.counts, last.counts)
		before = last.slices
	}
	change := func(s cube.Slice, by int) {
		for _, p := range v.cube.spec.touched(s.Footprint) {
			v.counts[p] += by
			delete(v.axes, p)
		}
	}
	i, j := 0, 0
	for i < len(before) || j < len(v.slices) {
		switch {
		case j == len(v.slices) || i < len(before) && before[i].Less(v.slices[j]):
			change(before[i], -1)
			i++
		case i == len(before) || v.slices[j].Less(before[i]):
			change(v.slices[j], 1)
			j++
		default:
			if !same(before[i], v.slices[j]) {
				change(before[i], -1)
				change(v.slices[j], 1)
			}
			i, j = i+1, j+1
		}
	}
}

// same reports whether two slices of one id have the same record, as far as anything may differ.
func same(a, b cube.Slice) bool {
	return a.Item == b.Item && a.Ingested.Equal(b.Ingested) && a.Footprint == b.Footprint
}

// existing lists the cells that a snapshot holds, by row, column and group.
func (c *Cube) existing(snapshot *icechunk.Snapshot) []tile {
	var out []tile
	for _, n := range snapshot.Nodes() {
		if n.Array == nil && strings.Count(n.Path, "/") == 2 {
			if t, ok := c.find(n.Path[1:]); ok {
				out = append(out, t.tile)
			}
		}
	}
	slices.SortFunc(out, func(a, b tile) int {
		return cmp.Or(comparePlaces(a.place, b.place), cmp.Compare(a.index, b.index))
	})
	return out
}

// length is the number of slices along an array's axis.
func (v *View) length(path string) (int, error) {
	node, ok := v.snapshot.Node(path)
	if !ok || node.Array == nil || len(node.Array.Shape) == 0 {
		return 0, fault.New(fault.Corrupt, "array %s is missing", strings.TrimPrefix(path, "/"))
	}
	if n := node.Array.Shape[0]; n <= noMoreThan {
		return int(n), nil
	}
	return 0, fault.New(fault.Corrupt, "array %s has %d slices", strings.TrimPrefix(path, "/"), node.Array.Shape[0])
}

// checkAxis demands that all arrays of a cell agree on the length of the axis.
func (v *View) checkAxis(t tile) error {
	axis, err := v.length("/" + t.path + "/" + timeArray)
	if err != nil {
		return err
	}
	for _, name := range v.cube.spec.sliced(t) {
		n, err := v.length("/" + t.path + "/" + name)
		if err != nil {
			return err
		}
		if n != axis || n != v.counts[t.place] {
			return fault.New(fault.Corrupt, "array %s/%s has %d slices, the time axis %d, the cube's records %d", t.path, name, n, axis, v.counts[t.place]).
				WithCure(foreignCure)
		}
	}
	return nil
}

// refKey is where the bytes of a chunk are; what lies there never changes.
type refKey struct {
	object         icechunk.ID
	offset, length uint64
	inline         string
}

func keyOf(ref icechunk.Ref) refKey {
	return refKey{ref.Object, ref.Offset, ref.Length, string(ref.Inline)}
}

// decode reads one chunk of records or digests.
func (v *View) decode(ctx context.Context, a zarr.Array, path string, index []uint32, ref icechunk.Ref) ([]byte, error) {
	data := make([]byte, a.ChunkBytes())
	encoded, err := v.cube.repo.ReadChunk(ctx, ref)
	if err == nil {
		err = a.Decode(data, encoded)
	}
	if err != nil {
		kind := fault.KindOf(err)
		if kind == fault.NotFound { // the snapshot says that it is there
			kind = fault.Corrupt
		}
		return nil, fault.New(kind, "read chunk %v of %s in %s: %w", index, path, v.cube.url, err)
	}
	return data, nil
}

// record returns a slice whose record is decoded already, in whatever snapshot.
func (c *Cube) record(ref icechunk.Ref) (cube.Slice, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.records[keyOf(ref)]
	return s, ok
}

func (v *View) readRecord(ctx context.Context, path string, i int, ref icechunk.Ref) (cube.Slice, error) {
	text, err := v.decode(ctx, recordsOf(0), path, []uint32{uint32(i), 0}, ref)
	if err != nil {
		return cube.Slice{}, err
	}
	s, err := decodeRecord(text)
	if err != nil {
		return cube.Slice{}, err
	}
	c := v.cube
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records[keyOf(ref)] = s
	return s, nil
}

// digests returns the chunk digests of a slice of a cell, from a cache of bounded size.
func (v *View) digests(ctx context.Context, t tile, name string, i uint32) ([]byte, error) {
	path := "/" + t.path + "/" + name
	known, _ := v.cube.find(t.path)
	a := known.array(name, v.counts[t.place])
	index := make([]uint32, len(a.Shape))
	index[0] = i
	ref, ok, err := v.snapshot.Ref(ctx, path, index)
	if err == nil && !ok {
		err = fault.New(fault.Corrupt, "chunk %v of %s is missing", index, path)
	}
	if err != nil {
		return nil, err
	}
	c, key := v.cube, keyOf(ref)
	c.mu.Lock()
	data, ok := c.digests[key]
	c.mu.Unlock()
	if ok {
		return data, nil
	}
	if data, err = v.decode(ctx, a, path, index, ref); err != nil {
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
