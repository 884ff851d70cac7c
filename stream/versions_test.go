package stream

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// counting counts what is read of datasets, and may fail.
type counting struct {
	store.Driver
	commits, indexes atomic.Int64
	fail             func(key string) error // nil never fails
}

func (c *counting) Get(ctx context.Context, key string, r store.Range) (io.ReadCloser, store.Info, error) {
	switch {
	case strings.HasPrefix(key, "datasets/") && strings.HasSuffix(key, "/commit.json"):
		c.commits.Add(1)
	case strings.HasSuffix(key, "/samples.idx"):
		c.indexes.Add(1)
	}
	if c.fail != nil {
		if err := c.fail(key); err != nil {
			return nil, store.Info{}, err
		}
	}
	return c.Driver.Get(ctx, key, r)
}

// shelf is a data directory with a small cube and versions of the dataset crops.
type shelf struct {
	driver *counting
	cfg    datasets.Config
	engine *Engine
}

// newShelf has one scene, or those that are given.
func newShelf(t *testing.T, versions int, scenes ...layouttest.Scene) *shelf {
	t.Helper()
	w := &shelf{driver: &counting{Driver: mem.New()}}
	root := store.New(w.driver, "mem://data")
	c, err := layout.Create(t.Context(), root.Sub("cubes/s2"), layouttest.Spec(cube.Uint16, nil))
	require.NoError(t, err)
	if scenes == nil {
		scenes = append(scenes, layouttest.Random(c.Spec(), 1, "a", layouttest.Date(3, 1, 0)))
	}
	layouttest.Commit(t, c, scenes...)
	cubes := func(context.Context, string) (*layout.Cube, error) { return c, nil }
	w.cfg = datasets.Config{Root: root, Cube: cubes}
	w.engine = New(Config{Root: root, Cubes: cubes})
	for n := 1; n <= versions; n++ {
		w.commit(t, n)
	}
	w.driver.commits.Store(0)
	w.driver.indexes.Store(0)
	return w
}

// commit makes the version of a number, by a window size of its own.
func (w *shelf) commit(t *testing.T, n int) {
	t.Helper()
	recipe := fmt.Sprintf("name: crops\ncube: s2\nwindow: {size: %d}\nsplit: {by: block, block_m: 320, train: 1, validate: 0, test: 0}\n", n+3)
	r, err := datasets.Commit(t.Context(), w.cfg, []byte(recipe), "test")
	require.NoError(t, err, fault.CureOf(err))
	require.Equal(t, fmt.Sprint("v", n), r.Version)
}

func (w *shelf) open(t *testing.T, ref string) *Run {
	t.Helper()
	ticket, err := ParseTicket([]byte(fmt.Sprintf(`{"dataset": %q, "split": "train"}`, ref)))
	require.NoError(t, err)
	r, err := w.engine.Open(t.Context(), ticket)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r
}

func TestAVersionIsOpenedOnce(t *testing.T) {
	w := newShelf(t, 2)
	for range 5 {
		require.Equal(t, 4, w.open(t, "crops@v1").info.Shape.Height)
		require.Equal(t, 5, w.open(t, "crops").info.Shape.Height)
	}
	require.EqualValues(t, 2, w.driver.indexes.Load())
	require.EqualValues(t, 2, w.driver.commits.Load())

	w.commit(t, 3)
	r := w.open(t, "crops")
	require.Equal(t, "crops@v3", r.info.Ticket.Samples.Dataset, "a name leads to the version that is the newest now")
	require.False(t, r.info.Pinned)
	_, err := w.engine.Open(t.Context(), Ticket{Samples: &SampleTicket{Dataset: "crops@v9", Split: "train", BatchSize: 1, WorldSize: 1}})
	require.True(t, fault.Is(err, fault.NotFound), err)
	require.Equal(t, "it has: v1, v2, v3", fault.CureOf(err))
}

func TestFewVersionsStayOpen(t *testing.T) {
	w := newShelf(t, maxVersions+1)
	for n := 1; n <= maxVersions+1; n++ {
		w.open(t, fmt.Sprint("crops@v", n))
		w.open(t, "crops@v1") // used again and again
	}
	require.Len(t, w.engine.versions.open, maxVersions)
	w.driver.indexes.Store(0)
	w.open(t, "crops@v1")
	require.Zero(t, w.driver.indexes.Load())
	w.open(t, "crops@v2") // the one used longest ago
	require.EqualValues(t, 1, w.driver.indexes.Load())

	big := versions{}
	for n, bytes := range []int{5, maxBytesOpen + 1, maxBytesOpen - 1, 1, 1} {
		big.keep(openVersion{version: &datasets.Version{Name: "big", Version: fmt.Sprint("v", n)}, bytes: bytes})
		require.Len(t, big.open, []int{1, 1, 1, 2, 2}[n], "the newest stays, whatever its size")
	}
}

func TestVersionsAreOpenedAtOnce(t *testing.T) {
	w := newShelf(t, 3)
	var all sync.WaitGroup
	for i := range 24 {
		all.Add(1)
		go func() {
			defer all.Done()
			ref := []string{"crops@v1", "crops@v2", "crops@v3", "crops"}[i%4]
			v, err := w.engine.versions.get(t.Context(), ref)
			if err != nil || !strings.HasPrefix(v.Ref(), ref) {
				t.Errorf("%s: %v, %v", ref, v, err)
			}
		}()
	}
	all.Wait()
	require.Len(t, w.engine.versions.open, 3)
}
