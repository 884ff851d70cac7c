package postgres

import (
	"encoding/hex"

	"github.com/jackc/pgx/v5"

	"github.com/terrapin-eo/terrapin/catalog"
)

// held is what is there of what a set of changes is about, locked until its end.
type held struct {
	collections map[string]heldCollection
	items       map[catalog.ItemRef]heldItem
}

type heldCollection struct {
	row    int64
	origin catalog.Origin
	etag   []byte
}

type heldItem struct {
	row, sort int64
	dated     int16
	etag      []byte
}

// lockCollections begins the transaction and locks the collections, the weakest lock that does for each.
func (w *writer) lockCollections() error {
	var batch pgx.Batch
	batch.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	w.held.collections = map[string]heldCollection{}
	lock := func(text string, args ...any) {
		batch.Queue("SELECT id, row, origin, etag FROM collection WHERE "+text, args...).Query(func(rows pgx.Rows) error {
			var id string
			var h heldCollection
			_, err := pgx.ForEachRow(rows, []any{&id, &h.row, &h.origin, &h.etag}, func() error {
				w.held.collections[id] = h
				return nil
			})
			return err
		})
	}
	if w.Reset {
		lock("origin = $1 OR id = ANY ($2) ORDER BY id "+strengths[remove], catalog.FromBucket, w.names)
	} else {
		for i := 0; i < len(w.names); { // as many at a time as need the same
			need, end := w.strengthOf(w.names[i]), i+1
			for end < len(w.names) && w.strengthOf(w.names[end]) == need {
				end++
			}
			lock("id = ANY ($1) ORDER BY id "+strengths[need], w.names[i:end])
			i = end
		}
	}
	return w.conn.SendBatch(w.ctx, &batch).Close()
}

// lockItems locks the items.
func (w *writer) lockItems() error {
	w.held.items = map[catalog.ItemRef]heldItem{}
	if len(w.refs) == 0 {
		return nil
	}
	collections, ids := make([]string, len(w.refs)), make([]string, len(w.refs))
	for i, ref := range w.refs {
		collections[i], ids[i] = ref.Collection, ref.ID
	}
	rows, err := w.conn.Query(w.ctx, `SELECT i.collection, i.id, i.row, i.sort, i.dated, i.etag
		FROM unnest($1::text[], $2::text[]) AS k (collection, id) JOIN item i ON i.id = k.id COLLATE "C" AND i.collection = k.collection COLLATE "C"
		ORDER BY i.collection, i.id FOR UPDATE OF i`, collections, ids)
	if err != nil {
		return err
	}
	var ref catalog.ItemRef
	var h heldItem
	_, err = pgx.ForEachRow(rows, []any{&ref.Collection, &ref.ID, &h.row, &h.sort, &h.dated, &h.etag}, func() error {
		w.held.items[ref] = h
		return nil
	})
	return err
}

// checkConditions answers the conditions by what is locked.
func (w *writer) checkConditions() error {
	for _, cond := range w.Conditions {
		item, there := w.held.items[cond.Ref]
		etag := item.etag
		if cond.Ref.ID == "" {
			var c heldCollection
			c, there = w.held.collections[cond.Ref.Collection]
			etag = c.etag
		}
		if err := cond.Check(there, func() string { return hex.EncodeToString(etag) }); err != nil {
			return err
		}
	}
	return nil
}
