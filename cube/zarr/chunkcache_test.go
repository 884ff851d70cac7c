package zarr

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

type counting struct {
	store.Driver
	gets atomic.Int64
}

func (c *counting) Get(ctx context.Context, key string, r store.Range) (io.ReadCloser, store.Info, error) {
	c.gets.Add(1)
	return c.Driver.Get(ctx, key, r)
}

func TestAnOpenArrayDecodesAChunkOnce(t *testing.T) {
	driver := &counting{Driver: mem.New()}
	b := store.New(driver, "mem://")
	a := Array{Shape: []int{100, 90}, Chunks: []int{32, 32}, DType: cube.Uint8, Fill: 255.0, Dims: []string{"y", "x"}}
	data := make([]byte, 100*90)
	for i := range data {
		data[i] = byte(i % 251)
	}
	require.NoError(t, WritePlain(t.Context(), b, "labels", a, data))
	p, err := OpenPlain(t.Context(), b, "labels")
	require.NoError(t, err)
	before := driver.gets.Load()
	whole := make([]byte, len(data))
	for range 5 {
		require.NoError(t, p.ReadWindow(t.Context(), cube.Window{Height: 100, Width: 90}, 0, whole))
		require.Equal(t, data, whole)
	}
	require.Equal(t, int64(12), driver.gets.Load()-before)
	var all sync.WaitGroup
	for row := range 90 { // side by side, over each other's chunks
		all.Go(func() {
			w := cube.Window{Row: row, Col: row % 80, Height: 10, Width: 10}
			got := make([]byte, 100)
			if err := p.ReadWindow(t.Context(), w, 0, got); err != nil {
				t.Error(err)
			}
			for i := range got {
				if want := data[(w.Row+i/10)*90+w.Col+i%10]; got[i] != want {
					t.Errorf("row %d: pixel %d is %d, not %d", row, i, got[i], want)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestAChunkCacheKeepsToItsBudget(t *testing.T) {
	c := newChunkCache(100)
	for i := range 10 {
		c.put([2]int{i, 0}, make([]byte, 30))
		require.NotNil(t, c.get([2]int{0, 0}), "what is used stays")
	}
	require.LessOrEqual(t, c.used, 100)
	require.Len(t, c.entries, 3)
	require.Nil(t, c.get([2]int{1, 0}))
	c.put([2]int{99, 0}, make([]byte, 101))
	require.Nil(t, c.get([2]int{99, 0}), "larger than the budget")
}
