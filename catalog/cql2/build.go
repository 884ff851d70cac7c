package cql2

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// The limits of a filter, in both encodings.
const (
	// MaxBytes is the length of its text or JSON.
	MaxBytes = 1 << 20
	// MaxDepth is how deep predicates and values are within each other.
	MaxDepth = 64
	// MaxNodes is the number of predicates and values.
	MaxNodes = 10_000
)

// builder makes the nodes of a tree, and refuses those that have no meaning. Its errors say what is wrong; the parsers add where.
type builder struct{ nodes int }

// node counts one.
func (b *builder) node(e Expr) (Expr, error) {
	if b.nodes++; b.nodes > MaxNodes {
		return nil, fmt.Errorf("it has more than %d parts", MaxNodes)
	}
	return e, nil
}

// finish checks a whole tree.
func (b *builder) finish(e Expr) (Expr, error) {
	if err := condition(e); err != nil {
		return nil, err
	}
	if tooDeep(e, MaxDepth) {
		return nil, fmt.Errorf("it is nested more than %d deep", MaxDepth)
	}
	return e, nil
}

func tooDeep(e Expr, limit int) bool {
	return limit == 0 || slices.ContainsFunc(children(e), func(c Expr) bool { return tooDeep(c, limit-1) })
}

// brief is the text of an expression as messages quote it.
func brief(e Expr) string {
	const most = 60
	text := []rune(Text(e))
	if len(text) <= most {
		return string(text)
	}
	return string(text[:most]) + "…"
}

// condition refuses what can be neither true nor false.
func condition(e Expr) error {
	if t := TypeOf(e); t != BoolType && t != AnyType {
		return fmt.Errorf("%s is no condition, it is %s", brief(e), t)
	}
	return nil
}

func (b *builder) logic(op string, args []Expr) (Expr, error) {
	for _, arg := range args {
		if err := condition(arg); err != nil {
			return nil, err
		}
	}
	switch {
	case len(args) == 0:
		return nil, fmt.Errorf("%s has no arguments", op)
	case len(args) == 1:
		return args[0], nil
	case op == "and":
		return b.node(And{args})
	}
	return b.node(Or{args})
}

func (b *builder) not(arg Expr) (Expr, error) {
	if err := condition(arg); err != nil {
		return nil, err
	}
	return b.node(Not{arg})
}

// value refuses what does not compare.
func value(e Expr) error {
	switch t := TypeOf(e); t {
	case IntervalType, GeometryType, ListType:
		return fmt.Errorf("%s does not compare, it is %s", brief(e), t)
	case BoolType:
		if _, ok := e.(Bool); !ok {
			return fmt.Errorf("%s is a condition where a value has to be", brief(e))
		}
	}
	return nil
}

// alike refuses values that are of different types whatever the document is.
func alike(values ...Expr) error {
	var first Expr
	for _, v := range values {
		if err := value(v); err != nil {
			return err
		}
		switch t := TypeOf(v); {
		case t == AnyType:
		case first == nil:
			first = v
		case t != TypeOf(first):
			return fmt.Errorf("%s is %s and %s is %s: they do not compare", brief(first), TypeOf(first), brief(v), t)
		}
	}
	return nil
}

func (b *builder) compare(op string, left, right Expr) (Expr, error) {
	if err := alike(left, right); err != nil {
		return nil, err
	}
	return b.node(Compare{op, left, right})
}

func (b *builder) like(v, pattern Expr) (Expr, error) {
	if err := of(TextType, v); err != nil {
		return nil, err
	}
	for p := pattern; ; {
		switch f := p.(type) {
		case String:
			return b.node(Like{v, pattern})
		case Func:
			if (f.Name == "casei" || f.Name == "accenti") && len(f.Args) == 1 {
				p = f.Args[0]
				continue
			}
		}
		return nil, fmt.Errorf("the pattern %s is no string, nor CASEI or ACCENTI of one", brief(pattern))
	}
}

func (b *builder) between(v, low, high Expr) (Expr, error) {
	if err := alike(v, low, high); err != nil {
		return nil, err
	}
	return b.node(Between{v, low, high})
}

func (b *builder) in(v Expr, list []Expr) (Expr, error) {
	if err := value(v); err != nil {
		return nil, err
	}
	for _, item := range list {
		if err := alike(v, item); err != nil {
			return nil, err
		}
	}
	return b.node(In{v, list})
}

