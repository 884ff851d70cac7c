package cql2

import (
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// Document is what a filter is asked of.
type Document interface {
	// Value is a member of the document's properties as JSON, and the zero Result where there is none; ID and
	// Collection name the document's own id and collection.
	Value(name string) gjson.Result
	// Moment is a member of the properties that is an RFC 3339 time (from equal to to) or a date (its day in
	// UTC), in microseconds since 1970, both ends included. Ok is false for all others.
	Moment(name string) (from, to int64, ok bool)
	// Shape is where the document lies, nil for nowhere.
	Shape() *geo.Shape
}

// Eval answers a filter for a document: true, false, or nil for unknown. What it points to is not to be
// changed. These are the meanings that back ends have to keep:
//
// Types. An operand has the type that its form tells (TypeOf). A property without one takes that of the other
// operand: a JSON string for text (moments too, as they are written), a JSON number, a JSON boolean, a moment
// (Document.Moment), a JSON array. If its value is of another type, null or absent, it is unknown. Two
// properties compare as moments if both are, else as text, numbers or booleans if both are, else
// the comparison is unknown; so it is between null and null, and between arrays or objects.
//
// Compare. Numbers are IEEE doubles; text compares bytewise in UTF-8; false is less than true. Moments a and b:
//
//	a <  b   a.to < b.from           a >= b   a.to >= b.from
//	a >  b   a.from > b.to           a <= b   a.from <= b.to
//	a =  b   a.from <= b.to and a.to >= b.from          (a <> b is its opposite)
//
// so times and days compare as usual among themselves, and a time is equal to the day it lies in.
//
// Between is (value >= low AND value <= high), In is (value = x OR value = y …), an empty In is false; And, Or
// and Not are three-valued, so either may be known where one of its parts is not.
//
// Like is unknown if either side is; see like for what matches, and CaseFrom and AccentFrom for folding.
//
// IsNull of a property is true if it is absent or JSON null, of Location if the document lies nowhere, of
// anything else if that is unknown.
//
// Spatial is unknown if an operand is not a geometry: of properties only Location is one. Other predicates than s_intersects and
// s_disjoint are unknown of a collection whose parts are of several dimensions. Both shapes are taken as geo.Shape.Split makes them.
// Temporal is told at relate, Array at array, arithmetic at Calculate, functions at Functions.
func Eval(e Expr, doc Document) *bool {
	switch test(e, doc) {
	case yes:
		return &truths[1]
	case no:
		return &truths[0]
	}
	return nil
}

var truths = [2]bool{false, true}

// truth has three values.
type truth int8

const (
	no truth = iota - 1
	unknown
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

func test(e Expr, doc Document) truth {
	switch e := e.(type) {
	case And:
		all := yes
		for _, arg := range e.Args {
			if all = min(all, test(arg, doc)); all == no {
				break
			}
		}
		return all
	case Or:
		any := no
		for _, arg := range e.Args {
			if any = max(any, test(arg, doc)); any == yes {
				break
			}
		}
		return any
	case Not:
		return -test(e.Arg, doc)
	case Compare:
		return compare(e.Op, e.Left, e.Right, doc)
	case Between:
		return min(compare(">=", e.Value, e.Low, doc), compare("<=", e.Value, e.High, doc))
	case In:
		any := no
		for _, item := range e.List {
			if any = max(any, compare("=", e.Value, item, doc)); any == yes {
				break
			}
		}
		return any
	case Like:
		text, ok := textOf(e.Value, doc)
		pattern, also := textOf(e.Pattern, doc)
		if !ok || !also {
			return unknown
		}
		return truthOf(like(text, pattern))
	case IsNull:
		return truthOf(!known(e.Arg, doc))
	case Spatial:
		left, right := shapeOf(e.Left, doc), shapeOf(e.Right, doc)
		if left == nil || right == nil {
			return unknown
		}
		answer, known := left.Test(e.Op, right)
		if !known {
			return unknown
		}
		return truthOf(answer)
	case Temporal:
		return temporal(e, doc)
	case Array:
		return array(e, doc)
	case Bool:
		return truthOf(e.Value)
	case Property:
		if v := doc.Value(e.Name); v.Type == gjson.True || v.Type == gjson.False {
			return truthOf(v.Type == gjson.True)
		}
	}
	return unknown
}

// known reports whether an expression has a value.
func known(e Expr, doc Document) bool {
	if p, ok := e.(Property); ok && p.Name != Location {
		return doc.Value(p.Name).Type != gjson.Null // which is the zero Result's too
	}
	ok := false
	switch TypeOf(e) {
	case TextType:
		_, ok = textOf(e, doc)
	case NumberType:
		_, ok = numberOf(e, doc)
	case BoolType:
		ok = test(e, doc) != unknown
	case MomentType, IntervalType:
		_, ok = spanOf(e, doc)
	case GeometryType:
		ok = shapeOf(e, doc) != nil
	case ListType:
		_, ok = setOf(e, doc)
	}
	return ok
}
