package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/catalog/postgres/pgtest"
)

// Another writer has put something new, and next puts something that was not there when he looked. A set of changes that waits for the
// first and removes the second must not keep him waiting in turn: he is refused, and begins again.
func TestNobodyWaitsInACircle(t *testing.T) {
	for name, c := range map[string]struct {
		changes catalog.Changes
		put     string // a statement that copies what is there under another name
	}{
		"items": {
			catalog.Changes{Items: []json.RawMessage{version("a", "new", 1)}, DeleteItems: []catalog.ItemRef{{Collection: "a", ID: "old"}}},
			`INSERT INTO item (collection, id, origin, sort, dated, begins, ends, etag, packed, properties, moments, shape, odd, place, texts, words)
				SELECT collection, $1, origin, sort, dated, begins, ends, etag, packed, properties, moments, shape, odd, place, texts, words FROM item WHERE id = 'like'`,
		},
		"collections": {
			catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("new")}, DeleteCollections: []string{"old"}},
			`INSERT INTO collection (id, origin, etag, document) SELECT $1, origin, etag, document FROM collection WHERE id = 'a'`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			address := pgtest.Database(t)
			ours := open(t, address)
			_, err := ours.Apply(ctx, catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a"), catalogtest.Collection("old")},
				Items: []json.RawMessage{version("a", "like", 1), version("a", "old", 1)}})
			require.NoError(t, err)
			other, watch := connect(t, address), connect(t, address)
			exec(t, other, `BEGIN`)
			exec(t, other, c.put, "new")
			applied := make(chan error, 1)
			go func() {
				_, err := ours.Apply(ctx, c.changes)
				applied <- err
			}()
			require.Eventually(t, func() bool {
				var n int
				require.NoError(t, watch.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n))
				return n == 1
			}, 10*time.Second, 10*time.Millisecond)
			_, err = other.Exec(ctx, c.put, "old")
			refused := (*pgconn.PgError)(nil)
			require.True(t, errors.As(err, &refused), "%v", err)
			require.Equal(t, "23505", refused.Code)
			exec(t, other, `ROLLBACK`)
			require.NoError(t, <-applied)
			tallied(t, address)
		})
	}
}
