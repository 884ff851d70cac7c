package truth_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/truth"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/faulty"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// dies is how a process ends at a write: before the object is there, or just after.
var dies = map[bool]faulty.Kind{false: faulty.Dies, true: faulty.DiesAfter}

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
				mortal := faulty.New(inner, 1)
				mortal.Set(faulty.Fault{Op: faulty.Put, At: write, Kind: dies[after]})
				_, err = layout.Create(ctx, store.New(mortal, "mem://data").Sub("cubes/other"), spec)
				if died = err != nil; !died {
					require.Greater(t, write, 6, "log, snapshot, repository, nodes and commit are writes")
					return
				}
				require.ErrorIs(t, err, faulty.ErrDied)

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

func TestAnUnchangedCubeIsNotRead(t *testing.T) {
	d := faulty.New(mem.New(), 1)
	w := &world{root: store.New(d, "mem://data"), cat: newCatalog(t)}
	c, err := layout.Create(context.Background(), w.root.Sub("cubes/s2"), layouttest.Spec(cube.Uint16, nil))
	require.NoError(t, err)
	w.cube = c
	w.ingest(t, 3, 4, 5)
	w.catchUp(t)
	d.Set()
	w.catchUp(t)
	require.NotEmpty(t, d.Calls())
	for _, c := range d.Calls() {
		if c.Op == faulty.Get {
			require.Equal(t, "cubes/s2/repo", c.Key)
		}
	}
}
