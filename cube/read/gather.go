package read

import (
	"encoding/binary"

	"github.com/terrapin-eo/terrapin/cube"
)

// gather copies the shares of one chunk into the windows that want it; nil is an absent chunk.
func (b *batch) gather(u int32, layer int, c *chunk) {
	for _, p := range b.parts[b.units[u].from:b.units[u].to] {
		w := &b.windows[p.window]
		if w.failed.Load() {
			continue
		}
		at := b.places[p.place].chunkWindow(p)
		in := w.at.Intersect(at).Intersect(b.places[p.place].Window)
		switch a := w.arrays[layer]; {
		case c == nil:
			w.spread(layer, int(p.slot), in, a.fill)
		case c.buf == nil:
			w.spread(layer, int(p.slot), in, c.value)
		case a.joined:
			w.join(layer, int(p.slot), c, at, in)
		case b.lend(p, layer, c):
		default:
			for i, band := range w.bands {
				copyPlane(w.plane(layer, int(p.slot), i), w.at, c.plane(a, band), at, in, a.size)
			}
		}
	}
}

// chunkWindow is a chunk's place in the frame.
func (p *place) chunkWindow(at part) cube.Window {
	edge := p.arrays[0].edge
	return cube.Window{Row: p.Window.Row + int(at.cy)*edge, Col: p.Window.Col + int(at.cx)*edge, Height: edge, Width: edge}
}

// plane is the i-th of a slot in the caller's memory.
func (w *window) plane(layer, slot, i int) []byte {
	n := w.at.Height * w.at.Width * w.arrays[layer].size
	at := (slot*w.planes(layer) + i) * n
	return w.out[layer][at : at+n]
}

// blank makes a part of a slot fill, and not valid.
func (w *window) blank(slot int, in cube.Window) {
	if in.Empty() {
		return
	}
	for l, a := range w.arrays {
		if a != nil {
			w.spread(l, slot, in, a.fill)
		}
	}
}

// blankOutside blanks what lies around the part that the cube covers.
func (w *window) blankOutside(slot int, inside cube.Window) {
	at := w.at
	if inside.Empty() {
		w.blank(slot, at)
		return
	}
	above, left := inside.Row-at.Row, inside.Col-at.Col
	below, right := at.Height-above-inside.Height, at.Width-left-inside.Width
	for _, part := range []cube.Window{
		{Row: at.Row, Col: at.Col, Height: above, Width: at.Width},
		{Row: inside.Row + inside.Height, Col: at.Col, Height: below, Width: at.Width},
		{Row: inside.Row, Col: at.Col, Height: inside.Height, Width: left},
		{Row: inside.Row, Col: inside.Col + inside.Width, Height: inside.Height, Width: right},
	} {
		w.blank(slot, part)
	}
}

// spread writes one value over a part of all planes of a slot.
func (w *window) spread(layer, slot int, in cube.Window, value [8]byte) {
	for i := range w.planes(layer) {
		fillPlane(w.plane(layer, slot, i), w.at, in, value, w.arrays[layer].size)
	}
}

// join writes where every requested band is 1.
func (w *window) join(layer, slot int, c *chunk, at, in cube.Window) {
	a, dst := w.arrays[layer], w.plane(layer, slot, 0)
	for i, band := range w.bands {
		src := c.plane(a, band)
		if i == 0 {
			copyPlane(dst, w.at, src, at, in, a.size)
			continue
		}
		if c.planes == 1 {
			return
		}
		d, s := offset(in, w.at), offset(in, at)
		for range in.Height {
			and(dst[d:d+in.Width], src[s:s+in.Width])
			d += w.at.Width
			s += at.Width
		}
	}
}

// offset is where a part begins in a plane that holds a window.
func offset(part, of cube.Window) int { return (part.Row-of.Row)*of.Width + part.Col - of.Col }

// copyPlane copies what two planes have in common; in lies in both.
func copyPlane(dst []byte, dw cube.Window, src []byte, sw, in cube.Window, size int) {
	d, s, n := offset(in, dw)*size, offset(in, sw)*size, in.Width*size
	if in.Width == dw.Width && in.Width == sw.Width {
		n *= in.Height
		copy(dst[d:d+n], src[s:s+n])
		return
	}
	for range in.Height {
		copy(dst[d:d+n], src[s:s+n])
		d += dw.Width * size
		s += sw.Width * size
	}
}

// fillPlane writes one value over a part of a plane.
func fillPlane(dst []byte, dw, in cube.Window, value [8]byte, size int) {
	d, n, rows := offset(in, dw)*size, in.Width*size, in.Height
	if in.Width == dw.Width {
		n, rows = n*rows, 1
	}
	if value == [8]byte{} {
		for range rows {
			clear(dst[d : d+n])
			d += dw.Width * size
		}
		return
	}
	first := dst[d : d+n]
	const block = 4096 // stays in the nearest cache
	for k := copy(first, value[:size]); k < n; {
		k += copy(first[k:], first[:min(k, block)])
	}
	for range rows - 1 {
		d += dw.Width * size
		copy(dst[d:d+n], first)
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
