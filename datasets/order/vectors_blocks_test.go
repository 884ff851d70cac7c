package order_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/datasets/order"
)

// inBlocks is one epoch of terrapin-order-3 from where its samples lie, with the groups that follow from that.
type inBlocks struct {
	Digest  string `json:"digest"`
	Split   string `json:"split"`
	Filter  string `json:"filter"`
	Weights string `json:"weights"`
	Shuffle string `json:"shuffle"`
	Seed    string `json:"seed"`
	Epoch   string `json:"epoch"`
	// Kept are indices in the base order; Cells, Rows, Cols and Weight are of them, in this order.
	Kept   []uint32  `json:"kept"`
	Cells  []string  `json:"cells,omitempty"`
	Rows   []uint32  `json:"rows,omitempty"`
	Cols   []uint32  `json:"cols,omitempty"`
	Weight []float64 `json:"weight,omitempty"`
	// Chunk and Size are the edges of a chunk and of a window, GroupBytes what a chunk decodes to.
	Chunk      int    `json:"chunk,omitempty"`
	Size       int    `json:"size,omitempty"`
	GroupBytes uint64 `json:"group_bytes,omitempty"`

	// Block is how many chunks lie along the edge of a group, Touched T, Groups the sizes of the groups in the order of
	// storage and Half the positions in half a window.
	Block   int      `json:"block,omitempty"`
	Touched uint64   `json:"touched,omitempty"`
	Groups  []uint32 `json:"groups,omitempty"`
	Half    uint64   `json:"half,omitempty"`

	Positions []string `json:"positions,omitempty"`
	Indices   []uint64 `json:"indices"`
}

func (v *inBlocks) compute(t *testing.T) {
	t.Helper()
	s, err := order.ParseShuffle(v.Shuffle)
	require.NoError(t, err)
	var list order.List = order.Listed(v.Kept)
	var groups order.Groups
	weight := v.Weight
	if bytes, windowed := s.Windowed(); windowed {
		var l order.Listed
		l, groups = order.Blocks(slices.Values(v.places()), order.Storage{Edge: v.Chunk, Window: v.Size, Bytes: v.GroupBytes}, bytes)
		v.Block, v.Touched, v.Half, v.Groups = groups.Edge, groups.Chunks, groups.Half(l.Len(), bytes), nil
		for g := range groups.Len() {
			v.Groups = append(v.Groups, groups.Starts[g+1]-groups.Starts[g])
		}
		if weight != nil {
			of := map[uint32]float64{}
			for i, index := range v.Kept {
				of[index] = v.Weight[i]
			}
			weight = make([]float64, len(l))
			for i, index := range l {
				weight[i] = of[index]
			}
		}
		list = l
	}
	c, err := order.NewChoice(list, weight, groups)
	require.NoError(t, err)
	o := order.Draw(order.Key{Algorithm: order.DrawnAlgorithm, Digest: v.Digest, Split: v.Split, Filter: v.Filter, Weights: v.Weights, Shuffle: s,
		Seed: number(t, v.Seed), Epoch: number(t, v.Epoch)}, c)
	if v.Indices = nil; v.Positions == nil {
		v.Indices = whole(o)
	}
	for _, p := range v.Positions {
		v.Indices = append(v.Indices, o.At(number(t, p)))
	}
}

func (v *inBlocks) places() []order.Place {
	paths := slices.Compact(slices.Sorted(slices.Values(v.Cells)))
	out := make([]order.Place, len(v.Kept))
	for i, index := range v.Kept {
		out[i] = order.Place{Index: index, Cell: uint32(slices.Index(paths, v.Cells[i])), Row: v.Rows[i], Col: v.Cols[i]}
	}
	return out
}

// laid are windows on a grid of an edge, a stride apart and moved by a jitter, in some cells; a part of them is kept.
type laid struct {
	cells               []string
	edge, stride        int
	jitter, size, chunk int
	part                int // of 100
}

