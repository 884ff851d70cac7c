// Package servetest gives the tests of transports an engine over a small cube in memory. It owns no rule.
package servetest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
	"github.com/terrapin-eo/terrapin/stream"
)

// Engine reads a cube "s2" of two scenes of random pixels.
func Engine(t testing.TB) *stream.Engine {
	t.Helper()
	return EngineOf(t, stream.Config{})
}

// EngineOf is Engine with a configuration, whose root and cubes it sets.
func EngineOf(t testing.TB, cfg stream.Config) *stream.Engine {
	t.Helper()
	bucket := layouttest.Bucket()
	spec := layouttest.Spec(cube.Uint16, nil)
	c, err := layout.Create(t.Context(), bucket, spec)
	require.NoError(t, err)
	layouttest.Commit(t, c, layouttest.Random(spec, 1, "a.tif", layouttest.Date(1, 2, 0)), layouttest.Random(spec, 2, "b.tif", layouttest.Date(3, 4, 0)))
	cfg.Root, cfg.Cubes = store.New(mem.New(), "mem://data"), func(context.Context, string) (*layout.Cube, error) { return c, nil }
	return stream.New(cfg)
}

// Ticket reads the whole cube in windows, some to a batch.
func Ticket(t testing.TB, size, batch int) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{"cube": "s2", "size": size, "batch_size": batch})
	require.NoError(t, err)
	return text
}

// Message is a copy of what a batch holds.
type Message struct {
	Step  uint64
	Rows  int
	Block []byte
}

// Messages reads a ticket without a transport.
func Messages(t testing.TB, e *stream.Engine, ticket []byte) (out []Message) {
	t.Helper()
	parsed, err := stream.ParseTicket(ticket)
	require.NoError(t, err)
	run, err := e.Open(t.Context(), parsed)
	require.NoError(t, err)
	defer run.Close()
	for {
		b, err := run.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		out = append(out, Message{b.Step, b.Rows, append([]byte(nil), b.Block().Bytes...)})
		b.Release()
	}
}
