package sqlite

import (
	"bytes"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/pack"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
	"github.com/terrapin-eo/terrapin/fault"
)

// entry is an item with what its row holds.
type entry struct {
	*catalog.Entry
	*made
}

// made is what an item's row holds, made before the one connection that writes has to wait for it.
type made struct {
	begins, ends, dated int64
	shape, moments      any
	properties, packed  []byte
}

func prepare(e *catalog.Entry) *made {
	out := &made{properties: jsonb(e.Properties), packed: pack.Bytes(e.Document)}
	out.begins, out.ends = sqlgen.Span(e)
	if e.Dated {
		out.dated = 1
	}
	if e.Shape != nil {
		out.shape = e.Shape.WKB()
	}
	if m := moments(e.Moments); m != nil {
		out.moments = m
	}
	return out
}

// prepareAll prepares on every core those entries that are not yet.
func prepareAll(entries []catalog.Entry) []entry {
	out := make([]entry, len(entries))
	_ = catalog.OnEveryCore(len(out), func(i int) error { // none fails
		m, ready := entries[i].Staged.(*made)
		if !ready {
			m = prepare(&entries[i])
		}
		out[i] = entry{&entries[i], m}
		return nil
	})
	return out
}

// Stage prepares an entry and forgets its document, which takes three times as much.
func (c *Catalog) Stage(e *catalog.Entry, _ catalog.Origin) (bytes int) {
	m := prepare(e)
	properties := slices.Clone(e.Properties)
	e.Forget()
	e.Staged, e.Properties = m, properties
	return len(m.properties) + len(m.packed) + len(e.Properties) + 500
}

// Abreast: one set waits while another one is written. They are large, as each dirties pages all over the indexes.
func (c *Catalog) Abreast() (sets, items int) { return 2, 4000 }

// putItem puts an item in the place of the one with its name.
func (t *transaction) putItem(e *entry) error {
	known, err := t.may(e.Ref.Collection)
	if err != nil {
		return err
	}
	if !known {
		return fault.New(fault.NotFound, "item %q: its collection %q: %w", e.Ref.ID, e.Ref.Collection, catalog.ErrNotFound).
			WithCure("put the collection first")
	}
	values := []any{e.Sort, e.begins, e.ends, e.dated, int64(t.origin), e.Ref.Collection, e.Ref.ID, e.shape, e.moments, e.properties, e.packed}
	r, err := t.exec(t.ctx, `INSERT INTO item (sort, begins, ends, dated, origin, collection, id, shape, moments, properties, document)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id, collection) DO NOTHING`, values...)
	if err != nil {
		return err
	}
	row, err := r.LastInsertId()
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil {
		return err
	} else if n == 0 {
		if row, err = t.replace(e, values); err != nil || row == 0 {
			return err
		}
	}
	t.changed = true
	t.count(e.Sort, e.Ref.Collection, e.dated, 1)
	if err := t.traits(e.Entry); err != nil {
		return err
	}
	return t.index(row, e.Entry)
}

// replace changes the row of an item that is there and returns it, or 0 where the document is the same.
func (t *transaction) replace(e *entry, values []any) (int64, error) {
	var row, sort, dated int64
	var old []byte
	if _, err := t.one(t.ctx, `SELECT row, sort, dated, document FROM item WHERE id = ?1 AND collection = ?2`,
		[]any{e.Ref.ID, e.Ref.Collection}, &row, &sort, &dated, &old); err != nil {
		return 0, err
	}
	if document, err := pack.Document(e.packed, nil); err != nil || bytes.Equal(old, document) {
		return 0, err
	}
	if err := t.unindex(row); err != nil {
		return 0, err
	}
	t.count(sort, e.Ref.Collection, dated, -1)
	_, err := t.exec(t.ctx, `UPDATE item SET sort = ?1, begins = ?2, ends = ?3, dated = ?4, shape = ?8, moments = ?9, properties = ?10, document = ?11
		WHERE row = ?12`, append(values, row)...)
	return row, err
}

func (t *transaction) deleteItem(ref catalog.ItemRef) error {
	if known, err := t.may(ref.Collection); err != nil || !known {
		return err
	}
	var row, sort, dated int64
	found, err := t.one(t.ctx, `SELECT row, sort, dated FROM item WHERE id = ?1 AND collection = ?2`, []any{ref.ID, ref.Collection}, &row, &sort, &dated)
	if err != nil || !found {
		return err
	}
	if err := t.unindex(row); err != nil {
		return err
	}
	t.count(sort, ref.Collection, dated, -1)
	return t.run(`DELETE FROM item WHERE row = ?`, row)
}

// place keeps an item's boxes to be put into their table by settle.
func (t *transaction) place(row int64, e *catalog.Entry) {
	boxes := nowhere
	if e.Shape != nil {
		boxes = e.Shape.Bounds()
	}
	since, until := hull(e)
	for i, b := range boxes {
		t.boxes = append(t.boxes, boxCell{2*row + int64(i), outward(b, since, until)})
	}
}

// settle puts the boxes that were kept into their table.
func (t *transaction) settle() error {
	boxes := t.boxes
	t.boxes = t.boxes[:0]
	if len(boxes) >= manyBoxes {
		tree, err := t.boxTree()
		if err != nil {
			return err
		}
		for i := range boxes {
			if err := tree.insert(boxes[i]); err != nil {
				return err
			}
		}
		return tree.save()
	}
	for i := range boxes {
		b := &boxes[i]
		if _, err := t.exec(t.ctx, `INSERT INTO box (id, west, east, south, north, since, until) VALUES (?, ?, ?, ?, ?, ?, ?)`, b.id, float64(b.low[0]),
			float64(b.high[0]), float64(b.low[1]), float64(b.high[1]), float64(b.low[2]), float64(b.high[2])); err != nil {
			return err
		}
	}
	return nil
}

// index puts an item's boxes and words into their tables.
func (t *transaction) index(row int64, e *catalog.Entry) error {
	if t.place(row, e); len(e.Words) == 0 {
		return nil
	}
	lines := make([]string, len(e.Words))
	for i, w := range e.Words {
		lines[i] = strings.Join(w, " ")
	}
	// A · is no word's, so no phrase goes from one text into the next.
	_, err := t.exec(t.ctx, `INSERT INTO word (rowid, text) VALUES (?, ?)`, row, strings.Join(lines, " · "))
	return err
}

func (t *transaction) unindex(row int64) error {
	if err := t.settle(); err != nil { // the row's own may be among them
		return err
	}
	if _, err := t.exec(t.ctx, `DELETE FROM box WHERE id IN (?, ?)`, 2*row, 2*row+1); err != nil {
		return err
	}
	_, err := t.exec(t.ctx, `DELETE FROM word WHERE rowid = ?`, row)
	return err
}
