package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// Apply makes a set of changes in one transaction.
func (c *Catalog) Apply(ctx context.Context, ch catalog.Changes) (int64, error) {
	tx, err := c.write.BeginTx(ctx, nil)
	if err != nil {
		return 0, c.wrap("apply changes", err)
	}
	defer tx.Rollback()
	w := &writer{ctx: ctx, tx: tx, statements: map[string]*sql.Stmt{}}
	if err := w.apply(ch); err != nil {
		return 0, c.wrap("apply changes", err)
	}
	revision, err := w.revision()
	if err != nil {
		return 0, c.wrap("apply changes", err)
	}
	return revision, c.wrap("apply changes", tx.Commit())
}

// writer is one transaction that writes; changed says whether it did.
type writer struct {
	ctx        context.Context
	tx         *sql.Tx
	statements map[string]*sql.Stmt
	changed    bool
}

func (w *writer) apply(ch catalog.Changes) error {
	if ch.Reset {
		for _, table := range []string{"box", "item", "collection", "mark"} {
			if err := w.exec(`DELETE FROM ` + table); err != nil {
				return err
			}
		}
	}
	for _, id := range ch.DeleteCollections {
		if err := w.deleteCollection(id); err != nil {
			return err
		}
	}
	for _, ref := range ch.DeleteItems {
		if err := w.deleteItem(ref); err != nil {
			return err
		}
	}
	for _, doc := range ch.Collections {
		if err := w.putCollection(doc); err != nil {
			return err
		}
	}
	for _, doc := range ch.Items {
		if err := w.putItem(doc); err != nil {
			return err
		}
	}
	return w.putMarks(ch.Marks)
}

// statement prepares a text once in the transaction.
func (w *writer) statement(query string) (*sql.Stmt, error) {
	if s := w.statements[query]; s != nil {
		return s, nil
	}
	s, err := w.tx.PrepareContext(w.ctx, query) // closed with the transaction
	w.statements[query] = s
	return s, err
}

// exec runs a statement that counts as a change where it touches a row.
func (w *writer) exec(query string, args ...any) error {
	s, err := w.statement(query)
	if err != nil {
		return err
	}
	r, err := s.ExecContext(w.ctx, args...)
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	w.changed = w.changed || n > 0
	return err
}

// find reads one row; it reports whether there is one.
func (w *writer) find(query string, args []any, into ...any) (bool, error) {
	s, err := w.statement(query)
	if err != nil {
		return false, err
	}
	err = s.QueryRowContext(w.ctx, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (w *writer) deleteCollection(id string) error {
	for _, q := range []string{
		`DELETE FROM box WHERE id IN (SELECT 2 * row FROM item WHERE collection = ?1 UNION ALL SELECT 2 * row + 1 FROM item WHERE collection = ?1)`,
		`DELETE FROM item WHERE collection = ?`,
		`DELETE FROM collection WHERE id = ?`,
	} {
		if err := w.exec(q, id); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) deleteItem(ref catalog.ItemRef) error {
	var row int64
	found, err := w.find(`SELECT row FROM item WHERE collection = ? AND id = ?`, []any{ref.Collection, ref.ID}, &row)
	if err != nil || !found {
		return err
	}
	if err := w.exec(`DELETE FROM box WHERE id IN (2 * ?1, 2 * ?1 + 1)`, row); err != nil {
		return err
	}
	return w.exec(`DELETE FROM item WHERE row = ?`, row)
}

func (w *writer) putCollection(doc json.RawMessage) error {
	c, err := catalog.ParseCollection(doc)
	if err != nil {
		return err
	}
	return w.exec(`INSERT INTO collection (id, document) VALUES (?, ?)
		ON CONFLICT (id) DO UPDATE SET document = excluded.document WHERE document <> excluded.document`, c.ID, string(c.Document))
}

func (w *writer) putItem(doc json.RawMessage) error {
	e, err := catalog.ParseItem(doc)
	if err != nil {
		return err
	}
	var row int64
	var old []byte
	found, err := w.find(`SELECT row, document FROM item WHERE collection = ? AND id = ?`, []any{e.Ref.Collection, e.Ref.ID}, &row, &old)
	if err != nil || found && bytes.Equal(old, e.Document) {
		return err
	}
	var one int
	if known, err := w.find(`SELECT 1 FROM collection WHERE id = ?`, []any{e.Ref.Collection}, &one); err != nil {
		return err
	} else if !known {
		return fault.New(fault.NotFound, "item %q: its collection %q: %w", e.Ref.ID, e.Ref.Collection, catalog.ErrNotFound).
			WithCure("put the collection first")
	}
	begins, ends := span(e)
	if err := w.exec(`INSERT INTO item (collection, id, sort, begins, ends, document) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (collection, id) DO UPDATE SET sort = excluded.sort, begins = excluded.begins, ends = excluded.ends, document = excluded.document`,
		e.Ref.Collection, e.Ref.ID, e.Sort, begins, ends, string(e.Document)); err != nil {
		return err
	}
	if !found {
		if _, err := w.find(`SELECT row FROM item WHERE collection = ? AND id = ?`, []any{e.Ref.Collection, e.Ref.ID}, &row); err != nil {
			return err
		}
	}
	return w.putBoxes(row, e)
}

func (w *writer) putBoxes(row int64, e catalog.Entry) error {
	if err := w.exec(`DELETE FROM box WHERE id IN (2 * ?1, 2 * ?1 + 1)`, row); err != nil || e.Shape == nil {
		return err
	}
	for i, b := range e.Shape.Bounds() {
		if err := w.exec(`INSERT INTO box (id, west, east, south, north) VALUES (?, ?, ?, ?, ?)`,
			2*row+int64(i), b.Min[0], b.Max[0], b.Min[1], b.Max[1]); err != nil {
			return err
		}
	}
	return nil
}

// span is an entry's time as the table has it.
func span(e catalog.Entry) (begins, ends int64) {
	if !e.Timed {
		return math.MaxInt64, math.MinInt64
	}
	begins, ends = math.MinInt64, math.MaxInt64
	if e.Start != nil {
		begins = *e.Start
	}
	if e.End != nil {
		ends = *e.End
	}
	return begins, ends
}

// putMarks does not count as a change: no reader of documents could tell.
func (w *writer) putMarks(marks map[string]string) error {
	before := w.changed
	defer func() { w.changed = before }()
	for name, value := range marks {
		var err error
		if value == "" {
			err = w.exec(`DELETE FROM mark WHERE name = ?`, name)
		} else {
			err = w.exec(`INSERT INTO mark (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// revision counts the transactions that changed something, this one included.
func (w *writer) revision() (int64, error) {
	var n int64
	if _, err := w.find(`SELECT value FROM setting WHERE name = 'revision'`, nil, &n); err != nil || !w.changed {
		return n, err
	}
	n++
	return n, w.exec(`INSERT INTO setting (name, value) VALUES ('revision', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, n)
}
