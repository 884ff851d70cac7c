package servetest

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
	"github.com/terrapin-eo/terrapin/stream"
)

// Chips is an engine over a dataset whose samples are whole chunks, which transports lend out of its reader's cache, and a
// ticket for its 12 samples in batches of two.
func Chips(t testing.TB) (*stream.Engine, *read.Reader, []byte) {
	t.Helper()
	root, spec := store.New(mem.New(), "mem://data"), layouttest.Spec(cube.Uint16, nil)
	spec.Chunk, spec.Grid.Width, spec.Grid.Height = 128, 512, 384
	c, err := layout.Create(t.Context(), root.Sub("cubes/s2"), spec)
	require.NoError(t, err)
	layouttest.Commit(t, c, layouttest.Random(spec, 1, "a.tif", layouttest.Date(1, 2, 0)), layouttest.Random(spec, 2, "b.tif", layouttest.Date(3, 4, 0)))
	cubes := func(context.Context, string) (*layout.Cube, error) { return c, nil }
	recipe := "name: chips\ncube: s2\nfeatures: [B08, B02]\nwindow: {size: 128}\nsplit: {block_m: 1280, train: 1}\n"
	_, err = datasets.Commit(t.Context(), datasets.Config{Root: root, Cube: cubes}, []byte(recipe), "test")
	require.NoError(t, err)
	reader := read.New(read.Config{CacheBytes: 64 << 20})
	ticket, err := json.Marshal(map[string]any{"dataset": "chips@v1", "batch_size": 2})
	require.NoError(t, err)
	return stream.New(stream.Config{Root: root, Cubes: cubes, Reader: reader}), reader, ticket
}
