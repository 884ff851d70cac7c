package read

import (
	"fmt"
	"sort"
	"sync"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// layer is one of the arrays of a cell that a batch reads.
type layer struct {
	name string
	// joined layers have one plane for all requested bands together: that where each of them is 1.
	joined bool
}

// layers are what one kind of batch reads of a cell.
type layers []layer

var (
	pixels = layers{{name: layout.Image}, {name: layout.Valid, joined: true}}
	flags  = layers{{name: layout.Flags}}
)

const maxLayers = 2

// array is what is needed of an array to find and decode its chunks and to copy from them.
type array struct {
	zarr.Array
	id     uint32
	joined bool
	// bytes of a chunk, of one element and of a plane, one of planes.
	bytes, size, planeBytes, planes int
	edge                            int
	// raw chunks are stored as they are.
	raw bool
	// cuts of chunks can be decoded alone.
	cuts  bool
	fill  [8]byte
	fills sync.Map // of [2]int: sums of absent chunks by rows and columns
}

// banded arrays have a dimension of bands between time and rows.
func (a *array) banded() bool { return len(a.Chunks) == 4 }

// decode decodes some bands of a chunk, one after another.
func (a *array) decode(bands mask, dst, src []byte) error {
	switch {
	case bands == 0 && a.raw && len(src) == a.bytes && &src[0] == &dst[0]:
		return nil // it was read to where it is wanted
	case bands == 0:
		return a.Decode(dst, src)
	}
	return bands.runs(func(from, to int) error {
		n := (to - from) * a.planeBytes
		part := dst[:n]
		dst = dst[n:]
		return a.DecodeRange(part, src, from*a.planeBytes)
	})
}

// cell is what is needed of a cell of a view.
type cell struct {
	layout.Cell
	frame               cube.Window
	image, valid, flags *array // flags is nil where there are none
}

func (c *cell) array(l layer) *array {
	switch l.name {
	case layout.Image:
		return c.image
	case layout.Valid:
		return c.valid
	}
	return c.flags
}

// slice is the index of a slice on the cell's axis.
func (c *cell) slice(s cube.Slice) (int, bool) {
	i := sort.Search(len(c.Slices), func(i int) bool { return !c.Slices[i].Less(s) })
	return i, i < len(c.Slices) && c.Slices[i].ID == s.ID
}

// maxViews is how many views are known at a time.
const maxViews = 16

// atlas remembers the cells of views and gives numbers to the arrays that were met: all cells of one
// group of one cube have the same.
type atlas struct {
	mu     sync.RWMutex
	views  map[*layout.View]map[string]*cell
	arrays map[arrayName]*array
}

// arrayName also says how chunks are made, for a cube may be replaced by another of its name.
type arrayName struct{ cube, group, layer, made string }

// cell finds a cell by its path.
func (a *atlas) cell(v *layout.View, path string) (*cell, error) {
	a.mu.RLock()
	c := a.views[v][path]
	a.mu.RUnlock()
	if c != nil {
		return c, nil
	}
	known, err := v.Cell(path)
	if err != nil {
		return nil, err
	}
	frame, err := v.Frame(known.Group)
	if err != nil {
		return nil, err
	}
	c = &cell{Cell: known, frame: frame.Grid.All()}
	a.mu.Lock()
	defer a.mu.Unlock()
	c.image, c.valid, c.flags = a.array(v, known, layout.Image), a.array(v, known, layout.Valid), a.array(v, known, layout.Flags)
	if a.views[v] == nil {
		if len(a.views) >= maxViews || a.views == nil {
			a.views = map[*layout.View]map[string]*cell{} // cells in use live on with their users
		}
		a.views[v] = map[string]*cell{}
	}
	a.views[v][path] = c
	return c, nil
}

// array is one of a cell's arrays, or nil; the lock is held.
func (a *atlas) array(v *layout.View, c layout.Cell, layer string) *array {
	z := v.Array(c.Path, layer)
	if len(z.Chunks) == 0 {
		return nil
	}
	name := arrayName{v.Cube().URL(), c.Group, layer, fmt.Sprint(z.DType, z.Chunks, z.Fill, z.Codecs)}
	if known := a.arrays[name]; known != nil {
		return known
	}
	out := &array{Array: z, id: uint32(len(a.arrays)), joined: layer == layout.Valid, bytes: z.ChunkBytes(), size: z.DType.Size(), edge: z.Chunks[len(z.Chunks)-1], raw: z.Raw(), cuts: z.Cuts()}
	out.planeBytes = out.edge * out.edge * out.size
	out.planes = out.bytes / out.planeBytes
	z.FillChunk(out.fill[:out.size])
	if a.arrays == nil {
		a.arrays = map[arrayName]*array{}
	}
	a.arrays[name] = out
	return out
}

// noFlags refuses to read what the cell does not have.
func noFlags(c *cell) error {
	return fault.New(fault.NotFound, "read: cell %s has no flags", c.Path).WithCure("name a cell of the first resolution, of a cube that was created with flags")
}
