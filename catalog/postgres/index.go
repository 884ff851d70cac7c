package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
	"github.com/terrapin-eo/terrapin/fault"
)

// always are properties that the schema itself has in order.
var always = []string{cql2.Collection, sqlgen.Datetime, cql2.ID}

// learnRanked finds out which properties have an index.
func (c *Catalog) learnRanked(ctx context.Context) error {
	rows, err := c.read.Query(ctx, `SELECT property FROM ranked WHERE ready`)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	ranked := make(map[string]bool, len(names))
	for _, name := range names {
		ranked[name] = true
	}
	c.ranked.Store(&ranked)
	return nil
}

// Indexes lists the properties that have an index.
func (c *Catalog) Indexes(ctx context.Context) (out []string, err error) {
	err = c.looking(ctx, "list indexes", c.limits.Look, c.learnRanked)
	if err != nil {
		return nil, err
	}
	out = slices.Clone(always)
	for name := range *c.ranked.Load() {
		out = append(out, name)
	}
	slices.Sort(out)
	return out, nil
}

// Index adds the indexes over a property while readers and writers go on.
func (c *Catalog) Index(ctx context.Context, property string) error {
	if slices.Contains(always, property) {
		return nil
	}
	if property == cql2.Location || len(property) > 200 {
		return fault.New(fault.Invalid, "%q is no property to index", property).WithCure("name a member of the items' properties, such as eo:cloud_cover")
	}
	return c.tending(ctx, "add an index", func(ctx context.Context, m migration) error {
		var n int
		var ready bool
		if _, err := m.conn.Exec(ctx, `INSERT INTO ranked (property, ready) VALUES ($1, false) ON CONFLICT DO NOTHING`, property); err != nil {
			return err
		}
		if err := m.conn.QueryRow(ctx, `SELECT row, ready FROM ranked WHERE property = $1`, property).Scan(&n, &ready); err != nil || ready {
			return err
		}
		if err := dropIndexes(ctx, m.conn, n); err != nil { // what an interrupted call left
			return err
		}
		for _, form := range []string{
			`CREATE INDEX CONCURRENTLY item_ranked_%1$s ON item (rank_number(properties, moments, %2$L), (rank_text(properties, moments, %2$L) COLLATE "C"), collection, id)`,
			`CREATE INDEX CONCURRENTLY item_ranked_%1$s_in ON item (collection, rank_number(properties, moments, %2$L), (rank_text(properties, moments, %2$L) COLLATE "C"), id)`,
		} {
			var text string
			if err := m.conn.QueryRow(ctx, `SELECT format($1, $2::text, $3::text)`, form, fmt.Sprint(n), property).Scan(&text); err != nil {
				return err
			}
			if _, err := m.conn.Exec(ctx, text, pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
		}
		_, err := m.conn.Exec(ctx, `UPDATE ranked SET ready = true WHERE row = $1`, n)
		return err
	})
}

// DropIndex removes the indexes over a property.
func (c *Catalog) DropIndex(ctx context.Context, property string) error {
	if slices.Contains(always, property) {
		return fault.New(fault.Precondition, "the catalog itself needs the index over %s", property)
	}
	return c.tending(ctx, "remove an index", func(ctx context.Context, m migration) error {
		var n int
		err := m.conn.QueryRow(ctx, `UPDATE ranked SET ready = false WHERE property = $1 RETURNING row`, property).Scan(&n)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := dropIndexes(ctx, m.conn, n); err != nil {
			return err
		}
		_, err = m.conn.Exec(ctx, `DELETE FROM ranked WHERE row = $1`, n)
		return err
	})
}

func dropIndexes(ctx context.Context, conn *pgx.Conn, n int) error {
	for _, name := range []string{fmt.Sprintf("item_ranked_%d", n), fmt.Sprintf("item_ranked_%d_in", n)} {
		if _, err := conn.Exec(ctx, `DROP INDEX CONCURRENTLY IF EXISTS `+name, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	return nil
}

// tending changes the schema on a connection of its own, one at a time.
func (c *Catalog) tending(ctx context.Context, op string, tend func(context.Context, migration) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, c.limits.Migrate, errLimit{op, c.limits.Migrate})
	defer cancel()
	err := c.alone(limited, func(ctx context.Context, m migration) error {
		if err := m.lock(ctx); err != nil {
			return err
		}
		if err := tend(ctx, m); err != nil {
			return err
		}
		return c.learnRanked(ctx)
	})
	return c.wrap(limited, op, err)
}

// Describe tells what the catalog is.
func (c *Catalog) Describe(ctx context.Context) (out catalog.Description, err error) {
	out = catalog.Description{BackEnd: "postgres", Location: c.at.String()}
	err = c.looking(ctx, "describe", c.limits.Search, func(ctx context.Context) error {
		return c.read.QueryRow(ctx, `SELECT current_setting('server_version') || ', PostGIS ' || (SELECT extversion FROM pg_extension WHERE extname = 'postgis'),
			(SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r'),
			(SELECT coalesce(max(step), 0) FROM migration), (`+lastRevision+`)`, c.at.quoted()).Scan(&out.Version, &out.Bytes, &out.Schema, &out.Revision)
	})
	out.Version = strings.TrimSpace(out.Version)
	return out, err
}
