package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/postgres"
	"github.com/terrapin-eo/terrapin/catalog/postgres/pgtest"
	"github.com/terrapin-eo/terrapin/fault"
)

// Every class of calls has its limit; a call that reaches it says which, and the connection goes on to be used.
func TestLimits(t *testing.T) {
	ctx, address := context.Background(), pgtest.Database(t)
	open(t, address)
	const brief, long = 300 * time.Millisecond, time.Minute
	calls := map[string]struct {
		limits postgres.Limits
		call   func(c *postgres.Catalog, ctx context.Context) error
	}{
		"look": {postgres.Limits{Look: brief, Search: long, Aggregate: long, Apply: long}, func(c *postgres.Catalog, ctx context.Context) error {
			_, err := c.Item(ctx, catalog.Everything(), catalog.ItemRef{Collection: "a", ID: "none"})
			return err
		}},
		"search": {postgres.Limits{Look: long, Search: brief, Aggregate: long, Apply: long}, func(c *postgres.Catalog, ctx context.Context) error {
			_, err := c.Search(ctx, catalog.Everything(), catalog.Query{})
			return err
		}},
		"aggregate": {postgres.Limits{Look: long, Search: long, Aggregate: brief, Apply: long}, func(c *postgres.Catalog, ctx context.Context) error {
			_, err := c.Aggregate(ctx, catalog.Everything(), catalog.Query{IDs: []string{"x"}}, []catalog.Aggregation{{Kind: catalog.Count}})
			return err
		}},
		"apply": {postgres.Limits{Look: long, Search: long, Aggregate: long, Apply: brief}, func(c *postgres.Catalog, ctx context.Context) error {
			_, err := c.Apply(ctx, small("a"))
			return err
		}},
	}
	for name, one := range calls {
		c, err := postgres.Open(ctx, postgres.Config{URL: address, Readers: 1, Writers: 1, Limits: one.limits})
		require.NoError(t, err, name)
		_, err = c.Apply(ctx, catalog.Changes{})
		require.NoError(t, err, name)
		conn := connect(t, address)
		exec(t, conn, `BEGIN`)
		exec(t, conn, `LOCK TABLE item, collection`)
		begun := time.Now()
		err = one.call(c, ctx)
		require.True(t, fault.Is(err, fault.Unavailable), "%s: %v", name, err)
		require.Contains(t, err.Error(), brief.String(), name)
		require.NotEmpty(t, fault.CureOf(err), name)
		require.Less(t, time.Since(begun), 10*time.Second, name)

		given, cancel := context.WithTimeout(ctx, brief/3)
		err = one.call(c, given)
		cancel()
		require.True(t, fault.Is(err, fault.Canceled), "%s: %v", name, err)
		require.NotContains(t, err.Error(), brief.String(), name)
		exec(t, conn, `ROLLBACK`)
		if err := one.call(c, ctx); name == "look" {
			require.ErrorIs(t, err, catalog.ErrNotFound)
		} else {
			require.NoError(t, err, name)
		}
		require.NoError(t, c.Close(), name)
	}
}

// A limit of the server itself is told as one, too.
func TestLimitOfTheServer(t *testing.T) {
	ctx, address := context.Background(), pgtest.Database(t)
	c := open(t, address)
	conn := connect(t, address)
	exec(t, conn, `BEGIN`)
	exec(t, conn, `LOCK TABLE item`)
	errs := make(chan error)
	go func() {
		_, err := c.Search(ctx, catalog.Everything(), catalog.Query{})
		errs <- err
	}()
	other := connect(t, address)
	require.Eventually(t, func() bool {
		var n int
		require.NoError(t, other.QueryRow(ctx, `SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`).Scan(&n))
		return n > 0
	}, 20*time.Second, 20*time.Millisecond)
	err := <-errs
	require.True(t, fault.Is(err, fault.Unavailable), err)
	require.Contains(t, fault.CureOf(err), "statement_timeout")
}

// A snapshot waits for who takes slowly what was read of it; one that waited too long is to be taken again.
func TestASnapshotWaits(t *testing.T) {
	ctx, c := context.Background(), open(t, pgtest.Database(t))
	err := c.Snapshot(ctx, func(r catalog.Reader) error {
		idle, err := postgres.AskStill(ctx, r, `SELECT current_setting('idle_in_transaction_session_timeout')`)
		require.NoError(t, err)
		require.Equal(t, "6h", idle)
		_, err = postgres.AskStill(ctx, r, `SELECT set_config('idle_in_transaction_session_timeout', '50', true)`)
		require.NoError(t, err)
		time.Sleep(time.Second)
		_, err = r.Collections(ctx, catalog.Everything(), catalog.Query{})
		return err
	})
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.Contains(t, fault.CureOf(err), "take it again")
	require.NoError(t, c.Snapshot(ctx, func(r catalog.Reader) error {
		_, err := r.Collections(ctx, catalog.Everything(), catalog.Query{})
		return err
	}))
}
