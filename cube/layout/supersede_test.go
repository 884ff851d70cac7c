package layout_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/fault"
)

func supersede(t *testing.T, c *layout.Cube, o layout.CommitOptions, scenes ...layouttest.Scene) layout.Result {
	t.Helper()
	var staged []*layout.Staged
	for _, sc := range scenes {
		staged = append(staged, layouttest.Stage(t, c, sc))
	}
	planned, err := c.PlanWith(t.Context(), staged, o)
	require.NoError(t, err)
	result, err := c.CommitWith(t.Context(), staged, "correct", o)
	require.NoError(t, err)
	for i := range planned {
		planned[i].Slice.Ingested = result.Outcomes[i].Slice.Ingested
	}
	assert.Equal(t, planned, result.Outcomes, "a plan says what a commit does")
	return result
}

// A corrected scene takes the old one's place by an explicit act; old versions keep the old one.
func TestSupersede(t *testing.T) {
	s := tiled(t)
	c, _ := create(t, s)
	yes := layout.CommitOptions{Supersede: true}
	west, east := cube.Window{Height: 50, Width: 40}, cube.Window{Row: 20, Col: 50, Height: 60, Width: 30}
	first := layouttest.RandomIn(s, 1, "a", layouttest.Date(3, 1, 0), west)
	before := layouttest.Commit(t, c, first, layouttest.RandomIn(s, 2, "b", layouttest.Date(3, 1, 0), s.Grid.All()), layouttest.RandomIn(s, 3, "a", layouttest.Date(4, 1, 0), east))
	old := before.Outcomes[0].Slice

	other := layouttest.RandomIn(s, 4, "a", layouttest.Date(3, 1, 0), east)
	refused, err := c.Commit(t.Context(), []*layout.Staged{layouttest.Stage(t, c, other)}, "no")
	require.NoError(t, err)
	assert.Equal(t, layout.Rejected, refused.Outcomes[0].Status)
	assert.Contains(t, refused.Outcomes[0].Cure, "--supersede")

	after := supersede(t, c, yes, other)
	now := after.Outcomes[0]
	assert.Equal(t, layout.Accepted, now.Status)
	assert.Equal(t, old.ID, now.Superseded)
	assert.NotEqual(t, old.ID, now.Slice.ID)
	assert.Equal(t, old.Item, now.Slice.Item, "the catalog's item goes on and shows the new slice")

	v := head(t, c)
	require.Len(t, v.Slices(), 3)
	_, ok := v.Lookup(old.ID)
	assert.False(t, ok)
	assert.True(t, bytes.Equal(other.Image, mosaic(t, v, s.Groups()[0], now.Slice.ID, layout.Image)))
	checkCells(t, v)
	kept, err := c.At(t.Context(), before.Snapshot)
	require.NoError(t, err)
	_, ok = kept.Lookup(old.ID)
	assert.True(t, ok, "the old version has the old slice")
	assert.True(t, bytes.Equal(first.Image, mosaic(t, kept, s.Groups()[0], old.ID, layout.Image)))
	checkCells(t, kept)

	again := supersede(t, c, yes, other)
	assert.Equal(t, layout.Skipped, again.Outcomes[0].Status)
	assert.Equal(t, after.Snapshot, again.Snapshot)
	back := supersede(t, c, yes, first)
	assert.Equal(t, old.ID, back.Outcomes[0].Slice.ID, "the same scene is the same slice")
	assert.Equal(t, now.Slice.ID, back.Outcomes[0].Superseded)
	checkCells(t, head(t, c))
	assert.True(t, bytes.Equal(first.Image, mosaic(t, head(t, c), s.Groups()[0], old.ID, layout.Image)))

	two := supersede(t, c, yes, layouttest.RandomIn(s, 5, "a", layouttest.Date(3, 1, 0), west), layouttest.RandomIn(s, 6, "a", layouttest.Date(3, 1, 0), west))
	assert.Equal(t, []layout.Status{layout.Accepted, layout.Rejected}, []layout.Status{two.Outcomes[0].Status, two.Outcomes[1].Status}, "not each other in one call")
}

