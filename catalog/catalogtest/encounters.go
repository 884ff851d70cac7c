package catalogtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// encounters counts, for each operator, in how many questions, and for how many documents in all, it met
//
//	null          it was unknown for the document
//	equal         two neighbours of the answer had the same sort keys
//	antimeridian  a document that was found, or the place that was asked for, lies on both sides of it
//	empty         nothing was found of the documents
type encounters map[string]*meetings

type meetings struct{ questions, documents [len(situations)]int }

var situations = [...]string{"null", "equal", "antimeridian", "empty"}

// fewest is how often each operator has to meet each.
const fewest = 100

func newEncounters() encounters {
	e := encounters{}
	for _, op := range operators() {
		e[op] = &meetings{}
	}
	return e
}

func (e encounters) count(a ask, known map[string]record, found []string) {
	var met [len(situations)]int
	asked := crosses(a.query.Shape())
	ops := map[string][]cql2.Expr{}
	each(a.query.Filter, func(node cql2.Expr) {
		ops[operatorOf(node)] = append(ops[operatorOf(node)], node)
		if g, ok := node.(cql2.Geometry); ok {
			asked = asked || crosses(g.Shape)
		}
	})
	before := position{}
	for i, name := range found {
		at := place(a.query, known[name])
		if i > 0 && slices.Equal(at.Keys, before.Keys) {
			met[1]++
		}
		if asked || crosses(known[name].shape) {
			met[2]++
		}
		before = at
	}
	if len(found) == 0 {
		met[3] = len(known)
	}
	for op, nodes := range ops {
		of := e[op]
		if of == nil {
			continue // no operator
		}
		met[0] = 0
		for _, r := range known {
			if slices.ContainsFunc(nodes, func(node cql2.Expr) bool { return unknown(node, r) }) {
				met[0]++
			}
		}
		for i, n := range met {
			of.documents[i] += n
			if n > 0 || i == 2 && asked {
				of.questions[i]++
			}
		}
	}
}

func crosses(s *geo.Shape) bool { return s != nil && len(s.Bounds()) == 2 }

// unknown reports whether a node has no value for a document. What IsNull asks is its argument's.
func unknown(node cql2.Expr, r record) bool {
	if n, ok := node.(cql2.IsNull); ok {
		node = n.Arg
	}
	truth := cql2.Eval(cql2.IsNull{Arg: node}, r)
	return truth != nil && *truth
}

// rarest are the operators that met least of what a mood leads to.
func (e encounters) rarest(d draw, m mood, n int) []string {
	ops := operators()
	d.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
	least := func(op string) int {
		c := e[op].questions
		switch m {
		case loose:
			return min(c[1], c[2])
		case tight:
			return c[3]
		}
		return c[0] + c[1] + c[2] + c[3]
	}
	slices.SortStableFunc(ops, func(a, b string) int { return least(a) - least(b) })
	return ops[:n]
}

// enough refuses counts that are too small: of documents, and of questions too where many were put.
func (e encounters) enough(many bool) error {
	few := []string{}
	for _, op := range operators() {
		for i, what := range situations {
			if n := e[op].documents[i]; n < fewest {
				few = append(few, fmt.Sprintf("%s met %s for %d documents", op, what, n))
			}
			if n := e[op].questions[i]; many && n < fewest {
				few = append(few, fmt.Sprintf("%s met %s in %d questions", op, what, n))
			}
		}
	}
	if len(few) == 0 {
		return nil
	}
	return fmt.Errorf("put more questions, these are less than %d: %s", fewest, strings.Join(few, ", "))
}

// operatorOf names a node as operators does; b and c are properties of booleans.
func operatorOf(e cql2.Expr) string {
	switch e := e.(type) {
	case cql2.And:
		return "and"
	case cql2.Or:
		return "or"
	case cql2.Not:
		return "not"
	case cql2.Compare:
		return e.Op
	case cql2.Like:
		return "like"
	case cql2.Between:
		return "between"
	case cql2.In:
		return "in"
	case cql2.IsNull:
		return "isnull"
	case cql2.Spatial:
		return e.Op
	case cql2.Temporal:
		return e.Op
	case cql2.Array:
		return e.Op
	case cql2.Arith:
		return e.Op
	case cql2.Func:
		return e.Name
	case cql2.Bool:
		return "bool"
	case cql2.Property:
		if e.Name == "b" || e.Name == "c" {
			return "bool"
		}
	}
	return ""
}

// each visits a tree.
func each(e cql2.Expr, visit func(cql2.Expr)) {
	visit(e)
	with(e, func(child cql2.Expr) cql2.Expr {
		each(child, visit)
		return child
	})
}

// with is a node with other children.
func with(e cql2.Expr, change func(cql2.Expr) cql2.Expr) cql2.Expr {
	list := func(in []cql2.Expr) []cql2.Expr {
		out := make([]cql2.Expr, len(in))
		for i, arg := range in {
			out[i] = change(arg)
		}
		return out
	}
	switch e := e.(type) {
	case cql2.And:
		return cql2.And{Args: list(e.Args)}
	case cql2.Or:
		return cql2.Or{Args: list(e.Args)}
	case cql2.Not:
		return cql2.Not{Arg: change(e.Arg)}
	case cql2.Compare:
		return cql2.Compare{Op: e.Op, Left: change(e.Left), Right: change(e.Right)}
	case cql2.Like:
		return cql2.Like{Value: change(e.Value), Pattern: change(e.Pattern)}
	case cql2.Between:
		return cql2.Between{Value: change(e.Value), Low: change(e.Low), High: change(e.High)}
	case cql2.In:
		return cql2.In{Value: change(e.Value), List: list(e.List)}
	case cql2.IsNull:
		return cql2.IsNull{Arg: change(e.Arg)}
	case cql2.Spatial:
		return cql2.Spatial{Op: e.Op, Left: change(e.Left), Right: change(e.Right)}
	case cql2.Temporal:
		return cql2.Temporal{Op: e.Op, Left: change(e.Left), Right: change(e.Right)}
	case cql2.Array:
		return cql2.Array{Op: e.Op, Left: change(e.Left), Right: change(e.Right)}
	case cql2.Arith:
		return cql2.Arith{Op: e.Op, Left: change(e.Left), Right: change(e.Right)}
	case cql2.Func:
		return cql2.Func{Name: e.Name, Args: list(e.Args)}
	case cql2.List:
		return cql2.List{Items: list(e.Items)}
	case cql2.Interval:
		if e.Start != nil {
			e.Start = change(e.Start)
		}
		if e.End != nil {
			e.End = change(e.End)
		}
		return e
	}
	return e
}
