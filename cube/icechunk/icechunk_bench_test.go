package icechunk

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// bigGrid commits 500 steps of 400 chunks, as pack references.
func bigGrid(b *testing.B) (*Repo, grid) {
	r, err := Create(b.Context(), newBucket(), Config{})
	require.NoError(b, err)
	g := grid{500, 800}
	tx, err := r.Begin(b.Context(), "main")
	require.NoError(b, err)
	require.NoError(b, tx.PutGroup("/", groupMeta(1)))
	require.NoError(b, tx.PutArray("/grid", g.meta(), g.info()))
	for step := range uint32(g.steps) {
		for x := range uint32(400) {
			require.NoError(b, tx.SetRef("/grid", []uint32{step, x}, Ref{Object: ID{1, byte(step)}, Offset: uint64(x) * 70_000, Length: 70_000}))
		}
	}
	_, err = tx.Commit(b.Context(), "big", nil)
	require.NoError(b, err)
	return r, g
}

func BenchmarkRef(b *testing.B) {
	r, _ := bigGrid(b)
	id, err := r.Resolve(b.Context(), "main")
	require.NoError(b, err)
	s, err := r.Snapshot(b.Context(), id)
	require.NoError(b, err)
	for i := 0; b.Loop(); i++ {
		if _, ok, err := s.Ref(b.Context(), "/grid", []uint32{uint32(i % 500), uint32(i % 400)}); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

// BenchmarkLateInsertion moves every reference of an array of 200 000 chunks.
func BenchmarkLateInsertion(b *testing.B) {
	r, g := bigGrid(b)
	for b.Loop() {
		tx, err := r.Begin(b.Context(), "main")
		require.NoError(b, err)
		g.steps++
		require.NoError(b, tx.PutArray("/grid", g.meta(), g.info()))
		require.NoError(b, tx.Remap("/grid", func(i []uint32) []uint32 { i[0]++; return i }))
		_, err = tx.Commit(b.Context(), "late", nil)
		require.NoError(b, err)
	}
}

func BenchmarkAppend(b *testing.B) {
	r, g := bigGrid(b)
	for b.Loop() {
		tx, err := r.Begin(b.Context(), "main")
		require.NoError(b, err)
		g.steps++
		require.NoError(b, tx.PutArray("/grid", g.meta(), g.info()))
		for x := range uint32(400) {
			require.NoError(b, tx.SetRef("/grid", []uint32{uint32(g.steps - 1), x}, Ref{Object: ID{1}, Offset: uint64(x) * 70_000, Length: 70_000}))
		}
		_, err = tx.Commit(b.Context(), "append", nil)
		require.NoError(b, err)
	}
}