// of refuses what is not of a type whatever the document is.
func of(want Type, values ...Expr) error {
	for _, v := range values {
		if t := TypeOf(v); t != want && t != AnyType {
			return fmt.Errorf("%s is %s where %s has to be", brief(v), t, want)
		}
	}
	return nil
}

func (b *builder) spatial(op string, left, right Expr) (Expr, error) {
	if left == (Property{"geom"}) {
		left = Property{Location}
	}
	if right == (Property{"geom"}) {
		right = Property{Location}
	}
	if err := of(GeometryType, left, right); err != nil {
		return nil, err
	}
	return b.node(Spatial{op, left, right})
}

func (b *builder) temporal(op string, left, right Expr) (Expr, error) {
	for _, v := range []Expr{left, right} {
		if TypeOf(v) == IntervalType {
			continue
		}
		if err := of(MomentType, v); err != nil {
			return nil, err
		}
	}
	return b.node(Temporal{op, left, right})
}

func (b *builder) array(op string, left, right Expr) (Expr, error) {
	if err := of(ListType, left, right); err != nil {
		return nil, err
	}
	return b.node(Array{op, left, right})
}

func (b *builder) list(items []Expr) (Expr, error) {
	for _, item := range items {
		if err := value(item); err != nil {
			return nil, fmt.Errorf("in a list: %w", err)
		}
	}
	return b.node(List{items})
}

func (b *builder) arith(op string, left, right Expr) (Expr, error) {
	if err := of(NumberType, left, right); err != nil {
		return nil, err
	}
	return b.node(Arith{op, left, right})
}

// call takes a function's name in lower case.
func (b *builder) call(name string, args []Expr) (Expr, error) {
	argument := TextType
	if name != "casei" && name != "accenti" {
		f, ok := FunctionNamed(name)
		if !ok {
			var known []string
			for _, f := range functions {
				known = append(known, f.Name)
			}
			return nil, fmt.Errorf("there is no function %s; there are %s", name, strings.Join(known, ", "))
		}
		argument = f.Argument
	}
	if len(args) != 1 {
		return nil, fmt.Errorf("%s has one argument, not %d", name, len(args))
	}
	if err := of(argument, args[0]); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b.node(Func{name, args})
}

func (b *builder) interval(start, end Expr) (Expr, error) {
	for _, e := range []Expr{start, end} {
		if e == nil {
			continue
		}
		if err := of(MomentType, e); err != nil {
			return nil, err
		}
	}
	if start != nil && end != nil {
		from, ok := spanOf(start, nothing{})
		to, also := spanOf(end, nothing{})
		if ok && also && from.from > to.to {
			return nil, fmt.Errorf("the interval ends before it begins")
		}
	}
	return b.node(Interval{start, end})
}

// end reads an end of an interval that is given as text.
func (b *builder) end(text string) (Expr, error) {
	if text == ".." {
		return nil, nil
	}
	if len(text) == len(time.DateOnly) {
		return b.date(text)
	}
	return b.timestamp(text)
}

func (b *builder) date(text string) (Expr, error) {
	t, ok := ParseDate(text)
	if !ok {
		return nil, fmt.Errorf("%q is no date; write YYYY-MM-DD", text)
	}
	return b.node(Date{t})
}

func (b *builder) timestamp(text string) (Expr, error) {
	t, ok := ParseTime(text)
	if !ok {
		return nil, fmt.Errorf("%q is no time; write it like 2021-03-01T10:50:31Z", text)
	}
	return b.node(Timestamp{t})
}

func (b *builder) bbox(numbers []float64) (Expr, error) {
	shape, err := geo.ParseBox(numbers)
	if err != nil {
		return nil, err
	}
	return b.node(Geometry{shape, numbers})
}

func (b *builder) text(s string) (Expr, error) {
	if strings.ContainsRune(s, 0) {
		return nil, fmt.Errorf("a string holds the character U+0000")
	}
	return b.node(String{s})
}

// prefix is what property names may begin with and is taken away.
const prefix = "properties."

func (b *builder) property(name string) (Expr, error) {
	if rest := strings.TrimPrefix(name, prefix); rest != "" {
		name = rest
	}
	if name == "" || strings.ContainsRune(name, 0) {
		return nil, fmt.Errorf("%q is no name of a property", name)
	}
	return b.node(Property{name})
}
