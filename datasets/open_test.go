package datasets

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// smallWorld has a cube of one scene and, of the dataset small, as many versions as there are sizes.
func smallWorld(t *testing.T, sizes ...int) *world {
	t.Helper()
	w := emptyWorld(t)
	c, err := layout.Create(t.Context(), w.root.Sub("cubes/s2"), layouttest.Spec(cube.Uint16, nil))
	require.NoError(t, err)
	layouttest.Commit(t, c, layouttest.Random(c.Spec(), 1, "a", time.Unix(0, 0)))
	for _, size := range sizes {
		w.commit(t, smallRecipe("s2", "", size))
	}
	return w
}

func smallRecipe(cube, labels string, size int) string {
	return fmt.Sprintf("name: small\ncube: %s\n%swindow: {size: %d}\nsplit: {by: block, block_m: 320, train: 1, validate: 0, test: 0}\n", cube, labels, size)
}

func TestADamagedVersionHidesNoOther(t *testing.T) {
	w := smallWorld(t, 4, 5, 6)
	damage := func(key string) {
		_, err := w.root.Write(t.Context(), key, []byte(`{"format": 1,`), store.Condition{})
		require.NoError(t, err)
	}
	damage("datasets/small/v2/commit.json")
	damage("datasets/other/v1/commit.json")
	for _, ref := range []string{"small@v1", "small@v3", "small"} {
		v, err := Open(t.Context(), w.root, ref)
		require.NoError(t, err, ref)
		require.True(t, strings.HasPrefix(v.Ref(), ref))
	}
	bad := func(err error, key string) {
		t.Helper()
		require.True(t, fault.Is(err, fault.Corrupt), err)
		require.ErrorContains(t, err, key)
		require.NotEmpty(t, fault.CureOf(err))
	}
	_, err := Open(t.Context(), w.root, "small@v2")
	bad(err, "datasets/small/v2/commit.json")
	_, err = List(t.Context(), w.root)
	bad(err, "datasets/other/v1/commit.json")
	_, err = Open(t.Context(), w.root, "small@v9")
	require.True(t, fault.Is(err, fault.NotFound), err)
	require.Equal(t, "it has: v1, v2, v3", fault.CureOf(err))
	_, err = Open(t.Context(), w.root, "smal@v1")
	require.True(t, fault.Is(err, fault.NotFound), err)
	require.Equal(t, `did you mean "small"? known here: other, small`, fault.CureOf(err))
	damage("datasets/small/v3/commit.json")
	_, err = Open(t.Context(), w.root, "small")
	bad(err, "datasets/small/v3/commit.json")
}

func TestResolve(t *testing.T) {
	w := smallWorld(t, 4, 5)
	for ref, want := range map[string]string{"small": "small@v2", "small@v1": "small@v1", "small@v9": "small@v9"} {
		got, err := Resolve(t.Context(), w.root, ref)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for ref, kind := range map[string]fault.Kind{"nope": fault.NotFound, "small@2": fault.Invalid, "small@": fault.Invalid, "No": fault.Invalid} {
		_, err := Resolve(t.Context(), w.root, ref)
		require.True(t, fault.Is(err, kind), "%s: %v", ref, err)
	}
}

func TestUnknownNamesAreRefusedWithTheirPlace(t *testing.T) {
	w := smallWorld(t)
	w.cfg.Cube = func(ctx context.Context, name string) (*layout.Cube, error) {
		if name != "s2" {
			return nil, fault.New(fault.NotFound, "no cube %q", name).WithCure("use one of: s2")
		}
		return layout.Open(ctx, w.root.Sub("cubes/"+name))
	}
	err := w.refused(t, smallRecipe("s3", "", 4))
	require.True(t, fault.Is(err, fault.NotFound), err)
	require.EqualError(t, err, `recipe line 2, column 7: no cube "s3"`)
	require.Equal(t, "use one of: s2", fault.CureOf(err))
	err = w.refused(t, smallRecipe("s2", "labels: crop\n", 4))
	require.True(t, fault.Is(err, fault.NotFound), err)
	require.ErrorContains(t, err, "recipe line 3, column 9: ")
	require.NotEmpty(t, fault.CureOf(err))
}
