package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// age makes every object of the data directory two days old, as the store's clock has it.
func (s shell) age() {
	s.t.Helper()
	then := time.Now().Add(-48 * time.Hour)
	require.NoError(s.t, filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return os.Chtimes(path, then, then)
	}))
}

func (s shell) put(key string) {
	s.t.Helper()
	path := filepath.Join(s.dir, filepath.FromSlash(key))
	require.NoError(s.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(s.t, os.WriteFile(path, []byte("left behind"), 0o644))
}

// TestGarbageGoesAndPinsStay: scenes come one by one, a dataset pins the state in the middle. After
// expiry and collection the dataset verifies, the newest state is whole, and only what nothing needs
// is gone, leftovers of other commits with it.
func TestGarbageGoesAndPinsStay(t *testing.T) {
	s := newShell(t)
	all := scenes(t)
	s.json(exitOK, "cube", "create", "s2", "--like", all[0])
	ingest := func(from, to int) {
		for _, scene := range all[from:to] {
			s.json(exitOK, "ingest", "s2", "--datetime-pattern", "s2_%Y%m%d", scene)
		}
	}
	ingest(0, 6)
	s.json(exitOK, "labels", "import", "crops", sample+"labels_cropland.tif", "--cube", "s2")
	recipe := filepath.Join(t.TempDir(), "recipe.yaml")
	require.NoError(t, os.WriteFile(recipe, []byte(testRecipe), 0o600))
	s.json(exitOK, "dataset", "commit", recipe)
	ingest(6, 12)
	digest := s.json(exitOK, "dataset", "verify", "crops@v1")["digest"]

	dead := []string{"labels/crops/r1/ATTEMPT2/features.geojson", "labels/crops/r2/ATTEMPT1/raster/zarr.json", "datasets/crops/v2/manifest.json", "predictions/run/prediction-0123456789abcdef.tif"}
	for _, key := range dead {
		s.put(key)
	}
	s.put("cubes/s2/chunks/README.txt")
	s.age()
	young := "labels/crops/r3/ATTEMPT1/features.geojson"
	s.put(young)

	use := s.json(exitOK, "store", "du")
	cube := use["cubes"].(map[string]any)["s2"].(map[string]any)
	require.Len(t, use["leftovers"], 4)
	require.Empty(t, use["limits"])
	require.Equal(t, float64(14), cube["snapshots"])
	require.Positive(t, cube["references"])

	args := []string{"store", "gc", "--expire-before", "0h"}
	would := s.json(exitOK, append(args, "--dry-run")...)
	require.FileExists(t, filepath.Join(s.dir, dead[0]))
	did := s.json(exitOK, args...)
	require.Equal(t, would["cubes"], did["cubes"])
	require.Equal(t, would["objects"], did["objects"])
	one := did["cubes"].([]any)[0].(map[string]any)
	require.Equal(t, float64(11), one["expired"], "all but the first, the pinned and the last")
	require.Equal(t, float64(11), one["snapshots"].(map[string]any)["objects"])
	for _, key := range dead {
		require.NoFileExists(t, filepath.Join(s.dir, key))
	}
	require.FileExists(t, filepath.Join(s.dir, young))
	require.FileExists(t, filepath.Join(s.dir, "cubes/s2/chunks/README.txt"), "what has no name of ours is not ours")

	require.Equal(t, digest, s.json(exitOK, "dataset", "verify", "crops@v1")["digest"])
	require.Equal(t, true, s.json(exitOK, "store", "fsck", "--full")["ok"])
	again := s.json(exitOK, args...)
	require.Equal(t, float64(0), again["objects"])
	log, _, _ := s.run("cube", "log", "s2", "--json")
	require.Equal(t, 3, strings.Count(log, `"snapshot"`))
	s.json(exitOK, "store", "reindex")
	require.Equal(t, true, s.json(exitOK, "store", "fsck")["ok"])
}

func TestSpansAndDates(t *testing.T) {
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"30d": now.AddDate(0, 0, -30), "90m": now.Add(-90 * time.Minute), "0.5d": now.Add(-12 * time.Hour),
		"2026-01-31": time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), "2026-01-31T06:00:00Z": time.Date(2026, 1, 31, 6, 0, 0, 0, time.UTC),
	} {
		got, err := parseBefore(text, now)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	s := newShell(t)
	s.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0])
	for _, bad := range [][]string{{"--older-than", "soon"}, {"--older-than", "0h"}, {"--expire-before", "-3d"}, {"--expire-before", "2026-02-31"}} {
		require.NotEmpty(t, s.json(exitRefused, append([]string{"store", "gc"}, bad...)...)["error"].(map[string]any)["cure"], bad)
	}
}
