package sqlgen

import (
	"slices"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
)

// The functions of this file give an expression as a value of one kind, or "" where it never has one; cql2's textOf,
// numberOf, spanOf and so on are what they say in SQL.

// Datetime is the property that decides an item's sort.
const Datetime = "datetime"

// property is a property as filters name it.
func (s *statement) property(k Kind, name string) string {
	switch name {
	case cql2.ID, cql2.Collection:
		if k == Text {
			return "i." + name
		}
		return ""
	case cql2.Location:
		if k == Shape {
			return s.Location()
		}
		return ""
	}
	switch {
	case k == Shape:
		return ""
	case name == Datetime && (k == From || k == To):
		return "(CASE WHEN i.dated = 1 THEN i.sort END)"
	}
	return s.Property(k, name, s.arg)
}

// has is a condition, never unknown: the property is there.
func (s *statement) has(name string) string {
	switch name {
	case cql2.ID, cql2.Collection:
		return "TRUE"
	case cql2.Location:
		return "(" + s.Location() + " IS NOT NULL)"
	}
	return s.Has(name, s.arg)
}

func (s *statement) text(e cql2.Expr) string {
	if c, ok := constantText(e); ok {
		return s.arg(Text, c)
	}
	switch e := e.(type) {
	case cql2.Property:
		return s.property(Text, e.Name)
	case cql2.Func:
		if cql2.TypeOf(e) != cql2.TextType || len(e.Args) != 1 {
			return ""
		}
		if inner := s.text(e.Args[0]); inner != "" {
			return s.Function(e.Name, inner)
		}
	}
	return ""
}

// constantText is a text that no document has a part in.
func constantText(e cql2.Expr) (string, bool) {
	switch e := e.(type) {
	case cql2.String:
		return e.Value, true
	case cql2.Func:
		if len(e.Args) != 1 {
			return "", false
		}
		inner, ok := constantText(e.Args[0])
		switch {
		case !ok:
		case e.Name == "casei":
			return cql2.CaseI(inner), true
		case e.Name == "accenti":
			return cql2.AccentI(inner), true
		}
	}
	return "", false
}

func (s *statement) number(e cql2.Expr) string {
	switch e := e.(type) {
	case cql2.Number:
		return s.arg(Number, e.Value)
	case cql2.Property:
		return s.property(Number, e.Name)
	case cql2.Arith:
		left, right := s.number(e.Left), s.number(e.Right)
		if left != "" && right != "" && slices.Contains(operations, e.Op) {
			return s.Arithmetic(e.Op, left, right)
		}
	case cql2.Func:
		f, ok := cql2.FunctionNamed(e.Name)
		if !ok || f.Returns != cql2.NumberType || len(e.Args) != 1 {
			return ""
		}
		var inner string
		switch f.Argument {
		case cql2.NumberType:
			inner = s.number(e.Args[0])
		case cql2.TextType:
			inner = s.text(e.Args[0])
		case cql2.MomentType:
			inner = s.span(e.Args[0]).from
		}
		if inner != "" {
			return s.Function(e.Name, inner)
		}
	}
	return ""
}

func (s *statement) shape(e cql2.Expr) string {
	switch e := e.(type) {
	case cql2.Geometry:
		return s.arg(Shape, e.Shape)
	case cql2.Property:
		return s.property(Shape, e.Name)
	}
	return ""
}
