// Package sqlite keeps the catalog in one SQLite file: the embedded default, and the back end that a
// single machine needs no other for. It owns the file's schema and its migrations, how documents get into it, and
// SQLite's dialect; what a document or a query means it takes from catalog, and how a search goes from sqlgen. It refuses a
// file that a newer release wrote. The invariants: one writer at a time, and every read sees one state of the whole file.
package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"net/url"
	"path/filepath"
	"runtime"
	"sync/atomic"

	engine "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// Catalog is a catalog in a SQLite file.
type Catalog struct {
	path string
	// writes is where changes queue for the one connection that writes; readers are many, which the write-ahead log
	// lets go on beside it. Look-ups have connections of their own, so that they wait for no search.
	writes           *writer
	readers, lookups *pool
	signer           catalog.Signer
	// dialect knows the properties with an index; it is replaced when they change.
	dialect atomic.Pointer[dialect]
	shelf   *catalog.Shelf
	// connect makes a connection of its own.
	connect func(pragmas string) (*conn, error)
}

var (
	_ catalog.Catalog     = (*Catalog)(nil)
	_ catalog.Indexer     = (*Catalog)(nil)
	_ catalog.Describer   = (*Catalog)(nil)
	_ catalog.Stager      = (*Catalog)(nil)
	_ catalog.Snapshotter = (*Catalog)(nil)
)

// busy is how long a statement waits for another process that writes, such as one that copies the file, in milliseconds.
const busy = "busy_timeout(10000)"

// The writer's cache is only as large as what is written to, and holds most of the indexes of 10⁶ items; readers share the
// system's cache through mapped memory, which saves a quarter of the time of a search by place.
const (
	whenWriting = "journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-262144)&_pragma=temp_store(MEMORY)&_pragma=wal_autocheckpoint(40000)"
	whenTending = "synchronous(FULL)"
	whenSaving  = "temp_store(FILE)"
	whenReading = "query_only(1)&_pragma=cache_size(-16384)&_pragma=temp_store(MEMORY)&_pragma=mmap_size(1099511627776)"
)

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

func (c *Catalog) open(ctx context.Context, abs string) error {
	d, err := newDriver()
	if err != nil {
		return err
	}
	c.connect = func(pragmas string) (*conn, error) { return connect(d, abs, pragmas) }
	w, err := c.connect(whenWriting)
	if err != nil {
		return err
	}
	p, err := c.connect(whenTending)
	if err != nil {
		return errors.Join(err, w.close())
	}
	c.writes = newWriter(w, newCheckpointer(p))
	if err := migrate(ctx, w); err != nil {
		return err
	}
	if err := c.writes.reshape(ctx); err != nil {
		return err
	}
	key := make([]byte, catalog.KeySize)
	rand.Read(key) // never fails
	if _, err := w.exec(ctx, `INSERT INTO setting (name, value) VALUES ('page_key', ?) ON CONFLICT DO NOTHING`, key); err != nil {
		return err
	}
	var stored any
	if _, err := w.one(ctx, `SELECT value FROM setting WHERE name = 'page_key'`, nil, &stored); err != nil {
		return err
	}
	key, _ = stored.([]byte)
	c.signer = catalog.NewSigner(key)
	if err := c.indexGiven(ctx, w); err != nil {
		return err
	}
	reader := func() (*conn, error) { return c.connect(whenReading) }
	c.readers, c.lookups = newPool(max(8, 4*runtime.GOMAXPROCS(0)), reader), newPool(max(4, runtime.GOMAXPROCS(0)), reader)
	c.shelf = catalog.NewShelf(c.signer, c.collectionsRevision, c.everyCollection)
	c.writes.start()
	return nil
}

// connect opens a connection to a file; parameters are the pragmas that it begins with.
func connect(d *engine.Driver, abs, parameters string) (*conn, error) {
	db, err := d.Open("file:" + (&url.URL{Path: abs}).EscapedPath() + "?_pragma=" + busy + "&_pragma=" + parameters)
	if err != nil {
		return nil, err
	}
	return newConn(db), nil
}

// Close ends the writes that were begun and releases the file.
func (c *Catalog) Close() error {
	var errs []error
	if c.writes != nil {
		errs = append(errs, c.writes.close())
	}
	for _, p := range []*pool{c.readers, c.lookups} {
		if p != nil {
			errs = append(errs, p.close())
		}
	}
	return c.wrap("close", errors.Join(errs...))
}

// Ping asks the database for the step of its schema.
func (c *Catalog) Ping(ctx context.Context) error {
	return c.reading(ctx, "ask", func(r *conn) error {
		var step int64
		if _, err := r.one(ctx, `SELECT max(step) FROM migration`, nil, &step); err != nil {
			return err
		}
		if steps, err := steps(); err != nil || int(step) != len(steps) {
			return errors.Join(err, fault.New(fault.Precondition, "its schema is at step %d and this release's at %d", step, len(steps)).
				WithCure("use the release that wrote it or a newer one"))
		}
		return nil
	})
}

// reading lends a connection to a read.
func (c *Catalog) reading(ctx context.Context, op string, read func(*conn) error) error {
	return c.lent(ctx, c.readers, op, read)
}

func (c *Catalog) lent(ctx context.Context, from *pool, op string, read func(*conn) error) error {
	r, err := from.get(ctx)
	if err != nil {
		return c.wrap(op, err)
	}
	defer from.put(r)
	return c.wrap(op, read(r))
}

// snapshot is reading in one state of the file.
func (c *Catalog) snapshot(ctx context.Context, op string, read func(*conn) error) error {
	return c.reading(ctx, op, func(r *conn) error {
		if _, err := r.exec(context.Background(), `BEGIN`); err != nil {
			return err
		}
		err := read(r)
		_, end := r.exec(context.Background(), `ROLLBACK`)
		return errors.Join(err, end)
	})
}

// wrap gives an error of the database its kind and says what was being done.
func (c *Catalog) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if catalog.OfQuestion(err) {
		return err
	}
	kind, cure := fault.KindOf(err), ""
	var e *engine.Error
	switch {
	case errors.As(err, &e):
		kind, cure = kindOf(e.Code())
	case errors.Is(err, driver.ErrBadConn):
		kind = fault.Unavailable
	}
	out := fault.New(kind, "%s in catalog %s: %w", op, c.path, err)
	if cure != "" {
		return out.WithCure("%s", cure)
	}
	return out
}

func kindOf(code int) (fault.Kind, string) {
	switch code & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return fault.Unavailable, "do it again: another process is at work on it"
	case lib.SQLITE_FULL, lib.SQLITE_IOERR:
		return fault.Unavailable, "check that its disk is not full and not failing, and do it again"
	case lib.SQLITE_INTERRUPT:
		return fault.Canceled, ""
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return fault.Corrupt, "move the file away and run `terrapin store reindex`, which makes the catalog again from the bucket; what was posted has to come from a backup"
	case lib.SQLITE_CANTOPEN, lib.SQLITE_READONLY, lib.SQLITE_PERM:
		return fault.Precondition, "check that the folder exists and that this user may write there"
	}
	return fault.Internal, ""
}
