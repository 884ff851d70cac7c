package shuffle

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

func noise(n int) []byte {
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	return data
}

// naive is the definition, one element at a time.
func naive(src []byte, typeSize int) []byte {
	dst, n := make([]byte, len(src)), len(src)/typeSize
	for i := range n {
		for j := range typeSize {
			dst[j*n+i] = src[i*typeSize+j]
		}
	}
	copy(dst[n*typeSize:], src[n*typeSize:])
	return dst
}

func naiveBits(src []byte, typeSize int) []byte {
	n := len(src) / typeSize
	if n%8 != 0 {
		return bytes.Clone(src)
	}
	dst := make([]byte, len(src))
	for i := range n {
		for bit := range 8 * typeSize {
			if src[i*typeSize+bit/8]>>(bit%8)&1 != 0 {
				dst[bit*(n/8)+i/8] |= 1 << (i % 8)
			}
		}
	}
	copy(dst[n*typeSize:], src[n*typeSize:])
	return dst
}

// guarded is a copy of data between bytes that nobody may touch.
func guarded(n int) (all, middle []byte) {
	all = bytes.Repeat([]byte{0xa5}, n+128)
	return all, all[64 : 64+n : 64+n]
}

// The wide registers, plain Go and the definition agree for every length and type, and write nothing outside.
func TestAllWaysAgree(t *testing.T) {
	for _, typeSize := range []int{1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 255} {
		for _, n := range []int{0, 1, 2, 7, 8, 31, 32, 33, 63, 64, 65, 96, 127, 128, 255, 256, 257, 512, 1000, 1024, 4096 + 8} {
			for _, rest := range []int{0, 1, typeSize - 1} {
				src := noise(n*typeSize + rest)
				for name, way := range map[string]struct {
					there, back func(dst, src []byte, typeSize int)
					want        []byte
				}{
					"bytes": {Bytes, Undo, naive(src, typeSize)},
					"bits":  {Bits, UndoBits, naiveBits(src, typeSize)},
				} {
					check := func() {
						all, dst := guarded(len(src))
						way.there(dst, src, typeSize)
						if !bytes.Equal(dst, way.want) {
							t.Fatalf("%s of %d x %d + %d differ", name, n, typeSize, rest)
						}
						_, again := guarded(len(src))
						way.back(again, dst, typeSize)
						if !bytes.Equal(again, src) {
							t.Fatalf("%s of %d x %d + %d do not come back", name, n, typeSize, rest)
						}
						if !bytes.Equal(all[:64], bytes.Repeat([]byte{0xa5}, 64)) || !bytes.Equal(all[64+len(src):], bytes.Repeat([]byte{0xa5}, 64)) {
							t.Fatalf("%s of %d x %d + %d write outside", name, n, typeSize, rest)
						}
					}
					check()
					inPlainGo(check)
				}
			}
		}
	}
}

// Any part that is undone alone is what the whole has there, and nothing beside it is written.
func TestParts(t *testing.T) {
	for _, typeSize := range []int{1, 2, 3, 4, 8} {
		const n = 200
		src := noise(n * typeSize)
		want := make([]byte, len(src))
		Undo(want, src, typeSize)
		for _, part := range [][2]int{{0, n}, {0, 0}, {n, 0}, {3, 1}, {1, 31}, {5, 32}, {168, 32}, {7, 33}, {100, 100}, {1, 199}} {
			check := func() {
				all, dst := guarded(part[1] * typeSize)
				UndoPart(dst, src, typeSize, part[0])
				if !bytes.Equal(dst, want[part[0]*typeSize:(part[0]+part[1])*typeSize]) {
					t.Fatalf("%d from %d of type size %d differ", part[1], part[0], typeSize)
				}
				if !bytes.Equal(all[:64], bytes.Repeat([]byte{0xa5}, 64)) || !bytes.Equal(all[64+len(dst):], bytes.Repeat([]byte{0xa5}, 64)) {
					t.Fatalf("%d from %d of type size %d write outside", part[1], part[0], typeSize)
				}
			}
			check()
			inPlainGo(check)
		}
	}
}

// Pairs are the same wherever they are written to, past the caches or not, and nothing beside them is written.
func TestPairs(t *testing.T) {
	low, high := noise(3000), noise(3001)[1:]
	for n := range 300 {
		for off := range 40 {
			for _, past := range []bool{false, true} {
				check := func() {
					all, _ := guarded(2*n + off)
					dst := all[64+off : 64+off+2*n : 64+off+2*n]
					Pair(dst, low[off:off+n], high[:n], past)
					for i := range n {
						if dst[2*i] != low[off+i] || dst[2*i+1] != high[i] {
							t.Fatalf("pair %d of %d at %d differs", i, n, off)
						}
					}
					if bytes.Count(all[:64+off], []byte{0xa5}) != 64+off || bytes.Count(all[64+off+2*n:], []byte{0xa5}) != 64 {
						t.Fatalf("%d pairs at %d write outside", n, off)
					}
				}
				check()
				inPlainGo(check)
			}
		}
	}
}

func FuzzShuffle(f *testing.F) {
	f.Add([]byte("some sixteen bytes and some more, so that thirty-two are there, and once more than sixty-four"), uint8(2))
	f.Add(noise(515), uint8(4))
	f.Add(noise(2049), uint8(8))
	f.Fuzz(func(t *testing.T, src []byte, typeSize uint8) {
		size := max(1, int(typeSize))
		dst, again := make([]byte, len(src)), make([]byte, len(src))
		Bytes(dst, src, size)
		if !bytes.Equal(dst, naive(src, size)) {
			t.Fatal("bytes differ")
		}
		Undo(again, dst, size)
		if !bytes.Equal(again, src) {
			t.Fatal("bytes do not come back")
		}
		Bits(dst, src, size)
		if !bytes.Equal(dst, naiveBits(src, size)) {
			t.Fatal("bits differ")
		}
		UndoBits(again, dst, size)
		if !bytes.Equal(again, src) {
			t.Fatal("bits do not come back")
		}
	})
}

func BenchmarkShuffle(b *testing.B) {
	src, dst := noise(128<<10), make([]byte, 128<<10)
	for _, typeSize := range []int{2, 4, 8} {
		for name, f := range map[string]func(dst, src []byte, typeSize int){"bytes": Bytes, "undo": Undo, "bits": Bits, "undobits": UndoBits} {
			run := func(b *testing.B) {
				b.SetBytes(int64(len(src)))
				for b.Loop() {
					f(dst, src, typeSize)
				}
			}
			b.Run(fmt.Sprintf("%s/%d/wide", name, typeSize), run)
			b.Run(fmt.Sprintf("%s/%d/go", name, typeSize), func(b *testing.B) { inPlainGo(func() { run(b) }) })
		}
	}
}
