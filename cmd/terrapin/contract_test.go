package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// --json gives one document whatever goes wrong, with what is wrong and a cure.
func TestEveryFailureIsOneDocument(t *testing.T) {
	s := newShell(t)
	for name, c := range map[string]struct {
		args []string
		exit int
		kind string
	}{
		"no verb":         {[]string{"cube"}, exitUsage, "usage"},
		"flag before":     {[]string{"ingest", "--no-such-flag", "s2"}, exitUsage, "usage"},
		"no pixel size":   {[]string{"cube", "create", "c", "--crs", "EPSG:32631", "--bounds", "0,0,10,10", "--res", "nan", "--bands", "a"}, exitRefused, "invalid"},
		"no directory":    {[]string{"cube", "show", "c"}, exitRefused, "not_found"},
		"unknown command": {[]string{"cubes"}, exitUsage, "usage"},
	} {
		stdout, stderr, code := s.run(append(c.args, "--json")...)
		require.Equal(t, c.exit, code, name)
		var doc struct {
			Error struct{ Kind, Message, Cure string }
		}
		dec := json.NewDecoder(strings.NewReader(stdout))
		require.NoError(t, dec.Decode(&doc), "%s: %s%s", name, stdout, stderr)
		require.False(t, dec.More(), name)
		require.Equal(t, c.kind, doc.Error.Kind, name)
		require.NotEmpty(t, doc.Error.Message, name)
		require.NotEmpty(t, doc.Error.Cure, name)
	}
}

func TestAnInterruptSaysWhatToDo(t *testing.T) {
	s := newShell(t)
	s.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0])
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out, complaints strings.Builder
	code := run(ctx, append([]string{"ingest", "s2", "--json", "--data", s.dir}, scenes(t)...),
		streams{in: strings.NewReader(""), out: &out, err: &complaints, env: func(string) string { return "" }})
	require.Equal(t, exitRefused, code)
	require.Contains(t, out.String(), "interrupted")
	require.Contains(t, complaints.String(), "do it again")
}

// A command killed between its commit and the catalog leaves the catalog behind: no damage.
func TestFsckSeesThroughACatalogThatLags(t *testing.T) {
	s := newShell(t)
	s.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0])
	before, err := os.ReadFile(filepath.Join(s.dir, catalogName))
	require.NoError(t, err)
	s.json(exitOK, append([]string{"ingest", "s2", "--datetime-pattern", "s2_%Y%m%d"}, scenes(t)...)...)
	for _, beside := range []string{"-wal", "-shm"} {
		require.NoError(t, os.RemoveAll(filepath.Join(s.dir, catalogName+beside)))
	}
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, catalogName), before, 0o600))
	require.Equal(t, true, s.json(exitOK, "store", "fsck")["ok"])
}
