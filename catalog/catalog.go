// Package catalog is the index of what exists: STAC collections and items, and the search over them.
// It owns the contract that every back end keeps (catalogtest holds the suite) and what must be the
// same in all of them: how a document is read, how a query is checked, how a page token is made. It
// refuses documents it could not serve again. It knows no pixels and no transport. The invariant:
// the catalog is an index of the bucket (catalog/truth fills it), so whatever is lost here can be
// rebuilt, and a reader sees a set of changes whole or not at all.
package catalog

import (
	"context"
	"encoding/json"

	"github.com/terrapin-eo/terrapin/fault"
)

// ErrNotFound: no such collection in the caller's scope.
var ErrNotFound = fault.New(fault.NotFound, "not in the catalog")

// Catalog is one index. Implementations are safe for concurrent use. A change that Apply
// acknowledged is durable and seen by every read that begins afterwards. Nobody retries: an error
// of kind fault.Unavailable may be tried again by the caller, others may not.
type Catalog interface {
	// Apply makes a set of changes, all or none, and returns the catalog's revision, which grows
	// with every set that changed something. A document that is already there is no change.
	Apply(ctx context.Context, c Changes) (int64, error)
	// Collection returns one collection's document, or ErrNotFound.
	Collection(ctx context.Context, s Scope, id string) (json.RawMessage, error)
	// Collections returns a page of collections in order of their ids.
	Collections(ctx context.Context, s Scope, p Page) (Result, error)
	// Search returns a page of items: newest first, then by collection and id.
	Search(ctx context.Context, s Scope, q Query) (Result, error)
	// Marks returns every mark that was set and not removed.
	Marks(ctx context.Context) (map[string]string, error)
	// Close releases the catalog.
	Close() error
}

// Changes is what Apply does, in this order: reset, deletions, collections, items, marks.
type Changes struct {
	// Reset forgets everything first, marks included.
	Reset bool
	// DeleteCollections removes collections and the items in them; an absent one is no error.
	DeleteCollections []string
	// DeleteItems removes items; an absent one is no error.
	DeleteItems []ItemRef
	// Collections and Items are complete STAC documents, put in place of those with the same id. An
	// item's collection has to exist when the item is put.
	Collections, Items []json.RawMessage
	// Marks are notes of whoever fills the catalog about how far it came, kept in the same
	// transaction; an empty value removes a mark.
	Marks map[string]string
}

// ItemRef names an item: an id alone does not, as two collections may hold the same one.
type ItemRef struct{ Collection, ID string }

// Scope says what a reader may see. It is an argument of every read and is applied in the query, so
// that no later filter can forget it. The zero Scope sees nothing.
type Scope struct{ all bool }

// Everything is the scope of whoever may see all there is.
func Everything() Scope { return Scope{all: true} }

// SeesAll reports whether nothing is hidden from the scope.
func (s Scope) SeesAll() bool { return s.all }

// Page selects a part of a list. Limit 0 means DefaultLimit, and more than MaxLimit means MaxLimit.
type Page struct {
	Limit int
	// Token is "" for the first page, else the Next of the page before.
	Token string
}

// The sizes of a page.
const (
	DefaultLimit = 10
	MaxLimit     = 10_000
)

// Size is the number of documents a page may hold.
func (p Page) Size() int {
	switch {
	case p.Limit <= 0:
		return DefaultLimit
	case p.Limit > MaxLimit:
		return MaxLimit
	}
	return p.Limit
}

// Result is a page of documents. Next is "" on the last page. Matched is the exact number of
// documents on all pages, or nil where it was not asked for.
type Result struct {
	Documents []json.RawMessage
	Next      string
	Matched   *int
}

// FindItem returns one item, or ErrNotFound.
func FindItem(ctx context.Context, c Catalog, s Scope, ref ItemRef) (json.RawMessage, error) {
	r, err := c.Search(ctx, s, Query{Collections: []string{ref.Collection}, IDs: []string{ref.ID}, Page: Page{Limit: 1}})
	if err != nil {
		return nil, err
	}
	if len(r.Documents) == 0 {
		return nil, fault.New(fault.NotFound, "item %q of collection %q: %w", ref.ID, ref.Collection, ErrNotFound)
	}
	return r.Documents[0], nil
}
