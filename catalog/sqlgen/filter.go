package sqlgen

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// test is a predicate as a condition, which is NULL where cql2.Eval says nil.
func (s *statement) test(e cql2.Expr) string {
	before := len(s.args)
	out := s.predicate(e)
	if out == unknown {
		s.args = s.args[:before] // of operands that were left out
	}
	return out
}

func (s *statement) predicate(e cql2.Expr) string {
	switch e := e.(type) {
	case cql2.And:
		return all(s.tests(e.Args))
	case cql2.Or:
		if s.Together() {
			return some(s.tests(together(e.Args)))
		}
		return some(s.tests(e.Args))
	case cql2.Not:
		return "(NOT " + s.test(e.Arg) + ")"
	case cql2.Compare:
		return s.compare(e.Op, e.Left, e.Right)
	case cql2.Between:
		return all([]string{s.compare(">=", e.Value, e.Low), s.compare("<=", e.Value, e.High)})
	case cql2.In:
		return s.in(e)
	case cql2.Like:
		return s.like(e)
	case cql2.IsNull:
		return "(NOT " + s.known(e.Arg) + ")"
	case cql2.Spatial:
		if left, right := s.shape(e.Left), s.shape(e.Right); left != "" && right != "" && slices.Contains(onShapes, e.Op) {
			return s.Spatial(e.Op, left, right)
		}
	case cql2.Temporal:
		if a, b := s.span(e.Left), s.span(e.Right); a.from != "" && b.from != "" {
			return relate(e.Op, a, b)
		}
	case cql2.Array:
		if left, right := s.list(e.Left), s.list(e.Right); left != "" && right != "" && slices.Contains(onLists, e.Op) {
			return s.Array(e.Op, left, right)
		}
	case cql2.Bool:
		if e.Value {
			return "TRUE"
		}
		return "FALSE"
	case cql2.Property:
		if b := s.property(Bool, e.Name); b != "" {
			return b
		}
	}
	return unknown
}

// together makes one question of all that ask whether an item meets a shape.
func together(args []cql2.Expr) []cql2.Expr {
	shapes, others := places(args)
	if len(shapes) < 2 {
		return args
	}
	return append(others, cql2.Spatial{Op: "s_intersects", Left: cql2.Property{Name: cql2.Location}, Right: cql2.Geometry{Shape: geo.Any(shapes...)}})
}

// places are the shapes that an item meets in the ways of arguments, and the other arguments.
func places(args []cql2.Expr) (shapes []*geo.Shape, others []cql2.Expr) {
	for _, arg := range args {
		if shape := meets(arg); shape != nil {
			shapes = append(shapes, shape)
		} else {
			others = append(others, arg)
		}
	}
	return shapes, others
}

// meets is the shape that an expression asks an item to meet, nil if it asks for something else.
func meets(e cql2.Expr) *geo.Shape {
	spatial, ok := e.(cql2.Spatial)
	if !ok || spatial.Op != "s_intersects" {
		return nil
	}
	for _, sides := range [][2]cql2.Expr{{spatial.Left, spatial.Right}, {spatial.Right, spatial.Left}} {
		p, ok := sides[0].(cql2.Property)
		g, also := sides[1].(cql2.Geometry)
		if ok && also && p.Name == cql2.Location {
			return g.Shape
		}
	}
	return nil
}

func (s *statement) tests(args []cql2.Expr) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		out[i] = s.test(arg)
	}
	return out
}

func (s *statement) compare(op string, left, right cql2.Expr) string {
	kind, other := cql2.TypeOf(left), cql2.TypeOf(right)
	if kind == cql2.AnyType {
		kind, other = other, kind
	}
	if kind == cql2.AnyType {
		return s.compareProperties(op, left, right)
	}
	if other != cql2.AnyType && other != kind {
		return unknown
	}
	switch kind {
	case cql2.TextType:
		return operate(op, s.text(left), s.text(right))
	case cql2.NumberType:
		return operate(op, s.number(left), s.number(right))
	case cql2.BoolType:
		return operate(op, s.test(left), s.test(right))
	case cql2.MomentType:
		if a, b := s.span(left), s.span(right); a.from != "" && b.from != "" {
			return compareSpans(op, a, b)
		}
	}
	return unknown
}

// The operators that a statement may hold; a tree that was not parsed may have others, which are never known.
var (
	comparisons = []string{"=", "<>", "<", ">", "<=", ">="}
	operations  = []string{"+", "-", "*", "/", "%", "div", "^"}
	onShapes    = []string{"s_intersects", "s_disjoint", "s_equals", "s_touches", "s_crosses", "s_within", "s_contains", "s_overlaps"}
	onLists     = []string{"a_equals", "a_contains", "a_containedby", "a_overlaps"}
)

func operate(op, left, right string) string {
	if left == "" || right == "" || !slices.Contains(comparisons, op) {
		return unknown
	}
	return "(" + left + " " + op + " " + right + ")"
}

