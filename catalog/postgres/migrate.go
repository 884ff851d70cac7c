package postgres

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/terrapin-eo/terrapin/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// unwrapped, as a step's first line, runs its statements one by one and outside a transaction, so that an index can be made
// CONCURRENTLY. Each has to be right when it was interrupted before and is run again: DROP INDEX CONCURRENTLY IF EXISTS first.
// Statements end with a semicolon at the end of a line.
const unwrapped = "-- outside a transaction\n"

// lockPatience is how long a step waits for a table that others read, who then wait behind it, and waitPatience for how long it
// is tried again.
const (
	lockPatience = 2 * time.Second
	waitPatience = 5 * time.Minute
)

// step is one migration.
type step struct {
	number             int
	name, text, sha256 string
}

func steps() []step {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	out := make([]step, len(names))
	for i, name := range names {
		text, err := migrations.ReadFile(name)
		if err != nil {
			panic(err) // it is in the program
		}
		sum := sha256.Sum256(text)
		out[i] = step{i + 1, strings.TrimPrefix(name, "migrations/"), string(text), hex.EncodeToString(sum[:])}
	}
	return out
}

func checkSteps(last int) error {
	switch known := len(steps()); {
	case last > known:
		return fault.New(fault.Precondition, "its schema is at step %d and this release knows %d", last, known).
			WithCure("use the release that wrote it or a newer one")
	case last < known:
		return fault.New(fault.Precondition, "its schema is at step %d and this release needs %d", last, known).
			WithCure("start this release once with the right to change the schema")
	}
	return nil
}

// migrate brings the schema up to this release's. It goes forward only: a schema with a step that this release does not
// know, or knows otherwise, is refused. Of those who come at once one does it and the others wait.
func (c *Catalog) migrate(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.limits.Migrate, errLimit{"migrate", c.limits.Migrate})
	defer cancel()
	return c.alone(ctx, func(ctx context.Context, m migration) error {
		if err := m.checkServer(ctx); err != nil {
			return err
		}
		done, err := m.done(ctx)
		if err != nil || done {
			return err
		}
		if err := m.lock(ctx); err != nil {
			return err
		}
		if err := m.run(ctx); err != nil {
			return err
		}
		return m.reshape(ctx)
	})
}

// migration changes the schema on a connection of its own, with which its lock goes.
type migration struct {
	conn *pgx.Conn
	at   *address
}

// alone lends a connection of its own to what changes the schema.
func (c *Catalog) alone(ctx context.Context, do func(context.Context, migration) error) error {
	cfg := c.at.config.ConnConfig.Copy()
	c.at.prepare(cfg, c.limits.Migrate)
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return do(ctx, migration{conn, &c.at})
}

// checkServer looks at the version, the encoding and the extensions.
func (m migration) checkServer(ctx context.Context) error {
	var version int
	var name, encoding string
	if err := m.conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_setting('server_encoding')`).
		Scan(&version, &name, &encoding); err != nil {
		return err
	}
	if version < 150000 {
		return fault.New(fault.Precondition, "the server is PostgreSQL %s", name).WithCure("use 15 or newer")
	}
	if encoding != "UTF8" {
		return fault.New(fault.Precondition, "the database is encoded in %s", encoding).WithCure("make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0")
	}
	m.at.others = nil
	for _, name := range []string{"postgis", "cube"} {
		schema, err := m.extension(ctx, name)
		if err != nil {
			return err
		}
		m.at.others = append(m.at.others, schema)
	}
	_, err := m.conn.Exec(ctx, `SELECT set_config('search_path', $1, false)`, m.at.searchPath())
	return err
}

// extension finds the schema that an extension is in, and adds it where it is missing and this user may.
func (m migration) extension(ctx context.Context, name string) (schema string, err error) {
	find := func() error {
		return m.conn.QueryRow(ctx, `SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = $1`, name).Scan(&schema)
	}
	if err := find(); !errors.Is(err, pgx.ErrNoRows) {
		return schema, err
	}
	_, err = m.conn.Exec(ctx, `CREATE EXTENSION IF NOT EXISTS `+name+` SCHEMA public`)
	var e *pgconn.PgError
	if err != nil && !(errors.As(err, &e) && (e.Code == "23505" || e.Code == "42710")) { // not another server that added it at this moment
		c := m.conn.Config()
		return "", fault.New(fault.Precondition, "database %s lacks the extension %s, and user %s could not add it: %w", c.Database, name, c.User, err).
			WithCure("install PostGIS and PostgreSQL's contrib modules on the server, and as a superuser run in this database: CREATE EXTENSION %s", name)
	}
	return schema, find()
}

// done reports whether every step was taken and every shape looked at; then no right to change anything is needed.
func (m migration) done(ctx context.Context) (bool, error) {
	var there bool
	if err := m.conn.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, m.at.quoted()+".migration").Scan(&there); err != nil || !there {
		return false, err
	}
	taken, err := m.taken(ctx)
	if err != nil {
		return false, err
	}
	if len(taken) < len(steps()) {
		return false, nil
	}
	err = m.conn.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM setting WHERE name = 'reshaped')`).Scan(&there)
	return there, err
}

