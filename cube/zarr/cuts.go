package zarr

import (
	"github.com/terrapin-eo/terrapin/cube/zarr/shuffle"
	"github.com/terrapin-eo/terrapin/fault"
)

// Cut is a rectangle of one plane of a chunk, whose last two dimensions are its rows and columns, and where it goes.
type Cut struct {
	Plane, Row, Col, Height, Width int
	// Dst begins with the rectangle's first element; its rows lie Stride bytes apart.
	Dst    []byte
	Stride int
}

// Cuts reports whether DecodeCuts can decode chunks of this array: those of little-endian numbers in one blosc buffer.
func (a Array) Cuts() bool {
	chain := a.chain()
	return a.DType != String && len(a.Chunks) >= 2 && len(chain) == 2 && chain[0].Name == "bytes" &&
		(!chain[0].Big || a.wordSize() == 1) && chain[1].Name == "blosc"
}

// DecodeCuts decodes what some cuts want of a chunk straight to where it goes. A block that nothing is wanted of is not
// decompressed, and of the others nothing else is rearranged or copied. Past says that the destinations are too large to be in
// the processor's caches when they are read, so that they need not go through them. After an error the destinations hold anything.
func (a Array) DecodeCuts(src []byte, cuts []Cut, past bool) error {
	if !a.Cuts() {
		return fault.New(fault.Internal, "decode cuts: codecs %v", names(a.chain()))
	}
	g := grid{size: a.ElementSize(), rows: a.Chunks[len(a.Chunks)-2], cols: a.Chunks[len(a.Chunks)-1], past: past}
	for _, c := range cuts {
		if err := g.check(c, a.ChunkBytes()); err != nil {
			return err
		}
	}
	f, err := openBlosc(src, a.ChunkBytes())
	if err == nil {
		err = f.cut(g, cuts)
	}
	if err != nil {
		return decodeFault("blosc", err)
	}
	return nil
}

// leastPast bytes are worth being written past the caches: of less too much is the ends, where that costs more.
const leastPast = 2048

// grid is how the elements of a chunk lie, plane after plane, and how they are written.
type grid struct {
	size, rows, cols int
	past             bool
}

func (g grid) plane() int { return g.rows * g.cols * g.size }

func (g grid) check(c Cut, bytes int) error {
	inside := c.Plane >= 0 && c.Row >= 0 && c.Col >= 0 && c.Height > 0 && c.Width > 0 &&
		c.Row+c.Height <= g.rows && c.Col+c.Width <= g.cols && (c.Plane+1)*g.plane() <= bytes
	if !inside || c.Stride < c.Width*g.size || (c.Height-1)*c.Stride+c.Width*g.size > len(c.Dst) {
		return fault.New(fault.Internal, "decode cuts: %dx%d at %d,%d of plane %d into %d bytes", c.Height, c.Width, c.Row, c.Col, c.Plane, len(c.Dst))
	}
	return nil
}

// span is the first byte of a cut in the chunk, and the one behind its last.
func (g grid) span(c Cut) (from, to int) {
	from = c.Plane*g.plane() + (c.Row*g.cols+c.Col)*g.size
	return from, from + ((c.Height-1)*g.cols+c.Width)*g.size
}

// pieces calls put with every piece of a cut that lies in the bytes [from, to) of the chunk, which follow each other both
// there, from at on, and in dst.
func (g grid) pieces(c Cut, from, to int, put func(dst []byte, at int)) {
	first, _ := g.span(c)
	n, step, rows := c.Width*g.size, g.cols*g.size, c.Height
	if n == step && c.Stride == step { // one piece
		n, rows = n*rows, 1
	}
	skip := max(0, (from-first-n+step)/step) // rows that end before
	for r := min(skip, rows); r < rows; r++ {
		at := first + r*step
		begin, end := max(at, from), min(at+n, to)
		if at >= to {
			return
		}
		if begin < end {
			put(c.Dst[r*c.Stride+begin-at:r*c.Stride+end-at], begin)
		}
	}
}

// cut fills cuts block by block: each is in the processor's nearest caches when it is taken apart.
func (f *bloscFrame) cut(g grid, cuts []Cut) error {
	if f.copied() {
		for _, c := range cuts {
			g.pieces(c, 0, f.size, func(dst []byte, at int) { copy(dst, f.src[bloscHeader+at:]) })
		}
		return nil
	}
	tmp := borrow(f.blockSize)
	defer scratch.Put(tmp)
	for i := range (f.size-1)/f.blockSize + 1 {
		from := i * f.blockSize
		to := min(from+f.blockSize, f.size)
		if !g.meet(cuts, from, to) {
			continue
		}
		if err := f.cutBlock(g, cuts, i, (*tmp)[:to-from]); err != nil {
			return fault.New(fault.Corrupt, "block %d: %w", i, err)
		}
	}
	return nil
}

// meet reports whether some cut has a part in the bytes [from, to) of the chunk.
func (g grid) meet(cuts []Cut, from, to int) bool {
	for _, c := range cuts {
		if first, last := g.span(c); first < to && last > from {
			return true
		}
	}
	return false
}

// cutBlock fills the parts of cuts that lie in one block. Where its bytes are shuffled, as elements, putting them
// together is what copies them.
func (f *bloscFrame) cutBlock(g grid, cuts []Cut, i int, tmp []byte) error {
	from, to, src, err := f.block(i)
	if err != nil {
		return err
	}
	bytewise, _ := f.shuffled()
	put := func(dst []byte, at int) { copy(dst, tmp[at-from:]) }
	switch {
	case bytewise && f.constant(tmp, src):
	case bytewise && f.typeSize == 2 && g.size == 2 && f.blockSize%2 == 0:
		var low, high []byte
		low, high, err = f.planes(tmp, src)
		put = func(dst []byte, at int) {
			first, n := (at-from)/2, len(dst)/2
			shuffle.Pair(dst, low[first:first+n], high[first:first+n], g.past && len(dst) >= leastPast)
		}
	case bytewise && f.typeSize == g.size && f.blockSize%g.size == 0:
		err = f.inflateBlock(tmp, src)
		put = func(dst []byte, at int) { shuffle.UndoPart(dst, tmp, g.size, (at-from)/g.size) }
	default:
		err = f.decodeBlock(tmp, src)
	}
	if err != nil {
		return err
	}
	for _, c := range cuts {
		if first, last := g.span(c); first < to && last > from {
			g.pieces(c, from, to, put)
		}
	}
	return nil
}
