package sqlite

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"io/fs"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// steps are the files of the schema, in order.
func steps() ([]string, error) { return fs.Glob(migrations, "migrations/*.sql") }

// migrate runs what the file has not seen yet, in order and each in a transaction of its own. It goes
// forward only: a file with a step this release does not know, or knows otherwise, is refused.
func migrate(ctx context.Context, c *conn) error {
	steps, err := steps()
	if err != nil {
		return err
	}
	if _, err := c.exec(ctx, `CREATE TABLE IF NOT EXISTS migration (
		step INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, applied TEXT NOT NULL)`); err != nil {
		return err
	}
	var last int64
	if _, err := c.one(ctx, `SELECT coalesce(max(step), 0) FROM migration`, nil, &last); err != nil {
		return err
	}
	if int(last) > len(steps) {
		return fault.New(fault.Precondition, "its schema is at step %d and this release knows %d", last, len(steps)).
			WithCure("use the release that wrote it or a newer one")
	}
	for i, name := range steps {
		if err := step(ctx, c, int64(i+1), name); err != nil {
			return err
		}
	}
	return nil
}

func step(ctx context.Context, c *conn, number int64, name string) error {
	text, err := migrations.ReadFile(name)
	if err != nil {
		return err
	}
	if _, err := c.exec(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	if err := apply(ctx, c, number, name, text); err != nil {
		_, undone := c.exec(context.Background(), `ROLLBACK`)
		return errors.Join(err, undone)
	}
	_, err = c.exec(ctx, `COMMIT`)
	return err
}

// apply runs a step in its transaction if the file has not seen it.
func apply(ctx context.Context, c *conn, number int64, name string, text []byte) error {
	var seen string
	switch found, err := c.one(ctx, `SELECT sha256 FROM migration WHERE step = ?`, []any{number}, &seen); {
	case err != nil || found && seen == digest(text):
		return err
	case found:
		return fault.New(fault.Precondition, "step %d of its schema is not this release's %s", number, name).
			WithCure("use the release that wrote it, or run `terrapin store reindex` after moving the file away, which makes the catalog again")
	}
	if _, err := c.exec(ctx, string(text)); err != nil {
		return fault.New(fault.Internal, "%s: %w", name, err)
	}
	_, err := c.exec(ctx, `INSERT INTO migration (step, name, sha256, applied) VALUES (?, ?, ?, ?)`,
		number, name, digest(text), time.Now().UTC().Format(time.RFC3339))
	return err
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
