package order_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
)

const digest = "td1:00"

func whole(o order.Sequence) []uint64 {
	out := make([]uint64, 0, o.Len())
	for p := range o.Len() {
		out = append(out, o.At(p))
	}
	return out
}

func TestEveryOrderIsAPermutation(t *testing.T) {
	for n := range uint64(300) {
		for seed := range uint64(3) {
			seen := make([]bool, n)
			for _, i := range whole(order.New(digest, "train", n, seed, 5, true)) {
				require.False(t, seen[i], "n %d: index %d twice", n, i)
				seen[i] = true
			}
		}
	}
}

func TestLargeDomainsAreInjective(t *testing.T) {
	for _, n := range []uint64{1<<32 - 1, 1 << 32, 1<<32 + 1, 1<<62 + 12345, math.MaxUint64} {
		o := order.New(digest, "train", n, 1, 2, true)
		seen := map[uint64]bool{}
		for k := range uint64(2000) {
			for _, p := range []uint64{k, n - 1 - k, n/2 + k} {
				i := o.At(p)
				require.Less(t, i, n)
				require.False(t, seen[i])
				seen[i] = true
			}
		}
	}
}

func TestWithoutShuffleItIsTheBaseOrder(t *testing.T) {
	assert.Equal(t, []uint64{0, 1, 2, 3, 4}, whole(order.New(digest, "train", 5, 1, 0, false)))
	assert.Equal(t, []uint64{0}, whole(order.New(digest, "train", 1, 1, 0, true)))
	assert.Empty(t, whole(order.New(digest, "train", 0, 1, 0, true)))
}

// chiSquare gives how far counts stray from equal ones, in standard deviations of the statistic.
func chiSquare(counts []int, total int) float64 {
	expected := float64(total) / float64(len(counts))
	sum := 0.0
	for _, c := range counts {
		d := float64(c) - expected
		sum += d * d / expected
	}
	free := float64(len(counts) - 1)
	return (sum - free) / math.Sqrt(2*free)
}

func TestSmallPermutationsAreEquallyFrequent(t *testing.T) {
	for n, all := range map[uint64]int{2: 2, 3: 6, 4: 24, 5: 120, 6: 720} {
		counts := map[string]int{}
		const epochs = 40000
		for e := range uint64(epochs) {
			counts[fmt.Sprint(whole(order.New(digest, "train", n, 7, e, true)))]++
		}
		list := make([]int, 0, all)
		for _, c := range counts {
			list = append(list, c)
		}
		require.Len(t, list, all, "n %d: not every permutation occurs", n)
		assert.Less(t, chiSquare(list, epochs), 5.0, "n %d", n)
	}
}

func TestPositionsAreUniform(t *testing.T) {
	for _, n := range []uint64{6, 16, 17, 36, 64, 100, 1000} {
		const epochs = 6000
		counts := make([]int, n) // index at position 0
		gaps := make([]int, n-1) // distance from position 0 to position 1, modulo n
		parity := make([]int, 2) // whether positions 2 and 3 ascend
		for e := range uint64(epochs) {
			o := order.New(digest, "train", n, e, 3, true)
			counts[o.At(0)]++
			gaps[(o.At(1)+n-o.At(0))%n-1]++
			if o.At(2) < o.At(3) {
				parity[0]++
			} else {
				parity[1]++
			}
		}
		assert.Less(t, chiSquare(counts, epochs), 5.0, "n %d: first index", n)
		assert.Less(t, chiSquare(gaps, epochs), 5.0, "n %d: neighbours", n)
		assert.Less(t, chiSquare(parity, epochs), 5.0, "n %d: ascents", n)
	}
}

func TestEpochsSeedsSplitsAndDigestsAreUnrelated(t *testing.T) {
	const n = 5000
	base := order.New(digest, "train", n, 1, 1, true)
	others := map[string]order.Order{
		"next epoch":         order.New(digest, "train", n, 1, 2, true),
		"next seed":          order.New(digest, "train", n, 2, 1, true),
		"seed+1 and epoch-1": order.New(digest, "train", n, 2, 0, true),
		"other split":        order.New(digest, "test", n, 1, 1, true),
		"other digest":       order.New("td1:01", "train", n, 1, 1, true),
		"bytes moved":        order.New("td1:00t", "rain", n, 1, 1, true),
	}
	for name, o := range others {
		same, dot := 0, 0.0
		for p := range uint64(n) {
			a, b := float64(base.At(p)), float64(o.At(p))
			if a == b {
				same++
			}
			dot += (a - n/2) * (b - n/2)
		}
		correlation := dot / (n * n * n / 12.0)
		assert.Less(t, same, 10, name) // 1 is expected
		assert.Less(t, math.Abs(correlation), 5/math.Sqrt(n), name)
	}
}

