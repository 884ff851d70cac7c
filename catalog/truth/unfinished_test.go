package truth_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/truth"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// dying is a driver whose process ends at a write: before the object is there, or just after.
type dying struct {
	store.Driver
	left  atomic.Int64
	after bool
}

var errDied = fault.New(fault.Unavailable, "the process was killed")

func (d *dying) Put(ctx context.Context, key string, body io.Reader, c store.Condition) (store.Info, error) {
	left := d.left.Add(-1)
	if left > 0 {
		return d.Driver.Put(ctx, key, body, c)
	}
	if left == 0 && d.after {
		if _, err := d.Driver.Put(ctx, key, body, c); err != nil {
			return store.Info{}, err
		}
	}
	return store.Info{}, errDied
}

func (d *dying) Get(ctx context.Context, key string, r store.Range) (io.ReadCloser, store.Info, error) {
	if d.left.Load() <= 0 {
		return nil, store.Info{}, errDied
	}
	return d.Driver.Get(ctx, key, r)
}

func TestAnUnfinishedCubeIsNoProblem(t *testing.T) {
	ctx := context.Background()
	spec := layouttest.Spec(cube.Uint16, nil)
	spec.Name = "other"
	for write, died := 1, true; died; write++ {
		require.Less(t, write, 30, "a creation does not take that many writes")
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, after %v", write, after), func(t *testing.T) {
				inner := mem.New()
				w := &world{root: store.New(inner, "mem://data"), cat: newCatalog(t)}
				c, err := layout.Create(ctx, w.root.Sub("cubes/s2"), layouttest.Spec(cube.Uint16, nil))
				require.NoError(t, err)
				w.cube = c
				w.ingest(t, 3)
				mortal := &dying{Driver: inner, after: after}
				mortal.left.Store(int64(write))
				_, err = layout.Create(ctx, store.New(mortal, "mem://data").Sub("cubes/other"), spec)
				if died = err != nil; !died {
					require.Greater(t, write, 6, "log, snapshot, repository, nodes and commit are writes")
					return
				}
				require.ErrorIs(t, err, errDied)

				complete := false
				if _, err := layout.Open(ctx, w.root.Sub("cubes/other")); err == nil {
					complete = true // the last write had landed
				} else {
					require.True(t, fault.Is(err, fault.NotFound), err)
				}
				for range 2 {
					r := w.catchUp(t)
					require.True(t, r.OK, r.Problems)
				}
				r, err := truth.Rebuild(ctx, w.root, w.cat)
				require.NoError(t, err)
				require.True(t, r.OK, r.Problems)
				require.Equal(t, 1, r.Items, "the other cube is there all the same")
				r = w.fsck(t, true)
				require.True(t, r.OK, r.Problems)
				begun := write > 1 || after
				if begun && !complete {
					require.Equal(t, []truth.Note{{Object: "cubes/other", Note: "an unfinished `cube create`; run it again"}}, r.Notes)
				}
				r, err = truth.Fsck(ctx, w.root, nil, truth.Options{Full: true})
				require.NoError(t, err)
				require.True(t, r.OK, r.Problems)

				_, err = layout.Create(ctx, w.root.Sub("cubes/other"), spec)
				if complete {
					require.True(t, fault.Is(err, fault.Conflict), err)
				} else {
					require.NoError(t, err)
				}
				r = w.catchUp(t)
				require.True(t, r.OK, r.Problems)
				w.collection(t, "other")
				r = w.fsck(t, true)
				require.True(t, r.OK, r.Problems)
			})
		}
	}
}

func TestALostRepositoryIsNoUnfinishedCube(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.ingest(t, 3)
	w.catchUp(t)
	require.NoError(t, w.root.Delete(ctx, "cubes/s2/repo"))
	for _, cat := range []catalog.Catalog{w.cat, nil} {
		r, err := truth.Fsck(ctx, w.root, cat, truth.Options{})
		require.NoError(t, err)
		require.False(t, r.OK)
	}
	require.False(t, w.catchUp(t).OK)

	var keys []string
	for info, err := range w.root.List(ctx, "cubes/s2/") {
		require.NoError(t, err)
		if !strings.HasSuffix(info.Key, "/1CECHNKREP0F1RSTCMT0") {
			keys = append(keys, info.Key)
		}
	}
	for _, key := range keys {
		require.NoError(t, w.root.Delete(ctx, key))
	}
	require.False(t, w.fsck(t, false).OK, "the catalog knows better: there was a cube")
	require.False(t, w.catchUp(t).OK)
}

// reading lists the keys of the objects that are read.
type reading struct {
	store.Driver
	mu   sync.Mutex
	keys []string
}

func (d *reading) Get(ctx context.Context, key string, r store.Range) (io.ReadCloser, store.Info, error) {
	d.mu.Lock()
	d.keys = append(d.keys, key)
	d.mu.Unlock()
	return d.Driver.Get(ctx, key, r)
}

func TestAnUnchangedCubeIsNotRead(t *testing.T) {
	d := &reading{Driver: mem.New()}
	w := &world{root: store.New(d, "mem://data"), cat: newCatalog(t)}
	c, err := layout.Create(context.Background(), w.root.Sub("cubes/s2"), layouttest.Spec(cube.Uint16, nil))
	require.NoError(t, err)
	w.cube = c
	w.ingest(t, 3, 4, 5)
	w.catchUp(t)
	d.keys = nil
	w.catchUp(t)
	require.NotEmpty(t, d.keys)
	for _, key := range d.keys {
		require.Equal(t, "cubes/s2/repo", key)
	}
}
