package ingest

import (
	"bytes"
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
)

// bandBudget bounds the pixels of one read, in bytes: a row of chunks, or a part of one where the
// raster is wide.
const bandBudget = 96 << 20

// copyPixels reads every block of a scene, also those beyond the cube's edge and of bands that the cube
// has no use for, and stages the chunks: one resolution after the other, then the flags. bad is a fault
// of the source, err one of the store.
func (r *run) copyPixels(ctx context.Context, sc *scene) (staged *layout.Staged, bad, err error) {
	stage, err := r.cfg.Cube.Stage(ctx, sc.window.Intersect(r.spec.Grid.All()))
	if err != nil {
		return nil, nil, err
	}
	for _, l := range sc.layers {
		c := newCopier(l, sc)
		if bad, err := c.each(ctx, l.window, c.read, func(part cube.Window) error { return c.write(ctx, stage, part) }); bad != nil || err != nil {
			return nil, bad, err
		}
	}
	if len(sc.masks) > 0 || sc.zarrFlags != nil {
		c := newCopier(sc.layers[0], sc)
		read := c.readMasks
		if sc.zarrFlags != nil {
			read = c.readZarrFlags
		}
		if bad, err := c.each(ctx, sc.window, read, func(part cube.Window) error { return c.writeFlags(ctx, stage, part) }); bad != nil || err != nil {
			return nil, bad, err
		}
	}
	staged, err = stage.Finish(ctx, layout.Meta{
		Source: sc.source, Time: sc.time, Available: sc.available, AvailableFrom: sc.availableFrom,
		Contract: sc.contract, Actor: r.req.Actor, Properties: sc.properties,
	})
	if fault.Is(err, fault.Invalid) { // such as a name that no slice can have
		return nil, err, nil
	}
	return staged, nil, err
}

