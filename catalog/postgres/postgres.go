// Package postgres keeps the catalog in a PostgreSQL database with PostGIS: the back end for more items, more writers
// and more servers than one file bears. It owns a schema in the database, its migrations and its statements;
// what a document or a query means it takes from catalog, and how a query becomes SQL from catalog/sqlgen.
// It refuses a schema that a newer release wrote, and a database without PostGIS, cube or UTF-8. The invariants: writers wait
// for each other only at the same document, and cannot come to wait in a circle; a read sees one state; nothing
// of a question or a document gets into a statement but as a parameter; a password is in no message.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/terrapin-eo/terrapin/catalog"
)

// Config says which database, and how much of it.
type Config struct {
	// URL is postgres://user:password@host:port/database, with libpq's parameters. search_path is the schema, "terrapin"
	// if it is not given: one database may hold several catalogs. What is left out comes from libpq's variables (PGPASSWORD …)
	// and ~/.pgpass. Connections have to be the server's own or a pool's that keeps a session together.
	URL string
	// Readers and Writers bound the connections; 0 means four and two for each core, but 32 and 16 at most.
	Readers, Writers int
	// Limits bound the time that a call may take, whatever its context says.
	Limits Limits
}

// Limits are the most time that one call may take; 0 means what is said of each. A call that takes longer ends with
// fault.Unavailable.
type Limits struct {
	// Look is for single documents and marks (5 s), Search for pages and queryables (30 s), Aggregate for that (60 s).
	Look, Search, Aggregate time.Duration
	// Apply is for a set of changes (15 min), Migrate for bringing the schema up or adding an index (6 h).
	Apply, Migrate time.Duration
}

func (l Limits) orDefaults() Limits {
	for _, d := range []struct {
		at   *time.Duration
		most time.Duration
	}{{&l.Look, 5 * time.Second}, {&l.Search, 30 * time.Second}, {&l.Aggregate, time.Minute}, {&l.Apply, 15 * time.Minute}, {&l.Migrate, 6 * time.Hour}} {
		if *d.at <= 0 {
			*d.at = d.most
		}
	}
	return l
}

// Catalog is a catalog in a PostgreSQL database.
type Catalog struct {
	at          address
	limits      Limits
	read, write *pgxpool.Pool
	signer      catalog.Signer
	// ranked are the properties that have an index.
	ranked atomic.Pointer[map[string]bool]
	seen   likenesses
	shelf  *catalog.Shelf
	tally  compaction
	// nothingFound says that the last wish that mayBeNew was looked for and none of it was there.
	nothingFound atomic.Bool
	// background is what goes on between calls; closing ends it.
	background sync.WaitGroup
	closing    context.CancelFunc
}

var (
	_ catalog.Catalog     = (*Catalog)(nil)
	_ catalog.Indexer     = (*Catalog)(nil)
	_ catalog.Describer   = (*Catalog)(nil)
	_ catalog.Stager      = (*Catalog)(nil)
	_ catalog.Snapshotter = (*Catalog)(nil)
)

// Open connects to the database and brings its schema up to this release's, which is made if it is not there.
func Open(ctx context.Context, cfg Config) (*Catalog, error) {
	at, err := parseAddress(cfg.URL)
	if err != nil {
		return nil, err
	}
	c := &Catalog{at: at, limits: cfg.Limits.orDefaults(), tally: compaction{wake: make(chan struct{}, 1)}}
	life, cancel := context.WithCancel(context.Background())
	c.closing = cancel
	if err := c.open(ctx, life, cfg); err != nil {
		return nil, errors.Join(c.wrap(ctx, "open", err), c.Close())
	}
	return c, nil
}

