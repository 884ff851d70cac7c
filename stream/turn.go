package stream

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/terrapin-eo/terrapin/datasets/order"
)

// turnPlanes lays planes of numbers of some bytes each, one after another, in place.
func turnPlanes(planes []byte, size, height, width int, s order.Symmetry) {
	n := height * width * size
	for at := 0; at < len(planes) && s != 0; at += n {
		plane := planes[at : at+n]
		switch size {
		case 1, 2:
			turnSmall(plane, size, height, width, s)
		case 4:
			turnPlane(numbers[uint32](plane), height, width, s)
		default:
			turnPlane(numbers[uint64](plane), height, width, s)
		}
	}
}

// turnSmall lays a plane of numbers of 1 or 2 bytes, of which several are moved at once.
func turnSmall(plane []byte, size, height, width int, s order.Symmetry) {
	if s&order.Transposed != 0 {
		transposeSmall(plane, size, height)
	}
	switch s &^ order.Transposed {
	case order.Mirrored:
		for ; len(plane) > 0; plane = plane[width*size:] {
			reverse(plane[:width*size], size)
		}
	case order.Flipped:
		flip(plane, width*size)
	case order.Mirrored | order.Flipped:
		reverse(plane, size)
	}
}

var le = binary.LittleEndian

// reverse turns the order of some numbers round: words of 8 bytes from both ends change places, and the numbers in them.
func reverse(b []byte, size int) {
	for len(b) >= 16 {
		first, last := le.Uint64(b), le.Uint64(b[len(b)-8:])
		le.PutUint64(b, reversed(last, size))
		le.PutUint64(b[len(b)-8:], reversed(first, size))
		b = b[8 : len(b)-8]
	}
	var tmp [8]byte
	for ; len(b) > size; b = b[size : len(b)-size] {
		last := b[len(b)-size:]
		copy(tmp[:size], last)
		copy(last, b[:size])
		copy(b, tmp[:size])
	}
}

// reversed is a word whose numbers stand the other way round.
func reversed(w uint64, size int) uint64 {
	if size == 1 {
		return bits.ReverseBytes64(w)
	}
	return bits.RotateLeft64(w>>16&low16|w&low16<<16, 32)
}

// flip turns the order of rows of some bytes round.
func flip(plane []byte, row int) {
	for ; len(plane) >= 2*row; plane = plane[row : len(plane)-row] {
		a, b := plane[:row], plane[len(plane)-row:]
		for ; len(a) >= 8 && len(b) >= 8; a, b = a[8:], b[8:] {
			x, y := le.Uint64(a), le.Uint64(b)
			le.PutUint64(a, y)
			le.PutUint64(b, x)
		}
		for i := range a {
			a[i], b[i] = b[i], a[i]
		}
	}
}

const (
	low8  = 0x00FF00FF00FF00FF
	low16 = 0x0000FFFF0000FFFF
	low32 = 0x00000000FFFFFFFF
	// tile is the edge, in bytes, of the squares that are transposed one after the other: two of them lie in the nearest
	// cache.
	tile = 64
)

// transposeSmall swaps the rows and columns of a square of small numbers, in blocks that are 8 bytes wide.
func transposeSmall(square []byte, size, edge int) {
	lanes := 8 / size
	whole := edge / lanes * lanes
	step := tile / size
	for top := 0; top < whole; top += step {
		for left := top; left < whole; left += step {
			for y := top; y < min(top+step, whole); y += lanes {
				for x := max(left, y); x < min(left+step, whole); x += lanes {
					exchange(square, size, edge, y, x)
				}
			}
		}
	}
	var tmp [8]byte
	for y := whole; y < edge; y++ { // what is no whole block
		for x := range y {
			a, b := square[(y*edge+x)*size:][:size], square[(x*edge+y)*size:][:size]
			copy(tmp[:size], a)
			copy(a, b)
			copy(b, tmp[:size])
		}
	}
}

// exchange transposes two blocks and puts each in the place of the other.
func exchange(square []byte, size, edge, y, x int) {
	row, here, there := edge*size, (y*edge+x)*size, (x*edge+y)*size
	if size == 1 {
		a, b := square[here:here+7*row+8], square[there:there+7*row+8]
		var v, w [8]uint64
		for i := range v {
			v[i], w[i] = le.Uint64(a[i*row:]), le.Uint64(b[i*row:])
		}
		block8(&v)
		block8(&w)
		for i := range v {
			le.PutUint64(a[i*row:], w[i])
			le.PutUint64(b[i*row:], v[i])
		}
		return
	}
	a, b := square[here:here+3*row+8], square[there:there+3*row+8]
	a0, a1, a2, a3 := block4(le.Uint64(a), le.Uint64(a[row:]), le.Uint64(a[2*row:]), le.Uint64(a[3*row:]))
	b0, b1, b2, b3 := block4(le.Uint64(b), le.Uint64(b[row:]), le.Uint64(b[2*row:]), le.Uint64(b[3*row:]))
	le.PutUint64(a, b0)
	le.PutUint64(a[row:], b1)
	le.PutUint64(a[2*row:], b2)
	le.PutUint64(a[3*row:], b3)
	le.PutUint64(b, a0)
	le.PutUint64(b[row:], a1)
	le.PutUint64(b[2*row:], a2)
	le.PutUint64(b[3*row:], a3)
}

// block4 transposes four words of four numbers.
func block4(a, b, c, d uint64) (uint64, uint64, uint64, uint64) {
	a, b = crossed(a, b, low16, 16)
	c, d = crossed(c, d, low16, 16)
	a, c = crossed(a, c, low32, 32)
	b, d = crossed(b, d, low32, 32)
	return a, b, c, d
}

// block8 transposes eight words of eight numbers.
func block8(w *[8]uint64) {
	for i := 0; i < 8; i += 2 {
		w[i], w[i+1] = crossed(w[i], w[i+1], low8, 8)
	}
	for _, i := range [4]int{0, 1, 4, 5} {
		w[i], w[i+2] = crossed(w[i], w[i+2], low16, 16)
	}
	for i := range 4 {
		w[i], w[i+4] = crossed(w[i], w[i+4], low32, 32)
	}
}

// crossed exchanges the numbers of a that lie above those under the mask with those of b that lie under it.
func crossed(a, b, mask uint64, shift uint) (uint64, uint64) {
	t := (a>>shift ^ b) & mask
	return a ^ t<<shift, b ^ t
}

// turnPlane lays a plane of larger numbers.
func turnPlane[T any](plane []T, height, width int, s order.Symmetry) {
	if s&order.Transposed != 0 {
		transpose(plane, height)
	}
	switch s &^ order.Transposed {
	case order.Mirrored:
		for ; len(plane) > 0; plane = plane[width:] {
			slices.Reverse(plane[:width])
		}
	case order.Flipped:
		for top, bottom := 0, height-1; top < bottom; top, bottom = top+1, bottom-1 {
			a, b := plane[top*width:(top+1)*width], plane[bottom*width:(bottom+1)*width]
			for i := range a {
				a[i], b[i] = b[i], a[i]
			}
		}
	case order.Mirrored | order.Flipped:
		slices.Reverse(plane)
	}
}

// transpose swaps the rows and columns of a square.
func transpose[T any](square []T, edge int) {
	for top := 0; top < edge; top += tile / 4 {
		for left := top; left < edge; left += tile / 4 {
			for y := top; y < min(top+tile/4, edge); y++ {
				for x := max(left, y+1); x < min(left+tile/4, edge); x++ {
					square[y*edge+x], square[x*edge+y] = square[x*edge+y], square[y*edge+x]
				}
			}
		}
	}
}
