package icechunk

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// sparse commits a grid of which some chunks are absent, in manifests of few references.
func sparse(t *testing.T, g grid, keep float64) (*Repo, *Snapshot) {
	r := create(t, newBucket(), Config{ManifestRefs: 17, InlineMax: -1})
	rng := rand.New(rand.NewPCG(uint64(100*keep), 5))
	tx, err := r.Begin(t.Context(), "main")
	require.NoError(t, err)
	require.NoError(t, tx.PutGroup("/", groupMeta(1)))
	require.NoError(t, tx.PutArray("/grid", g.meta(), g.info()))
	for step := range uint32(g.steps) {
		for x := range uint32(g.width / 2) {
			if rng.Float64() < keep {
				require.NoError(t, tx.SetRef("/grid", []uint32{step, x}, Ref{Object: ID{1}, Offset: uint64(step)<<20 | uint64(x), Length: 7}))
			}
		}
	}
	id, err := tx.Commit(t.Context(), "sparse", nil)
	require.NoError(t, err)
	s, err := r.Snapshot(t.Context(), id)
	require.NoError(t, err)
	return r, s
}

// LookUp finds what Ref finds, in whatever order and however much is absent.
func TestLookUpEqualsRef(t *testing.T) {
	g := grid{23, 30}
	for _, keep := range []float64{1, 0.7, 0.1, 0.01} {
		_, s := sparse(t, g, keep)
		rng := rand.New(rand.NewPCG(9, 9))
		for round := range 50 {
			n := rng.IntN(60)
			places := make([][2]uint32, n)
			for i := range places {
				places[i] = [2]uint32{uint32(rng.IntN(g.steps)), uint32(rng.IntN(g.width / 2))}
			}
			if round%2 == 0 {
				slices.SortFunc(places, func(a, b [2]uint32) int { return slices.Compare(a[:], b[:]) })
			}
			var index []uint32
			for _, p := range places {
				index = append(index, p[:]...)
			}
			out := make([]Found, n)
			require.NoError(t, s.LookUp(t.Context(), "/grid", index, out))
			for i, p := range places {
				ref, ok, err := s.Ref(t.Context(), "/grid", p[:])
				require.NoError(t, err)
				require.NoError(t, out[i].Err)
				require.Equal(t, ok, out[i].OK, "%v", p)
				require.Equal(t, ref, out[i].Ref)
			}
		}
	}
}

// What is wrong with one chunk or one manifest is said of the chunks that it concerns.
func TestLookUpFailsChunkByChunk(t *testing.T) {
	r, s := sparse(t, grid{23, 30}, 1)
	require.Greater(t, len(s.info.nodes[1].manifests), 2)
	require.NoError(t, r.bucket.Delete(t.Context(), folders[manifestFile]+s.info.nodes[1].manifests[0].id.String()))
	fresh, err := Open(t.Context(), r.bucket, Config{})
	require.NoError(t, err)
	s, err = fresh.Snapshot(t.Context(), s.ID())
	require.NoError(t, err)
	out := make([]Found, 4)
	require.NoError(t, s.LookUp(t.Context(), "/grid", []uint32{0, 0, 0, 1, 23, 0, 22, 0}, out))
	assert.ErrorIs(t, out[0].Err, store.ErrNotFound)
	assert.ErrorIs(t, out[1].Err, store.ErrNotFound)
	assert.Equal(t, fault.Invalid, fault.KindOf(out[2].Err), "outside of the grid")
	assert.NoError(t, out[3].Err)
	assert.True(t, out[3].OK)

	assert.Equal(t, fault.NotFound, fault.KindOf(s.LookUp(t.Context(), "/none", nil, nil)))
	assert.Equal(t, fault.Internal, fault.KindOf(s.LookUp(t.Context(), "/grid", []uint32{1}, out)))
}

func BenchmarkLookUp(b *testing.B) {
	r, _ := bigGrid(b)
	id, err := r.Resolve(b.Context(), "main")
	require.NoError(b, err)
	s, err := r.Snapshot(b.Context(), id)
	require.NoError(b, err)
	index, out := make([]uint32, 0, 16), make([]Found, 8)
	for i := 0; b.Loop(); i++ {
		index = index[:0]
		for t := range uint32(8) { // two by two chunks of two dates
			index = append(index, uint32(i%250)*2+t/4, uint32(i%350)+t%2+t/2%2*43)
		}
		if err := s.LookUp(b.Context(), "/grid", index, out); err != nil || !out[7].OK {
			b.Fatal(err, out[7].Err)
		}
	}
}
