package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
)

// TestCompaction: a cube of real scenes is laid in order; what a dataset pins, what the catalog says and what
// fsck finds stay as they were, before and after the old packs are gone.
func TestCompaction(t *testing.T) {
	s := newShell(t)
	all := scenes(t)
	s.json(exitOK, "cube", "create", "s2", "--like", all[0], "--chunk", "64")
	s.json(exitOK, append([]string{"ingest", "s2", "--datetime-pattern", "s2_%Y%m%d"}, all[:12]...)...)
	s.json(exitOK, "labels", "import", "crops", sample+"labels_cropland.tif", "--cube", "s2")
	recipe := filepath.Join(t.TempDir(), "recipe.yaml")
	require.NoError(t, os.WriteFile(recipe, []byte(testRecipe), 0o600))
	s.json(exitOK, "dataset", "commit", recipe)
	digest := s.json(exitOK, "dataset", "verify", "crops@v1")["digest"]

	args := []string{"cube", "compact", "s2", "--dates", "8", "--throttle", "500MB"}
	would := s.json(exitOK, append(args, "--dry-run", "--all")...)
	did := s.json(exitOK, args...)
	assert.Positive(t, did["moved"])
	assert.Equal(t, 1.0, did["commits"])
	assert.Positive(t, did["waiting"])
	rest := s.json(exitOK, append(args, "--all")...)
	assert.GreaterOrEqual(t, did["moved"].(float64)+rest["moved"].(float64), would["moved"])
	assert.Zero(t, rest["waiting"])
	ranges := rest["ranges"].(map[string]any)
	assert.LessOrEqual(t, ranges["after"].(map[string]any)["most"], 2.0)
	assert.GreaterOrEqual(t, would["ranges"].(map[string]any)["before"].(map[string]any)["most"], 8.0, "some scenes are of one value here and there")
	again := s.json(exitOK, append(args, "--all")...)
	assert.Zero(t, again["commits"])
	assert.Equal(t, rest["snapshot"], again["snapshot"])
	out, _, _ := s.run(append(args, "--all")...)
	assert.Contains(t, out, "all is in order")

	log, _, _ := s.run("cube", "log", "s2", "--json")
	assert.Equal(t, 2, strings.Count(log, `"compaction"`), log)
	check := func() {
		require.Equal(t, digest, s.json(exitOK, "dataset", "verify", "crops@v1")["digest"])
		require.Equal(t, true, s.json(exitOK, "store", "fsck", "--full")["ok"])
	}
	check()
	s.age()
	gone := s.json(exitOK, "store", "gc", "--expire-before", "0h")
	require.Positive(t, gone["objects"])
	check()

	for _, bad := range [][]string{{"--dates", "7"}, {"--throttle", "fast"}, {"--throttle", "0"}} {
		require.NotEmpty(t, s.json(exitRefused, append([]string{"cube", "compact", "s2"}, bad...)...)["error"].(map[string]any)["cure"], bad)
	}
}

// A server compacts when nothing else is to be done, and waits while a job runs.
func TestCompactionInTheBackground(t *testing.T) {
	w, err := openCommitting(t.Context(), place{data: t.TempDir()}, slog.New(slog.DiscardHandler), commitOptions{founds: true})
	require.NoError(t, err)
	defer w.close()
	spec := layouttest.Spec(cube.Uint16, nil)
	opened, err := layout.Create(t.Context(), w.bucket("s2"), spec)
	require.NoError(t, err)
	var scenes []layouttest.Scene
	for i := range 32 {
		scenes = append(scenes, layouttest.Random(spec, uint64(i), fmt.Sprint("s", i), layouttest.Date(1, 1+i, 0)))
	}
	layouttest.Commit(t, opened, scenes...)
	commits := func() int {
		log, err := opened.Log(t.Context(), "")
		require.NoError(t, err)
		return len(log)
	}
	before := commits()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	end := w.jobs.begin()
	ended := make(chan struct{})
	go func() {
		w.compactWhenIdle(ctx, 1<<30, time.Millisecond)
		close(ended)
	}()
	waited := make(chan error)
	go func() { waited <- w.jobs.wait(ctx) }()
	require.Equal(t, before, commits(), "a job runs")
	end()
	require.NoError(t, <-waited)
	require.Eventually(t, func() bool { return commits() == before+1 }, time.Minute, time.Millisecond)
	cancel()
	<-ended
	end = w.jobs.begin()
	require.ErrorIs(t, w.jobs.wait(ctx), context.Canceled)
	end()
	require.NoError(t, w.jobs.wait(t.Context()))
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"50MiB": 50 << 20, "20MB": 20e6, "1.5 GiB": 3 << 29, "7": 7, "9B": 9, "2kB": 2000, "1KiB": 1024, "3GB": 3e9} {
		got, err := parseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, bad := range []string{"", "MiB", "-1MB", "0", "nan", "1e30GB", "5 apples"} {
		_, err := parseSize(bad)
		require.Error(t, err, bad)
	}
}