// A correction that leaves a cell takes one slice out of it, and every other one stays.
func TestSupersedeElsewhere(t *testing.T) {
	s := tiled(t)
	c, _ := create(t, s)
	all, east := s.Grid.All(), cube.Window{Row: 20, Col: 50, Height: 60, Width: 30}
	later := layouttest.RandomIn(s, 2, "b", layouttest.Date(4, 1, 0), all)
	last := layouttest.RandomIn(s, 3, "c", layouttest.Date(5, 1, 0), all)
	layouttest.Commit(t, c, layouttest.RandomIn(s, 1, "a", layouttest.Date(3, 1, 0), all), later, last)
	supersede(t, c, layout.CommitOptions{Supersede: true}, layouttest.RandomIn(s, 4, "a", layouttest.Date(3, 1, 0), east))
	v := head(t, c)
	for _, sl := range v.Slices() {
		require.NoError(t, v.CheckSlice(t.Context(), sl))
	}
	assert.True(t, bytes.Equal(later.Image, mosaic(t, v, s.Groups()[0], v.Slices()[1].ID, layout.Image)))
	assert.True(t, bytes.Equal(last.Image, mosaic(t, v, s.Groups()[0], v.Slices()[2].ID, layout.Image)))
}

// A scene of another name and time takes the place of an item that is named.
func TestSupersedeItem(t *testing.T) {
	s := tiled(t)
	c, _ := create(t, s)
	before := layouttest.Commit(t, c, layouttest.RandomIn(s, 1, "N0400", layouttest.Date(3, 1, 0), s.Grid.All()), layouttest.RandomIn(s, 2, "b", layouttest.Date(2, 1, 0), s.Grid.All()))
	better := layouttest.RandomIn(s, 3, "N0500", layouttest.Date(1, 1, 0), s.Grid.All())
	result := supersede(t, c, layout.CommitOptions{SupersedeItem: "N0400"}, better)
	assert.Equal(t, before.Outcomes[0].Slice.ID, result.Outcomes[0].Superseded)
	assert.Equal(t, "N0500", result.Outcomes[0].Slice.Item)
	v := head(t, c)
	require.Len(t, v.Slices(), 2)
	assert.Equal(t, "N0500", v.Slices()[0].Source, "in its own place on the axis")
	checkCells(t, v)
	assert.True(t, bytes.Equal(better.Image, mosaic(t, v, s.Groups()[0], v.Slices()[0].ID, layout.Image)))

	none := supersede(t, c, layout.CommitOptions{SupersedeItem: "N0400"}, layouttest.RandomIn(s, 4, "N0510", layouttest.Date(1, 1, 0), s.Grid.All()))
	assert.Equal(t, layout.Rejected, none.Outcomes[0].Status)
	assert.NotEmpty(t, none.Outcomes[0].Cure)
	taken := supersede(t, c, layout.CommitOptions{SupersedeItem: "N0500"}, layouttest.RandomIn(s, 4, "b", layouttest.Date(2, 1, 0), s.Grid.All()))
	assert.Equal(t, layout.Rejected, taken.Outcomes[0].Status, "that would contradict a third slice")
	_, err := c.CommitWith(t.Context(), nil, "none", layout.CommitOptions{SupersedeItem: "b"})
	assert.Equal(t, fault.Invalid, fault.KindOf(err))
}

// Calls at the same time make few snapshots, each gets its own outcomes, and the one that cannot be
// committed fails alone.
func TestConcurrentCommitsAreMerged(t *testing.T) {
	s := tiled(t)
	c, _ := create(t, s)
	const calls = 24
	results, errs := make([]layout.Result, calls), make([]error, calls)
	staged := make([]*layout.Staged, calls)
	for i := range staged {
		sc := layouttest.RandomIn(s, uint64(i), fmt.Sprint("s", i), layouttest.Date(1+i%12, 1, i), s.Grid.All())
		if i == 5 {
			sc.Meta.Properties = map[string]any{"x": string(make([]byte, 20000))}
		}
		staged[i] = layouttest.Stage(t, c, sc)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			ctx := t.Context()
			if i == 7 {
				ctx = cancelled
			}
			results[i], errs[i] = c.Commit(ctx, staged[i:i+1], "together")
		})
	}
	wg.Wait()
	v := head(t, c)
	want := 0
	for i := range calls {
		switch {
		case i == 5:
			assert.Equal(t, fault.TooLarge, fault.KindOf(errs[i]))
			continue
		case i == 7 && errs[i] != nil:
			assert.True(t, errors.Is(errs[i], context.Canceled), "%v", errs[i])
			continue
		}
		want++
		require.NoError(t, errs[i])
		require.Len(t, results[i].Outcomes, 1)
		assert.Equal(t, staged[i].Slice.ID, results[i].Outcomes[0].Slice.ID)
		at, err := c.At(t.Context(), results[i].Snapshot)
		require.NoError(t, err)
		_, ok := at.Lookup(staged[i].Slice.ID)
		assert.True(t, ok, "the snapshot returned holds the scene")
	}
	assert.Len(t, v.Slices(), want)
	checkCells(t, v)
}
