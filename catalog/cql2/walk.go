package cql2

import (
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// Properties lists the names of the properties that a filter looks at, each once, in the order of their first place.
func Properties(e Expr) (names []string) {
	seen := map[string]bool{}
	visit(e, func(e Expr) {
		if p, ok := e.(Property); ok && !seen[p.Name] {
			seen[p.Name] = true
			names = append(names, p.Name)
		}
	})
	return names
}

// Shapes lists the shapes that a filter compares with.
func Shapes(e Expr) (shapes []*geo.Shape) {
	visit(e, func(e Expr) {
		if g, ok := e.(Geometry); ok {
			shapes = append(shapes, g.Shape)
		}
	})
	return shapes
}

func visit(e Expr, see func(Expr)) {
	see(e)
	for _, c := range children(e) {
		visit(c, see)
	}
}

// children are what a node is made of, open ends of intervals left out.
func children(e Expr) []Expr {
	switch e := e.(type) {
	case And:
		return e.Args
	case Or:
		return e.Args
	case Not:
		return []Expr{e.Arg}
	case Compare:
		return []Expr{e.Left, e.Right}
	case Like:
		return []Expr{e.Value, e.Pattern}
	case Between:
		return []Expr{e.Value, e.Low, e.High}
	case In:
		return append([]Expr{e.Value}, e.List...)
	case IsNull:
		return []Expr{e.Arg}
	case Spatial:
		return []Expr{e.Left, e.Right}
	case Temporal:
		return []Expr{e.Left, e.Right}
	case Array:
		return []Expr{e.Left, e.Right}
	case Arith:
		return []Expr{e.Left, e.Right}
	case List:
		return e.Items
	case Func:
		return e.Args
	case Interval:
		var ends []Expr
		for _, end := range []Expr{e.Start, e.End} {
			if end != nil {
				ends = append(ends, end)
			}
		}
		return ends
	}
	return nil
}

// nothing is a document without anything: constants alone are known of it.
type nothing struct{}

func (nothing) Value(string) gjson.Result          { return gjson.Result{} }
func (nothing) Moment(string) (int64, int64, bool) { return 0, 0, false }
func (nothing) Shape() *geo.Shape                  { return nil }
