package store_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// One level of names, whether the driver can list folders or every object has to be walked.
func TestFolders(t *testing.T) {
	dir := t.TempDir()
	onDisk, err := file.New(dir)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "cubes", "empty"), 0o755))
	for name, driver := range map[string]store.Driver{"file": onDisk, "mem": mem.New()} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			b := store.New(driver, name+"://")
			for _, key := range []string{"cubes/b/repo", "cubes/a/chunks/x", "cubes/a/repo", "cubes/note", "labels/c/r1/commit.json"} {
				_, err := b.Write(ctx, key, []byte("x"), store.Condition{})
				require.NoError(t, err)
			}
			top, err := b.Folders(ctx, "")
			require.NoError(t, err)
			assert.Equal(t, []string{"cubes", "labels"}, top)
			cubes, err := b.Folders(ctx, "cubes")
			require.NoError(t, err)
			assert.Equal(t, []string{"a", "b"}, cubes)
			below, err := b.Sub("cubes").Folders(ctx, "a")
			require.NoError(t, err)
			assert.Equal(t, []string{"chunks"}, below)
			none, err := b.Folders(ctx, "nothing/here")
			require.NoError(t, err)
			assert.Empty(t, none)
		})
	}
}
