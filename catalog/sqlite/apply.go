package sqlite

import (
	"bytes"
	"context"
	"maps"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/pack"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
	"github.com/terrapin-eo/terrapin/fault"
)

// transaction is one transaction that writes.
type transaction struct {
	*writer
	ctx context.Context
	// kept are forms of properties that the jobs before wrote; shelf is the revision of the collections.
	kept  map[likeness]struct{}
	shelf int64
	// These belong to the job being made: the forms of properties it wrote, its origin, whether it changed something that a
	// reader sees, whether it changed collections, what it adds to the tally, the origin of each collection it has looked up,
	// or absent, and the boxes that it has yet to put.
	fresh            map[likeness]struct{}
	origin           catalog.Origin
	changed, shelves bool
	tally            map[count]int
	origins          map[string]int64
	boxes            []boxCell
}

// make makes the changes of a job and gives it its revision.
func (t *transaction) make(j *job) (err error) {
	t.origin, t.changed, t.shelves = j.Origin, false, false
	t.boxes = t.boxes[:0]
	t.fresh, t.tally, t.origins = map[likeness]struct{}{}, map[count]int{}, map[string]int64{}
	if err := t.change(j); err != nil {
		return err
	}
	if err := t.flush(); err != nil {
		return err
	}
	if j.revision, err = t.revision("revision", t.changed); err != nil {
		return err
	}
	if t.shelves {
		if t.shelf, err = t.revision("collections", true); err != nil {
			return err
		}
	}
	maps.Copy(t.kept, t.fresh)
	return nil
}

// recall forgets what another process may have changed.
func (t *transaction) recall() (err error) {
	if t.shelf, err = t.revision("collections", false); t.shelf != t.seenAt {
		clear(t.seen)
	}
	return err
}

func (t *transaction) change(j *job) error {
	for _, c := range j.Conditions {
		if err := t.hold(c); err != nil {
			return err
		}
	}
	if j.Reset {
		if err := t.reset(); err != nil {
			return err
		}
	}
	for _, id := range j.DeleteCollections {
		if _, err := t.may(id); err != nil {
			return err
		}
		if err := t.deleteCollection(id); err != nil {
			return err
		}
	}
	for _, ref := range j.DeleteItems {
		if err := t.deleteItem(ref); err != nil {
			return err
		}
	}
	for _, e := range j.collections {
		if err := t.putCollection(e); err != nil {
			return err
		}
	}
	for i := range j.entries {
		if err := t.putItem(&j.entries[i]); err != nil {
			return err
		}
	}
	if err := t.settle(); err != nil {
		return err
	}
	return t.putMarks(j.Marks)
}

// run runs a statement that counts as a change where it touches a row.
func (t *transaction) run(text string, args ...any) error {
	r, err := t.exec(t.ctx, text, args...)
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	t.changed = t.changed || n > 0
	return err
}

// hold checks a condition.
func (t *transaction) hold(c catalog.Condition) error {
	text, args := `SELECT document FROM item WHERE id = ?1 AND collection = ?2`, []any{c.Ref.ID, c.Ref.Collection}
	if c.Ref.ID == "" {
		text, args = `SELECT document FROM collection WHERE id = ?`, []any{c.Ref.Collection}
	}
	var document []byte
	found, err := t.one(t.ctx, text, args, &document)
	if err != nil {
		return err
	}
	return c.Check(found, func() string { return catalog.ETag(document) })
}

// reset forgets what came from the bucket.
func (t *transaction) reset() error {
	if t.origin != catalog.FromBucket {
		return fault.New(fault.Precondition, "what is posted cannot reset what the bucket decides").WithCure("leave Reset out")
	}
	if _, err := t.exec(t.ctx, `DELETE FROM mark`); err != nil {
		return err
	}
	ids, err := t.collections(`origin = ?`, int64(catalog.FromBucket))
	if err != nil || len(ids) == 0 {
		return err
	}
	if posted, err := t.collections(`origin <> ?`, int64(catalog.FromBucket)); err != nil {
		return err
	} else if len(posted) == 0 {
		return t.clear()
	}
	for _, id := range ids {
		if err := t.deleteCollection(id); err != nil {
			return err
		}
	}
	return nil
}

