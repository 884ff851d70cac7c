package sqlite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
	"github.com/terrapin-eo/terrapin/fault"
)

// given is the property that has an index from the start.
const given = "eo:cloud_cover"

// ranks reads which properties have an index.
func ranks(ctx context.Context, c *conn) (map[string]int64, error) {
	ranked := map[string]int64{}
	err := c.query(ctx, `SELECT name, number FROM ranked`, nil, func(r sqlgen.Row) error {
		var name string
		var number int64
		err := r.Scan(&name, &number)
		ranked[name] = number
		return err
	})
	return ranked, err
}

// indexGiven makes the index that has to be there from the start, and learns of all.
func (c *Catalog) indexGiven(ctx context.Context, w *conn) error {
	ranked, err := ranks(ctx, w)
	if err != nil {
		return err
	}
	if _, ok := ranked[given]; !ok {
		if err := addIndex(ctx, w, given); err != nil {
			return err
		}
		if ranked, err = ranks(ctx, w); err != nil {
			return err
		}
	}
	c.dialect.Store(&dialect{ranked})
	return nil
}

// addIndex makes the index over a property in a transaction.
func addIndex(ctx context.Context, w *conn, property string) (err error) {
	return transact(ctx, w, func() error {
		if _, err := w.exec(ctx, `INSERT INTO ranked (name) VALUES (?)`, property); err != nil {
			return err
		}
		var n int64
		if _, err := w.one(ctx, `SELECT number FROM ranked WHERE name = ?`, []any{property}, &n); err != nil {
			return err
		}
		// An index over expressions would do as well, but SQLite compares such an expression with every one in a statement, and
		// one that differs in a parameter only makes it prepare the statement anew each time.
		number, text := rank("", literal(path(property)), literal(moment(property, 0)))
		for _, text := range []string{
			fmt.Sprintf(`ALTER TABLE item ADD COLUMN number_%d GENERATED ALWAYS AS (%s) VIRTUAL`, n, number),
			fmt.Sprintf(`ALTER TABLE item ADD COLUMN text_%d GENERATED ALWAYS AS (%s) VIRTUAL`, n, text),
			fmt.Sprintf(`CREATE INDEX item_ranked_%d ON item (number_%[1]d, text_%[1]d, collection, id)`, n),
		} {
			if _, err := w.exec(ctx, text); err != nil {
				return err
			}
		}
		return nil
	})
}

func transact(ctx context.Context, w *conn, do func() error) error {
	if _, err := w.exec(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	err := do()
	if err == nil {
		_, err = w.exec(ctx, `COMMIT`)
	}
	if err != nil {
		_, _ = w.exec(context.Background(), `ROLLBACK`) // which fails where the database has done so itself
	}
	return err
}

// Index adds the index over a property. Writers wait while it is made.
func (c *Catalog) Index(ctx context.Context, property string) error {
	if strings.ContainsRune(property, 0) {
		return fault.New(fault.Invalid, "%q is no property", property).WithCure("name a property of items, such as eo:cloud_cover")
	}
	return c.reindex(ctx, "index a property", func(w *conn, ranked map[string]int64) error {
		if _, ok := ranked[property]; ok {
			return nil
		}
		return addIndex(ctx, w, property)
	})
}

// DropIndex removes it.
func (c *Catalog) DropIndex(ctx context.Context, property string) error {
	if property == given {
		return fault.New(fault.Precondition, "the index over %s is the catalog's own", given).WithCure("leave it")
	}
	return c.reindex(ctx, "drop an index", func(w *conn, ranked map[string]int64) error {
		n, ok := ranked[property]
		if !ok {
			return nil
		}
		return transact(ctx, w, func() error {
			for _, text := range []string{`DROP INDEX item_ranked_%d`, `ALTER TABLE item DROP COLUMN number_%d`, `ALTER TABLE item DROP COLUMN text_%d`,
				`DELETE FROM ranked WHERE number = %d`} {
				if _, err := w.exec(ctx, fmt.Sprintf(text, n)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// reindex changes the indexes between two transactions.
func (c *Catalog) reindex(ctx context.Context, op string, change func(w *conn, ranked map[string]int64) error) error {
	return c.wrap(op, c.writes.alone(func(w *conn) error {
		ranked, err := ranks(ctx, w)
		if err != nil {
			return err
		}
		if err := change(w, ranked); err != nil {
			return err
		}
		if ranked, err = ranks(ctx, w); err != nil {
			return err
		}
		c.dialect.Store(&dialect{ranked})
		return nil
	}))
}

// Indexes lists the properties with an index.
func (c *Catalog) Indexes(context.Context) ([]string, error) {
	return slices.Sorted(maps.Keys(c.dialect.Load().ranked)), nil
}

// Describe tells of the file.
func (c *Catalog) Describe(ctx context.Context) (catalog.Description, error) {
	out := catalog.Description{BackEnd: "sqlite", Location: c.path}
	err := c.snapshot(ctx, "describe", func(r *conn) error {
		var step, revision, pages, size int64
		if _, err := r.one(ctx, `SELECT sqlite_version(), (SELECT max(step) FROM migration), coalesce((SELECT value FROM setting WHERE name = 'revision'), 0),
			(SELECT page_count FROM pragma_page_count), (SELECT page_size FROM pragma_page_size)`, nil, &out.Version, &step, &revision, &pages, &size); err != nil {
			return err
		}
		out.Schema, out.Revision, out.Bytes = int(step), revision, pages*size
		return nil
	})
	return out, err
}

// Copy writes a copy of a catalog's file as it is at one moment, without opening the catalog: the file is only read, and
// stays at the step of the schema that it is at, whatever release wrote it. Who has it open works on.
func Copy(ctx context.Context, from, to string) error {
	c := &Catalog{path: from}
	if _, err := os.Lstat(to); err == nil {
		return fault.New(fault.Precondition, "%s exists already", to).WithCure("name a new file")
	}
	abs, err := filepath.Abs(from)
	if err != nil {
		return fault.New(fault.Invalid, "copy catalog %s: %w", from, err)
	}
	d, err := newDriver()
	if err != nil {
		return c.wrap("copy", err)
	}
	r, err := connect(d, abs, whenSaving+"&mode=ro")
	if err != nil {
		return c.wrap("copy", err)
	}
	var tables int64
	if _, err = r.one(ctx, `SELECT count(*) FROM sqlite_schema WHERE name IN ('migration', 'item', 'collection')`, nil, &tables); err == nil && tables < 3 {
		err = fault.New(fault.Precondition, "the file is no catalog").WithCure("name the place of one by --data")
	}
	if err == nil {
		if _, err = r.exec(ctx, `VACUUM INTO ?`, to); err != nil {
			_ = os.Remove(to) // what there is of it
		}
	}
	return c.wrap("copy", errors.Join(err, r.close()))
}
