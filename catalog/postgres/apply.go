package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// How writers keep out of each other's way. A set of changes takes its locks in this order, each kind sorted by key:
//
//  1. collections that are there, 2. items that are there (locks.go),
//  3. collections that are new, and what becomes of the others, 4. items that are new, then what becomes of the others,
//  5. properties, 6. marks, 7. the shelf.
//
// It never goes back: where somebody else was faster with something new, everything is undone and begun again. So those who
// wait do so for someone who is further, and nobody waits in a circle. Counts are appended and the revision is a
// sequence, which nobody waits for.

// attempts is how often a set of changes is tried against others, and pause how long it stands back at most the first time.
const (
	attempts = 30
	pause    = 4 * time.Millisecond
	// ending is how long the server may take to commit. It is not broken off when the caller goes away, as nobody would know how it ended.
	ending = 30 * time.Second
)

// Apply makes a set of changes in one transaction.
func (c *Catalog) Apply(ctx context.Context, ch catalog.Changes) (int64, error) {
	limited, cancel := context.WithTimeoutCause(ctx, c.limits.Apply, errLimit{"changes", c.limits.Apply})
	defer cancel()
	wish, err := read(ch)
	if err != nil {
		return 0, c.wrap(limited, "apply changes", err)
	}
	for attempt := 1; ; attempt++ {
		blind := attempt == 1 && wish.mayBeNew() && c.nothingFound.Load()
		revision, err := c.attempt(limited, wish, blind)
		if blind && err != nil {
			c.nothingFound.Store(false)
		}
		if err == nil || attempt == attempts || limited.Err() != nil || !again(err) {
			return revision, c.wrap(limited, "apply changes", err)
		}
		select {
		case <-limited.Done():
		case <-time.After(rand.N(pause << min(attempt, 7))):
		}
	}
}

// again reports whether changes that failed left nothing behind and may succeed now.
func again(err error) bool {
	if errors.Is(err, errUnknownEnd) {
		return false
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		switch e.Code {
		case "40001", "40P01", "23505", "55P03":
			return true
		}
	}
	return lost(err)
}

// errUnknownEnd is the loss of the connection at the very end: the changes may have been made.
var errUnknownEnd = fault.New(fault.Unavailable, "the connection was lost while the changes were being committed").
	WithCure("do it again: what was made already is no change then")

func (c *Catalog) attempt(ctx context.Context, wish wish, blind bool) (int64, error) {
	conn, err := c.write.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	w := &writer{c: c, ctx: ctx, conn: conn, wish: wish, blind: blind}
	revision, err := w.apply()
	if err != nil {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_, _ = conn.Exec(undo, "ROLLBACK") // else the connection is thrown away, and the server does it
		return 0, err
	}
	c.seen.add(w.learned)
	c.tally.appended(len(w.tallies))
	return revision, nil
}

// writer is one attempt at a set of changes.
type writer struct {
	c    *Catalog
	ctx  context.Context
	conn *pgxpool.Conn
	wish
	// blind takes every item for new: where one is not, the server refuses it, as it does where somebody else was faster.
	blind bool

	held
	tallies map[count]int64
	learned map[likeness]bool
}

func (w *writer) apply() (int64, error) {
	if err := w.lockCollections(); err != nil { // with its BEGIN
		return 0, err
	}
	if !w.blind {
		if err := w.lockItems(); err != nil {
			return 0, err
		}
		if w.mayBeNew() {
			w.c.nothingFound.Store(len(w.held.items) == 0)
		}
	}
	if err := w.checkConditions(); err != nil {
		return 0, err
	}
	due, err := w.decide()
	if err != nil {
		return 0, err
	}
	for _, do := range []func(work) error{w.writeCollections, w.writeItems, w.writeProperties, w.writeTallies, w.writeMarks, w.countShelf} {
		if err := do(due); err != nil {
			return 0, err
		}
	}
	return w.commit(due)
}

// commit ends the transaction. The revision is taken last, so that one that was not made took none.
func (w *writer) commit(due work) (revision int64, err error) {
	number := lastRevision
	if due.changes() {
		number = `SELECT nextval('revision')`
	}
	if err := w.conn.QueryRow(w.ctx, number).Scan(&revision); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), ending)
	defer cancel()
	_, err = w.conn.Exec(ctx, "COMMIT")
	if err != nil && (lost(err) || ctx.Err() != nil) {
		err = errors.Join(errUnknownEnd, err)
	}
	return revision, err
}

// lastRevision is the number that the last set of changes took.
const lastRevision = `SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM revision`

func (w *writer) exec(text string, args ...any) error {
	_, err := w.conn.Exec(w.ctx, text, args...)
	return err
}
