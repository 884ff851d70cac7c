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
	_, err = c.write.ExecContext(ctx, `PRAGMA max_page_count = 1`) // as small as it is now
	require.NoError(t, err)
	_, err = c.write.ExecContext(ctx, `CREATE TABLE large AS SELECT randomblob(1000000) AS filler`)
	err = c.wrap("write", err)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.Contains(t, fault.CureOf(err), "disk")
	_, err = c.write.ExecContext(ctx, `PRAGMA max_page_count = 1000000`)
	require.NoError(t, err)
	_, err = c.write.ExecContext(ctx, `CREATE TABLE large AS SELECT randomblob(1000000) AS filler`)
	require.NoError(t, err)
}
