package cube

// CopyWindow copies the pixels that two windows of one grid share from src to dst, each of which
// holds its window in C order with size bytes per pixel.
func CopyWindow(dst []byte, dw Window, src []byte, sw Window, size int) {
	CopyPart(dst, dw, src, sw, sw, size)
}

// CopyPart is CopyWindow restricted to a part of the grid.
func CopyPart(dst []byte, dw Window, src []byte, sw Window, part Window, size int) {
	in := dw.Intersect(sw).Intersect(part)
	if in.Empty() {
		return
	}
	n := in.Width * size
	d := ((in.Row-dw.Row)*dw.Width + in.Col - dw.Col) * size
	s := ((in.Row-sw.Row)*sw.Width + in.Col - sw.Col) * size
	for range in.Height {
		copy(dst[d:d+n], src[s:s+n])
		d += dw.Width * size
		s += sw.Width * size
	}
}
