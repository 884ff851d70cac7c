package icechunk

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

// TestMigrated: the official library migrates a repository by writing its repo file alone. What it leaves of version 1
// reads, takes commits, diffs and a collection; before, the repository is refused by its version, and never founded anew.
func TestMigrated(t *testing.T) {
	bucket, dir := officialDir(t)
	ctx := t.Context()
	var made struct{ ID string }
	official(t, &made, "former", dir)
	_, err := Open(ctx, bucket, Config{})
	require.True(t, fault.Is(err, fault.Unsupported), "%v", err)
	require.ErrorContains(t, err, "spec version 1")
	require.Contains(t, fault.CureOf(err), "upgrade_icechunk_repository")
	_, err = Create(ctx, bucket, Config{})
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)

	official(t, &struct{}{}, "migrate", dir)
	r, err := Open(ctx, bucket, Config{})
	require.NoError(t, err)
	tip, err := r.Resolve(ctx, "main")
	require.NoError(t, err)
	require.Equal(t, made.ID, tip.String())
	s, err := r.Snapshot(ctx, tip)
	require.NoError(t, err)
	var paths []string
	for _, n := range s.Nodes() {
		paths = append(paths, n.Path)
	}
	require.Equal(t, []string{"/", "/grid", "/grid-b", "/none", "/one"}, paths)
	for path, want := range map[string]*ArrayInfo{
		"/grid": {Shape: []uint64{3, 5}, NumChunks: []uint32{2, 3}, Dims: []string{"time", ""}},
		"/none": {Shape: []uint64{0, 4}, NumChunks: []uint32{0, 1}},
		"/one":  {Shape: []uint64{}, NumChunks: []uint32{}},
	} {
		n, _ := s.Node(path)
		require.Equal(t, want, n.Array, path)
	}
	ref, ok, err := s.Ref(ctx, "/grid", []uint32{0, 0})
	require.NoError(t, err)
	require.True(t, ok)

	tx, err := r.Begin(ctx, "main")
	require.NoError(t, err)
	require.NoError(t, tx.SetRef("/grid", []uint32{1, 0}, ref))
	id, err := tx.Commit(ctx, "new", nil)
	require.NoError(t, err)
	old, err := r.Resolve(ctx, "v1")
	require.NoError(t, err)
	d, err := r.Diff(ctx, old, id)
	require.NoError(t, err)
	require.Equal(t, map[string][][]uint32{"/grid": {{1, 0}, {1, 2}}}, d.Chunks)

	_, err = r.Expire(ctx, ExpireConfig{Before: time.Now()})
	require.NoError(t, err)
	_, err = r.Collect(ctx, CollectConfig{OlderThan: time.Microsecond})
	require.NoError(t, err)
	var seen officialView
	official(t, &seen, "read", dir)
	require.Equal(t, [][]int32{{0, 1, 2, 3, 4}, {5, 6, 7, 8, 9}, {0, 1, 12, 13, 99}}, seen.Main["grid"].rows(t))
	require.Equal(t, [][]int32{{0, 1, 2, 3, 4}, {5, 6, 7, 8, 9}, {10, 11, 12, 13, 14}}, seen.At["v1"]["grid"].rows(t))
	require.Equal(t, json.RawMessage("7"), seen.Main["one"].Values)
}
