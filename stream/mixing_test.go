package stream

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The order of a ticket is measured as its own, and beside a uniform one of the same samples.
func TestMixingOfATicket(t *testing.T) {
	w := newShelf(t, 1)
	mixing := func(keys string) Mixing {
		t.Helper()
		ticket, err := ParseTicket([]byte(`{"dataset": "crops@v1", "batch_size": 4` + keys + `}`))
		require.NoError(t, err)
		m, err := w.engine.Mixing(t.Context(), *ticket.Samples)
		require.NoError(t, err)
		return m
	}
	base := mixing(`, "shuffle": false`)
	require.Equal(t, 1.0, *base.EpochOverlap, "every epoch is the same")
	require.Less(t, *base.Uniform.EpochOverlap, 0.5)
	uniform, last := mixing(`, "shuffle": "uniform"`), mixing(`, "shuffle": "uniform", "epoch": 18446744073709551615`)
	require.Less(t, *uniform.EpochOverlap, 0.5)
	require.Less(t, *last.EpochOverlap, 0.5)
	require.InDelta(t, 1, uniform.DistinctChunks, 0.35)
	require.Equal(t, base.Uniform, uniform.Uniform)
	windowed := mixing(`, "shuffle": "window:4KiB"`)
	require.Less(t, windowed.DistinctChunks, uniform.DistinctChunks)
	require.Greater(t, windowed.LargestChunkShare, uniform.LargestChunkShare)
	require.NotEqual(t, uniform.Uniform, mixing(`, "filter": "row >= 8"`).Uniform, "other samples")
	mixing(`, "weights": "col", "epoch": 3`)

	ticket, err := ParseTicket([]byte(`{"dataset": "crops@v9"}`))
	require.NoError(t, err)
	_, err = w.engine.Mixing(t.Context(), *ticket.Samples)
	require.Error(t, err)
}
