package datasets

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/faulty"
	"github.com/terrapin-eo/terrapin/store/file"
)

// worldIn is a world over a copy of a data directory.
func worldIn(t *testing.T, from string, wrap func(store.Driver) store.Driver) *world {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(from)))
	return worldAt(t, dir, wrap)
}

func worldAt(t *testing.T, dir string, wrap func(store.Driver) store.Driver) *world {
	t.Helper()
	driver, err := file.New(dir)
	require.NoError(t, err)
	w := &world{dir: dir, root: store.New(wrap(driver), "file://"+dir)}
	w.cfg = Config{Root: w.root, Cube: func(ctx context.Context, name string) (*layout.Cube, error) {
		return layout.Open(ctx, w.root.Sub("cubes/"+name))
	}}
	return w
}

func TestACommitThatDiesIsAbsentOrComplete(t *testing.T) {
	origin := newWorld(t, 1, 0)
	first := origin.commit(t, cropsRecipe)
	recipe := strings.Replace(cropsRecipe, "[B08, B02, B11]", "[B08]", 1)
	plain := func(d store.Driver) store.Driver { return d }
	want := worldIn(t, origin.dir, plain).commit(t, recipe)
	whole := func(t *testing.T, w *world, ref, digest string) {
		t.Helper()
		v, err := Verify(t.Context(), w.cfg, ref)
		require.NoError(t, err)
		require.True(t, v.OK, "%+v", v.Problems)
		require.Equal(t, digest, v.Recomputed)
	}
	for write, died := 1, true; died; write++ {
		require.Less(t, write, 20, "a commit does not take that many writes")
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, after %v", write, after), func(t *testing.T) {
				var d *faulty.Driver
				w := worldIn(t, origin.dir, func(inner store.Driver) store.Driver {
					d = faulty.New(inner, 1)
					d.Set(faulty.Fault{Op: faulty.Put, At: write, Kind: map[bool]faulty.Kind{false: faulty.Dies, true: faulty.DiesAfter}[after]})
					return d
				})
				_, err := Commit(t.Context(), w.cfg, []byte(recipe), "test")
				if died = d.Hits() > 0; !died {
					require.NoError(t, err)
					require.Greater(t, write, 4, "manifest, index, recipe, tag and commit are writes")
					return
				}
				require.ErrorIs(t, err, faulty.ErrDied)

				w = worldAt(t, w.dir, plain)
				whole(t, w, "crops@v1", first.Digest)
				if _, err := Open(t.Context(), w.root, "crops@v2"); err == nil {
					whole(t, w, "crops@v2", want.Digest)
				} else {
					require.True(t, fault.Is(err, fault.NotFound), err)
					newest, err := Open(t.Context(), w.root, "crops")
					require.NoError(t, err)
					require.Equal(t, "v1", newest.Version)
				}
				again := w.commit(t, recipe)
				require.Equal(t, want.Digest, again.Digest)
				require.Equal(t, "v2", again.Version, "the next commit of the same recipe takes the leftovers up")
				whole(t, w, "crops@v2", want.Digest)
				require.False(t, w.commit(t, recipe).Created)
				third := w.commit(t, strings.Replace(cropsRecipe, "[B08, B02, B11]", "[B02]", 1))
				require.Equal(t, "v3", third.Version)
			})
		}
	}
}
