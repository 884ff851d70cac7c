package postgres

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
)

// writeCollections removes and puts collections, one after the other in the order of their names, whatever becomes of each: who puts a new one
// may wait for somebody who removes or changes one of that name, which was not there when he looked.
func (w *writer) writeCollections(due work) error {
	do := map[string][]func() error{}
	for _, id := range due.gone {
		do[id] = append(do[id], func() error { return w.removeCollection(id) })
	}
	for _, c := range due.changedCollections {
		do[c.ID] = append(do[c.ID], func() error {
			return w.exec(`UPDATE collection SET document = $2, etag = $3 WHERE id = $1`, c.ID, string(c.Document), etagOf(c.Document))
		})
	}
	for _, c := range due.newCollections {
		do[c.ID] = append(do[c.ID], func() error { return w.insertCollection(c) })
	}
	for _, id := range slices.Sorted(maps.Keys(do)) {
		for _, step := range do[id] {
			if err := step(); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeCollection takes its items with it, as nobody can put others meanwhile.
func (w *writer) removeCollection(id string) error {
	for _, text := range []string{
		`INSERT INTO tally (step, start, collection, dated, n)
			SELECT step, start, collection, dated, -sum(n) FROM tally WHERE collection = $1 GROUP BY step, start, collection, dated HAVING sum(n) <> 0`,
		`DELETE FROM item WHERE collection = $1`,
		`DELETE FROM property WHERE collection = $1`,
		`DELETE FROM collection WHERE id = $1`,
	} {
		if err := w.exec(text, id); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) insertCollection(c catalog.CollectionEntry) error {
	h := heldCollection{origin: w.Origin, etag: etagOf(c.Document)}
	err := w.conn.QueryRow(w.ctx, `INSERT INTO collection (id, origin, etag, document) VALUES ($1, $2, $3, $4) RETURNING row`,
		c.ID, h.origin, h.etag, string(c.Document)).Scan(&h.row)
	w.held.collections[c.ID] = h
	return err
}

// countShelf tells that collections changed. Those who do wait for each other, for nothing but their end.
func (w *writer) countShelf(due work) error {
	if len(due.gone)+len(due.newCollections)+len(due.changedCollections) == 0 {
		return nil
	}
	return w.exec(`UPDATE shelf SET revision = revision + 1`)
}

// copyBytes is how much one COPY carries.
const copyBytes = 8 << 20

// writeItems puts, removes and changes items. Those that are new go first, by COPY, in order of their keys: where another was faster
// with one of them, the server refuses it and all is begun again. Until then those that go or change are only locked, so that another
// who puts one as new, as it was not there when he looked, is refused as well instead of waiting for this one, which may be waiting for him.
func (w *writer) writeItems(due work) error {
	if err := w.copy(due.newItems); err != nil {
		return err
	}
	if len(due.goneItems) > 0 {
		rows := make([]int64, len(due.goneItems))
		for i, gone := range due.goneItems {
			rows[i] = gone.old.row
		}
		if err := w.exec(`DELETE FROM item WHERE row = ANY ($1)`, rows); err != nil {
			return err
		}
	}
	for items := due.changedItems; len(items) > 0; {
		n := min(len(items), 500)
		if err := w.update(items[:n]); err != nil {
			return err
		}
		items = items[n:]
	}
	return nil
}

func (w *writer) copy(items []*record) error {
	buffer := make([]byte, 0, min(copyBytes+copyBytes/4, (32<<10)*len(items)))
	for i, r := range items {
		if len(buffer) == 0 {
			buffer = append(buffer, copyHead...)
		}
		buffer = r.copied(buffer)
		if len(buffer) < copyBytes && i+1 < len(items) {
			continue
		}
		buffer = append(buffer, copyTail...)
		if _, err := w.conn.Conn().PgConn().CopyFrom(w.ctx, bytes.NewReader(buffer), "COPY item ("+columns+") FROM STDIN (FORMAT binary)"); err != nil {
			return err
		}
		buffer = buffer[:0]
	}
	return nil
}

// update puts documents in place of those in the same rows, which are locked.
func (w *writer) update(items []changedItem) error {
	n := len(items)
	var rows, sorts, begins, ends = make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	var dated = make([]int16, n)
	var properties, moments = make([]string, n), make([]string, n)
	var places, texts, lists = make([]string, n), make([]string, n), make([]string, n)
	var etags, packed, shapes, odds = make([][]byte, n), make([][]byte, n), make([][]byte, n), make([]bool, n)
	for i, it := range items {
		rows[i], sorts[i], begins[i], ends[i], dated[i] = it.old.row, it.Sort, it.begins, it.ends, it.dated
		packed[i], properties[i], moments[i], texts[i] = it.packed, string(it.properties), string(it.moments), it.texts
		etags[i], shapes[i], places[i], odds[i] = it.etag, it.shape, it.place.String(), it.odd
		lists[i] = strings.Join(it.words, " ")
	}
	return w.exec(`UPDATE item i SET sort = n.sort, dated = n.dated, begins = n.begins, ends = n.ends, etag = n.etag, packed = n.packed, document = NULL,
			properties = n.properties::jsonb, moments = n.moments::jsonb, shape = ST_GeomFromWKB(n.shape, 4326), odd = n.odd, place = n.place::cube,
			texts = n.texts, words = string_to_array(n.words, ' ')
		FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[], $8::text[], $9::text[],
			$10::bytea[], $11::text[], $12::text[], $13::text[], $14::boolean[])
			AS n (row, sort, dated, begins, ends, etag, packed, properties, moments, shape, place, texts, words, odd)
		WHERE i.row = n.row`, rows, sorts, dated, begins, ends, etags, packed, properties, moments, shapes, places, texts, lists, odds)
}
