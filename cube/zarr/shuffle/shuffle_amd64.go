//go:build amd64

package shuffle

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

var useAVX2 = cpu.X86.HasAVX2

// The assembly takes planes that lie stride bytes apart and n elements, a multiple of 32.

//go:noescape
func pairAVX2(dst, low, high *byte, n int)

// pairPastAVX2 writes past the caches; dst begins at a multiple of 32.
//
//go:noescape
func pairPastAVX2(dst, low, high *byte, n int)

//go:noescape
func unshuffle4AVX2(dst, src *byte, stride, n int)

//go:noescape
func unshuffle8AVX2(dst, src *byte, stride, n int)

//go:noescape
func shuffle2AVX2(dst, src *byte, stride, n int)

//go:noescape
func shuffle4AVX2(dst, src *byte, stride, n int)

// transpose8AVX2 takes n words of 8 bytes, a multiple of 4.
//
//go:noescape
func transpose8AVX2(data *byte, n int)

// pairFast pairs all of at least lanes elements, or none.
func pairFast(dst, low, high []byte, past bool) bool {
	n := len(low)
	if !useAVX2 || n < lanes {
		return false
	}
	pair, from := pairAVX2, 0
	if off := int(uintptr(unsafe.Pointer(&dst[0])) % lanes); past && n >= 4*lanes && off%2 == 0 {
		// The first and the last elements are written twice, so that what lies between begins at a multiple of 32.
		pairAVX2(&dst[0], &low[0], &high[0], lanes)
		pair, from = pairPastAVX2, (lanes-off)%lanes/2
	}
	if whole := (n - from) &^ (lanes - 1); whole > 0 {
		pair(&dst[2*from], &low[from], &high[from], whole)
	}
	if last := n - lanes; (n-from)%lanes != 0 {
		pairAVX2(&dst[2*last], &low[last], &high[last], lanes)
	}
	return true
}

// unshuffleFast interleaves as many of n elements as the machine's wide registers can and says how many.
// Planes lie stride bytes apart, and the last in src whole.
func unshuffleFast(dst, src []byte, n, stride, typeSize int) int {
	fit := n &^ (lanes - 1)
	if !useAVX2 || fit == 0 || stride < n {
		return 0
	}
	src, dst = src[:stride*(typeSize-1)+n], dst[:n*typeSize]
	switch typeSize {
	case 4:
		unshuffle4AVX2(&dst[0], &src[0], stride, fit)
	case 8:
		unshuffle8AVX2(&dst[0], &src[0], stride, fit)
	default:
		return 0
	}
	return fit
}

// shuffleFast is the way back; planes of dst lie stride bytes apart, n elements are in src.
func shuffleFast(dst, src []byte, n, stride, typeSize int) int {
	fit := n &^ (lanes - 1)
	if !useAVX2 || fit == 0 || stride < n {
		return 0
	}
	src, dst = src[:n*typeSize], dst[:stride*(typeSize-1)+n]
	switch typeSize {
	case 2:
		shuffle2AVX2(&dst[0], &src[0], stride, fit)
	case 4:
		shuffle4AVX2(&dst[0], &src[0], stride, fit)
	default:
		return 0
	}
	return fit
}

// transposeFast turns as many 8x8 squares of bits as it can and says how many.
func transposeFast(data []byte) int {
	fit := len(data) / 8 &^ 3
	if !useAVX2 || fit == 0 {
		return 0
	}
	transpose8AVX2(&data[0], fit)
	return fit
}