// collections lists the ids of those for which a condition holds.
func (t *transaction) collections(condition string, args ...any) (ids []string, err error) {
	err = t.query(t.ctx, `SELECT id FROM collection WHERE `+condition, args, func(r sqlgen.Row) error {
		var id string
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// clear empties the catalog, whatever there is in it: one by one, the boxes of a million items take minutes to go.
func (t *transaction) clear() error {
	var box any
	if _, err := t.one(t.ctx, `SELECT sql FROM sqlite_schema WHERE name = 'box'`, nil, &box); err != nil {
		return err
	}
	for _, text := range []string{`DROP TABLE box`, box.(string), `INSERT INTO word (word) VALUES ('delete-all')`,
		`DELETE FROM item`, `DELETE FROM tally`, `DELETE FROM property`, `DELETE FROM collection`} {
		if _, err := t.exec(t.ctx, text); err != nil {
			return err
		}
	}
	for _, seen := range t.forms() {
		clear(seen)
	}
	clear(t.tally)
	clear(t.origins)
	t.changed, t.shelves = true, true
	return nil
}

const absent = -1

// collection is the origin of a collection, or absent.
func (t *transaction) collection(id string) (int64, error) {
	if origin, ok := t.origins[id]; ok {
		return origin, nil
	}
	origin := int64(absent)
	if _, err := t.one(t.ctx, `SELECT origin FROM collection WHERE id = ?`, []any{id}, &origin); err != nil {
		return 0, err
	}
	t.origins[id] = origin
	return origin, nil
}

// may refuses to touch a collection of the other origin; it reports whether there is one.
func (t *transaction) may(id string) (bool, error) {
	origin, err := t.collection(id)
	if err != nil || origin == absent {
		return false, err
	}
	if origin != int64(t.origin) {
		return true, fault.New(fault.Precondition, "collection %q has another origin than the change", id).
			WithCure("change it where it comes from, or use another collection")
	}
	return true, nil
}

func (t *transaction) putCollection(e catalog.CollectionEntry) error {
	origin, err := t.collection(e.ID)
	if err != nil {
		return err
	}
	switch {
	case origin == absent:
	case origin == int64(t.origin):
		var old []byte
		if _, err := t.one(t.ctx, `SELECT document FROM collection WHERE id = ?`, []any{e.ID}, &old); err != nil || bytes.Equal(old, e.Document) {
			return err
		}
	case t.origin == catalog.FromBucket: // takes the place of what was posted
		if err := t.deleteCollection(e.ID); err != nil {
			return err
		}
	default:
		_, err := t.may(e.ID)
		return err
	}
	t.shelves, t.origins[e.ID] = true, int64(t.origin)
	return t.run(`INSERT INTO collection (id, origin, document) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET document = excluded.document`, e.ID, int64(t.origin), pack.Bytes(e.Document))
}

// deleteCollection removes a collection and its items. Where many items go, their boxes and words go one by one.
func (t *transaction) deleteCollection(id string) error {
	if origin, err := t.collection(id); err != nil || origin == absent {
		return err
	}
	for _, text := range []string{
		`DELETE FROM word WHERE rowid IN (SELECT row FROM item INDEXED BY item_of_collection WHERE collection = ?)`,
		`DELETE FROM box WHERE id IN (SELECT 2 * row + k FROM item INDEXED BY item_of_collection, (SELECT 0 AS k UNION ALL SELECT 1) WHERE collection = ?)`,
		`DELETE FROM item INDEXED BY item_of_collection WHERE collection = ?`,
		`DELETE FROM tally WHERE collection = ?`,
		`DELETE FROM property WHERE collection = ?`,
		`DELETE FROM collection WHERE id = ?`,
	} {
		if err := t.run(text, id); err != nil {
			return err
		}
	}
	for c := range t.tally {
		if c.collection == id {
			delete(t.tally, c)
		}
	}
	t.forget(id)
	t.shelves, t.origins[id] = true, absent
	return nil
}

// putMarks does not count as a change: no reader of documents could tell.
func (t *transaction) putMarks(marks map[string]string) error {
	for name, value := range marks {
		var err error
		if value == "" {
			_, err = t.exec(t.ctx, `DELETE FROM mark WHERE name = ?`, name)
		} else {
			_, err = t.exec(t.ctx, `INSERT INTO mark (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// revision is a number that is kept, raised if asked.
func (t *transaction) revision(name string, raise bool) (int64, error) {
	var n int64
	if _, err := t.one(t.ctx, `SELECT value FROM setting WHERE name = ?`, []any{name}, &n); err != nil || !raise {
		return n, err
	}
	n++
	_, err := t.exec(t.ctx, `INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2`, name, n)
	return n, err
}
