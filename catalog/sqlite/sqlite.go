// Package sqlite keeps the catalog in one SQLite file: the embedded default, and the back end that a
// single machine needs no other for. It owns the file's schema and its migrations; what a document
// or a query means it takes from catalog. It refuses a file that a newer release wrote. The
// invariant: one writer at a time, and every read sees one state of the whole file.
package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"net/url"
	"path/filepath"
	"runtime"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// Catalog is a catalog in a SQLite file.
type Catalog struct {
	path string
	// write holds one connection, so that writers queue in this process and not in the file; read
	// holds several, which the write-ahead log lets go on beside it.
	write, read *sql.DB
	signer      catalog.Signer
}

var _ catalog.Catalog = (*Catalog)(nil)

// Open opens the file, which is made if it is not there and brought up to this release's schema.
func Open(ctx context.Context, path string) (*Catalog, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fault.New(fault.Invalid, "open catalog %s: %w", path, err)
	}
	c := &Catalog{path: path}
	if err := c.open(ctx, abs); err != nil {
		return nil, errors.Join(c.wrap("open", err), c.Close())
	}
	return c, nil
}

func (c *Catalog) open(ctx context.Context, abs string) (err error) {
	if c.write, err = sql.Open("sqlite", dsn(abs, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)")+"&_txlock=immediate"); err != nil {
		return err
	}
	c.write.SetMaxOpenConns(1)
	if err := migrate(ctx, c.write); err != nil {
		return err
	}
	if c.read, err = sql.Open("sqlite", dsn(abs, "query_only(1)")); err != nil {
		return err
	}
	c.read.SetMaxOpenConns(max(4, 2*runtime.GOMAXPROCS(0)))
	key := make([]byte, catalog.KeySize)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	if _, err := c.write.ExecContext(ctx, `INSERT INTO setting (name, value) VALUES ('page_key', ?) ON CONFLICT DO NOTHING`, key); err != nil {
		return err
	}
	if err := c.write.QueryRowContext(ctx, `SELECT value FROM setting WHERE name = 'page_key'`).Scan(&key); err != nil {
		return err
	}
	c.signer = catalog.NewSigner(key)
	return nil
}

func dsn(path string, pragmas ...string) string {
	q := url.Values{"_pragma": append([]string{"busy_timeout(10000)"}, pragmas...)}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// Close releases the file.
func (c *Catalog) Close() error {
	var errs []error
	for _, db := range []*sql.DB{c.read, c.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return c.wrap("close", errors.Join(errs...))
}

// Collection returns one collection's document.
func (c *Catalog) Collection(ctx context.Context, s catalog.Scope, id string) (json.RawMessage, error) {
	var doc []byte
	err := c.read.QueryRowContext(ctx, `SELECT document FROM collection WHERE id = ? AND `+visible(s), id).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "collection %q: %w", id, catalog.ErrNotFound)
	}
	return doc, c.wrap("read a collection", err)
}

// Item returns one item's document.
func (c *Catalog) Item(ctx context.Context, s catalog.Scope, ref catalog.ItemRef) (json.RawMessage, error) {
	var doc []byte
	err := c.read.QueryRowContext(ctx, `SELECT document FROM item WHERE collection = ? AND id = ? AND `+visible(s), ref.Collection, ref.ID).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fault.New(fault.NotFound, "item %q of collection %q: %w", ref.ID, ref.Collection, catalog.ErrNotFound)
	}
	return doc, c.wrap("read an item", err)
}

// Ping asks the database for nothing.
func (c *Catalog) Ping(ctx context.Context) error { return c.wrap("ask", c.read.PingContext(ctx)) }

// Aggregate computes over items.
func (c *Catalog) Aggregate(context.Context, catalog.Scope, catalog.Query, []catalog.Aggregation) ([]catalog.Aggregate, error) {
	return nil, fault.New(fault.Unsupported, "aggregation")
}

// Queryables lists properties.
func (c *Catalog) Queryables(context.Context, catalog.Scope, []string) ([]catalog.Queryable, error) {
	return nil, fault.New(fault.Unsupported, "queryables")
}

// Marks returns every mark.
func (c *Catalog) Marks(ctx context.Context) (map[string]string, error) {
	rows, err := c.read.QueryContext(ctx, `SELECT name, value FROM mark`)
	if err != nil {
		return nil, c.wrap("read marks", err)
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, c.wrap("read marks", err)
		}
		out[name] = value
	}
	return out, c.wrap("read marks", rows.Err())
}

// visible is the condition that holds for what a scope may see.
func visible(s catalog.Scope) string {
	if s.SeesAll() {
		return "TRUE"
	}
	return "FALSE"
}

// wrap gives an error of the database its kind and says what was being done.
func (c *Catalog) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	kind, cure := fault.KindOf(err), ""
	var e *driver.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
			kind, cure = fault.Unavailable, "do it again: another process is at work on it"
		case lib.SQLITE_FULL, lib.SQLITE_IOERR:
			kind, cure = fault.Unavailable, "check that its disk is not full (a few hundred kB are enough for the catalog) and not failing, and do it again"
		case lib.SQLITE_INTERRUPT:
			kind = fault.Canceled
		case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
			kind, cure = fault.Corrupt, "run `terrapin store reindex`, which makes the catalog again from the bucket"
		case lib.SQLITE_CANTOPEN, lib.SQLITE_READONLY, lib.SQLITE_PERM:
			kind, cure = fault.Precondition, "check that the folder exists and that this user may write there"
		}
	}
	out := fault.New(kind, "%s in catalog %s: %w", op, c.path, err)
	if cure != "" {
		return out.WithCure("%s", cure)
	}
	return out
}
