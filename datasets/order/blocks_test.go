package order_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/datasets/order"
)

type chunkAt struct{ cell, row, col uint32 }

// touched counts the chunks that groups of blocks of an edge touch, each for itself, and the groups: from the definition.
func touched(places []order.Place, at order.Storage, edge uint32) (groups, chunks int) {
	of := map[chunkAt]map[chunkAt]bool{}
	e, size := uint32(at.Edge), uint32(at.Window)
	for _, p := range places {
		key := chunkAt{p.Cell, p.Row / e / edge, p.Col / e / edge}
		if of[key] == nil {
			of[key] = map[chunkAt]bool{}
		}
		for row := p.Row / e; row <= (p.Row+size-1)/e; row++ {
			for col := p.Col / e; col <= (p.Col+size-1)/e; col++ {
				of[key][chunkAt{p.Cell, row, col}] = true
			}
		}
	}
	for _, own := range of {
		chunks += len(own)
	}
	return len(of), chunks
}

// interleaved is the place of a chunk in the order of storage: the bits of row and column in turns.
func interleaved(row, col uint32) (out uint64) {
	for i := range 32 {
		out |= uint64(row>>i&1)<<(2*i+1) | uint64(col>>i&1)<<(2*i)
	}
	return out
}

func randomPlaces(rng *rand.Rand) (out []order.Place) {
	n, span, cells := 1+rng.IntN(300), uint32(20+rng.IntN(400)), uint32(1+rng.IntN(3))
	for i := range n {
		out = append(out, order.Place{Index: uint32(i), Cell: rng.Uint32N(cells), Row: rng.Uint32N(span), Col: rng.Uint32N(span)})
	}
	return out
}

// The rule of the specification, from its words.
func TestBlocksGrowByTheRule(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 4))
	grown := map[int]int{}
	for round := range 150 {
		places := randomPlaces(rng)
		at := order.Storage{Edge: 1 + rng.IntN(20), Window: 1 + rng.IntN(60), Bytes: 1 + rng.Uint64N(1000)}
		window := 1 + rng.Uint64N(at.Bytes*uint64(len(places))*8)
		edge := 1
		_, now := touched(places, at, 1)
		for edge < 256 {
			groups, chunks := touched(places, at, uint32(2*edge))
			if 5*chunks > 4*now || uint64(groups)*window < 8*at.Bytes*uint64(chunks) {
				break
			}
			edge, now = 2*edge, chunks
		}
		grown[edge]++
		where := slices.Clone(places)
		rng.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
		list, g := order.Blocks(slices.Values(places), at, window)
		require.Equal(t, edge, g.Edge, "round %d", round)
		require.EqualValues(t, now, g.Chunks)
		groups, _ := touched(places, at, uint32(edge))
		require.Equal(t, groups, g.Len())
		require.Equal(t, uint64(len(places)), list.Len())
		key := func(i uint32) [3]uint64 {
			p := where[i]
			return [3]uint64{uint64(p.Cell), interleaved(p.Row/uint32(at.Edge), p.Col/uint32(at.Edge)), uint64(i)}
		}
		require.True(t, slices.IsSortedFunc(list, func(a, b uint32) int { x, y := key(a), key(b); return slices.Compare(x[:], y[:]) }))
		seen := map[chunkAt]bool{}
		for k := range g.Len() {
			require.Less(t, g.Starts[k], g.Starts[k+1])
			block := func(i uint32) chunkAt {
				p, whole := where[i], uint32(at.Edge*edge)
				return chunkAt{p.Cell, p.Row / whole, p.Col / whole}
			}
			first := block(list[g.Starts[k]])
			require.False(t, seen[first], "a block is one group")
			seen[first] = true
			for _, i := range list[g.Starts[k]:g.Starts[k+1]] {
				require.Equal(t, first, block(i))
			}
		}
	}
	require.Greater(t, grown[1], 15)
	require.Greater(t, grown[2]+grown[4], 15)
	require.NotEmpty(t, grown[8])
}

func TestWindowsWithinTheirChunksAreGroupedByChunk(t *testing.T) {
	var places []order.Place
	for i := range uint32(32 * 32) {
		places = append(places, order.Place{Index: i, Row: i / 32 * 64, Col: i % 32 * 64})
	}
	for _, window := range []uint64{1, 1 << 20, 1 << 40} {
		_, g := order.Blocks(slices.Values(places), order.Storage{Edge: 256, Window: 64, Bytes: 1 << 10}, window)
		require.Equal(t, 1, g.Edge)
		require.EqualValues(t, 64, g.Chunks)
		require.Equal(t, min(1024, max(1, 1024*window/(2<<10)/64)), g.Half(1024, window))
	}
}

// Half a window is exact however large its figures are.
func TestHalfAWindowIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 2000 {
		figure := func() uint64 { return rng.Uint64() >> rng.IntN(62) }
		n, bytes := figure()>>32, figure()>>1
		g := order.Groups{Bytes: figure(), Chunks: figure()}
		if n == 0 || g.Bytes == 0 || g.Chunks == 0 {
			require.Equal(t, n, g.Half(n, bytes))
			continue
		}
		b := func(v uint64) *big.Int { return new(big.Int).SetUint64(v) }
		want := new(big.Int).Mul(b(n), b(bytes))
		want.Quo(want, new(big.Int).Mul(b(2), new(big.Int).Mul(b(g.Bytes), b(g.Chunks))))
		if want.Sign() == 0 {
			want = b(1)
		} else if want.Cmp(b(n)) > 0 {
			want = b(n)
		}
		require.Equal(t, want.Uint64(), g.Half(n, bytes))
	}
}

// Where blocks are what the window holds, a batch decodes less than by chunks, and each sample still comes once.
func TestBlocksAreReadTogether(t *testing.T) {
	const edge, e = 48, 16 // chunks
	rng := rand.New(rand.NewPCG(5, 5))
	var places []order.Place
	for i := range uint32(edge * edge) {
		at := func(k uint32) uint32 { return min((edge-1)*e, max(6, k*e+rng.Uint32N(13))-6) }
		places = append(places, order.Place{Index: i, Row: at(i / edge), Col: at(i % edge)})
	}
	where := slices.Clone(places)
	const window = edge * edge / 4 // bytes, one for each chunk
	at := order.Storage{Edge: e, Window: e, Bytes: 1}
	list, g := order.Blocks(slices.Values(places), at, window)
	require.Equal(t, 4, g.Edge)
	c, err := order.NewChoice(list, nil, g)
	require.NoError(t, err)
	o := order.Draw(order.Key{Algorithm: order.DrawnAlgorithm, Digest: digest, Split: "train", Shuffle: order.Window(window)}, c)
	seen, loaded, used := make([]bool, o.Len()), 0, map[chunkAt]int{}
	for p := range o.Len() {
		i := o.At(p)
		require.False(t, seen[i])
		seen[i] = true
		w := where[i]
		for row := w.Row / e; row <= (w.Row+e-1)/e; row++ {
			for col := w.Col / e; col <= (w.Col+e-1)/e; col++ {
				k := chunkAt{0, row, col}
				if _, there := used[k]; !there {
					loaded++
				}
				used[k] = int(p)
			}
		}
		for len(used) > window { // what was used longest ago goes
			oldest := chunkAt{}
			least := int(p) + 1
			for k, when := range used {
				if when < least {
					oldest, least = k, when
				}
			}
			delete(used, oldest)
		}
	}
	require.LessOrEqual(t, loaded, int(g.Chunks), fmt.Sprintf("of %d samples", o.Len()))
	require.Less(t, float64(loaded)/edge/edge, 1.4)
}