// compareProperties compares as the type that both have; no other comparison is known then.
func (s *statement) compareProperties(op string, left, right cql2.Expr) string {
	a, ok := left.(cql2.Property)
	b, also := right.(cql2.Property)
	if !ok || !also {
		return unknown
	}
	moments := compareSpans(op, s.span(a), s.span(b))
	as := func(k Kind) string { return operate(op, s.property(k, a.Name), s.property(k, b.Name)) }
	return "coalesce(" + strings.Join([]string{moments, as(Text), as(Number), as(Bool)}, ", ") + ")"
}

// in takes the texts of a list together, and its numbers: a test for each would take as long as the list for every item.
func (s *statement) in(e cql2.In) string {
	if len(e.List) == 0 {
		return "FALSE"
	}
	var texts []string
	var numbers []float64
	var tests []string
	for _, item := range e.List {
		if text, ok := constantText(item); ok {
			texts = append(texts, text)
		} else if number, ok := item.(cql2.Number); ok {
			numbers = append(numbers, number.Value)
		} else {
			tests = append(tests, s.compare("=", e.Value, item))
		}
	}
	if texts != nil {
		tests = append(tests, s.among(e.Value, cql2.TextType, s.text, Texts, texts))
	}
	if numbers != nil {
		tests = append(tests, s.among(e.Value, cql2.NumberType, s.number, Numbers, numbers))
	}
	return some(tests)
}

// among is a condition: a value that has the type of a list is in it. It is unknown of one that cannot have it.
func (s *statement) among(e cql2.Expr, t cql2.Type, read func(cql2.Expr) string, list Kind, values any) string {
	if of := cql2.TypeOf(e); of != t && of != cql2.AnyType {
		return unknown
	}
	value := read(e)
	if value == "" {
		return unknown
	}
	return s.Among(value, s.arg(list, values))
}

func (s *statement) like(e cql2.Like) string {
	text := s.text(e.Value)
	if text == "" {
		return unknown
	}
	if c, ok := constantText(e.Pattern); ok {
		return s.Like(text, "", &c, s.arg)
	}
	if pattern := s.text(e.Pattern); pattern != "" {
		return s.Like(text, pattern, nil, s.arg)
	}
	return unknown
}

// known is a condition, never unknown: the expression has a value.
func (s *statement) known(e cql2.Expr) string {
	if p, ok := e.(cql2.Property); ok {
		return s.has(p.Name)
	}
	value, before := "", len(s.args)
	switch cql2.TypeOf(e) {
	case cql2.TextType:
		value = s.text(e)
	case cql2.NumberType:
		value = s.number(e)
	case cql2.BoolType:
		value = s.test(e)
	case cql2.MomentType, cql2.IntervalType:
		value = s.span(e).from
	case cql2.GeometryType:
		value = s.shape(e)
	case cql2.ListType:
		value = s.list(e)
	}
	if value == "" || value == unknown {
		s.args = s.args[:before]
		return "FALSE"
	}
	return "(" + value + " IS NOT NULL)"
}

// list is an array; a literal goes as JSON where no document has a part in it.
func (s *statement) list(e cql2.Expr) string {
	switch e := e.(type) {
	case cql2.Property:
		return s.property(List, e.Name)
	case cql2.List:
		constants := make([]any, 0, len(e.Items))
		for _, item := range e.Items {
			if c, ok := constant(item); ok {
				constants = append(constants, c)
			}
		}
		if len(constants) == len(e.Items) {
			text, err := json.Marshal(constants)
			if err != nil {
				return "" // a number that is not finite
			}
			return s.arg(List, string(text))
		}
		elements := make([]Element, len(e.Items))
		for i, item := range e.Items {
			if elements[i] = s.element(item); elements[i].SQL == "" {
				return ""
			}
		}
		return s.MakeList(elements)
	}
	return ""
}

// constant is an element that no document has a part in.
func constant(e cql2.Expr) (any, bool) {
	if text, ok := constantText(e); ok {
		return text, true
	}
	if text, ok := cql2.Written(e); ok {
		return text, true
	}
	switch e := e.(type) {
	case cql2.Number:
		return e.Value + 0, true
	case cql2.Bool:
		return e.Value, true
	}
	return nil, false
}

func (s *statement) element(e cql2.Expr) Element {
	if p, ok := e.(cql2.Property); ok {
		switch p.Name {
		case cql2.ID, cql2.Collection:
			return Element{Text, s.property(Text, p.Name)}
		}
		return Element{Scalar, s.property(Scalar, p.Name)}
	}
	if text, ok := cql2.Written(e); ok {
		return Element{Text, s.arg(Text, text)}
	}
	switch cql2.TypeOf(e) {
	case cql2.TextType:
		return Element{Text, s.text(e)}
	case cql2.NumberType:
		return Element{Number, s.number(e)}
	case cql2.BoolType:
		return Element{Bool, s.test(e)}
	}
	return Element{}
}
