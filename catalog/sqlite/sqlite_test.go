package sqlite_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/catalog/sqlite"
	"github.com/terrapin-eo/terrapin/fault"
)

func open(t *testing.T, path string) *sqlite.Catalog {
	t.Helper()
	c, err := sqlite.Open(context.Background(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func TestConformance(t *testing.T) {
	catalogtest.Run(t, catalogtest.Config{New: func(t *testing.T) catalog.Catalog {
		return open(t, filepath.Join(t.TempDir(), "catalog.sqlite"))
	}})
}

func TestReopen(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "odd name? #1 100%.sqlite")
	one := open(t, path)
	ch := catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")}}
	for _, id := range []string{"x", "y", "z"} {
		ch.Items = append(ch.Items, catalogtest.Item("a", id, "null", `"datetime":"2020-01-01T00:00:00Z"`))
	}
	rev, err := one.Apply(ctx, ch)
	require.NoError(t, err)
	page, err := one.Search(ctx, catalog.Everything(), catalog.Query{Page: catalog.Page{Limit: 2}})
	require.NoError(t, err)
	require.NoError(t, one.Close())
	require.FileExists(t, path)

	two := open(t, path)
	again, err := two.Apply(ctx, ch)
	require.NoError(t, err)
	require.Equal(t, rev, again)
	rest, err := two.Search(ctx, catalog.Everything(), catalog.Query{Page: catalog.Page{Limit: 2, Token: page.Next}})
	require.NoError(t, err)
	require.Len(t, rest.Documents, 1, "a token outlives the process")

	other := open(t, filepath.Join(t.TempDir(), "other.sqlite"))
	_, err = other.Apply(ctx, ch)
	require.NoError(t, err)
	_, err = other.Search(ctx, catalog.Everything(), catalog.Query{Page: catalog.Page{Limit: 2, Token: page.Next}})
	require.True(t, fault.Is(err, fault.Invalid), "another catalog's token")
}

func TestRefusesForeignFiles(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	noise := filepath.Join(dir, "noise.sqlite")
	require.NoError(t, os.WriteFile(noise, []byte("this is not a database, and long enough to be sure of it, really: "+string(make([]byte, 4096))), 0o600))
	_, err := sqlite.Open(ctx, noise)
	require.True(t, fault.Is(err, fault.Corrupt), err)
	require.Contains(t, fault.CureOf(err), "reindex")

	_, err = sqlite.Open(ctx, filepath.Join(dir, "no", "such", "folder.sqlite"))
	require.True(t, fault.Is(err, fault.Precondition), err)

	for name, change := range map[string]string{
		"newer.sqlite":   `INSERT INTO migration VALUES (999, 'later', 'x', 'then')`,
		"changed.sqlite": `UPDATE migration SET sha256 = 'x' WHERE step = 1`,
	} {
		path := filepath.Join(dir, name)
		c, err := sqlite.Open(ctx, path)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		db, err := sql.Open("sqlite", path)
		require.NoError(t, err)
		_, err = db.Exec(change)
		require.NoError(t, err)
		require.NoError(t, db.Close())
		_, err = sqlite.Open(ctx, path)
		require.True(t, fault.Is(err, fault.Precondition), "%s: %v", name, err)
		require.NotEmpty(t, fault.CureOf(err), name)
	}
}
