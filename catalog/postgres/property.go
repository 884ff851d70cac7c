package postgres

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
)

// kindOf is a type that a property had in a collection. The row tells the collection from another of its name that was
// there before.
type kindOf struct {
	row                     int64
	collection              string
	name, valueType, format string
}

// properties remembers what is in the table already, so that a set of changes writes only what is new.
type properties struct {
	mu   sync.RWMutex
	seen map[kindOf]bool
}

// mostSeen bounds the memory; beyond, all is forgotten and learned again.
const mostSeen = 200_000

func (p *properties) has(k kindOf) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.seen[k]
}

func (p *properties) add(kinds []kindOf) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil || len(p.seen)+len(kinds) > mostSeen {
		p.seen = map[kindOf]bool{}
	}
	for _, k := range kinds {
		p.seen[k] = true
	}
}

// writeProperties notes what types properties have that they had not before.
func (w *writer) writeProperties(due work) error {
	found := map[kindOf]bool{}
	for _, it := range due.newItems {
		w.learn(found, it)
	}
	for _, it := range due.changedItems {
		w.learn(found, it.record)
	}
	for k := range found {
		if !w.c.seen.has(k) {
			w.learned = append(w.learned, k)
		}
	}
	if len(w.learned) == 0 {
		return nil
	}
	slices.SortFunc(w.learned, func(a, b kindOf) int {
		return cmp.Or(cmp.Compare(a.collection, b.collection), cmp.Compare(a.name, b.name), cmp.Compare(a.valueType, b.valueType), cmp.Compare(a.format, b.format))
	})
	columns := make([][]string, 4)
	for _, k := range w.learned {
		for i, v := range []string{k.collection, k.name, k.valueType, k.format} {
			columns[i] = append(columns[i], v)
		}
	}
	return w.exec(`INSERT INTO property (collection, name, type, format)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) ON CONFLICT DO NOTHING`, columns[0], columns[1], columns[2], columns[3])
}

func (w *writer) learn(found map[kindOf]bool, it record) {
	at := kindOf{row: w.held.collections[it.ref.Collection].row, collection: it.ref.Collection}
	gjson.ParseBytes(it.properties).ForEach(func(key, value gjson.Result) bool {
		at.name = key.String()
		at.valueType, at.format = typeOf(value)
		if at.valueType != "" {
			found[at] = true
		}
		return true
	})
}

// typeOf is a value's type and format as queryables have them; "" for null.
func typeOf(v gjson.Result) (valueType, format string) {
	switch {
	case v.Type == gjson.String:
		if m, ok := catalog.ParseMoment(v.Str); ok && m.From < m.To {
			return "string", "date"
		} else if ok {
			return "string", "date-time"
		}
		return "string", ""
	case v.Type == gjson.Number && v.Num == math.Trunc(v.Num):
		return "integer", ""
	case v.Type == gjson.Number:
		return "number", ""
	case v.Type == gjson.True || v.Type == gjson.False:
		return "boolean", ""
	case v.IsArray():
		return "array", ""
	case v.IsObject():
		return "object", ""
	}
	return "", ""
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
