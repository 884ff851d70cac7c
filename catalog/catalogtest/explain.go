package catalogtest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
)

// attempts bounds how many smaller questions are tried.
const attempts = 400

// explain makes a question that is answered differently smaller for as long as it is, and tells of it.
func (p pair) explain(ctx context.Context, a ask) string {
	tried := 0
smaller:
	for tried < attempts {
		for _, next := range a.smaller() {
			if tried++; tried > attempts {
				break
			}
			if _, different, err := p.differ(ctx, next); err == nil && different != "" {
				a = next
				continue smaller
			}
		}
		break
	}
	_, different, err := p.differ(ctx, a)
	return fmt.Sprintf("%s\n  is answered with %s%v\n%s", a, different, err, p.documents(ctx, a))
}

// documents are those that stand in one answer and not in the other, or in another place.
func (p pair) documents(ctx context.Context, a ask) string {
	left, _ := pageOf(ctx, p.left, a)
	right, _ := pageOf(ctx, p.right, a)
	var b strings.Builder
	show := func(of, other answer, what string) {
		n := 0
		for i, name := range of.names {
			apart := !slices.Contains(other.names, name) || len(of.names) == len(other.names) && other.names[i] != name
			if apart && n < 3 {
				fmt.Fprintf(&b, "  %s: %s\n", what, of.documents[i])
				n++
			}
		}
	}
	show(left, right, "found and not expected, or elsewhere")
	show(right, left, "expected and not found, or elsewhere")
	return b.String()
}

// smaller are questions with something less in them, those with much less first.
func (a ask) smaller() (out []ask) {
	try := func(change func(*ask)) {
		next := a
		change(&next)
		if next.String() != a.String() {
			out = append(out, next)
		}
	}
	q := a.query
	try(func(a *ask) { a.query.Filter = nil })
	try(func(a *ask) { a.sums = nil })
	try(func(a *ask) { a.limit = 0 })
	try(func(a *ask) { a.query.Sort = nil })
	try(func(a *ask) { a.query.Words = nil })
	try(func(a *ask) { a.query.BBox, a.query.Intersects = nil, nil })
	try(func(a *ask) { a.query.Time = catalog.Interval{} })
	try(func(a *ask) { a.query.Origin = nil })
	try(func(a *ask) { a.query.IDs = nil })
	try(func(a *ask) { a.query.Collections = nil })
	try(func(a *ask) { a.query.Count = false })
	for i := range a.sums {
		try(func(a *ask) { a.sums = a.sums[i : i+1] })
	}
	for i := range q.Sort {
		try(func(a *ask) { a.query.Sort = slices.Delete(slices.Clone(q.Sort), i, i+1) })
	}
	if q.Filter != nil {
		for _, f := range simpler(q.Filter) {
			try(func(a *ask) { a.query.Filter = f })
		}
	}
	return out
}

// simpler are trees with a node less.
func simpler(e cql2.Expr) (out []cql2.Expr) {
	switch e := e.(type) {
	case cql2.And:
		out = append(out, e.Args...)
		for i := range e.Args {
			if len(e.Args) > 2 {
				out = append(out, cql2.And{Args: slices.Delete(slices.Clone(e.Args), i, i+1)})
			}
		}
	case cql2.Or:
		out = append(out, e.Args...)
		for i := range e.Args {
			if len(e.Args) > 2 {
				out = append(out, cql2.Or{Args: slices.Delete(slices.Clone(e.Args), i, i+1)})
			}
		}
	case cql2.Not:
		out = append(out, e.Arg)
	case cql2.Arith:
		out = append(out, e.Left, e.Right)
	case cql2.Func:
		if f, ok := cql2.FunctionNamed(e.Name); !ok || f.Argument == f.Returns {
			out = append(out, e.Args...)
		}
	case cql2.In:
		for i := range e.List {
			out = append(out, cql2.In{Value: e.Value, List: slices.Delete(slices.Clone(e.List), i, i+1)})
		}
	case cql2.List:
		for i := range e.Items {
			out = append(out, cql2.List{Items: slices.Delete(slices.Clone(e.Items), i, i+1)})
		}
	}
	// Each of the children made simpler, one at a time.
	n := 0
	with(e, func(child cql2.Expr) cql2.Expr { n++; return child })
	for i := range n {
		var child cql2.Expr
		at := 0
		with(e, func(c cql2.Expr) cql2.Expr {
			if at == i {
				child = c
			}
			at++
			return c
		})
		for _, other := range simpler(child) {
			at := 0
			out = append(out, with(e, func(c cql2.Expr) cql2.Expr {
				defer func() { at++ }()
				if at == i {
					return other
				}
				return c
			}))
		}
	}
	return out
}

// String is the question as a person reads it.
func (a ask) String() string {
	q, parts := a.query, []string{}
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if q.Filter != nil {
		add("filter %s", cql2.Text(q.Filter))
	}
	if q.Collections != nil {
		add("collections %q", q.Collections)
	}
	if q.IDs != nil {
		add("ids %q", q.IDs)
	}
	if q.BBox != nil {
		add("bbox %v", q.BBox)
	}
	if q.Intersects != nil {
		add("intersects %s", q.Intersects.WKT())
	}
	if !q.Time.Open() {
		add("time %v to %v", q.Time.Start, q.Time.End)
	}
	if q.Words != nil {
		add("words %+v", q.Words)
	}
	if q.Origin != nil {
		add("origin %d", *q.Origin)
	}
	for _, key := range q.Sort {
		add("sort %q, descending %v", key.Property, key.Descending)
	}
	if q.Count {
		add("count")
	}
	if a.limit > 0 {
		add("pages of %d", a.limit)
	}
	for _, s := range a.sums {
		add("aggregate %+v", s)
	}
	kind := "items"
	if a.collections {
		kind = "collections"
	}
	return kind + " with " + strings.Join(parts, "; ")
}