func TestAFixedOrderLeavesNoStructure(t *testing.T) {
	const n = 1 << 14
	o := order.New(digest, "train", n, 3, 0, true)
	serial, storage := 0.0, 0.0
	for p := range uint64(n - 1) {
		a, b := float64(o.At(p))-n/2, float64(o.At(p+1))-n/2
		serial += a * b
		storage += a * (float64(p) - n/2)
	}
	variance := n * n / 12.0
	assert.Less(t, math.Abs(serial/variance/n), 5/math.Sqrt(n))
	assert.Less(t, math.Abs(storage/variance/n), 5/math.Sqrt(n))
}

// stream is what all ranks see from start on, in order, and the padding.
func stream(t *testing.T, p order.Plan, steps uint64) (positions []uint64, pad int) {
	t.Helper()
	for g := range steps {
		for r := range int(p.World) {
			part := p.Part(g, r)
			for i := range part.Count {
				positions = append(positions, part.First+uint64(i))
			}
			pad += part.Pad
		}
	}
	return positions, pad
}

func TestEveryTopologySeesTheSamePositions(t *testing.T) {
	for _, n := range []uint64{0, 1, 7, 36, 97} {
		for world := 1; world <= 8; world++ {
			for _, batch := range []int{1, 2, 3, 8, 32} {
				for _, tail := range []order.Tail{order.Short, order.Drop, order.Pad} {
					p, err := order.NewPlan(n, 0, batch, world, tail)
					if tail == order.Short && world > 1 {
						require.True(t, fault.Is(err, fault.Invalid))
						continue
					}
					require.NoError(t, err)
					got, pad := stream(t, p, p.Steps())
					for i, pos := range got {
						require.Equal(t, uint64(i), pos)
					}
					size := uint64(world * batch)
					switch tail {
					case order.Drop:
						require.Equal(t, n/size*size, uint64(len(got)))
						require.Zero(t, pad)
					case order.Pad:
						require.Len(t, got, int(n))
						require.Equal(t, p.Steps()*size, n+uint64(pad))
					default:
						require.Len(t, got, int(n))
					}
				}
			}
		}
	}
}

func TestAnyChainOfResumesGivesEveryPositionOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		n := rng.Uint64N(200)
		var all []uint64
		for start := uint64(0); start < n; {
			p, err := order.NewPlan(n, start, 1+rng.IntN(9), 1+rng.IntN(8), order.Pad)
			require.NoError(t, err)
			steps := 1 + rng.Uint64N(p.Steps())
			got, _ := stream(t, p, steps)
			all = append(all, got...)
			start = p.After(steps)
		}
		require.Len(t, all, int(n))
		for i, pos := range all {
			require.Equal(t, uint64(i), pos)
		}
	}
}

func TestBadPlansAreRefused(t *testing.T) {
	for name, f := range map[string]func() (order.Plan, error){
		"batch 0":      func() (order.Plan, error) { return order.NewPlan(5, 0, 0, 1, "") },
		"world 0":      func() (order.Plan, error) { return order.NewPlan(5, 0, 1, 0, "") },
		"start beyond": func() (order.Plan, error) { return order.NewPlan(5, 6, 1, 1, "") },
		"unknown tail": func() (order.Plan, error) { return order.NewPlan(5, 0, 1, 1, "wrap") },
	} {
		_, err := f()
		assert.True(t, fault.Is(err, fault.Invalid), name)
	}
	p, err := order.NewPlan(5, 0, 2, 2, "")
	require.NoError(t, err)
	assert.Equal(t, order.Drop, p.Tail)
	assert.Panics(t, func() { p.Part(1, 0) })
	assert.Panics(t, func() { p.Part(0, 2) })
	assert.Panics(t, func() { order.New(digest, "train", 5, 0, 0, true).At(5) })
}

func BenchmarkAt(b *testing.B) {
	for _, n := range []uint64{1 << 20, 1<<20 + 1, 1<<32 + 1} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			o := order.New(digest, "train", n, 1, 1, true)
			b.ReportAllocs()
			p := uint64(0)
			for b.Loop() {
				o.At(p)
				p = (p + 1) % n
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		order.New(digest, "train", 1<<20, 1, 1, true)
	}
}
