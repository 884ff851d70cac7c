package bulk

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/terrapin-eo/terrapin/catalog"
)

// Target takes what a load brings.
type Target interface {
	// Collection returns a collection's document and where it came from, or catalog.ErrNotFound.
	Collection(ctx context.Context, id string) (json.RawMessage, catalog.Origin, error)
	// Put puts collections, then items, in place of those with the same name: all or none.
	Put(ctx context.Context, collections []json.RawMessage, items []catalog.Entry) error
}

// Into is a catalog as the target of a load: what it brings is posted.
func Into(c catalog.Catalog) Target {
	stager, _ := c.(catalog.Stager)
	return &into{c, stager}
}

type into struct {
	catalog.Catalog
	stager catalog.Stager // nil where the catalog is none
}

// pace is how a load is best put in a target.
type pace struct {
	// stage makes beforehand what the target stores of an item, and returns how many bytes that takes; nil makes nothing.
	stage func(*catalog.Entry) int
	// sets of so many items are put at a time.
	sets, items int
}

func paceOf(t Target) pace {
	if c, ok := t.(*into); ok && c.stager != nil {
		p := pace{stage: func(e *catalog.Entry) int { return c.stager.Stage(e, catalog.Posted) }}
		p.sets, p.items = c.stager.Abreast()
		return p
	}
	return pace{sets: 1, items: 1000}
}

// Collection looks the collection up.
func (t *into) Collection(ctx context.Context, id string) (json.RawMessage, catalog.Origin, error) {
	doc, err := t.Catalog.Collection(ctx, catalog.Everything(), id)
	if err != nil {
		return nil, 0, err
	}
	made := catalog.FromBucket
	page, err := t.Collections(ctx, catalog.Everything(), catalog.Query{IDs: []string{id}, Origin: &made})
	switch {
	case errors.Is(err, catalog.ErrNotFound) || err == nil && len(page.Documents) == 0:
		return doc, catalog.Posted, nil
	case err != nil:
		return nil, 0, err
	}
	return doc, catalog.FromBucket, nil
}

// Put applies them as one set of changes.
func (t *into) Put(ctx context.Context, collections []json.RawMessage, items []catalog.Entry) error {
	_, err := t.Apply(ctx, catalog.Changes{Origin: catalog.Posted, Collections: collections, Entries: items})
	return err
}
