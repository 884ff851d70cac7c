package stream

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/read"
)

// counted reads a ticket to its end and returns what its last batch says; counts only grow on the way.
func (w *shelf) counted(t *testing.T, e *Engine, text string) Chunks {
	t.Helper()
	ticket, err := ParseTicket([]byte(text))
	require.NoError(t, err)
	r, err := e.Open(t.Context(), ticket)
	require.NoError(t, err)
	defer r.Close()
	var last Chunks
	for {
		b, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return last
		}
		require.NoError(t, err)
		require.GreaterOrEqual(t, b.Chunks.Kept+b.Chunks.Joined+b.Chunks.Decoded, last.Kept+last.Joined+last.Decoded)
		last = b.Chunks
		b.Release()
	}
}

func TestRunsCountTheirOwnChunks(t *testing.T) {
	w := newShelf(t, 1)
	reader := read.New(read.Config{CacheBytes: 64 << 20})
	e := New(Config{Root: w.cfg.Root, Cubes: w.engine.cfg.Cubes, Reader: reader})
	const ticket = `{"dataset": "crops@v1", "batch_size": 5}`
	first := w.counted(t, e, ticket)
	require.Positive(t, first.Decoded)
	require.Positive(t, first.BytesRead)
	again := w.counted(t, e, ticket)
	require.Zero(t, again.Decoded+again.Joined+again.BytesRead)
	require.Equal(t, first.Kept+first.Joined+first.Decoded, again.Kept)
	windows := w.counted(t, e, `{"cube": "s2", "size": 8, "batch_size": 3}`)
	require.Positive(t, windows.Kept)
	total := reader.Stats()
	require.Equal(t, first.Decoded+windows.Decoded, total.Misses)
	require.Equal(t, first.Kept+first.Joined+again.Kept+windows.Kept+windows.Joined, total.Hits)
	require.Equal(t, first.BytesRead+windows.BytesRead, total.BytesRead)

	cold := New(Config{Root: w.cfg.Root, Cubes: w.engine.cfg.Cubes, Reader: read.New(read.Config{CacheBytes: 64 << 20})})
	var each [4]Chunks
	var all sync.WaitGroup
	for i := range each {
		all.Go(func() { each[i] = w.counted(t, cold, ticket) })
	}
	all.Wait()
	decoded := int64(0)
	for _, c := range each {
		decoded += c.Decoded
		require.Equal(t, again.Kept, c.Kept+c.Joined+c.Decoded)
	}
	require.Equal(t, first.Decoded, decoded, "jobs that read the same decode it once")
}

func TestCountsInAFrame(t *testing.T) {
	b := Chunks{Kept: 1, Joined: 2, Decoded: 3, BytesRead: 1 << 40}.Append(nil)
	require.Len(t, b, ChunksBytes)
	for i, want := range []uint64{1, 2, 3, 1 << 40} {
		require.Equal(t, want, binary.LittleEndian.Uint64(b[8*i:]))
	}
}
