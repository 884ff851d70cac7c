package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestADamagedCatalogIsMadeAgain(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"no database": func([]byte) []byte { return bytes.Repeat([]byte("x"), 100_000) },
		"torn pages": func(data []byte) []byte {
			for at := 4096 * 2; at+4096 <= len(data); at += 4096 {
				copy(data[at:at+4096], bytes.Repeat([]byte{0xA5}, 4096))
			}
			return data
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShell(t)
			s.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0])
			path := filepath.Join(s.dir, catalogName)
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, damage(data), 0o644))

			report := s.json(exitRefused, "store", "fsck")
			require.Equal(t, false, report["ok"])
			problem := report["problems"].([]any)[0].(map[string]any)
			require.Equal(t, catalogName, problem["object"])
			require.Contains(t, problem["cure"], "store reindex")

			s.json(exitOK, "store", "reindex")
			require.FileExists(t, path+".damaged")
			require.Equal(t, true, s.json(exitOK, "store", "fsck")["ok"])
		})
	}
}
