package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	engine "modernc.org/sqlite"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
)

// Item returns one item's document.
func (c *Catalog) Item(ctx context.Context, s catalog.Scope, ref catalog.ItemRef) (json.RawMessage, error) {
	doc, err := c.document(ctx, s, "read an item", textOfItem, ref.ID, ref.Collection)
	if doc == nil && err == nil {
		return nil, noItem(ref)
	}
	return doc, err
}

// Collection returns one collection's document.
func (c *Catalog) Collection(ctx context.Context, s catalog.Scope, id string) (json.RawMessage, error) {
	doc, err := c.document(ctx, s, "read a collection", textOfCollection, id)
	if doc == nil && err == nil {
		return nil, noCollection(id)
	}
	return doc, err
}

// document reads one document that the scope sees, or nil.
func (c *Catalog) document(ctx context.Context, s catalog.Scope, op, text string, args ...any) (doc []byte, err error) {
	err = c.lent(ctx, c.lookups, op, func(r *conn) error {
		// A look-up ends sooner than it could be interrupted, and to watch the context takes as long as it does.
		_, err := r.one(context.Background(), seenBy(s, text), args, &doc)
		return err
	})
	return doc, err
}

// The statements that read one document.
const (
	textOfItem       = `SELECT document FROM item WHERE id = ?1 AND collection = ?2`
	textOfCollection = `SELECT document FROM collection WHERE id = ?`
)

// seenBy adds to a statement's conditions what a scope sees.
func seenBy(s catalog.Scope, text string) string {
	if !s.SeesAll() {
		return text + " AND FALSE"
	}
	return text
}

// Search returns a page of items.
func (c *Catalog) Search(ctx context.Context, s catalog.Scope, q catalog.Query) (out catalog.Result, err error) {
	err = c.ask(ctx, "search", func(e sqlgen.Engine, r reader) error {
		out, err = e.Search(ctx, r, s, q)
		return err
	})
	return out, err
}

// Aggregate computes over items.
func (c *Catalog) Aggregate(ctx context.Context, s catalog.Scope, q catalog.Query, ask []catalog.Aggregation) (out []catalog.Aggregate, err error) {
	err = c.ask(ctx, "aggregate", func(e sqlgen.Engine, r reader) error {
		out, err = e.Aggregate(ctx, r, s, q, ask)
		return err
	})
	return out, err
}

// Queryables lists properties.
func (c *Catalog) Queryables(ctx context.Context, s catalog.Scope, collections []string) (out []catalog.Queryable, err error) {
	err = c.ask(ctx, "list queryables", func(e sqlgen.Engine, r reader) error {
		out, err = e.Queryables(ctx, r, s, collections)
		return err
	})
	return out, err
}

// ask lets an engine ask in one state of the file. Where an index is gone that it knew of, it asks again without it.
func (c *Catalog) ask(ctx context.Context, op string, ask func(sqlgen.Engine, reader) error) error {
	return c.snapshot(ctx, op, func(r *conn) error {
		d := c.dialect.Load()
		err := ask(sqlgen.Engine{Dialect: *d, Signer: c.signer}, reader{r, d})
		var e *engine.Error
		if !errors.As(err, &e) || !strings.Contains(e.Error(), "no such") {
			return err
		}
		ranked, err := ranks(ctx, r)
		if err != nil {
			return err
		}
		c.dialect.Store(&dialect{ranked})
		d = c.dialect.Load()
		return ask(sqlgen.Engine{Dialect: *d, Signer: c.signer}, reader{r, d})
	})
}

// Collections returns a page of collections.
func (c *Catalog) Collections(ctx context.Context, s catalog.Scope, q catalog.Query) (catalog.Result, error) {
	out, err := c.shelf.Search(ctx, s, q)
	return out, c.wrap("list collections", err)
}

// collectionsRevision and everyCollection are what the shelf is filled from.
func (c *Catalog) collectionsRevision(ctx context.Context) (revision int64, err error) {
	err = c.lent(ctx, c.lookups, "read the revision", func(r *conn) error {
		_, err := r.one(context.Background(), `SELECT coalesce((SELECT value FROM setting WHERE name = 'collections'), 0)`, nil, &revision)
		return err
	})
	return revision, err
}

func (c *Catalog) everyCollection(ctx context.Context) (all []catalog.Shelved, revision int64, err error) {
	err = c.snapshot(ctx, "read collections", func(r *conn) error {
		all, revision, err = collectionsIn(ctx, r)
		return err
	})
	return all, revision, err
}

func collectionsIn(ctx context.Context, r *conn) (all []catalog.Shelved, revision int64, err error) {
	if _, err := r.one(ctx, `SELECT coalesce((SELECT value FROM setting WHERE name = 'collections'), 0)`, nil, &revision); err != nil {
		return nil, 0, err
	}
	err = r.query(ctx, `SELECT origin, document FROM collection`, nil, func(row sqlgen.Row) error {
		var origin int64
		var doc []byte
		err := row.Scan(&origin, &doc)
		all = append(all, catalog.Shelved{Document: doc, Origin: catalog.Origin(origin)})
		return err
	})
	return all, revision, err
}

// Marks returns every mark.
func (c *Catalog) Marks(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	err := c.reading(ctx, "read marks", func(r *conn) error {
		return r.query(ctx, `SELECT name, value FROM mark`, nil, func(row sqlgen.Row) error {
			var name, value string
			err := row.Scan(&name, &value)
			out[name] = value
			return err
		})
	})
	return out, err
}

// reader is a connection in a snapshot as sqlgen asks for it.
type reader struct {
	*conn
	dialect *dialect
}

func (r reader) Query(ctx context.Context, text string, args []any, visit func(sqlgen.Row) error) error {
	return r.query(ctx, text, args, visit)
}

func (r reader) Indexed(property string) bool {
	_, ok := r.dialect.ranked[property]
	return ok
}
