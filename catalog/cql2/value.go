package cql2

import (
	"cmp"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// compare answers one of = <> < > <= >=.
func compare(op string, left, right Expr, doc Document) truth {
	kind, other := TypeOf(left), TypeOf(right)
	if kind == AnyType {
		kind, other = other, kind
	}
	if kind == AnyType {
		kind, other = shared(left.(Property).Name, right.(Property).Name, doc)
	}
	if other != AnyType && other != kind {
		return unknown
	}
	switch kind {
	case TextType:
		a, ok := textOf(left, doc)
		b, also := textOf(right, doc)
		return decide(op, strings.Compare(a, b), ok && also)
	case NumberType:
		a, ok := numberOf(left, doc)
		b, also := numberOf(right, doc)
		return decide(op, cmp.Compare(a, b), ok && also)
	case BoolType:
		a, b := test(left, doc), test(right, doc)
		return decide(op, int(a-b), a != unknown && b != unknown)
	case MomentType:
		a, ok := spanOf(left, doc)
		b, also := spanOf(right, doc)
		order := 0
		if a.to < b.from {
			order = -1
		} else if a.from > b.to {
			order = 1
		}
		return decide(op, order, ok && also)
	}
	return unknown
}

// shared is the type that two properties of a document compare as; two types that differ if they do not.
func shared(left, right string, doc Document) (Type, Type) {
	if _, _, ok := doc.Moment(left); ok {
		if _, _, ok = doc.Moment(right); ok {
			return MomentType, MomentType
		}
	}
	return typeOfValue(doc.Value(left)), typeOfValue(doc.Value(right))
}

func typeOfValue(v gjson.Result) Type {
	switch v.Type {
	case gjson.String:
		return TextType
	case gjson.Number:
		return NumberType
	case gjson.True, gjson.False:
		return BoolType
	}
	return ListType // or an object or null, which do not compare either
}

func decide(op string, order int, known bool) truth {
	if !known {
		return unknown
	}
	switch op {
	case "=":
		return truthOf(order == 0)
	case "<>":
		return truthOf(order != 0)
	case "<":
		return truthOf(order < 0)
	case ">":
		return truthOf(order > 0)
	case "<=":
		return truthOf(order <= 0)
	case ">=":
		return truthOf(order >= 0)
	}
	return unknown
}

// textOf, numberOf, spanOf and shapeOf give an expression's value where it has one of the type.
func textOf(e Expr, doc Document) (string, bool) {
	switch e := e.(type) {
	case String:
		return e.Value, true
	case Property:
		v := doc.Value(e.Name)
		return v.Str, v.Type == gjson.String
	case Func:
		if len(e.Args) != 1 {
			return "", false
		}
		s, ok := textOf(e.Args[0], doc)
		switch {
		case !ok:
		case e.Name == "casei":
			return CaseI(s), true
		case e.Name == "accenti":
			return AccentI(s), true
		default:
			if f, _ := FunctionNamed(e.Name); f.text != nil {
				return f.text(s), true
			}
		}
	}
	return "", false
}

func numberOf(e Expr, doc Document) (float64, bool) {
	switch e := e.(type) {
	case Number:
		return e.Value, true
	case Property:
		v := doc.Value(e.Name)
		return v.Num, v.Type == gjson.Number
	case Arith:
		a, ok := numberOf(e.Left, doc)
		b, also := numberOf(e.Right, doc)
		if ok && also {
			return Calculate(e.Op, a, b)
		}
	case Func:
		if len(e.Args) == 1 {
			return numberOfFunc(e, doc)
		}
	}
	return 0, false
}

func numberOfFunc(e Func, doc Document) (float64, bool) {
	switch f, _ := FunctionNamed(e.Name); {
	case f.number != nil:
		v, ok := numberOf(e.Args[0], doc)
		return f.number(v), ok
	case f.size != nil:
		s, ok := textOf(e.Args[0], doc)
		return f.size(s), ok
	case f.moment != nil:
		if s, ok := spanOf(e.Args[0], doc); ok {
			return f.moment(s.from), true
		}
	}
	return 0, false
}

func shapeOf(e Expr, doc Document) *geo.Shape {
	switch e := e.(type) {
	case Geometry:
		return e.Shape
	case Property:
		if e.Name == Location {
			return doc.Shape()
		}
	}
	return nil
}
