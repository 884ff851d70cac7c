package truth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// tiledWorld holds a cube of four cells, two resolutions and flags.
func tiledWorld(t *testing.T) *world {
	t.Helper()
	w := &world{root: store.New(mem.New(), "mem://data"), cat: newCatalog(t)}
	s := layouttest.Spec(cube.Uint16, nil)
	s.Chunk, s.Grid.Width, s.Grid.Height, s.CellSize = 64, 256, 256, 128
	g, err := s.NewGroup("20m", []cube.Band{{Name: "B05"}})
	require.NoError(t, err)
	s.Further, s.Flags = []layout.Group{g}, []layout.Flag{{Name: "cloud", Mask: 1}}
	w.cube, err = layout.Create(t.Context(), w.root.Sub("cubes/s2"), s)
	require.NoError(t, err)
	return w
}

// items lists the scenes in the catalog and the slice each shows.
func (w *world) items(t *testing.T) map[string]string {
	t.Helper()
	page, err := w.cat.Search(context.Background(), catalog.Everything(), catalog.Query{Collections: []string{"s2"}, Page: catalog.Page{Limit: 100}})
	require.NoError(t, err)
	out := map[string]string{}
	for _, doc := range page.Documents {
		var item struct {
			ID         string `json:"id"`
			Properties struct {
				Slice string `json:"terrapin:slice"`
			} `json:"properties"`
		}
		require.NoError(t, json.Unmarshal(doc, &item))
		out[item.ID] = item.Properties.Slice
	}
	return out
}

// A scene over several cells and resolutions is one item; one that is superseded leaves the catalog or
// shows the slice that is there now, by small steps and from nothing alike.
func TestTheCatalogFollowsWhatIsSuperseded(t *testing.T) {
	w := tiledWorld(t)
	s := w.cube.Spec()
	scene := func(seed uint64, name string, day int) *layout.Staged {
		return layouttest.Stage(t, w.cube, layouttest.RandomIn(s, seed, name, layouttest.Date(3, day, 0), cube.Window{Row: 10, Col: 5, Height: 180, Width: 160}))
	}
	commit := func(o layout.CommitOptions, staged ...*layout.Staged) {
		result, err := w.cube.CommitWith(t.Context(), staged, "test", o)
		require.NoError(t, err)
		for _, out := range result.Outcomes {
			require.Equal(t, layout.Accepted, out.Status, out.Reason)
		}
	}
	a, b := scene(1, "a", 1), scene(2, "b", 2)
	commit(layout.CommitOptions{}, a, b)
	w.catchUp(t)
	assert.Equal(t, map[string]string{"a": string(a.Slice.ID), "b": string(b.Slice.ID)}, w.items(t))
	assert.Empty(t, w.fsck(t, true).Problems)

	better := scene(3, "a", 1)
	commit(layout.CommitOptions{Supersede: true}, better)
	w.catchUp(t)
	assert.Equal(t, map[string]string{"a": string(better.Slice.ID), "b": string(b.Slice.ID)}, w.items(t))
	other := scene(4, "b_N0500", 2)
	commit(layout.CommitOptions{SupersedeItem: "b"}, other)
	report := w.catchUp(t)
	assert.Equal(t, 1, report.Items)
	want := map[string]string{"a": string(better.Slice.ID), "b_N0500": string(other.Slice.ID)}
	assert.Equal(t, want, w.items(t))
	assert.Empty(t, w.fsck(t, true).Problems)

	stepwise := everything(t, w.cat)
	w.cat = newCatalog(t)
	w.catchUp(t)
	assert.Equal(t, stepwise, everything(t, w.cat), "from nothing the same")
}

// A changed chunk of any layer of any resolution is found and named.
func TestFsckReadsEveryResolution(t *testing.T) {
	w := tiledWorld(t)
	layouttest.Commit(t, w.cube, layouttest.RandomIn(w.cube.Spec(), 1, "a", layouttest.Date(3, 1, 0), w.cube.Spec().Grid.All()))
	w.catchUp(t)
	require.Empty(t, w.fsck(t, true).Problems)
	view, err := w.cube.At(t.Context(), "")
	require.NoError(t, err)
	for _, at := range [][2]string{{"r1c0/20m", layout.Image}, {"r0c1/10m", layout.Valid}, {"r1c1/10m", layout.Flags}} {
		ref, ok, err := view.Ref(t.Context(), at[0], at[1], 0, 0, 0)
		require.NoError(t, err)
		require.True(t, ok)
		require.Empty(t, ref.Inline, "too large to be inline")
		key := fmt.Sprintf("cubes/s2/chunks/%s", ref.Object)
		good, _, err := w.root.Read(t.Context(), key, store.Range{})
		require.NoError(t, err)
		bad := append([]byte(nil), good...)
		bad[ref.Offset+ref.Length-9] ^= 1
		w.put(t, key, bad)
		problems := w.fsck(t, true).Problems
		require.NotEmpty(t, problems, at)
		assert.Contains(t, problems[0].Object, at[0]+"/"+at[1])
		w.put(t, key, good)
	}
}
