package sqlite

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

// A catalog that cannot grow says so with a cure, and goes on once it can.
func TestAFullDiskHasACure(t *testing.T) {
	ctx := context.Background()
	c, err := Open(ctx, filepath.Join(t.TempDir(), "catalog.sqlite"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	exec := func(text string) (err error) {
		return c.writes.alone(func(w *conn) error {
			_, err := w.exec(ctx, text)
			return c.wrap("write", err)
		})
	}
	require.NoError(t, exec(`PRAGMA max_page_count = 1`)) // as small as it is now
	err = exec(`CREATE TABLE large AS SELECT randomblob(1000000) AS filler`)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.Contains(t, fault.CureOf(err), "disk")
	require.NoError(t, exec(`PRAGMA max_page_count = 1000000`))
	require.NoError(t, exec(`CREATE TABLE large AS SELECT randomblob(1000000) AS filler`))
}
