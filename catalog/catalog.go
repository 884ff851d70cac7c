// Package catalog is the index of what exists: STAC collections and items, and the search over them.
// It owns the contract that every back end keeps (catalogtest holds the suite) and what must be the
// same in all of them: how a document is read, how a query is checked, how a page token is made. It
// refuses documents it could not serve again. It knows no pixels and no transport. The invariants:
// what came from the bucket is an index of it (catalog/truth fills it) and can be made again, while what was posted
// lives here alone; and a reader sees a set of changes whole or not at all.
package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"

	"github.com/terrapin-eo/terrapin/fault"
)

// ErrNotFound: there is no such item or collection in the caller's scope.
var ErrNotFound = fault.New(fault.NotFound, "not in the catalog")

// OfQuestion reports whether an error is about what was asked or sent: then it says all that there is to say, and where the
// catalog lies is nothing to whoever asked.
func OfQuestion(err error) bool {
	var own *fault.Error
	if !errors.As(err, &own) {
		return false
	}
	switch own.Kind {
	case fault.Invalid, fault.NotFound, fault.Conflict, fault.Precondition, fault.TooLarge, fault.Unsupported:
		return true
	}
	return false
}

// Catalog is one index. Implementations are safe for concurrent use. A change that Apply
// acknowledged is durable and seen by every read that begins afterwards. Nobody retries: an error
// of kind fault.Unavailable may be tried again by the caller, others may not. Every read is bounded
// by its context's deadline.
type Catalog interface {
	Reader
	Summary
	Writer
	// Ping reports whether the database answers and its schema is this release's.
	Ping(ctx context.Context) error
	// Close releases the catalog.
	Close() error
}

// Reader gives out documents, in the form that ParseItem and ParseCollection bring them to.
type Reader interface {
	// Collection returns one collection's document, or ErrNotFound.
	Collection(ctx context.Context, s Scope, id string) (json.RawMessage, error)
	// Collections returns a page of collections; Query.Collections and Query.IDs both list their ids.
	// They come in order of their ids where nothing else is asked. Filter and Sort name members of the document itself, such as
	// title; its geometry and its time are those of its extent, and an extent that says nothing is open in time and nowhere in space.
	Collections(ctx context.Context, s Scope, q Query) (Result, error)
	// Item returns one item's document, or ErrNotFound.
	Item(ctx context.Context, s Scope, ref ItemRef) (json.RawMessage, error)
	// Search returns a page of items: newest first where nothing else is asked, then by collection and id.
	Search(ctx context.Context, s Scope, q Query) (Result, error)
}

// Summary tells of many documents at once.
type Summary interface {
	// Aggregate computes over all items that the query finds; its page and order do not matter.
	Aggregate(ctx context.Context, s Scope, q Query, ask []Aggregation) ([]Aggregate, error)
	// Queryables lists the properties that items have, in the given collections or (nil) in all, by name.
	Queryables(ctx context.Context, s Scope, collections []string) ([]Queryable, error)
}

// Writer takes changes.
type Writer interface {
	// Apply makes a set of changes, all or none, and returns the catalog's revision, which grows
	// with every set that changed something. A document that is already there is no change.
	Apply(ctx context.Context, c Changes) (int64, error)
	// Marks returns every mark that was set and not removed.
	Marks(ctx context.Context) (map[string]string, error)
}

// Changes is what Apply does, in this order: conditions, reset, deletions, collections, items, marks.
type Changes struct {
	// Origin says where the changes come from. A collection and the items in it have one origin, that
	// of whoever put the collection; changes of the other are refused with fault.Precondition, except that
	// what comes from the bucket takes the place of a posted collection.
	Origin Origin
	// Conditions must all hold before anything is done; see Condition for what happens else.
	Conditions []Condition
	// Reset forgets everything that came from the bucket first, marks included. What was posted stays.
	Reset bool
	// DeleteCollections removes collections and the items in them; an absent one is no error.
	DeleteCollections []string
	// DeleteItems removes items; an absent one is no error.
	DeleteItems []ItemRef
	// Collections and Items are complete STAC documents, put in place of those with the same id. An
	// item's collection has to exist when the item is put.
	Collections, Items []json.RawMessage
	// Entries are items that the caller has read with ParseItem already; they are put like Items, after them. So a
	// load reads on one core while another writes. See Read.
	Entries []Entry
	// Marks are notes of whoever fills the catalog about how far it came, kept in the same
	// transaction; an empty value removes a mark.
	Marks map[string]string
}

// Origin is where a document came from.
type Origin int

const (
	// FromBucket documents are an index of what the bucket holds, and can be made again from it.
	FromBucket Origin = iota
	// Posted documents came through the API or a bulk load, and live in the catalog alone.
	Posted
)

// Condition is what must hold of one document. Ref.ID "" means the collection itself.
type Condition struct {
	Ref ItemRef
	// Absent: else the change fails with ErrExists. Otherwise the document has to be there (ErrNotFound),
	// and have one of ETags where those are given (ErrChanged).
	Absent bool
	ETags  []string
}

// ErrExists and ErrChanged are what a condition may fail with, beside ErrNotFound.
var (
	ErrExists  = fault.New(fault.Conflict, "it exists already")
	ErrChanged = fault.New(fault.Conflict, "it is not the version that was named")
)

// Check answers the condition: there says whether the document is, and etag gives its ETag if it is. It names the document in
// its error, whose kind is that of ErrExists, ErrNotFound or ErrChanged.
func (c Condition) Check(there bool, etag func() string) error {
	var failed error
	switch {
	case c.Absent && there:
		failed = ErrExists
	case c.Absent:
	case !there:
		failed = ErrNotFound
	case len(c.ETags) > 0 && !slices.Contains(c.ETags, etag()):
		failed = ErrChanged
	}
	switch {
	case failed == nil:
		return nil
	case c.Ref.ID == "":
		return fault.New(fault.KindOf(failed), "collection %q: %w", c.Ref.Collection, failed)
	}
	return fault.New(fault.KindOf(failed), "item %q of collection %q: %w", c.Ref.ID, c.Ref.Collection, failed)
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

// Result is a page of documents. Next and Prev are "" where there is no such page. Matched is the exact
// number of documents on all pages, or nil where it was not asked for or is dear to find out.
type Result struct {
	Documents  []json.RawMessage
	Next, Prev string
	Matched    *int
}

// ETag names a version of a document, as ParseItem and ParseCollection bring it into form: the same
// bytes, the same tag. It has no quotes.
func ETag(document json.RawMessage) string {
	sum := sha256.Sum256(document)
	return hex.EncodeToString(sum[:12])
}
