package order

import (
	"math/big"
	"math/bits"
)

// Groups are where samples of a list lie together in storage: group g is the places Starts[g] to Starts[g+1]-1 of
// the list, none of them empty.
type Groups struct {
	Starts []uint32
	// Bytes is what one chunk decodes to, in all time slots and resolutions.
	Bytes uint64
	// Edge is how many chunks lie along the edge of the block that a group is, and Chunks how many all groups read, each
	// what its own samples touch. Orders of DrawnByChunk have neither.
	Edge   int
	Chunks uint64
}

// Len is the number of groups.
func (g Groups) Len() int { return max(1, len(g.Starts)) - 1 }

// Half is how many of n positions half a window of so many bytes holds: those for which half of them is decoded, if
// every group reads what it touches once.
func (g Groups) Half(n, bytes uint64) uint64 {
	twice := g.twice(g.Chunks)
	if n == 0 || twice.Sign() == 0 {
		return n
	}
	half := new(big.Int).Mul(whole(n), whole(bytes))
	if half.Quo(half, twice).Cmp(whole(n)) >= 0 {
		return n
	}
	return max(1, half.Uint64())
}

// twice is the bytes of so many chunks, two times.
func (g Groups) twice(chunks uint64) *big.Int {
	out := new(big.Int).Mul(whole(g.Bytes), whole(chunks))
	return out.Lsh(out, 1)
}

func whole(n uint64) *big.Int { return new(big.Int).SetUint64(n) }

// half is how many positions half a window holds under DrawnByChunk.
func (g Groups) half(n, bytes uint64) uint64 {
	count := uint64(g.Len())
	in := max(1, bytes/(2*max(1, g.Bytes))) // groups
	if n == 0 || in >= count {
		return n
	}
	high, low := bits.Mul64(n, in)
	half, _ := bits.Div64(high, low, count)
	return max(1, half)
}
