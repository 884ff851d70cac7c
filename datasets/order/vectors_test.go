package order_test

import (
	"encoding/json"
	"flag"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/datasets/order"
)

var update = flag.Bool("update", false, "write the test vectors anew (only for a new algorithm)")

const vectorFile = "../../testdata/conformance/order.json"

type permutation struct {
	Digest    string   `json:"digest"`
	Split     string   `json:"split"`
	N         string   `json:"n"`
	Seed      string   `json:"seed"`
	Epoch     string   `json:"epoch"`
	Shuffle   bool     `json:"shuffle"`
	Indices   []uint64 `json:"indices,omitempty"`
	Positions []string `json:"positions,omitempty"`
	At        []string `json:"at,omitempty"`
}

type plan struct {
	N     uint64        `json:"n"`
	Start uint64        `json:"start"`
	Batch int           `json:"batch_size"`
	World int           `json:"world_size"`
	Tail  string        `json:"tail"`
	Parts [][][3]uint64 `json:"parts"` // by step, then rank: first, count, pad
}

type vectors struct {
	Algorithm    string        `json:"algorithm"`
	Permutations []permutation `json:"permutations"`
	Plans        []plan        `json:"plans"`
	Drawn        struct {
		Algorithm string  `json:"algorithm"`
		Orders    []drawn `json:"orders"`
	} `json:"drawn"`
	Blocks struct {
		Algorithm string     `json:"algorithm"`
		Orders    []inBlocks `json:"orders"`
	} `json:"blocks"`
}

func number(t *testing.T, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	require.NoError(t, err)
	return n
}

// compute fills in what the inputs of a vector file give.
func compute(t *testing.T, v *vectors) {
	t.Helper()
	for i := range v.Permutations {
		p := &v.Permutations[i]
		o := order.New(p.Digest, p.Split, number(t, p.N), number(t, p.Seed), number(t, p.Epoch), p.Shuffle)
		p.Indices, p.At = nil, nil
		if p.Positions == nil {
			for k := range o.Len() {
				p.Indices = append(p.Indices, o.At(k))
			}
		}
		for _, s := range p.Positions {
			p.At = append(p.At, strconv.FormatUint(o.At(number(t, s)), 10))
		}
	}
	for i := range v.Plans {
		p := &v.Plans[i]
		plan, err := order.NewPlan(p.N, p.Start, p.Batch, p.World, order.Tail(p.Tail))
		require.NoError(t, err)
		p.Parts = [][][3]uint64{}
		for g := range plan.Steps() {
			var ranks [][3]uint64
			for r := range p.World {
				part := plan.Part(g, r)
				ranks = append(ranks, [3]uint64{part.First, uint64(part.Count), uint64(part.Pad)})
			}
			p.Parts = append(p.Parts, ranks)
		}
	}
	for i := range v.Drawn.Orders {
		v.Drawn.Orders[i].compute(t)
	}
	for i := range v.Blocks.Orders {
		v.Blocks.Orders[i].compute(t)
	}
}

func inputs() vectors {
	const d = "td1:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865"
	v := vectors{Algorithm: order.Algorithm}
	for _, n := range []string{"0", "1", "2", "3", "4", "5", "16", "17", "36", "100", "257"} {
		v.Permutations = append(v.Permutations, permutation{Digest: d, Split: "train", N: n, Seed: "1", Epoch: "0", Shuffle: true})
	}
	v.Permutations = append(v.Permutations,
		permutation{Digest: d, Split: "train", N: "36", Seed: "1", Epoch: "1", Shuffle: true},
		permutation{Digest: d, Split: "train", N: "36", Seed: "2", Epoch: "0", Shuffle: true},
		permutation{Digest: d, Split: "validate", N: "36", Seed: "1", Epoch: "0", Shuffle: true},
		permutation{Digest: "", Split: "", N: "36", Seed: "18446744073709551615", Epoch: "18446744073709551615", Shuffle: true},
		permutation{Digest: d, Split: "train", N: "5", Seed: "1", Epoch: "0", Shuffle: false},
		permutation{Digest: d, Split: "train", N: "1000000007", Seed: "9", Epoch: "3", Shuffle: true, Positions: []string{"0", "1", "999999999", "1000000006"}},
		permutation{Digest: d, Split: "train", N: "4294967297", Seed: "9", Epoch: "3", Shuffle: true, Positions: []string{"0", "1", "4294967295", "4294967296"}},
		permutation{Digest: d, Split: "train", N: "18446744073709551615", Seed: "9", Epoch: "3", Shuffle: true, Positions: []string{"0", "18446744073709551614"}},
	)
	v.Plans = append(v.Plans, []plan{
		{N: 10, Batch: 4, World: 1, Tail: ""}, {N: 10, Batch: 4, World: 1, Tail: "drop"}, {N: 10, Batch: 4, World: 1, Tail: "pad"},
		{N: 10, Start: 3, Batch: 2, World: 2, Tail: ""}, {N: 10, Start: 3, Batch: 2, World: 2, Tail: "pad"},
		{N: 5, Batch: 2, World: 4, Tail: "pad"}, {N: 0, Batch: 2, World: 1, Tail: ""}, {N: 7, Start: 7, Batch: 3, World: 3, Tail: "pad"},
	}...)
	v.Drawn.Algorithm, v.Drawn.Orders = order.DrawnByChunk, drawnInputs()
	v.Blocks.Algorithm, v.Blocks.Orders = order.DrawnAlgorithm, blockInputs()
	return v
}

func TestVectors(t *testing.T) {
	if *update {
		v := inputs()
		compute(t, &v)
		data, err := json.Marshal(v)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(vectorFile, append(data, '\n'), 0o644))
	}
	data, err := os.ReadFile(vectorFile)
	require.NoError(t, err)
	var want, got vectors
	require.NoError(t, json.Unmarshal(data, &want))
	require.NoError(t, json.Unmarshal(data, &got))
	require.Equal(t, order.Algorithm, want.Algorithm)
	require.Len(t, want.Permutations, len(inputs().Permutations))
	require.Equal(t, order.DrawnByChunk, want.Drawn.Algorithm)
	require.Len(t, want.Drawn.Orders, len(inputs().Drawn.Orders))
	require.Equal(t, order.DrawnAlgorithm, want.Blocks.Algorithm)
	require.Len(t, want.Blocks.Orders, len(inputs().Blocks.Orders))
	compute(t, &got)
	require.Equal(t, want, got)
}
