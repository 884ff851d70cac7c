package postgres

import (
	"cmp"
	"slices"
	"sync"

	"github.com/terrapin-eo/terrapin/catalog"
)

// likeness is that of entries with the same traits in a collection. The row tells the collection from another of its name
// that was there before.
type likeness struct {
	row   int64
	likes uint64
}

// likenesses remembers whose traits are in the table already, so that a set of changes writes only what is new.
type likenesses struct {
	mu   sync.RWMutex
	seen map[likeness]bool
}

// mostSeen bounds the memory; beyond, all is forgotten and learned again.
const mostSeen = 100_000

func (p *likenesses) has(k likeness) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.seen[k]
}

func (p *likenesses) add(more map[likeness]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil || len(p.seen)+len(more) > mostSeen {
		p.seen = map[likeness]bool{}
	}
	for k := range more {
		p.seen[k] = true
	}
}

// trait is one of a collection's items.
type trait struct {
	collection string
	catalog.Trait
}

// writeProperties notes what types properties have that they had not before.
func (w *writer) writeProperties(due work) error {
	w.learned = map[likeness]bool{}
	found := map[trait]bool{}
	learn := func(it *record) {
		like := likeness{w.held.collections[it.Ref.Collection].row, it.Likeness}
		if w.learned[like] || w.c.seen.has(like) {
			return
		}
		w.learned[like] = true
		for _, t := range it.Traits() {
			found[trait{it.Ref.Collection, t}] = true
		}
	}
	for _, it := range due.newItems {
		learn(it)
	}
	for _, it := range due.changedItems {
		learn(it.record)
	}
	if len(found) == 0 {
		return nil
	}
	traits := make([]trait, 0, len(found))
	for t := range found {
		traits = append(traits, t)
	}
	slices.SortFunc(traits, func(a, b trait) int {
		return cmp.Or(cmp.Compare(a.collection, b.collection), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Format, b.Format))
	})
	columns := make([][]string, 4)
	for _, t := range traits {
		for i, v := range []string{t.collection, t.Name, t.Type, t.Format} {
			columns[i] = append(columns[i], v)
		}
	}
	return w.exec(`INSERT INTO property (collection, name, type, format)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) ON CONFLICT DO NOTHING`, columns[0], columns[1], columns[2], columns[3])
}

// writeMarks keeps marks. Those who do wait for each other: it is the last that they wait for.
func (w *writer) writeMarks(due work) error {
	if !due.marked() {
		return nil
	}
	if err := w.exec(`SELECT pg_advisory_xact_lock(hashtextextended('terrapin mark ' || $1, 0))`, w.c.at.schema); err != nil {
		return err
	}
	if due.forgetMarks {
		if err := w.exec(`DELETE FROM mark`); err != nil {
			return err
		}
	}
	var gone, names, values []string
	for name, value := range due.marks {
		if value == "" {
			gone = append(gone, name)
		} else {
			names, values = append(names, name), append(values, value)
		}
	}
	if err := w.exec(`DELETE FROM mark WHERE name = ANY ($1)`, gone); err != nil {
		return err
	}
	return w.exec(`INSERT INTO mark (name, value) SELECT * FROM unnest($1::text[], $2::text[])
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, names, values)
}