// taken are the digests of the steps that were taken, checked.
func (m migration) taken(ctx context.Context) ([]string, error) {
	rows, err := m.conn.Query(ctx, `SELECT sha256 FROM migration ORDER BY step`)
	if err != nil {
		return nil, err
	}
	taken, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	known := steps()
	if len(taken) > len(known) {
		return nil, checkSteps(len(taken))
	}
	for i, digest := range taken {
		if digest != known[i].sha256 {
			return nil, fault.New(fault.Precondition, "step %d of its schema is not this release's %s", i+1, known[i].name).
				WithCure("use the release that wrote it, or make the catalog again in another schema with `terrapin store reindex`")
		}
	}
	return taken, nil
}

// lock waits for its turn by asking again and again: whoever waits within a statement would hold up an index that is
// made CONCURRENTLY, and that the one who waits.
func (m migration) lock(ctx context.Context) error {
	for {
		var got bool
		if err := m.conn.QueryRow(ctx, `SELECT pg_try_advisory_lock(hashtextextended('terrapin migrate ' || $1, 0))`, m.at.schema).Scan(&got); err != nil || got {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (m migration) run(ctx context.Context) error {
	if err := m.makeSchema(ctx); err != nil {
		return err
	}
	if _, err := m.conn.Exec(ctx, `CREATE TABLE IF NOT EXISTS migration (
		step integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, applied timestamptz NOT NULL DEFAULT now())`); err != nil {
		return err
	}
	taken, err := m.taken(ctx)
	if err != nil {
		return err
	}
	for _, s := range steps()[len(taken):] {
		if err := m.take(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (m migration) makeSchema(ctx context.Context) error {
	var there bool
	if err := m.conn.QueryRow(ctx, `SELECT to_regnamespace($1) IS NOT NULL`, m.at.quoted()).Scan(&there); err != nil || there {
		return err
	}
	_, err := m.conn.Exec(ctx, `CREATE SCHEMA `+m.at.quoted())
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "42501" {
		c := m.conn.Config()
		return fault.New(fault.Precondition, "user %s may not make the schema %s in database %s", c.User, m.at.schema, c.Database).
			WithCure(`as the database's owner run: CREATE SCHEMA %s AUTHORIZATION "%s"`, m.at.schema, c.User)
	}
	return err
}

// take takes a step. One that waits for a lock lets go of it soon, as everybody else waits behind it, and tries again.
func (m migration) take(ctx context.Context, s step) error {
	begun := time.Now()
	for {
		err := m.try(ctx, s)
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "55P03" || time.Since(begun) > waitPatience {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

func (m migration) try(ctx context.Context, s step) error {
	record := func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO migration (step, name, sha256) VALUES ($1, $2, $3)`, s.number, s.name, s.sha256)
		return err
	}
	if text, ok := strings.CutPrefix(s.text, unwrapped); ok {
		for _, statement := range strings.SplitAfter(text, ";\n") {
			if strings.TrimSpace(statement) == "" {
				continue
			}
			if _, err := m.conn.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
		return pgx.BeginFunc(ctx, m.conn, record)
	}
	return pgx.BeginFunc(ctx, m.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT set_config('lock_timeout', $1, true)`, milliseconds(lockPatience)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, s.text, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		return record(tx)
	})
}
