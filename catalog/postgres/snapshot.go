package postgres

import (
	"context"
	"encoding/json"
	"time"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
)

// snapshotIdle is how long a snapshot waits for the next question: what was read may go to a client that has as long for all of it.
const snapshotIdle = 6 * time.Hour

// Snapshot shows one state of the database, in a transaction on a reader's connection. The server keeps what is
// changed and deleted until it ends. It ends by the server's hand where nothing is asked for snapshotIdle.
func (c *Catalog) Snapshot(ctx context.Context, do func(catalog.Reader) error) error {
	conn, err := c.read.Acquire(ctx)
	if err != nil {
		return c.wrap(ctx, "take a snapshot", err)
	}
	s := &session{conn: conn, ranked: *c.ranked.Load()}
	defer s.end()
	m := &still{c: c, s: s}
	m.shelf = catalog.NewShelf(c.signer, func(context.Context) (int64, error) { return 0, nil }, m.everyCollection)
	// The first statement is what it is a snapshot of.
	if err := m.read(ctx, "take a snapshot", func(ctx context.Context) error {
		return s.Query(ctx, `SELECT set_config('idle_in_transaction_session_timeout', $1, true)`, []any{milliseconds(snapshotIdle)}, func(sqlgen.Row) error { return nil })
	}); err != nil {
		return err
	}
	return do(m)
}

// still is the catalog in one transaction.
type still struct {
	c     *Catalog
	s     *session
	shelf *catalog.Shelf
}

// read is a read within its limit. It is not done again on another connection, as that would see another state.
func (m *still) read(ctx context.Context, op string, read func(context.Context) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, m.c.limits.Search, errLimit{op, m.c.limits.Search})
	defer cancel()
	return m.c.wrap(limited, op, read(limited))
}

// Item returns one item's document.
func (m *still) Item(ctx context.Context, s catalog.Scope, ref catalog.ItemRef) (json.RawMessage, error) {
	doc, err := m.document(ctx, "read an item", textOfItem+visible(s), ref.ID, ref.Collection)
	if doc == nil && err == nil {
		return nil, noItem(ref)
	}
	return doc, err
}

// Collection returns one collection's document.
func (m *still) Collection(ctx context.Context, s catalog.Scope, id string) (json.RawMessage, error) {
	doc, err := m.document(ctx, "read a collection", textOfCollection+visible(s), id)
	if doc == nil && err == nil {
		return nil, noCollection(id)
	}
	return doc, err
}

func (m *still) document(ctx context.Context, op, text string, args ...any) (doc []byte, err error) {
	err = m.read(ctx, op, func(ctx context.Context) error {
		return m.s.Query(ctx, text, args, func(row sqlgen.Row) error { return row.Scan(&doc) })
	})
	return doc, err
}

// Collections returns a page of collections.
func (m *still) Collections(ctx context.Context, s catalog.Scope, q catalog.Query) (out catalog.Result, err error) {
	err = m.read(ctx, "list collections", func(ctx context.Context) error {
		out, err = m.shelf.Search(ctx, s, q)
		return err
	})
	return out, err
}

func (m *still) everyCollection(ctx context.Context) (all []catalog.Shelved, revision int64, err error) {
	err = m.s.Query(ctx, `SELECT origin, document FROM collection`, nil, func(row sqlgen.Row) error {
		var one catalog.Shelved
		err := row.Scan(&one.Origin, (*[]byte)(&one.Document))
		all = append(all, one)
		return err
	})
	return all, 0, err
}

// Search returns a page of items.
func (m *still) Search(ctx context.Context, s catalog.Scope, q catalog.Query) (out catalog.Result, err error) {
	err = m.read(ctx, "search", func(ctx context.Context) error {
		out, err = m.c.engine().Search(ctx, m.s, s, q)
		return err
	})
	return out, err
}
