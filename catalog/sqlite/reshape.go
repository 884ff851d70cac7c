package sqlite

import (
	"context"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
)

// rowsReshaped are looked at in one transaction.
const rowsReshaped = 10_000

// reshape puts areas right that an older release stored as they were. It goes on where it was interrupted.
func (w *writer) reshape(ctx context.Context) error {
	for done := false; !done; {
		t := &transaction{writer: w, ctx: ctx}
		if err := transact(ctx, w.conn, func() (err error) {
			done, err = t.reshapeSome()
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// reshapeSome looks at the next rows and reports whether there are no more.
func (t *transaction) reshapeSome() (done bool, err error) {
	var last int64
	if found, err := t.one(t.ctx, `SELECT value FROM setting WHERE name = 'reshaped'`, nil, &last); err != nil || !found {
		return true, err
	}
	var wrong []int64
	n := 0
	if err := t.query(t.ctx, `SELECT row, shape FROM item WHERE row > ? ORDER BY row LIMIT ?`, []any{last, int64(rowsReshaped)}, func(r sqlgen.Row) error {
		n++
		var shape any
		if err := r.Scan(&last, &shape); err != nil || shape == nil {
			return err
		}
		s, err := geo.ParseWKB(shape.([]byte))
		if err == nil && !s.Sound() {
			wrong = append(wrong, last)
		}
		return err
	}); err != nil {
		return false, err
	}
	for _, row := range wrong {
		if err := t.reshapeRow(row); err != nil {
			return false, err
		}
	}
	if n < rowsReshaped {
		_, err = t.exec(t.ctx, `DELETE FROM setting WHERE name = 'reshaped'`)
		return true, err
	}
	_, err = t.exec(t.ctx, `UPDATE setting SET value = ? WHERE name = 'reshaped'`, last)
	return false, err
}

// reshapeRow reads an item again. One whose outlines are too tangled to be read now stays as it was.
func (t *transaction) reshapeRow(row int64) error {
	var document []byte
	if _, err := t.one(t.ctx, `SELECT document FROM item WHERE row = ?`, []any{row}, &document); err != nil {
		return err
	}
	e, err := catalog.ParseItem(document)
	if err != nil || e.Shape == nil {
		return nil
	}
	if _, err := t.exec(t.ctx, `UPDATE item SET shape = ? WHERE row = ?`, e.Shape.WKB(), row); err != nil {
		return err
	}
	if _, err := t.exec(t.ctx, `DELETE FROM box WHERE id IN (?, ?)`, 2*row, 2*row+1); err != nil {
		return err
	}
	t.place(row, &e)
	if err := t.settle(); err != nil {
		return err
	}
	_, err = t.revision("revision", true)
	return err
}
