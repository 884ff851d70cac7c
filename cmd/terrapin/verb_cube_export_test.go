package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// tree reads every file below a folder.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		files[rel] = string(data)
		return err
	}))
	return files
}

// An export through a server is that of its directory, byte for byte, and goes on after a cut; one of a directory
// that a server holds works too.
func TestExportThroughAServer(t *testing.T) {
	s := withCube(t)
	server := startServer(t, s.dir)
	elsewhere := newShell(t)
	for _, format := range []string{"cog", "zarr"} {
		here, there := filepath.Join(t.TempDir(), "out"), filepath.Join(t.TempDir(), "out")
		local := s.json(exitOK, "cube", "export", "s2", here, "--format", format)
		args := []string{"cube", "export", "s2", there, "--format", format, "--server", server.urls.HTTP}
		remote := elsewhere.json(exitOK, args...)
		require.Equal(t, local["snapshot"], remote["snapshot"])
		whole := tree(t, here)
		require.Equal(t, whole, tree(t, there))
		require.Greater(t, len(whole), 1)

		var lost string
		for name := range whole {
			if name != ".terrapin-export.jsonl" && filepath.Base(name) != "zarr.json" {
				lost = name
			}
		}
		require.NoError(t, os.Remove(filepath.Join(there, lost)))
		again := elsewhere.json(exitOK, append(args, "--resume")...)
		require.Positive(t, again["skipped"])
		after := tree(t, there)
		delete(after, ".terrapin-export.jsonl")
		delete(whole, ".terrapin-export.jsonl")
		require.Equal(t, whole, after)
	}
	doc := elsewhere.json(exitRefused, "cube", "export", "nope", t.TempDir(), "--server", server.urls.HTTP)
	require.Contains(t, doc["error"].(map[string]any)["cure"], "/zarr/")
	doc = elsewhere.json(exitRefused, "cube", "export", "s2", t.TempDir(), "--server", "http://127.0.0.1:1")
	require.Equal(t, "unavailable", doc["error"].(map[string]any)["kind"])
}
