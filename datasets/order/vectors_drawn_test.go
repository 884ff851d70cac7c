package order_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/datasets/order"
)

// drawn is one epoch of terrapin-order-2: what it is drawn from and what it gives.
type drawn struct {
	Digest  string `json:"digest"`
	Split   string `json:"split"`
	Filter  string `json:"filter"`
	Weights string `json:"weights"`
	Shuffle string `json:"shuffle"`
	Seed    string `json:"seed"`
	Epoch   string `json:"epoch"`
	// Kept is left out where all of N are kept.
	N          uint64    `json:"n"`
	Kept       []uint32  `json:"kept,omitempty"`
	Weight     []float64 `json:"weight,omitempty"`
	Groups     []uint32  `json:"groups,omitempty"` // their sizes
	GroupBytes uint64    `json:"group_bytes,omitempty"`

	Indices   []uint64 `json:"indices,omitempty"`
	Positions []string `json:"positions,omitempty"`
	At        []string `json:"at,omitempty"`
}

func (d drawn) order(t *testing.T) order.Sequence {
	t.Helper()
	var list order.List = order.All(d.N)
	if d.Kept != nil {
		list = order.Listed(d.Kept)
	}
	g := order.Groups{Bytes: d.GroupBytes}
	if d.Groups != nil {
		g.Starts = []uint32{0}
		for _, size := range d.Groups {
			g.Starts = append(g.Starts, g.Starts[len(g.Starts)-1]+size)
		}
	}
	c, err := order.NewChoice(list, d.Weight, g)
	require.NoError(t, err)
	s, err := order.ParseShuffle(d.Shuffle)
	require.NoError(t, err)
	return order.Draw(order.Key{Algorithm: order.DrawnByChunk, Digest: d.Digest, Split: d.Split, Filter: d.Filter, Weights: d.Weights, Shuffle: s,
		Seed: number(t, d.Seed), Epoch: number(t, d.Epoch)}, c)
}

// drawnInputs are epochs of every kind: with and without each of filter, weights and window.
func drawnInputs() []drawn {
	const digest = "td1:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865"
	rng := rand.New(rand.NewPCG(7, 7))
	var out []drawn
	add := func(d drawn) {
		d.Digest, d.Split = digest, "train"
		if d.Seed == "" {
			d.Seed, d.Epoch = "1", "0"
		}
		out = append(out, d)
	}
	kept := func(n, of int) []uint32 {
		var list []uint32
		for i := range of {
			if rng.IntN(of-i) < n-len(list) {
				list = append(list, uint32(i))
			}
		}
		return list
	}
	shuffled := func(list []uint32) []uint32 {
		rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		return list
	}
	sizes := func(n, most int) []uint32 {
		var list []uint32
		for n > 0 {
			k := min(n, 1+rng.IntN(most))
			list, n = append(list, uint32(k)), n-k
		}
		return list
	}
	weights := func(n int, draw func() float64) []float64 {
		list := make([]float64, n)
		for i := range list {
			list[i] = draw()
		}
		list[rng.IntN(n)] = 3 // whatever was drawn, not all are 0
		return list
	}
	few := func() float64 { return float64(rng.IntN(4)) }
	wide := func() float64 { return rng.ExpFloat64() * []float64{1e-9, 1, 1e6}[rng.IntN(3)] }

	add(drawn{Filter: "cell = 'r0c0/10m'", Shuffle: "uniform", N: 40, Kept: kept(13, 40)})
	add(drawn{Filter: "cell = 'r0c0/10m'", Shuffle: "base", N: 40, Kept: kept(13, 40)})
	add(drawn{Filter: "x", Shuffle: "uniform", N: 1, Kept: []uint32{0}})
	add(drawn{Weights: "class_balanced", Shuffle: "uniform", N: 4, Weight: []float64{1, 1, 2, 0}})
	add(drawn{Weights: "w", Shuffle: "base", N: 9, Weight: weights(9, few)})
	add(drawn{Weights: "w", Shuffle: "uniform", N: 3, Weight: []float64{5e-324, 0, 1.5e-323}})
	add(drawn{Weights: "w", Shuffle: "uniform", N: 3, Weight: []float64{1.7976931348623157e308, 1e308, 1}})
	add(drawn{Weights: "w", Shuffle: "uniform", N: 1, Weight: []float64{0.1}})
	for _, e := range []string{"0", "1", "18446744073709551615"} {
		add(drawn{Weights: "w", Shuffle: "uniform", N: 60, Weight: weights(60, wide), Seed: "3", Epoch: e})
		add(drawn{Filter: "a = 'é'", Weights: "w", Shuffle: "uniform", N: 90, Kept: kept(33, 90), Weight: weights(33, few), Seed: "3", Epoch: e})
		add(drawn{Shuffle: "window:4096", N: 120, Kept: shuffled(kept(120, 120)), Groups: sizes(120, 9), GroupBytes: 512, Seed: "4", Epoch: e})
		add(drawn{Filter: "a = 1", Weights: "w", Shuffle: "window:2048", N: 200, Kept: shuffled(kept(110, 200)), Weight: weights(110, wide),
			Groups: sizes(110, 12), GroupBytes: 500, Seed: "4", Epoch: e})
	}
	for _, bytes := range []string{"1", "1000", "9223372036854775807"} {
		add(drawn{Shuffle: "window:" + bytes, N: 31, Kept: shuffled(kept(31, 31)), Groups: sizes(31, 5), GroupBytes: 100})
	}
	add(drawn{Shuffle: "window:1000", N: 1, Kept: []uint32{0}, Groups: []uint32{1}, GroupBytes: 100})
	add(drawn{Shuffle: "uniform", Filter: "all", N: 1000000007, Positions: []string{"0", "999999999", "1000000006"}})
	many := sizes(3000, 40)
	add(drawn{Shuffle: "window:8MiB", N: 3000, Kept: shuffled(kept(3000, 3000)), Groups: many, GroupBytes: 1 << 20, Positions: []string{"0", "1", "1499", "1500", "2998", "2999"}})
	return out
}

func (d *drawn) compute(t *testing.T) {
	t.Helper()
	o := d.order(t)
	d.Indices, d.At = nil, nil
	if d.Positions == nil {
		d.Indices = whole(o)
	}
	for _, s := range d.Positions {
		d.At = append(d.At, fmt.Sprint(o.At(number(t, s))))
	}
}
