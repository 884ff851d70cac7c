package predictions_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/predictions"
)

// A run takes memory from its first window until its end, and all runs together no more than they may.
func TestLiveRunsShareTheMemory(t *testing.T) {
	cfg, v := world(t)
	need := int64(grid.Height * grid.Width * (2*4 + 2))
	before := predictions.Held()
	cfg.MemoryBytes = before + 2*need
	var runs []*predictions.Run
	for _, area := range []cube.Window{grid.All(), grid.All(), grid.All()} {
		s := spec(v)
		s.Area = area
		runs = append(runs, begin(t, cfg, s))
	}
	require.Equal(t, before, predictions.Held(), "nothing is held before a window came")
	w := cube.Window{Height: 4, Width: 4}
	data := make([]byte, 2*16*4)
	require.Error(t, runs[0].Write(w, w, data[:1], nil))
	require.Equal(t, before, predictions.Held(), "nor for a window that is refused")
	require.NoError(t, runs[0].Write(w, w, data, nil))
	require.NoError(t, runs[0].Write(w, w, data, nil))
	require.NoError(t, runs[1].Write(w, w, data, nil))
	require.Equal(t, before+2*need, predictions.Held())

	err := runs[2].Write(w, w, data, nil)
	require.Equal(t, fault.Unavailable, fault.KindOf(err), "%v", err)
	require.Contains(t, fault.CureOf(err), "when other runs have ended")
	runs[0].Abort()
	runs[0].Abort()
	require.Equal(t, before+need, predictions.Held())
	require.NoError(t, runs[2].Write(w, w, data, nil))
	_, err = runs[2].Publish(context.Background())
	require.NoError(t, err)
	runs[2].Abort()
	runs[1].Abort()
	require.Equal(t, before, predictions.Held())

	cfg.MemoryBytes = need - 1
	_, err = predictions.Begin(context.Background(), cfg, spec(v))
	require.Equal(t, fault.TooLarge, fault.KindOf(err), "a run that can never be held: %v", err)
	require.Contains(t, fault.CureOf(err), "in parts")
}

func TestConcurrentRunsNeverHoldMore(t *testing.T) {
	cfg, v := world(t)
	need, before := int64(grid.Height*grid.Width*(2*4+2)), predictions.Held()
	cfg.MemoryBytes = before + 3*need
	w := cube.Window{Height: 4, Width: 4}
	begin(t, cfg, spec(v)).Abort()
	var all sync.WaitGroup
	for range 16 {
		r, err := predictions.Begin(context.Background(), cfg, spec(v))
		require.NoError(t, err)
		all.Go(func() {
			defer r.Abort()
			if err := r.Write(w, w, make([]byte, 2*16*4), nil); err != nil && !fault.Is(err, fault.Unavailable) {
				t.Errorf("write: %v", err)
			}
		})
	}
	all.Wait()
	require.Equal(t, before, predictions.Held())
}

// A run whose windows did not all come says so.
func TestCoverageOfMissingWindows(t *testing.T) {
	ctx := context.Background()
	for written, want := range map[cube.Window]float64{{Height: 6, Width: 10}: 0.25, grid.All(): 1} {
		cfg, v := world(t)
		r := begin(t, cfg, spec(v))
		pixels := written.Height * written.Width
		require.NoError(t, r.Write(written, written, make([]byte, 2*pixels*4), make([]byte, pixels)), "written, though none of it counts")
		item, err := r.Publish(ctx)
		require.NoError(t, err)
		var doc struct{ Properties map[string]any }
		require.NoError(t, json.Unmarshal(item.Document, &doc))
		require.Equal(t, want, doc.Properties["terrapin:coverage"])
		answer, err := json.Marshal(item)
		require.NoError(t, err)
		var told map[string]any
		require.NoError(t, json.Unmarshal(answer, &told))
		require.Equal(t, want, told["coverage"])
		list, err := predictions.List(ctx, cfg.Root)
		require.NoError(t, err)
		require.NotNil(t, list[0].Coverage)
		require.Equal(t, want, *list[0].Coverage)
	}
}
