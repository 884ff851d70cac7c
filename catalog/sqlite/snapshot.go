package sqlite

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
	"github.com/terrapin-eo/terrapin/fault"
)

// Snapshot shows one state of the file, on a connection of its own. The write-ahead log grows until it ends.
func (c *Catalog) Snapshot(ctx context.Context, do func(catalog.Reader) error) (err error) {
	r, err := c.connect(whenReading)
	if err != nil {
		return c.wrap("take a snapshot", err)
	}
	defer func() { err = errors.Join(err, c.wrap("end a snapshot", r.close())) }()
	if _, err := r.exec(ctx, `BEGIN`); err != nil {
		return c.wrap("take a snapshot", err)
	}
	ranked, err := ranks(ctx, r) // the first look is what it is a snapshot of
	if err != nil {
		return c.wrap("take a snapshot", err)
	}
	m := &still{c: c, r: reader{r, &dialect{ranked}}}
	m.shelf = catalog.NewShelf(c.signer, func(context.Context) (int64, error) { return 0, nil },
		func(ctx context.Context) ([]catalog.Shelved, int64, error) { return collectionsIn(ctx, r) })
	return do(m)
}

// still is the catalog in one transaction.
type still struct {
	c     *Catalog
	r     reader
	shelf *catalog.Shelf
}

// Item returns one item's document.
func (m *still) Item(ctx context.Context, s catalog.Scope, ref catalog.ItemRef) (json.RawMessage, error) {
	doc, err := m.document(ctx, s, textOfItem, ref.ID, ref.Collection)
	if doc == nil && err == nil {
		return nil, noItem(ref)
	}
	return doc, m.c.wrap("read an item", err)
}

// Collection returns one collection's document.
func (m *still) Collection(ctx context.Context, s catalog.Scope, id string) (json.RawMessage, error) {
	doc, err := m.document(ctx, s, textOfCollection, id)
	if doc == nil && err == nil {
		return nil, noCollection(id)
	}
	return doc, m.c.wrap("read a collection", err)
}

func (m *still) document(ctx context.Context, s catalog.Scope, text string, args ...any) (doc []byte, err error) {
	_, err = m.r.one(ctx, seenBy(s, text), args, &doc)
	return doc, err
}

// Collections returns a page of collections.
func (m *still) Collections(ctx context.Context, s catalog.Scope, q catalog.Query) (catalog.Result, error) {
	out, err := m.shelf.Search(ctx, s, q)
	return out, m.c.wrap("list collections", err)
}

// Search returns a page of items.
func (m *still) Search(ctx context.Context, s catalog.Scope, q catalog.Query) (catalog.Result, error) {
	out, err := sqlgen.Engine{Dialect: *m.r.dialect, Signer: m.c.signer}.Search(ctx, m.r, s, q)
	return out, m.c.wrap("search", err)
}

func noItem(ref catalog.ItemRef) error {
	return fault.New(fault.NotFound, "item %q of collection %q: %w", ref.ID, ref.Collection, catalog.ErrNotFound)
}

func noCollection(id string) error {
	return fault.New(fault.NotFound, "collection %q: %w", id, catalog.ErrNotFound)
}
