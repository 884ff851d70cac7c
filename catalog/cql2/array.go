package cql2

import (
	"time"

	"github.com/tidwall/gjson"
)

// element is a member of a set: a scalar of JSON.
type element struct {
	kind   gjson.Type
	text   string
	number float64
}

// set is an array's elements. Odd says that it holds a list or an object, which is equal to nothing.
type set struct {
	of  map[element]struct{}
	odd bool
}

// Written is a moment's text as an element of a list: a date as YYYY-MM-DD, a time in RFC 3339 in UTC with as
// many digits of the second as it needs.
func Written(moment Expr) (string, bool) {
	switch m := moment.(type) {
	case Timestamp:
		return m.Value.UTC().Format("2006-01-02T15:04:05.999999Z"), true
	case Date:
		return m.Value.UTC().Format(time.DateOnly), true
	}
	return "", false
}

// array is the meaning of the predicates on arrays. Both sides are sets: order and repetition do not count.
// Elements are equal if they are equal texts, numbers (as doubles), booleans or nulls; times and dates in a literal
// stand for their text (Written). The predicate is unknown if a property is no array, or an element of a
// literal is unknown, a list or an object.
func array(e Array, doc Document) truth {
	a, ok := setOf(e.Left, doc)
	b, also := setOf(e.Right, doc)
	if !ok || !also {
		return unknown
	}
	switch e.Op {
	case "a_equals":
		return truthOf(a.within(b) && b.within(a))
	case "a_contains":
		return truthOf(b.within(a))
	case "a_containedby":
		return truthOf(a.within(b))
	case "a_overlaps":
		for x := range a.of {
			if _, ok := b.of[x]; ok {
				return yes
			}
		}
		return no
	}
	return unknown
}

func (s set) within(o set) bool {
	if s.odd || len(s.of) > len(o.of) {
		return false
	}
	for x := range s.of {
		if _, ok := o.of[x]; !ok {
			return false
		}
	}
	return true
}

func setOf(e Expr, doc Document) (set, bool) {
	out := set{of: map[element]struct{}{}}
	switch e := e.(type) {
	case Property:
		list := doc.Value(e.Name)
		if !list.IsArray() {
			return set{}, false
		}
		list.ForEach(func(_, v gjson.Result) bool {
			if x, ok := scalar(v); ok {
				out.of[x] = struct{}{}
			} else {
				out.odd = true
			}
			return true
		})
		return out, true
	case List:
		for _, item := range e.Items {
			x, ok := elementOf(item, doc)
			if !ok {
				return set{}, false
			}
			out.of[x] = struct{}{}
		}
		return out, true
	}
	return set{}, false
}

func scalar(v gjson.Result) (element, bool) {
	return element{v.Type, v.Str, v.Num}, v.Type != gjson.JSON
}

func elementOf(e Expr, doc Document) (element, bool) {
	if p, ok := e.(Property); ok {
		v := doc.Value(p.Name)
		x, ok := scalar(v)
		return x, ok && v.Type != gjson.Null
	}
	switch TypeOf(e) {
	case TextType:
		s, ok := textOf(e, doc)
		return element{kind: gjson.String, text: s}, ok
	case NumberType:
		n, ok := numberOf(e, doc)
		return element{kind: gjson.Number, number: n + 0}, ok
	case BoolType:
		t := test(e, doc)
		if t == yes {
			return element{kind: gjson.True}, true
		}
		return element{kind: gjson.False}, t != unknown
	case MomentType:
		s, ok := Written(e)
		return element{kind: gjson.String, text: s}, ok
	}
	return element{}, false
}
