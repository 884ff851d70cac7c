package export

import (
	"context"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/fault"
)

// part is what of a cube is exported.
type part struct {
	view    *layout.View
	reader  *read.Reader
	out     string
	journal *journal

	group  layout.Group
	bands  []int
	slices []cube.Slice
	flags  []layout.Flag // of the first resolution; nil elsewhere and where the cube has none
	window cube.Window   // of the group's frame
	grid   cube.Grid     // of the window
}

// choose resolves a request against a view.
func choose(v *layout.View, req Request) (*part, error) {
	if req.Format != COG && req.Format != Zarr {
		return nil, fault.New(fault.Invalid, "unknown format %q", req.Format).WithCure("use cog or zarr")
	}
	p := &part{view: v, group: v.Groups()[0]}
	if req.Group != "" {
		var err error
		if p.group, err = v.Frame(req.Group); err != nil {
			return nil, err
		}
	}
	if p.group.Name == v.Groups()[0].Name {
		p.flags = v.Spec().Flags
	}
	if req.Shard != 0 && (req.Format != Zarr || req.Shard < 0 || req.Shard%p.group.ChunkSize() != 0) {
		return nil, fault.New(fault.Invalid, "shards of %d pixels", req.Shard).
			WithCure("give a multiple of the chunk size, %d, with the format zarr", p.group.ChunkSize())
	}
	for _, choice := range []func(Request) error{p.chooseBands, p.chooseWindow, p.chooseSlices} {
		if err := choice(req); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *part) chooseBands(req Request) error {
	names := p.group.BandNames()
	wanted := req.Bands
	if len(wanted) == 0 {
		wanted = names
	}
	for i, name := range wanted {
		at := slices.Index(names, name)
		if at < 0 || slices.Contains(wanted[:i], name) {
			return fault.New(fault.Invalid, "band %q is not in the group %s, or named twice", name, p.group.Name).
				WithCure("it has %s", strings.Join(names, ","))
		}
		p.bands = append(p.bands, at)
	}
	return nil
}

func (p *part) chooseWindow(req Request) error {
	frame := p.group.Grid
	p.window = p.touched()
	switch {
	case req.Bounds != nil && req.Window != nil:
		return fault.New(fault.Invalid, "bounds and a window say the area twice").WithCure("give one of them")
	case req.Bounds != nil:
		w, err := frame.Snap(*req.Bounds)
		if err != nil {
			return err
		}
		p.window = w
	case req.Window != nil:
		if req.Window.Empty() || req.Window.Intersect(frame.All()) != *req.Window {
			return fault.New(fault.Invalid, "the window %d,%d,%d,%d does not lie in the %d×%d pixels (rows × columns) of %s", req.Window.Row, req.Window.Col, req.Window.Height, req.Window.Width, frame.Height, frame.Width, p.group.Name).
				WithCure("give row,col,height,width inside of it")
		}
		p.window = *req.Window
	}
	p.grid = frame
	p.grid.Transform[2], p.grid.Transform[5] = frame.Transform.Apply(float64(p.window.Col), float64(p.window.Row))
	p.grid.Width, p.grid.Height = p.window.Width, p.window.Height
	return nil
}

// touched is the frame or, in a cube of cells, the rectangle around those that exist: the frame may be that
// of a country, and all the rest of it was never observed.
func (p *part) touched() cube.Window {
	all := p.group.Grid.All()
	if p.view.Spec().CellSize == 0 {
		return all
	}
	top, left, bottom, right := all.Height, all.Width, 0, 0
	for _, c := range p.view.Cells() {
		if c.Group == p.group.Name {
			top, bottom = min(top, c.Window.Row), max(bottom, c.Window.Row+c.Window.Height)
			left, right = min(left, c.Window.Col), max(right, c.Window.Col+c.Window.Width)
		}
	}
	if bottom == 0 {
		return all
	}
	return cube.Window{Row: top, Col: left, Height: bottom - top, Width: right - left}
}

// chooseSlices takes the scenes of the span whose footprint meets the window.
func (p *part) chooseSlices(req Request) error {
	span := req.Span
	if span == (cube.Span{}) {
		span = cube.Always()
	}
	x0, y0, x1, y1 := p.grid.Bounds()
	first := p.view.Groups()[0].Grid
	near, err := first.Snap([4]float64{x0, y0, x1, y1})
	if err != nil {
		return err
	}
	all := p.view.Slices()
	for _, s := range all {
		if span.Holds(s) && !s.Footprint.Intersect(near).Empty() {
			p.slices = append(p.slices, s)
		}
	}
	switch {
	case len(p.slices) > 0:
		return nil
	case len(all) == 0:
		return fault.New(fault.NotFound, "the cube has no scenes at this version").WithCure("ingest scenes first, or name another --version")
	}
	return fault.New(fault.NotFound, "no scene of that time touches that area").
		WithCure("the cube has %d scenes from %s to %s", len(all), all[0].Time.Format(stampLayout), all[len(all)-1].Time.Format(stampLayout))
}

const stampLayout = "2006-01-02T15:04:05.999999Z07:00"

func (p *part) bandNames() []string {
	names := p.group.BandNames()
	out := make([]string, len(p.bands))
	for i, b := range p.bands {
		out[i] = names[b]
	}
	return out
}

// block is a piece of one scene: image and valid as [band, row, col], flags as uint16 [row, col].
type block struct {
	window              cube.Window // of the exported window
	image, valid, flags []byte
}

// place is where a piece of the exported window lies in the cube.
func (p *part) place(w cube.Window) (cell string, in cube.Window, err error) {
	w.Row, w.Col = w.Row+p.window.Row, w.Col+p.window.Col
	return p.view.Locate(p.group.Name, w)
}

// readFlags fills the flags of a block.
func (p *part) readFlags(ctx context.Context, id cube.SliceID, b *block) error {
	cell, in, err := p.place(b.window)
	if err != nil {
		return err
	}
	b.flags = grow(b.flags, 2*in.Height*in.Width)
	return p.reader.ReadFlags(ctx, p.view, read.Request{Cell: cell, Slices: []cube.SliceID{id}, Window: in}, b.flags)
}

// read fills a block but for its flags. Validity is that of each band by itself.
func (p *part) read(ctx context.Context, id cube.SliceID, b *block) error {
	cell, in, err := p.place(b.window)
	if err != nil {
		return err
	}
	pixels := in.Height * in.Width
	size := pixels * p.group.DType.Size()
	b.image, b.valid = grow(b.image, size*len(p.bands)), grow(b.valid, pixels*len(p.bands))
	for i, band := range p.bands {
		q := read.Request{Cell: cell, Slices: []cube.SliceID{id}, Window: in, Bands: []int{band}}
		if err := p.reader.Read(ctx, p.view, q, b.image[i*size:(i+1)*size], b.valid[i*pixels:(i+1)*pixels]); err != nil {
			return err
		}
	}
	return nil
}

// grow gives a buffer of n bytes, the old one where it is large enough.
func grow(buf []byte, n int) []byte {
	if cap(buf) < n {
		return make([]byte, n)
	}
	return buf[:n]
}

// cut divides the exported window into blocks of at most height × width pixels, row by row.
func (p *part) cut(height, width int, visit func(cube.Window) error) error {
	for row := 0; row < p.window.Height; row += height {
		for col := 0; col < p.window.Width; col += width {
			w := cube.Window{Row: row, Col: col, Height: height, Width: width}.Intersect(p.grid.All())
			if err := visit(w); err != nil {
				return err
			}
		}
	}
	return nil
}
