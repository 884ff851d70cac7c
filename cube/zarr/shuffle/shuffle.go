// Package shuffle puts the bytes, or the bits, of one significance of all elements together and back, as
// blosc does before it compresses. It owns nothing but that rearrangement: dst and src have the same length
// and never overlap. The invariant: wide registers and plain Go give the same bytes.
package shuffle

import (
	"encoding/binary"
	"sync"
)

// lanes is how many elements wide registers take at once.
const lanes = 32

var scratch = sync.Pool{New: func() any { return new([]byte) }}

func borrow(n int) *[]byte {
	b := scratch.Get().(*[]byte)
	if cap(*b) < n {
		*b = make([]byte, n)
	}
	*b = (*b)[:n]
	return b
}

// Bytes puts the bytes of equal significance together; bytes beyond whole elements stay at the end.
func Bytes(dst, src []byte, typeSize int) {
	n := len(src) / typeSize
	if typeSize == 8 && n >= 64 {
		// Even and odd bytes first, each then as elements of four bytes.
		tmp := borrow(8 * n)
		halves := *tmp
		spread(halves, src[:8*n], 4*n, 4*n, 2)
		spread(dst, halves[:4*n], n, 2*n, 4)
		spread(dst[n:], halves[4*n:], n, 2*n, 4)
		scratch.Put(tmp)
	} else {
		spread(dst, src, n, n, typeSize)
	}
	copy(dst[n*typeSize:], src[n*typeSize:])
}

// spread spreads n elements over planes that lie stride bytes apart.
func spread(dst, src []byte, n, stride, typeSize int) {
	done := shuffleFast(dst, src, n, stride, typeSize)
	for j := range typeSize {
		plane := dst[j*stride : j*stride+n]
		for i := done; i < n; i++ {
			plane[i] = src[i*typeSize+j]
		}
	}
}

// Undo undoes Bytes.
func Undo(dst, src []byte, typeSize int) {
	n := len(src) / typeSize
	UndoPart(dst[:n*typeSize], src[:n*typeSize], typeSize, 0)
	copy(dst[n*typeSize:], src[n*typeSize:])
}

// UndoPart undoes Bytes for as many elements as dst has room for, from one on; src has whole elements, and those.
func UndoPart(dst, src []byte, typeSize, from int) {
	n, stride := len(dst)/typeSize, len(src)/typeSize
	_ = src[:stride][from : from+n]
	if typeSize == 2 {
		Pair(dst[:2*n], src[from:from+n], src[stride+from:stride+from+n], false)
		return
	}
	done := unshuffleFast(dst, src[from:], n, stride, typeSize)
	if done > 0 && done < n {
		last := n - lanes // once more, with the last elements
		unshuffleFast(dst[last*typeSize:], src[from+last:], lanes, stride, typeSize)
		return
	}
	plane := func(j int) []byte { return src[j*stride+from : j*stride+from+n : j*stride+from+n] }
	switch {
	case done == n:
	case typeSize == 4:
		a, b, c, d := plane(0), plane(1), plane(2), plane(3)
		for i := range a {
			e := dst[4*i : 4*i+4 : 4*i+4]
			e[0], e[1], e[2], e[3] = a[i], b[i], c[i], d[i]
		}
	default:
		for j := range typeSize {
			for i, v := range plane(j) {
				dst[i*typeSize+j] = v
			}
		}
	}
}

// Pair makes elements of two bytes of a plane of their low and one of their high bytes. Where dst is not read soon it is
// better written past the processor's caches.
func Pair(dst, low, high []byte, past bool) {
	dst, high = dst[:2*len(low)], high[:len(low)]
	if pairFast(dst, low, high, past) {
		return
	}
	for i := range low {
		e := dst[2*i : 2*i+2 : 2*i+2]
		e[0], e[1] = low[i], high[i]
	}
}

// UndoBits undoes blosc's bit shuffle: one row of bits per bit of the type, the rows of one byte
// of the type after another. Blocks whose elements are not a multiple of eight were left as they are.
func UndoBits(dst, src []byte, typeSize int) {
	n := len(src) / typeSize
	if n%8 != 0 {
		copy(dst, src)
		return
	}
	planes, whole := dst, (*[]byte)(nil)
	if typeSize > 1 {
		whole = borrow(n * typeSize)
		planes = *whole
	}
	for j := range typeSize {
		plane := planes[j*n : (j+1)*n]
		Undo(plane, src[j*n:(j+1)*n], 8) // the byte of each of the eight rows, side by side
		transposeBits(plane)
	}
	if typeSize > 1 {
		Undo(dst[:n*typeSize], planes, typeSize)
		scratch.Put(whole)
	}
	copy(dst[n*typeSize:], src[n*typeSize:])
}

// Bits is the way there.
func Bits(dst, src []byte, typeSize int) {
	n := len(src) / typeSize
	if n%8 != 0 {
		copy(dst, src)
		return
	}
	tmp := borrow(n * typeSize)
	planes := *tmp
	Bytes(planes, src[:n*typeSize], typeSize)
	for j := range typeSize {
		plane := planes[j*n : (j+1)*n]
		transposeBits(plane)
		Bytes(dst[j*n:(j+1)*n], plane, 8)
	}
	scratch.Put(tmp)
	copy(dst[n*typeSize:], src[n*typeSize:])
}

// transposeBits turns each 8 bytes into the 8 bytes whose bit i of byte k is bit k of byte i.
func transposeBits(data []byte) {
	for at := 8 * transposeFast(data); at+8 <= len(data); at += 8 {
		x := binary.LittleEndian.Uint64(data[at:])
		t := (x ^ x>>7) & 0x00AA00AA00AA00AA
		x ^= t ^ t<<7
		t = (x ^ x>>14) & 0x0000CCCC0000CCCC
		x ^= t ^ t<<14
		t = (x ^ x>>28) & 0x00000000F0F0F0F0
		x ^= t ^ t<<28
		binary.LittleEndian.PutUint64(data[at:], x)
	}
}
