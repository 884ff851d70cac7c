package order_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
)

func draw(t *testing.T, list order.List, weights []float64, g order.Groups, k order.Key) order.Sequence {
	t.Helper()
	c, err := order.NewChoice(list, weights, g)
	require.NoError(t, err)
	k.Algorithm, k.Digest, k.Split = order.DrawnByChunk, digest, "train"
	return order.Draw(k, c)
}

// starts lays groups of random sizes over n samples.
func starts(rng *rand.Rand, n, most int) []uint32 {
	out := []uint32{0}
	for at := 0; at < n; {
		at = min(n, at+1+rng.IntN(most))
		out = append(out, uint32(at))
	}
	return out
}

func listed(rng *rand.Rand, n int) order.Listed {
	l := make(order.Listed, n)
	for i, v := range rng.Perm(n) {
		l[i] = uint32(v)
	}
	return l
}

// shares are n*w_i/sum(w) as fractions.
func shares(weights []float64) []*big.Rat {
	sum, out := new(big.Rat), make([]*big.Rat, len(weights))
	for i, w := range weights {
		out[i] = new(big.Rat).SetFloat64(w)
		sum.Add(sum, out[i])
	}
	n := new(big.Rat).SetInt64(int64(len(weights)))
	for _, s := range out {
		s.Mul(s, n).Quo(s, sum)
	}
	return out
}

func TestDrawsByWeightAreFloorOrCeilOfTheShare(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for round := range uint64(400) {
		n := 1 + rng.IntN(120)
		list, weights := listed(rng, n), make([]float64, n)
		for i := range weights {
			weights[i] = []float64{0, 1, 2, 7, 0.5}[rng.IntN(5)]
		}
		weights[rng.IntN(n)] = 3
		shuffle := []order.Shuffle{order.Uniform, order.Base, order.Window(700)}[round%3]
		g := order.Groups{Starts: starts(rng, n, 9), Bytes: 100}
		counts := make([]int64, n)
		for _, i := range whole(draw(t, list, weights, g, order.Key{Shuffle: shuffle, Weights: "w", Seed: 1, Epoch: round})) {
			counts[i]++
		}
		for at, share := range shares(weights) {
			floor := new(big.Int).Div(share.Num(), share.Denom()).Int64()
			got := counts[list[at]]
			require.GreaterOrEqual(t, got, floor, "sample %d of share %v", at, share)
			if share.IsInt() {
				require.Equal(t, floor, got)
			}
			require.LessOrEqual(t, got, floor+1)
		}
	}
}

func TestTheOffsetIsUniformOverEpochs(t *testing.T) {
	weights := []float64{1, 2, 3, 0.25, 5, 0, 1.75} // with shares of 7/13 of each
	const epochs = 4000
	counts := make([]float64, len(weights))
	for e := range uint64(epochs) {
		for _, i := range whole(draw(t, order.All(7), weights, order.Groups{}, order.Key{Shuffle: order.Uniform, Weights: "w", Epoch: e})) {
			counts[i]++
		}
	}
	for i, share := range shares(weights) {
		want, _ := share.Float64()
		_, fraction := math.Modf(want)
		deviation := math.Sqrt(fraction * (1 - fraction) / epochs)
		require.InDelta(t, want, counts[i]/epochs, 4*deviation+1e-9, "sample %d", i)
	}
}

func TestEqualWeightsDrawEverySampleOnce(t *testing.T) {
	for _, w := range []float64{1, 0.1, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		weights := make([]float64, 1000)
		for i := range weights {
			weights[i] = w
		}
		o := draw(t, order.All(1000), weights, order.Groups{}, order.Key{Shuffle: order.Base, Weights: "w"})
		for p := range o.Len() {
			require.Equal(t, p, o.At(p))
		}
	}
}

func TestFilteredPositionsAreUniform(t *testing.T) {
	b := order.NewBitmap(900)
	for i := range uint64(36) {
		b.Keep(i * i % 900)
	}
	b.Seal()
	n := b.Len()
	const epochs = 6000
	first, gaps := make([]int, n), make([]int, n-1)
	rank := map[uint64]uint64{}
	for i := range n {
		rank[b.At(i)] = i
	}
	for e := range uint64(epochs) {
		o := draw(t, b, nil, order.Groups{}, order.Key{Shuffle: order.Uniform, Filter: "x", Epoch: e})
		first[rank[o.At(0)]]++
		gaps[(rank[o.At(1)]+n-rank[o.At(0)])%n-1]++
	}
	require.Less(t, chiSquare(first, epochs), 5.0)
	require.Less(t, chiSquare(gaps, epochs), 5.0)
}

