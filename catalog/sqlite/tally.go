package sqlite

import (
	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
)

// count is a key of the tally.
type count struct {
	step       sqlgen.Step
	start      int64
	collection string
	dated      int64
}

// count adds items to the tally.
func (t *transaction) count(sort int64, collection string, dated int64, n int) {
	t.tally[count{sqlgen.Whole, 0, collection, dated}] += n
	if sort == catalog.Timeless {
		return
	}
	for _, step := range []sqlgen.Step{sqlgen.Month, sqlgen.Day} {
		t.tally[count{step, step.Start(sort), collection, dated}] += n
	}
}

// flush writes what a job adds to the tally.
func (t *transaction) flush() error {
	for c, n := range t.tally {
		if n == 0 {
			continue
		}
		if _, err := t.exec(t.ctx, `INSERT INTO tally (step, start, collection, dated, n) VALUES (?1, ?2, ?3, ?4, ?5)
			ON CONFLICT (step, start, collection, dated) DO UPDATE SET n = n + ?5`, int64(c.step), c.start, c.collection, c.dated, int64(n)); err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		if _, err := t.exec(t.ctx, `DELETE FROM tally WHERE step = ?1 AND start = ?2 AND collection = ?3 AND dated = ?4 AND n = 0`,
			int64(c.step), c.start, c.collection, c.dated); err != nil {
			return err
		}
	}
	return nil
}

// likeness is a form that the properties of a collection's items have.
type likeness struct {
	collection string
	of         uint64
}

// manyLikenesses is how many are kept in mind.
const manyLikenesses = 100_000

// traits writes the ways an item has its properties, if no other had them all.
func (t *transaction) traits(e *catalog.Entry) error {
	k := likeness{e.Ref.Collection, e.Likeness}
	for _, seen := range t.forms() {
		if _, ok := seen[k]; ok {
			return nil
		}
	}
	for _, one := range e.Traits() {
		if _, err := t.exec(t.ctx, `INSERT INTO property (collection, name, type, format) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			k.collection, one.Name, one.Type, one.Format); err != nil {
			return err
		}
	}
	t.fresh[k] = struct{}{}
	return nil
}

// forget takes a collection's properties for not yet seen.
func (t *transaction) forget(collection string) {
	for _, seen := range t.forms() {
		for k := range seen {
			if k.collection == collection {
				delete(seen, k)
			}
		}
	}
}

func (t *transaction) forms() [3]map[likeness]struct{} {
	return [...]map[likeness]struct{}{t.seen, t.kept, t.fresh}
}