func (c *Catalog) open(ctx, life context.Context, cfg Config) (err error) {
	if err := c.migrate(ctx); err != nil {
		return err
	}
	cores := runtime.GOMAXPROCS(0)
	// A reader's longest call ends before the server's own limit does.
	if c.read, err = c.pool(ctx, orElse(cfg.Readers, min(4*cores, 32)), max(c.limits.Search, c.limits.Aggregate), map[string]string{
		"default_transaction_read_only": "on",
		"enable_seqscan":                "off", "random_page_cost": "1.1", "max_parallel_workers_per_gather": "0",
	}); err != nil {
		return err
	}
	writing, err := c.durable(ctx)
	if err != nil {
		return err
	}
	if c.write, err = c.pool(ctx, orElse(cfg.Writers, min(2*cores, 16)), c.limits.Apply, writing); err != nil {
		return err
	}
	key := make([]byte, catalog.KeySize)
	rand.Read(key) // never fails
	if err := c.pageKey(ctx, &key); err != nil {
		return err
	}
	c.signer = catalog.NewSigner(key)
	c.shelf = catalog.NewShelf(c.signer, c.shelfRevision, c.everyCollection)
	if err := c.learnRanked(ctx); err != nil {
		return err
	}
	c.background.Go(func() { c.tend(life) })
	return nil
}

// durable is what writers set so that what they acknowledge is on disk, whatever the server's configuration says.
func (c *Catalog) durable(ctx context.Context) (map[string]string, error) {
	settings := map[string]string{"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"} // keys are looked up, few or many
	var commit string
	err := c.read.QueryRow(ctx, `SELECT current_setting('synchronous_commit')`).Scan(&commit)
	if commit == "off" {
		settings["synchronous_commit"] = "on"
	}
	return settings, err
}

// pageKey finds the key that page tokens are signed with, which the first to open the catalog made.
func (c *Catalog) pageKey(ctx context.Context, key *[]byte) error {
	const find = `SELECT value FROM setting WHERE name = 'page_key'`
	err := c.read.QueryRow(ctx, find).Scan(key)
	if !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if _, err := c.write.Exec(ctx, `INSERT INTO setting (name, value) VALUES ('page_key', $1) ON CONFLICT DO NOTHING`, *key); err != nil {
		return err
	}
	return c.write.QueryRow(ctx, find).Scan(key)
}

// pool makes connections whose statements end after a time, also where this process does not live to end them.
func (c *Catalog) pool(ctx context.Context, most int, limit time.Duration, settings map[string]string) (*pgxpool.Pool, error) {
	cfg := c.at.config.Copy()
	cfg.MaxConns = int32(min(most, 1000))
	c.at.prepare(cfg.ConnConfig, limit)
	for name, value := range settings {
		cfg.ConnConfig.RuntimeParams[name] = value
	}
	return pgxpool.NewWithConfig(ctx, cfg)
}

// prepare sets what every connection of the catalog has.
func (a address) prepare(cfg *pgx.ConnConfig, limit time.Duration) {
	settings := cfg.RuntimeParams
	settings["search_path"] = a.searchPath()
	settings["application_name"] = "terrapin"
	settings["jit"] = "off"
	settings["client_encoding"] = "UTF8"
	settings["statement_timeout"] = milliseconds(limit + limit/10 + time.Second)
	settings["idle_in_transaction_session_timeout"] = milliseconds(limit + time.Minute)
	settings["client_connection_check_interval"] = "10s"
	cfg.ConnectTimeout = 10 * time.Second
	cfg.StatementCacheCapacity = 128 // each is kept by the server for each connection
	// A call that is given up asks the server to stop, and keeps the connection.
	cfg.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: 5 * time.Second}
	}
}

// Close releases the connections.
func (c *Catalog) Close() error {
	c.closing()
	c.background.Wait()
	for _, pool := range []*pgxpool.Pool{c.read, c.write} {
		if pool != nil {
			pool.Close()
		}
	}
	return nil
}

// Ping reports whether the database answers and its schema is this release's.
func (c *Catalog) Ping(ctx context.Context) error {
	return c.looking(ctx, "ask", c.limits.Look, func(ctx context.Context) error {
		last := 0
		if err := c.read.QueryRow(ctx, `SELECT coalesce(max(step), 0) FROM migration`).Scan(&last); err != nil {
			return err
		}
		return checkSteps(last)
	})
}

func orElse(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}
