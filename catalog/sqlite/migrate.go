package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"io/fs"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate runs what the file has not seen yet, in order and each in a transaction of its own. It goes
// forward only: a file with a step this release does not know, or knows otherwise, is refused.
func migrate(ctx context.Context, db *sql.DB) error {
	steps, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS migration (
		step INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, applied TEXT NOT NULL)`); err != nil {
		return err
	}
	var last int
	if err := db.QueryRowContext(ctx, `SELECT coalesce(max(step), 0) FROM migration`).Scan(&last); err != nil {
		return err
	}
	if last > len(steps) {
		return fault.New(fault.Precondition, "its schema is at step %d and this release knows %d", last, len(steps)).
			WithCure("use the release that wrote it or a newer one")
	}
	for i, name := range steps {
		if err := step(ctx, db, i+1, name); err != nil {
			return err
		}
	}
	return nil
}

func step(ctx context.Context, db *sql.DB, number int, name string) error {
	text, err := migrations.ReadFile(name)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:])
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var seen string
	switch err := tx.QueryRowContext(ctx, `SELECT sha256 FROM migration WHERE step = ?`, number).Scan(&seen); {
	case err == nil && seen == digest:
		return nil
	case err == nil:
		return fault.New(fault.Precondition, "step %d of its schema is not this release's %s", number, name).
			WithCure("use the release that wrote it, or run `terrapin store reindex` after moving the file away, which makes the catalog again")
	case err != sql.ErrNoRows:
		return err
	}
	if _, err := tx.ExecContext(ctx, string(text)); err != nil {
		return fault.New(fault.Internal, "%s: %w", name, err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO migration (step, name, sha256, applied) VALUES (?, ?, ?, ?)`,
		number, name, digest, time.Now().UTC().Format(time.RFC3339)); err != nil {
		return err
	}
	return tx.Commit()
}
