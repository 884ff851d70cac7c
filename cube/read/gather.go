package read

import (
	"context"
	"encoding/binary"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
)

// part is one chunk's share of a request; the shares of a request do not overlap.
type part struct {
	*plan
	t, slice, cy, cx int
}

// gather copies the share of one chunk into the caller's buffers.
func (r *Reader) gather(ctx context.Context, p part) error {
	image, err := r.chunk(ctx, p, layout.Image, p.image)
	if err != nil {
		return err
	}
	valid, err := r.chunk(ctx, p, layout.Valid, p.valid)
	if err != nil {
		return err
	}
	p.copyImage(image)
	if valid != nil {
		p.copyValid(valid)
	}
	return nil
}

// window is the chunk's place in the grid.
func (p part) window() cube.Window {
	edge := p.image.Chunks[2]
	return cube.Window{Row: p.cy * edge, Col: p.cx * edge, Height: edge, Width: edge}
}

// copyImage copies the requested bands; an absent chunk is fill.
func (p part) copyImage(chunk []byte) {
	at, size := p.window(), p.image.DType.Size()
	from, to := at.Height*at.Width*size, p.plan.window.Height*p.plan.window.Width*size
	out := p.imageOut[p.t*len(p.bands)*to:]
	for i, b := range p.bands {
		dst := out[i*to : (i+1)*to]
		if chunk == nil {
			p.fill(dst, size)
			continue
		}
		cube.CopyPart(dst, p.plan.window, chunk[b*from:(b+1)*from], at, p.inside, size)
	}
}

func (p part) fill(dst []byte, size int) {
	in, w := p.inside.Intersect(p.window()), p.plan.window
	for row := range in.Height {
		o := ((in.Row+row-w.Row)*w.Width + in.Col - w.Col) * size
		p.image.FillChunk(dst[o : o+in.Width*size])
	}
}

// copyValid joins the requested bands: a pixel is valid if each of them is observed.
func (p part) copyValid(chunk []byte) {
	at, w := p.window(), p.plan.window
	in := p.inside.Intersect(at)
	plane := at.Height * at.Width
	out := p.validOut[p.t*w.Height*w.Width:]
	for row := range in.Height {
		o := (in.Row+row-w.Row)*w.Width + in.Col - w.Col
		dst := out[o : o+in.Width]
		s := (in.Row+row-at.Row)*at.Width + in.Col - at.Col
		for i, b := range p.bands {
			src := chunk[b*plane+s:][:len(dst)]
			if i == 0 {
				copy(dst, src)
				continue
			}
			and(dst, src)
		}
	}
}

// and joins two rows of validity, eight pixels at a time.
func and(dst, src []byte) {
	n := len(dst) &^ 7
	for i := 0; i < n; i += 8 {
		d, s := dst[i:i+8:i+8], src[i:i+8:i+8]
		binary.LittleEndian.PutUint64(d, binary.LittleEndian.Uint64(d)&binary.LittleEndian.Uint64(s))
	}
	for i := n; i < len(dst); i++ {
		dst[i] &= src[i]
	}
}
