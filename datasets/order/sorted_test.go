package order

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Places come in the order of storage whether or not their numbers fit into 64 bits.
func TestPlacesAreSortedAsTheyCompare(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	for round := range 400 {
		n := []int{0, 1, 2, 100, 1000, 5000}[round%6]
		cells, span := uint32(1)<<rng.IntN(17), uint32(1)<<(2+rng.IntN(30))
		b := newBlocks(Storage{Edge: 1 + rng.IntN(300), Window: 1 + rng.IntN(600)})
		var places []Place
		for i := range n {
			places = append(places, Place{Index: uint32(i) * 7, Cell: rng.Uint32N(cells), Row: rng.Uint32N(span), Col: rng.Uint32N(span)})
		}
		var want []spot
		for _, p := range places {
			want = append(want, b.spotOf(p))
		}
		rng.Shuffle(n, func(i, j int) { places[i], places[j] = places[j], places[i] })
		slices.SortStableFunc(want, spot.compare)
		got := b.sorted(slices.Values(places), b.survey(slices.Values(places)))
		require.True(t, slices.Equal(want, slices.Collect(got)), "round %d", round)
	}
}

func TestASpotIsPackedWithoutLoss(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 10))
	for range 10_000 {
		f := fields{index: rng.IntN(33), chunk: 2 * rng.IntN(15)}
		s := spot{index: uint32(rng.Uint64() & (1<<f.index - 1)), row: uint32(rng.Uint64() & (1<<(f.chunk/2) - 1)), col: uint32(rng.Uint64() & (1<<(f.chunk/2) - 1)), way: uint8(rng.IntN(4))}
		s.cell = uint32(rng.Uint64() & (1<<min(32, 62-f.index-f.chunk) - 1))
		if f.index+f.chunk > 62 {
			continue
		}
		v := f.pack(s)
		got := f.spot(v >> 2 >> f.index)
		got.index, got.way = uint32(v>>2&(1<<f.index-1)), uint8(v&3)
		require.Equal(t, s, got)
		require.Equal(t, s.row, gathered(spread(s.row)))
	}
	require.Equal(t, uint32(1<<32-1), gathered(spread(1<<32-1)))
}

func TestNumbersAreSortedWhereTheyAre(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 11))
	for round := range 200 {
		top := 1 + rng.IntN(64)
		v := make([]uint64, rng.IntN(20_000))
		for i := range v {
			v[i] = rng.Uint64() >> (64 - top)
			if round%3 == 0 {
				v[i] &= 0x0f0f | 1<<(top-1)
			}
		}
		want := slices.Sorted(slices.Values(v))
		sortBits(v, top)
		require.Equal(t, want, v)
	}
}

// Counting gives what sorting gives.
func TestPlacesAreCountedAsTheyAreSorted(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 12))
	for round := range 300 {
		n, cells, span := rng.IntN(3000), 1+rng.Uint32N(4), 1+rng.Uint32N(2000)
		at := Storage{Edge: 20 + rng.IntN(300), Window: 1 + rng.IntN(600)}
		var places []Place
		for i := range n {
			places = append(places, Place{Index: uint32(i) * 3, Cell: rng.Uint32N(cells), Row: rng.Uint32N(span), Col: rng.Uint32N(span)})
		}
		counted := newBlocks(at)
		f := counted.survey(slices.Values(places))
		require.True(t, f.ascending)
		list := counted.counted(slices.Values(places), f)
		slices.Reverse(places)
		sorted := newBlocks(at)
		require.Equal(t, n < 2, sorted.survey(slices.Values(places)).ascending)
		want := sorted.lay(slices.Values(places))
		require.True(t, slices.Equal(want, list), "round %d", round)
		require.Equal(t, sorted.chunks, counted.chunks)
	}
}