func TestBitmapsSelect(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, n := range []uint64{0, 1, 63, 64, 65, 511, 512, 513, 5000} {
		for _, part := range []uint64{0, 1, 20, 99, 100} {
			b, want := order.NewBitmap(n), []uint64{}
			for i := range n {
				if rng.Uint64N(100) < part {
					b.Keep(i)
					want = append(want, i)
				}
			}
			b.Seal()
			require.Equal(t, uint64(len(want)), b.Len())
			for i, v := range want {
				require.Equal(t, v, b.At(uint64(i)))
				require.True(t, b.Has(v))
			}
			require.Panics(t, func() { b.At(b.Len()) })
		}
	}
}

// groupOf gives the group of every sample of a list.
func groupOf(list order.Listed, g order.Groups) map[uint64]int {
	out := map[uint64]int{}
	for k := range len(g.Starts) - 1 {
		for i := g.Starts[k]; i < g.Starts[k+1]; i++ {
			out[uint64(list[i])] = k
		}
	}
	return out
}

func TestWindowsPermuteAndStayInTheirWindow(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 1))
	for round := range uint64(150) {
		n := 1 + rng.IntN(2000)
		list := listed(rng, n)
		g := order.Groups{Starts: starts(rng, n, 1+rng.IntN(30)), Bytes: 1000}
		inside := 1 + rng.IntN(40) // groups in a window
		o := draw(t, list, nil, g, order.Key{Shuffle: order.Window(uint64(inside) * 1000), Epoch: round})
		seen, in := make([]bool, n), groupOf(list, g)
		span := map[int][2]int{}
		for p := range n {
			i := o.At(uint64(p))
			require.False(t, seen[i])
			seen[i] = true
			k := in[i]
			if at, ok := span[k]; ok {
				span[k] = [2]int{at[0], p}
			} else {
				span[k] = [2]int{p, p}
			}
		}
		groups := len(g.Starts) - 1
		if inside/2 >= groups {
			continue // one window holds all
		}
		half := max(1, n*max(1, inside/2)/groups)
		for k, at := range span {
			size := int(g.Starts[k+1] - g.Starts[k])
			require.Less(t, at[1]-at[0], 4*half+size, "group %d is wanted for longer than its window", k)
		}
	}
}

// TestAWindowCostsAndMixesAsPredicted replays an epoch through a cache of groups that forgets the one used longest ago.
func TestAWindowCostsAndMixesAsPredicted(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	const n, inside = 40000, 40
	list := listed(rng, n)
	g := order.Groups{Starts: starts(rng, n, 40), Bytes: 1 << 20}
	groups, in := len(g.Starts)-1, groupOf(list, g)
	o := draw(t, list, nil, g, order.Key{Shuffle: order.Window(inside << 20)})
	uniform := draw(t, list, nil, order.Groups{}, order.Key{Shuffle: order.Uniform, Filter: "x"})

	loads := func(o order.Sequence, room int) int {
		count, used := 0, map[int]int{}
		for p := range n {
			k := in[o.At(uint64(p))]
			if _, ok := used[k]; !ok {
				count++
				if len(used) == room {
					oldest := -1
					for k, at := range used {
						if oldest < 0 || at < used[oldest] {
							oldest = k
						}
					}
					delete(used, oldest)
				}
			}
			used[k] = p
		}
		return count
	}
	// Groups differ in size, so that a window holds more of small ones; a cache of 1.3 windows reads nearly each once.
	require.Less(t, float64(loads(o, inside*13/10))/float64(groups), 1.15)
	require.Greater(t, float64(loads(uniform, inside*13/10))/float64(groups), 10.0)

	distinct := func(o order.Sequence) float64 {
		sum := 0
		for b := 0; b+32 <= n; b += 32 {
			seen := map[int]bool{}
			for p := b; p < b+32; p++ {
				seen[in[o.At(uint64(p))]] = true
			}
			sum += len(seen)
		}
		return float64(sum) / (n / 32)
	}
	predicted := func(groups float64) float64 { return groups * (1 - math.Pow(1-1/groups, 32)) }
	require.InDelta(t, predicted(inside)/predicted(float64(groups)), distinct(o)/distinct(uniform), 0.06)
}

