// Package sqlgen turns questions into SQL for databases that hold the catalog in tables: filters, orders, keyset
// pages, counts and aggregations, and the way through place and time by which a page costs the same however
// many items there are. It owns what the text of a statement says and the steps of a search; what differs between
// databases it asks of a Dialect, and it runs statements through a Reader. It refuses nothing that catalog.Query.Check
// lets pass. The invariants: nothing of a question gets into the text of a statement but as a parameter; and a filter selects what
// cql2.Eval says.
//
// # The tables
//
// Both back ends keep these, under these names. Times are microseconds since 1970.
//
//	item        row         int8, the key of other tables and indexes
//	            collection  text, compared bytewise
//	            id          text, compared bytewise; (id, collection) is unique
//	            origin      int2, catalog.Origin
//	            sort        int8, catalog.Entry.Sort (catalog.Timeless for no time)
//	            dated       int2, 1 where properties.datetime is a time (sort is that time then), else 0
//	            begins      int8, the least int8 where open; the greatest for no time
//	            ends        int8, the greatest int8 where open; the least for no time
//	            properties  JSON object
//	            moments     JSON object {name: [from, to]}
//	            document    bytes
//	            …           the shape (nullable) and its index, and the words, as the dialect has them
//	collection  id, document, origin
//	mark        name, value
//	setting     name, value
//	property    collection, name, type, format
//	tally       step int2, start int8, collection text, dated int2, n int8; see Tally
//
// An item's collection has its origin. Statements name the item table i.
//
// # Tallies
//
// Writers count items in tally: rows of the same key add up. Each item is counted in step Whole (start is 0), and, if it has a
// time, in the steps Month and Day (start is Step.Start of its sort).
package sqlgen

import (
	"context"

	"github.com/paulmach/orb"

	"github.com/terrapin-eo/terrapin/catalog/words"
)

// Kind is the type of an SQL expression.
type Kind int

const (
	// Number is an IEEE double.
	Number Kind = iota
	// Text is compared bytewise wherever it is compared.
	Text
	// Bool is what a condition may be made of: boolean, or 0 and 1.
	Bool
	// From and To are the ends of a moment: int8 microseconds.
	From
	To
	// Integer is int8.
	Integer
	// List is a JSON array, in the dialect's own type, Scalar a JSON text, number or boolean as MakeList takes it.
	List
	Scalar
	// Shape is a geometry, in the dialect's own type.
	Shape
	// Texts and Numbers are lists of those, for Among, Integers one of int64.
	Texts
	Numbers
	Integers
)

// Args adds an argument to the statement and returns its placeholder, typed. Values are float64 (Number), string (Text, and
// List as JSON), bool (Bool), int64 (From, To, Integer), *geo.Shape (Shape), []string (Texts),
// []float64 (Numbers) and []int64 (Integers).
type Args func(k Kind, value any) string

// Dialect writes what differs between databases. Expressions are SQL, in brackets where they need them; all are
// NULL where their operands are.
type Dialect interface {
	// Placeholder is the text of the n-th argument, counted from 1, and Argument what is handed to the driver for its value.
	Placeholder(n int, k Kind) string
	Argument(k Kind, value any) any
	Values
	Operators
	Sources
}

// Values reads items.
type Values interface {
	// Property is a member of an item's properties as a value of the kind, or NULL where it is of another: Number, Text (any
	// string), Bool, From and To (of strings that are moments), List, Scalar.
	Property(k Kind, name string, arg Args) string
	// Rank is a member of the properties as catalog.SortKey orders by it: a Number (of numbers, moments and booleans), else a
	// Text, else both are NULL. Where the property has an index, these are the expressions in it.
	Rank(name string, arg Args) (number, text string)
	// Has is a condition, never unknown: the member is there and not null.
	Has(name string, arg Args) string
	// Location is the item's shape, or NULL.
	Location() string
}

// Operators combine values.
type Operators interface {
	// Arithmetic is cql2.Calculate on Numbers: + - * / % div ^; NULL where it is not known.
	Arithmetic(op, left, right string) string
	// Function is casei, accenti or one of cql2.Functions. A moment is given by its From.
	Function(name, argument string) string
	// Like is cql2's LIKE. A constant pattern is in constant as well, else nil.
	Like(text, pattern string, constant *string, arg Args) string
	// Spatial is one of cql2's spatial predicates on Shapes.
	Spatial(op, left, right string) string
	// Array is one of cql2's array predicates on Lists.
	Array(op, left, right string) string
	// MakeList is the List of elements, or NULL if one of them is NULL.
	MakeList(elements []Element) string
	// Among is a condition: the Text or Number is one of Texts or Numbers, an argument.
	Among(value, list string) string
	// Answers is a condition, never unknown: the item's words answer the question.
	Answers(q words.Question, arg Args) string
}

