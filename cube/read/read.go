// Package read turns wanted windows of a cube into arrays: it finds the chunks they touch, reads and
// decodes each at most once at a time, keeps decoded chunks within a budget of memory that all callers
// share, and gathers pixels and validity into the caller's buffers. It owns no format and decides no
// order. The invariant: what cannot be read is an error that names the chunk and the object, never a
// fill value; only what is absent by the cube's own account is fill and not valid.
package read

import (
	"context"
	"runtime"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
	"golang.org/x/sync/errgroup"
)

const defaultCache = 512 << 20

// Config sets a reader's limits. The zero value is useful.
type Config struct {
	// CacheBytes is the budget of decoded chunks kept in memory; 0 means 512 MiB, negative keeps none.
	CacheBytes int64
	// Workers bounds how many chunks are read and decoded at once; 0 means one per processor.
	Workers int
}

// Reader reads windows. It is safe for concurrent use, and its cache is shared by all callers.
type Reader struct {
	cache   *cache
	workers chan struct{}
}

// New makes a reader.
func New(cfg Config) *Reader {
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = defaultCache
	}
	if cfg.Workers <= 0 {
		cfg.Workers = runtime.NumCPU()
	}
	return &Reader{cache: newCache(cfg.CacheBytes), workers: make(chan struct{}, cfg.Workers)}
}

// Request names what to read: slices by id, in the order wanted, and bands by their index.
type Request struct {
	Cell   string
	Slices []cube.SliceID // "" is padding: fill value, not valid
	Window cube.Window    // may reach over the grid's edge
	Bands  []int          // nil is all of them
}

// Stats counts what the cache did since the reader was made.
type Stats struct {
	Hits, Misses int64
	// Bytes are the decoded bytes kept now.
	Bytes int64
}

// Stats returns the counts so far.
func (r *Reader) Stats() Stats { return r.cache.stats() }

// Read fills image [slice, band, row, col] in the cube's data type and valid [slice, row, col]: 1 where
// every requested band is observed. Outside of the grid, and for padding, image is nodata (else 0)
// and valid 0. After an error the buffers hold nothing of meaning.
func (r *Reader) Read(ctx context.Context, v *layout.View, q Request, image, valid []byte) error {
	p, err := newPlan(v, q, image, valid)
	if err != nil {
		return err
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(cap(r.workers))
	for t, slice := range p.slices {
		if slice < 0 {
			continue
		}
		p.eachChunk(func(cy, cx int) bool {
			part := part{plan: p, t: t, slice: slice, cy: cy, cx: cx}
			group.Go(func() error { return r.gather(gctx, part) })
			return gctx.Err() == nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// plan is a request resolved against a view.
type plan struct {
	view         *layout.View
	cell         layout.Cell
	image, valid zarr.Array
	slices       []int // index on the axis, -1 is padding
	bands        []int
	window       cube.Window
	inside       cube.Window // the part of window inside the grid
	imageOut     []byte
	validOut     []byte
}

func newPlan(v *layout.View, q Request, image, valid []byte) (*plan, error) {
	cell, err := v.Cell(q.Cell)
	if err != nil {
		return nil, err
	}
	p := &plan{view: v, cell: cell, image: v.Array(q.Cell, layout.Image), valid: v.Array(q.Cell, layout.Valid), bands: q.Bands, window: q.Window, imageOut: image, validOut: valid}
	total := len(v.Spec().Bands)
	if p.bands == nil {
		for b := range total {
			p.bands = append(p.bands, b)
		}
	}
	for _, b := range p.bands {
		if b < 0 || b >= total {
			return nil, fault.New(fault.Invalid, "read: band %d of %d", b, total)
		}
	}
	if q.Window.Empty() || len(p.bands) == 0 {
		return nil, fault.New(fault.Invalid, "read: an empty request: window %+v, %d bands", q.Window, len(p.bands))
	}
	pixels := q.Window.Height * q.Window.Width
	wantImage, wantValid := len(q.Slices)*len(p.bands)*pixels*p.image.DType.Size(), len(q.Slices)*pixels
	if len(image) != wantImage || len(valid) != wantValid {
		return nil, fault.New(fault.Internal, "read: buffers of %d and %d bytes, wanted %d and %d", len(image), len(valid), wantImage, wantValid)
	}
	padded := false
	for _, id := range q.Slices {
		i := -1
		if id != "" {
			if i, err = v.FindSlice(q.Cell, id); err != nil {
				return nil, err
			}
		}
		padded = padded || i < 0
		p.slices = append(p.slices, i)
	}
	p.inside = q.Window.Intersect(cell.Grid.All())
	if padded || p.inside != q.Window {
		p.image.FillChunk(image)
	}
	clear(valid)
	return p, nil
}

// eachChunk visits the chunks of one slice that the window touches, row by row, until visit says stop.
func (p *plan) eachChunk(visit func(cy, cx int) bool) {
	if p.inside.Empty() {
		return
	}
	edge := p.image.Chunks[2]
	for cy := p.inside.Row / edge; cy <= (p.inside.Row+p.inside.Height-1)/edge; cy++ {
		for cx := p.inside.Col / edge; cx <= (p.inside.Col+p.inside.Width-1)/edge; cx++ {
			if !visit(cy, cx) {
				return
			}
		}
	}
}
