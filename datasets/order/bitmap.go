package order

import (
	"math/bits"
	"sort"
)

// Bitmap is the samples that a filter keeps, one bit each, with the place of the i-th found by the
// counts before every eighth word.
type Bitmap struct {
	words  []uint64
	before []uint64 // bits set before word 8*k
	kept   uint64
}

const stride = 8

// NewBitmap keeps nothing of n samples yet.
func NewBitmap(n uint64) *Bitmap { return &Bitmap{words: make([]uint64, (n+63)/64)} }

// Keep keeps the sample of an index.
func (b *Bitmap) Keep(i uint64) { b.words[i/64] |= 1 << (i % 64) }

// Has reports whether a sample is kept.
func (b *Bitmap) Has(i uint64) bool { return b.words[i/64]>>(i%64)&1 == 1 }

// Seal counts what is kept; it comes before Len and At, and after the last Keep.
func (b *Bitmap) Seal() *Bitmap {
	b.kept, b.before = 0, make([]uint64, 0, len(b.words)/stride+1)
	for i, w := range b.words {
		if i%stride == 0 {
			b.before = append(b.before, b.kept)
		}
		b.kept += uint64(bits.OnesCount64(w))
	}
	return b
}

// Len is the number of samples kept.
func (b *Bitmap) Len() uint64 { return b.kept }

// Bytes is what the bitmap holds in memory.
func (b *Bitmap) Bytes() int64 { return 8 * int64(len(b.words)+len(b.before)) }

// At is the index of the i-th sample kept.
func (b *Bitmap) At(i uint64) uint64 {
	if i >= b.kept {
		panic("order: place out of range")
	}
	k := sort.Search(len(b.before), func(k int) bool { return b.before[k] > i }) - 1
	left := int(i - b.before[k])
	for at := k * stride; ; at++ {
		word := b.words[at]
		if n := bits.OnesCount64(word); left >= n {
			left -= n
			continue
		}
		for range left {
			word &= word - 1
		}
		return uint64(at)*64 + uint64(bits.TrailingZeros64(word))
	}
}
