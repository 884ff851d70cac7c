package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/postgres/pgtest"
)

// The bucket is the truth of either kind of catalog: whichever is named is brought up, and they say the same.
func TestCatalogInPostgres(t *testing.T) {
	server := pgtest.Start(t)
	database := "--catalog=" + server.Database(t)
	s := withCube(t)
	require.NotEmpty(t, s.json(exitOK, "store", "fsck", database)["notes"], "it is empty")
	s.json(exitOK, "store", "reindex", database)
	require.Empty(t, s.json(exitOK, "store", "fsck", database)["notes"])
	here := s.exported(database)
	require.Len(t, here, 13)
	require.Equal(t, s.exported(), here)

	// From the beginning, and nothing beside the data.
	other := shell{t: t, dir: t.TempDir()}
	second := "--catalog=" + server.Database(t)
	other.json(exitOK, "cube", "create", "s2", "--like", scenes(t)[0], second)
	other.json(exitOK, "ingest", "s2", "--datetime-pattern", "s2_%Y%m%d", scenes(t)[0], scenes(t)[1], second)
	require.NoFileExists(t, filepath.Join(other.dir, catalogName))
	require.Equal(t, true, other.json(exitOK, "store", "fsck", second)["ok"])
	require.Len(t, other.exported(second), 3)

	// A catalog that is filled from one place is refused to another, whose commits would empty it, and keeps what it has.
	told := other.json(exitRefused, "ingest", "s2", "--datetime-pattern", "s2_%Y%m%d", scenes(t)[2], database)
	require.Contains(t, fmt.Sprint(told), s.dir)
	require.Contains(t, fmt.Sprint(told), "search_path")
	require.Equal(t, false, other.json(exitRefused, "store", "fsck", database)["ok"])
	require.Equal(t, here, s.exported(database))
	// Data that has moved takes its catalog along by being indexed again.
	moved := shell{t: t, dir: filepath.Join(t.TempDir(), "moved")}
	require.NoError(t, os.Rename(other.dir, moved.dir))
	moved.json(exitRefused, "ingest", "s2", "--datetime-pattern", "s2_%Y%m%d", scenes(t)[2], second)
	moved.json(exitOK, "store", "reindex", second)
	moved.json(exitOK, "ingest", "s2", "--datetime-pattern", "s2_%Y%m%d", scenes(t)[2], second)
	require.Len(t, moved.exported(second), 4)
}

// An address of a database is shown without its password, wherever it comes from.
func TestCatalogAddressIsASecret(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{
		{"cube", "create", "x", "--like", scenes(t)[0]}, {"store", "reindex"}, {"serve", "--http", "127.0.0.1:0", "--flight", "127.0.0.1:0"},
		{"--help"}, {"store", "reindex", "--help"}, {"reference"}, {"cube", "nonsense"},
	} {
		for _, address := range []string{"postgres://u:hush@127.0.0.1:1/d", "postgres://u:hush@127.0.0.1:port/d", "mysql://u:hush@h/d", "postgres:///d?host=/none&password=hush"} {
			for _, form := range [][]string{nil, {"--json"}} {
				var out, err bytes.Buffer
				run(context.Background(), append(append([]string{"--data", dir}, args...), form...), streams{in: strings.NewReader(""), out: &out, err: &err,
					env: func(name string) string { return map[string]string{"TERRAPIN_CATALOG": address}[name] }})
				require.NotContains(t, out.String()+err.String(), "hush", "%v %s", args, address)
				require.NotEmpty(t, out.String()+err.String())
			}
		}
	}
}