func (l laid) samples(rng *rand.Rand) (v inBlocks) {
	v.Chunk, v.Size = l.chunk, l.size
	index := rng.Perm(len(l.cells) * (l.edge / l.stride) * (l.edge / l.stride))
	at := func(k int) uint32 {
		return uint32(max(0, min(l.edge-l.size, k*l.stride+rng.IntN(2*l.jitter+1)-l.jitter)))
	}
	type one struct {
		index    uint32
		cell     string
		row, col uint32
	}
	var all []one
	for _, cell := range l.cells {
		for r := range l.edge / l.stride {
			for c := range l.edge / l.stride {
				all = append(all, one{uint32(index[len(all)]), cell, at(r), at(c)})
			}
		}
	}
	slices.SortFunc(all, func(a, b one) int { return int(a.index) - int(b.index) })
	for _, s := range all {
		if rng.IntN(100) < l.part {
			v.Kept, v.Cells = append(v.Kept, s.index), append(v.Cells, s.cell)
			v.Rows, v.Cols = append(v.Rows, s.row), append(v.Cols, s.col)
		}
	}
	return v
}

// blockInputs are epochs of every kind: chips in their chunks and windows across them, dense and sparse, in one cell and several.
func blockInputs() []inBlocks {
	const digest = "td1:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865"
	rng := rand.New(rand.NewPCG(8, 3))
	var out []inBlocks
	add := func(v inBlocks, window uint64) {
		v.Digest, v.Split, v.Seed, v.Epoch = digest, "train", "5", fmt.Sprint(len(out)%3)
		if v.GroupBytes = 100; v.Shuffle == "" {
			v.Shuffle = fmt.Sprintf("window:%d", window)
		}
		out = append(out, v)
	}
	one, two := []string{"r0c0/10m"}, []string{"r0c1/10m", "r0c0/10m"}
	aligned := laid{cells: one, edge: 128, stride: 16, size: 16, chunk: 16, part: 100}
	across := laid{cells: one, edge: 256, stride: 16, jitter: 6, size: 16, chunk: 16, part: 100}
	dense := laid{cells: two, edge: 128, stride: 8, jitter: 3, size: 16, chunk: 16, part: 100}
	sparse := laid{cells: two, edge: 512, stride: 16, jitter: 7, size: 16, chunk: 16, part: 6}
	large := laid{cells: one, edge: 320, stride: 20, jitter: 4, size: 40, chunk: 16, part: 80}
	small := laid{cells: one, edge: 128, stride: 4, jitter: 2, size: 5, chunk: 32, part: 25}
	for _, l := range []laid{aligned, across, dense, sparse, large, small} {
		v := l.samples(rng)
		for _, window := range []uint64{300, 4000, 12000, 1 << 62} {
			add(v, window)
		}
	}
	for _, l := range []laid{across, dense} {
		v := l.samples(rng)
		v.Filter, v.Weights = "a = 'é'", "w"
		for range v.Kept {
			v.Weight = append(v.Weight, float64(rng.IntN(4)))
		}
		add(v, 8000)
	}
	far := laid{cells: one, edge: 1 << 12, stride: 32, jitter: 20, size: 64, chunk: 64, part: 30}.samples(rng)
	far.Positions = []string{"0", "1", "777", "1500", "2001"}
	add(far, 40000)
	add(inBlocks{Kept: []uint32{0}, Cells: one, Rows: []uint32{4294967000}, Cols: []uint32{7}, Chunk: 256, Size: 32768}, 1)
	add(inBlocks{Filter: "x", Shuffle: "uniform", Kept: []uint32{1, 4, 5, 9, 11, 12}}, 0)
	add(inBlocks{Filter: "x", Weights: "w", Shuffle: "base", Kept: []uint32{1, 4, 5, 9}, Weight: []float64{1, 2, 0, 0.5}}, 0)
	return out
}