// each reads a window of the layer's grid part by part, whole, and writes the parts inside the grid.
func (c *copier) each(ctx context.Context, w cube.Window, read, write func(part cube.Window) error) (bad, err error) {
	grid := c.layer.group.Grid
	for _, rows := range cuts(w.Row, w.Height, grid.Height, c.chunk, 1) {
		for _, cols := range cuts(w.Col, w.Width, grid.Width, c.chunk, c.span) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			part := cube.Window{Row: rows[0], Col: cols[0], Height: rows[1] - rows[0], Width: cols[1] - cols[0]}
			if bad := read(part); bad != nil {
				return bad, nil
			}
			if part.Intersect(grid.All()) != part {
				continue // read only to know that it can be read
			}
			if err := write(part); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

// cuts divides the pixels [start, start+length) of one axis at the grid's edges (0 and size) and at every
// span-th chunk border, so that each part lies wholly inside the grid or wholly outside.
func cuts(start, length, size, chunk, span int) (parts [][2]int) {
	step := chunk * span
	for at, end := start, start+length; at < end; {
		next := floorDiv(at, step)*step + step
		for _, edge := range []int{0, size} {
			if at < edge {
				next = min(next, edge)
			}
		}
		next = min(next, end)
		parts = append(parts, [2]int{at, next})
		at = next
	}
	return parts
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// copier moves the pixels of one part after the other from a layer of a scene to its stage.
type copier struct {
	layer layer
	sc    *scene
	chunk int
	// span is how many chunks lie beside each other in one part.
	span int
	size int // bytes of one value
	// image [band, row, col], valid likewise and flags [row, col] hold the part that was read last.
	image, valid, flags, mask, scratch []byte
	blank                              []byte // one band of a chunk, filled
}

func newCopier(l layer, sc *scene) *copier {
	c := &copier{layer: l, sc: sc, chunk: l.group.ChunkSize(), size: l.group.DType.Size()}
	c.span = max(1, bandBudget/(c.chunk*c.chunk*len(l.group.Bands)*c.size))
	value := make([]byte, c.size)
	l.group.DType.Put(value, l.group.Fill())
	c.blank = bytes.Repeat(value, c.chunk*c.chunk)
	return c
}

// grow gives a buffer of n bytes, the old one where it is large enough.
func grow(buf []byte, n int) []byte {
	if cap(buf) < n {
		return make([]byte, n)
	}
	return buf[:n]
}

// read fills image and valid with a part of the layer's grid.
func (c *copier) read(part cube.Window) error {
	if c.sc.zarr != nil {
		return c.readZarr(part)
	}
	pixels := part.Height * part.Width
	c.image = grow(c.image, pixels*len(c.layer.bands)*c.size)
	c.valid = grow(c.valid, pixels*len(c.layer.bands))
	local := cube.Window{Row: part.Row - c.layer.window.Row, Col: part.Col - c.layer.window.Col, Height: part.Height, Width: part.Width}
	for first := 0; first < len(c.layer.bands); {
		// Bands of one file that follow each other in the cube are read together.
		last := first
		var numbers []int
		for ; last < len(c.layer.bands) && c.layer.bands[last].raster == c.layer.bands[first].raster; last++ {
			numbers = append(numbers, c.layer.bands[last].band)
		}
		raster := c.sc.rasters[c.layer.bands[first].raster]
		if err := raster.Read(local, numbers, c.layer.group.DType, c.image[first*pixels*c.size:last*pixels*c.size]); err != nil {
			return err
		}
		first = last
	}
	for i, p := range c.layer.bands {
		valid := c.valid[i*pixels : (i+1)*pixels]
		b := c.sc.rasters[p.raster].Bands[p.band]
		observe(valid, c.image[i*pixels*c.size:(i+1)*pixels*c.size], c.layer.group.DType, b.Nodata)
		if !b.Mask {
			continue
		}
		c.mask = grow(c.mask, pixels)
		if err := c.sc.rasters[p.raster].ReadMask(local, p.band, c.mask); err != nil {
			return err
		}
		for j, m := range c.mask {
			if m == 0 {
				valid[j] = 0
			}
		}
	}
	return c.readOthers(local)
}

// readOthers reads the bands that the cube has no use for: a file with a broken block is a broken file.
func (c *copier) readOthers(local cube.Window) error {
	used := map[[2]int]bool{}
	for _, p := range c.layer.bands {
		used[[2]int{p.raster, p.band}] = true
	}
	for i, raster := range c.sc.rasters {
		for b, info := range raster.Bands {
			if used[[2]int{i, b}] || info.DType == "" || c.sc.item != nil {
				continue
			}
			c.scratch = grow(c.scratch, local.Height*local.Width*info.DType.Size())
			if err := raster.Read(local, []int{b}, info.DType, c.scratch); err != nil {
				return err
			}
		}
	}
	return nil
}

// write cuts the part that was read last into chunks and stages them side by side.
func (c *copier) write(ctx context.Context, stage *layout.Stage, part cube.Window) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	cy := part.Row / c.chunk
	for cx := part.Col / c.chunk; cx*c.chunk < part.Col+part.Width; cx++ {
		group.Go(func() error {
			image, valid := c.cut(part, cy, cx)
			return stage.Write(ctx, c.layer.group.Name, cy, cx, image, valid)
		})
	}
	return group.Wait()
}

// writeFlags cuts the flags that were read last into chunks and stages them.
func (c *copier) writeFlags(ctx context.Context, stage *layout.Stage, part cube.Window) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	cy := part.Row / c.chunk
	for cx := part.Col / c.chunk; cx*c.chunk < part.Col+part.Width; cx++ {
		group.Go(func() error {
			at := cube.Window{Row: cy * c.chunk, Col: cx * c.chunk, Height: c.chunk, Width: c.chunk}
			flags := make([]byte, 2*c.chunk*c.chunk)
			cube.CopyPart(flags, at, c.flags, part, part.Intersect(at), 2)
			return stage.WriteFlags(ctx, cy, cx, flags)
		})
	}
	return group.Wait()
}

// cut copies one chunk out of the part: fill and invalid where the scene does not reach.
func (c *copier) cut(part cube.Window, cy, cx int) (image, valid []byte) {
	bands, area := len(c.layer.group.Bands), c.chunk*c.chunk
	image, valid = make([]byte, bands*area*c.size), make([]byte, bands*area)
	w := part.Intersect(cube.Window{Row: cy * c.chunk, Col: cx * c.chunk, Height: c.chunk, Width: c.chunk})
	for b := range bands {
		if w.Height < c.chunk || w.Width < c.chunk {
			copy(image[b*area*c.size:], c.blank)
		}
		for y := range w.Height {
			from := (b*part.Height+w.Row-part.Row+y)*part.Width + w.Col - part.Col
			to := b*area + (w.Row-cy*c.chunk+y)*c.chunk + w.Col - cx*c.chunk
			copy(image[to*c.size:], c.image[from*c.size:(from+w.Width)*c.size])
			copy(valid[to:], c.valid[from:from+w.Width])
		}
	}
	return image, valid
}