func TestAWindowThatHoldsAllIsUniform(t *testing.T) {
	const n, epochs = 24, 8000
	g := order.Groups{Starts: []uint32{0, 10, 12, 24}, Bytes: 10}
	first, gaps := make([]int, n), make([]int, n-1)
	for e := range uint64(epochs) {
		o := draw(t, order.All(n), nil, g, order.Key{Shuffle: order.Window(1 << 40), Epoch: e})
		first[o.At(0)]++
		gaps[(o.At(1)+n-o.At(0))%n-1]++
	}
	require.Less(t, chiSquare(first, epochs), 5.0)
	require.Less(t, chiSquare(gaps, epochs), 5.0)
}

func TestEveryGroupMayComeFirst(t *testing.T) {
	const n, epochs = 400, 8000
	g := order.Groups{Bytes: 100}
	for i := uint32(0); i <= n; i += 10 {
		g.Starts = append(g.Starts, i)
	}
	first, inGroup := make([]int, 40), make([]int, 10)
	for e := range uint64(epochs) {
		i := draw(t, order.All(n), nil, g, order.Key{Shuffle: order.Window(400), Epoch: e}).At(0)
		first[i/10]++
		inGroup[i%10]++
	}
	require.Less(t, chiSquare(first, epochs), 5.0)
	require.Less(t, chiSquare(inGroup, epochs), 5.0)
}

func TestEverythingInTheKeyMatters(t *testing.T) {
	g := order.Groups{Starts: []uint32{0, 500, 1000}, Bytes: 1}
	base := order.Key{Shuffle: order.Uniform, Filter: "a", Weights: "b", Seed: 1, Epoch: 2}
	want := whole(draw(t, order.All(1000), nil, g, base))
	for _, change := range []func(*order.Key){
		func(k *order.Key) { k.Filter = "aa" }, func(k *order.Key) { k.Filter, k.Weights = "ab", "" }, func(k *order.Key) { k.Seed = 2 },
		func(k *order.Key) { k.Epoch = 3 }, func(k *order.Key) { k.Shuffle = order.Window(1 << 30) }, func(k *order.Key) { k.Shuffle = order.Base },
	} {
		k := base
		change(&k)
		require.NotEqual(t, want, whole(draw(t, order.All(1000), nil, g, k)))
	}
	require.Equal(t, want, whole(draw(t, order.All(1000), nil, g, base)))
}

func TestBadWeightsAreRefused(t *testing.T) {
	for _, w := range [][]float64{{1, -1}, {math.NaN(), 1}, {1, math.Inf(1)}, {0, 0}} {
		_, err := order.NewChoice(order.All(2), w, order.Groups{})
		require.True(t, fault.Is(err, fault.Invalid))
		require.NotEmpty(t, fault.CureOf(err))
	}
}

func TestParseShuffle(t *testing.T) {
	for text, want := range map[string]string{
		"base": "base", "uniform": "uniform", "window:1": "window:1", "window:2GiB": "window:2147483648", "window:512MiB": "window:536870912",
		"window:3KiB": "window:3072", "window:1TiB": "window:1099511627776", "window:9223372036854775807": "window:9223372036854775807",
	} {
		s, err := order.ParseShuffle(text)
		require.NoError(t, err)
		require.Equal(t, want, s.String())
	}
	for _, text := range []string{"", "window", "window:", "window:0", "window:-1", "window:+1", "window:GiB", "window:2GB", "window:2 GiB", "window:1.5GiB",
		"window:9223372036854775808", "window:8388608TiB", "Uniform", "true"} {
		_, err := order.ParseShuffle(text)
		require.True(t, fault.Is(err, fault.Invalid), text)
		require.NotEmpty(t, fault.CureOf(err))
	}
}

func BenchmarkDrawn(b *testing.B) {
	const n = 1 << 20
	g := order.Groups{Bytes: 1 << 20}
	for i := uint32(0); i <= n; i += 16 {
		g.Starts = append(g.Starts, i)
	}
	weights := make([]float64, n)
	for i := range weights {
		weights[i] = float64(i%7) + 0.5
	}
	for name, w := range map[string][]float64{"window": nil, "window and weights": weights} {
		c, err := order.NewChoice(order.All(n), w, g)
		require.NoError(b, err)
		b.Run(name, func(b *testing.B) {
			o := order.Draw(order.Key{Shuffle: order.Window(64 << 20)}, c)
			b.ReportAllocs()
			p := uint64(0)
			for b.Loop() {
				o.At(p)
				p = (p + 1) % n
			}
		})
	}
}
