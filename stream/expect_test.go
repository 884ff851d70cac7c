package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

const overlapping = `
name: crops
cube: s2
window: {size: 12, stride: 8}
time: {policy: all}
split: {by: block, block_m: 3000, train: 1, validate: 0, test: 0, salt: 1, allow_drop: true}
`

// A run tells the cache what it will read, so that a cache that holds part of the chunks is missed less often; and
// afterwards nothing is expected any more.
func TestWhatARunWillReadStays(t *testing.T) {
	root := store.New(mem.New(), "mem://data")
	spec := layouttest.Spec(cube.Uint16, nil)
	spec.Grid.Width, spec.Grid.Height = 192, 192 // 144 chunks
	c, err := layout.Create(t.Context(), root.Sub("cubes/s2"), spec)
	require.NoError(t, err)
	layouttest.Commit(t, c, layouttest.Random(spec, 1, "a", layouttest.Date(3, 1, 0)))
	cubes := func(context.Context, string) (*layout.Cube, error) { return c, nil }
	_, err = datasets.Commit(t.Context(), datasets.Config{Root: root, Cube: cubes}, []byte(overlapping), "test")
	require.NoError(t, err)

	misses := func(blind bool) (missed int64) {
		reader := read.New(read.Config{CacheBytes: 140 << 10}) // about 60 chunks with their validity
		engine := New(Config{Root: root, Cubes: cubes, Reader: reader})
		for epoch := range uint64(3) {
			ticket, err := ParseTicket(fmt.Appendf(nil, `{"dataset": "crops", "batch_size": 4, "shuffle": "uniform", "epoch": %d}`, epoch))
			require.NoError(t, err)
			run, err := engine.Open(t.Context(), ticket)
			require.NoError(t, err)
			require.Greater(t, run.Info().Samples, uint64(400))
			if blind {
				run.src = struct{ source }{run.src}
			}
			for {
				b, err := run.Next(t.Context())
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
				b.Release()
			}
			run.Close()
		}
		require.Zero(t, reader.Expected())
		return reader.Stats().Misses
	}
	told, untold := misses(false), misses(true)
	require.Less(t, float64(told), 0.95*float64(untold), "%d misses, %d without telling", told, untold)
}