// Element is a value with its kind.
type Element struct {
	Kind Kind // Number, Text, Bool or Scalar
	SQL  string
}

// Sources are where candidates come from.
type Sources interface {
	// Candidates gives the FROM clause that yields the items of a path as i, each once, and the conditions that go with it ("" for
	// none). It may yield more than the path says, never less.
	Candidates(p Path, arg Args) (from, where string)
	// Some is a statement that yields a row for each candidate of ByPlace or ByWords, without looking at the items; "" where no index leads
	// to them.
	Some(p Path, arg Args) string
	// Sketch is a statement that yields the candidates of ByPlace, perhaps twice: twice their row, and one more where they are sure to be
	// near and to have the path's time, so that the place and the time of the item need not be looked at; and the upper bound of their
	// sort where the path is Downward, else the lower, as At has it. It is "" where candidates come no cheaper than items.
	Sketch(p Path, arg Args) string
	At(sort int64) float64
	// InOrder ends a SELECT from the candidates of a path with Sorted: it yields those that come first by their sort, as many as the limit
	// says, and all that are equal to the last of them. It is "" where candidates of ByPlace come in no order: then bands are walked.
	InOrder(limit string) string
	// Elements gives a FROM item, to be cross-joined behind i, that yields the elements of a property that is a list, and the text of an
	// element that is a scalar, else NULL: that of a string itself, true, false, and a number as encoding/json writes the double.
	Elements(name string, arg Args) (from, text string)
	// Together reports whether s_intersects is asked once of several shapes (geo.Any), and not of each.
	Together() bool
	// Late reports whether documents are to be joined to the finished page instead of going through its sort.
	Late() bool
	// Document is what to select for the document of i, last: one or more columns, of which Row makes one.
	Document() string
}

// Path is a way to items by one index.
type Path struct {
	Kind PathKind
	// Collection is that of Newest, "" for all.
	Collection string
	// Property is that of Ranked.
	Property string
	// IDs are those of ByID.
	IDs []string
	// ByPlace: Near are boxes of which one of the item's must meet one, nil for anywhere and nowhere. The hull of the item's sort,
	// begins and ends (sort alone for no time) must begin at Begin or before and end at End or after; Begin may be after End or before.
	Near       []orb.Bound
	Begin, End int64
	// Within, for Sketch: an item within one of the boxes, and within this time where it is not nil, is sure. Else none is.
	Within *Window
	// Sorted, for ByPlace where the dialect has InOrder: Candidates gives those with a sort in the window in the order of it. Downward is
	// the way of the search along the sort column.
	Sorted   *Window
	Downward bool
	// Rows are those of ByRows, as twice the row, and one more where it is sure.
	Rows []int64
	// Question is that of ByWords.
	Question words.Question
}

// PathKind says which index.
type PathKind int

const (
	// Any is what the database likes.
	Any PathKind = iota
	// Newest is by (sort DESC, collection, id), or in one collection by (sort DESC, id).
	Newest
	// Ranked is by a property that Indexed names: (number, text, collection, id) as Rank has them.
	Ranked
	// Named is by (id, collection).
	Named
	// ByID, ByPlace, ByWords and ByRows look up. Candidates of ByRows have the column c.sure, 0 or 1.
	ByID
	ByPlace
	ByWords
	ByRows
)

// Window is a span of time in microseconds, both ends included.
type Window struct{ From, To int64 }

// Reader runs the statements of one read, which all see one state.
type Reader interface {
	// Query runs a statement and hands each row to visit, until it returns an error.
	Query(ctx context.Context, text string, args []any, visit func(Row) error) error
	// Indexed reports whether there is an index that Ranked may name.
	Indexed(property string) bool
}

// Guesser is a Reader of a database that keeps statistics of properties and words, and tells from them how many rows a
// statement yields at less cost than they are counted.
type Guesser interface {
	Guess(ctx context.Context, text string, args []any) (int, error)
}

// Row is a row of a result. Into are *int64, *float64, *[]byte for a document (which the caller keeps), or *any for what may
// be NULL, of which it makes nil, int64, float64, string or (for Bool) bool or int64.
type Row interface{ Scan(into ...any) error }
