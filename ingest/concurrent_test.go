package ingest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// Calls at the same time on one cube lose nothing and double nothing.
func TestCallsAtOnce(t *testing.T) {
	files := demoScenes(t)
	c, dir := newCube(t, like(t, files[0]))
	reports := make([]Report, 4)
	var group errgroup.Group
	for i := range reports {
		group.Go(func() (err error) {
			part := files[i*2 : min(len(files), i*2+6)] // each overlaps the next
			reports[i], err = Run(context.Background(), Config{Cube: c}, Request{Sources: part, DatetimePattern: "%Y%m%d"})
			return err
		})
	}
	require.NoError(t, group.Wait())
	accepted := map[string]int{}
	for _, r := range reports {
		require.Empty(t, r.Rejected)
		require.Equal(t, 6, len(r.Accepted)+len(r.Skipped))
		for _, a := range r.Accepted {
			accepted[a.Source]++
		}
	}
	require.Len(t, accepted, 12)
	for source, n := range accepted {
		require.Equal(t, 1, n, source)
	}
	require.Len(t, axisOf(t, c), 12)
	equalsSources(t, dir, bySource(files))
}
