package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
)

// Collections returns a page of collections.
func (c *Catalog) Collections(ctx context.Context, s catalog.Scope, q catalog.Query) (out catalog.Result, err error) {
	err = c.looking(ctx, "list collections", c.limits.Search, func(ctx context.Context) error {
		out, err = c.shelf.Search(ctx, s, q)
		return err
	})
	return out, err
}

// Queryables lists properties.
func (c *Catalog) Queryables(ctx context.Context, s catalog.Scope, collections []string) (out []catalog.Queryable, err error) {
	err = c.asking(ctx, "list queryables", c.limits.Search, func(ctx context.Context, r sqlgen.Reader) error {
		out, err = c.engine().Queryables(ctx, r, s, collections)
		return err
	})
	return out, err
}

// shelfRevision and everyCollection are what the shelf is filled from.
func (c *Catalog) shelfRevision(ctx context.Context) (revision int64, err error) {
	return revision, c.read.QueryRow(ctx, `SELECT revision FROM shelf`).Scan(&revision)
}

func (c *Catalog) everyCollection(ctx context.Context) (all []catalog.Shelved, revision int64, err error) {
	// One statement sees one state.
	rows, err := c.read.Query(ctx, `SELECT s.revision, c.origin, c.document FROM shelf s LEFT JOIN collection c ON true`)
	if err != nil {
		return nil, 0, err
	}
	var origin *catalog.Origin
	var doc []byte
	_, err = pgx.ForEachRow(rows, []any{&revision, &origin, &doc}, func() error {
		if origin != nil {
			all = append(all, catalog.Shelved{Document: doc, Origin: *origin})
		}
		doc = nil
		return nil
	})
	return all, revision, err
}
