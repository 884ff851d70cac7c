// Package cql2 is the filter language of OGC 21-065r2: text and JSON in, one typed tree, text and JSON
// out, and what a tree means. It owns the grammar, the list of functions, and the evaluation against one
// document in memory (Eval), which is the reference that every back end's SQL is held against. It
// refuses what does not parse or type, with the place. It knows no database.
//
// Truth has three values: a predicate over something that is null, absent or of another type than the
// other side is unknown (nil of *bool here, NULL in SQL); NOT of unknown is unknown; a filter selects
// what is true. The invariants: printing a tree and parsing it again gives an equal tree, in both
// encodings; and Eval, SQLite and PostgreSQL select the same documents.
package cql2

import (
	"time"

	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// Expr is a node of a filter: a predicate or a value. The types of this file are all there are.
type Expr interface{ node() }

// Predicates.
type (
	// And, Or and Not combine predicates; And and Or have two arguments or more.
	And struct{ Args []Expr }
	Or  struct{ Args []Expr }
	Not struct{ Arg Expr }
	// Compare is one of = <> < > <= >= between two scalars.
	Compare struct {
		Op          string
		Left, Right Expr
	}
	// Like matches text against a pattern with % (any characters), _ (one) and \ (takes the next literally).
	Like struct{ Value, Pattern Expr }
	// Between includes both ends.
	Between struct{ Value, Low, High Expr }
	// In asks whether the value is equal to one of the list; of an empty list it is false.
	In struct {
		Value Expr
		List  []Expr
	}
	// IsNull is true for null and for absent; its own answer is never unknown.
	IsNull struct{ Arg Expr }
	// Spatial is S_INTERSECTS, S_DISJOINT, S_EQUALS, S_TOUCHES, S_CROSSES, S_WITHIN, S_CONTAINS or
	// S_OVERLAPS; Op is in lower case, such as "s_intersects".
	Spatial struct {
		Op          string
		Left, Right Expr
	}
	// Temporal is one of the fifteen T_ functions, in lower case such as "t_after".
	Temporal struct {
		Op          string
		Left, Right Expr
	}
	// Array is a_equals, a_contains, a_containedby or a_overlaps.
	Array struct {
		Op          string
		Left, Right Expr
	}
)

// Values.
type (
	// Property names what is compared: id, collection, geometry, or a member of the item's properties, by its own name: a
	// "properties." before it the parsers take away.
	Property  struct{ Name string }
	String    struct{ Value string }
	Number    struct{ Value float64 }
	Bool      struct{ Value bool }
	Timestamp struct{ Value time.Time }
	// Date is a whole day; Value is its midnight, UTC.
	Date struct{ Value time.Time }
	// Interval's ends are Timestamp, Date, Property, or nil where open ("..").
	Interval struct{ Start, End Expr }
	// Geometry is a literal, a BBOX as well (then BBox has its numbers).
	Geometry struct {
		Shape *geo.Shape
		BBox  []float64
	}
	// List is an array literal.
	List struct{ Items []Expr }
	// Arith is one of + - * / % div ^ between numbers.
	Arith struct {
		Op          string
		Left, Right Expr
	}
	// Func is casei, accenti, or one of Functions.
	Func struct {
		Name string
		Args []Expr
	}
)

func (And) node()       {}
func (Or) node()        {}
func (Not) node()       {}
func (Compare) node()   {}
func (Like) node()      {}
func (Between) node()   {}
func (In) node()        {}
func (IsNull) node()    {}
func (Spatial) node()   {}
func (Temporal) node()  {}
func (Array) node()     {}
func (Property) node()  {}
func (String) node()    {}
func (Number) node()    {}
func (Bool) node()      {}
func (Timestamp) node() {}
func (Date) node()      {}
func (Interval) node()  {}
func (Geometry) node()  {}
func (List) node()      {}
func (Arith) node()     {}
func (Func) node()      {}
