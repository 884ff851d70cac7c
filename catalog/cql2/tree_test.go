package cql2_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// grower makes trees of every node there is.
type grower struct{ *rand.Rand }

func pick[T any](g grower, list ...T) T { return list[g.IntN(len(list))] }

// expr is pick among expressions of several types.
func (g grower) expr(list ...cql2.Expr) cql2.Expr { return pick(g, list...) }

func (g grower) name() string {
	return pick(g, "a", "eo:cloud_cover", "properties.x", "and", "Null", "a b", `q"q`, "é.ü", "date", "point", "_x.", "1st", "geom", "datetime", "a-b")
}

func (g grower) any() cql2.Expr { return cql2.Property{Name: g.name()} }

func (g grower) text(depth int) cql2.Expr {
	if depth == 0 || g.IntN(3) == 0 {
		return g.expr(g.any(), cql2.Property{Name: cql2.ID}, cql2.String{Value: pick(g, "", "x", "it's", `\`, `\n`, "\n\t", "é'\\'", "%_\\%", "\"q\"", "<&>\u2028")})
	}
	return cql2.Func{Name: pick(g, "casei", "accenti", "lower", "upper"), Args: []cql2.Expr{g.text(depth - 1)}}
}

func (g grower) pattern() cql2.Expr {
	var p cql2.Expr = cql2.String{Value: pick(g, "", "%", "a_b%", `\%`, `x\`, "é")}
	for range g.IntN(3) {
		p = cql2.Func{Name: pick(g, "casei", "accenti"), Args: []cql2.Expr{p}}
	}
	return p
}

func (g grower) number(depth int) cql2.Expr {
	if depth == 0 || g.IntN(3) == 0 {
		return g.expr(g.any(), cql2.Number{Value: pick(g, 0, 1, -1, 0.5, -2.25, 1e300, 1e-300, 12345678901234567890, g.Float64())})
	}
	switch g.IntN(4) {
	case 0:
		return cql2.Func{Name: pick(g, "abs", "floor", "ceil"), Args: []cql2.Expr{g.number(depth - 1)}}
	case 1:
		return cql2.Func{Name: "length", Args: []cql2.Expr{g.text(depth - 1)}}
	case 2:
		return cql2.Func{Name: pick(g, "year", "month", "day"), Args: []cql2.Expr{g.moment()}}
	}
	return cql2.Arith{Op: pick(g, "+", "-", "*", "/", "%", "div", "^"), Left: g.number(depth - 1), Right: g.number(depth - 1)}
}

func (g grower) moment() cql2.Expr {
	t := time.UnixMicro(g.Int64N(4e15)).UTC()
	return g.expr(g.any(), cql2.Timestamp{Value: t}, cql2.Timestamp{Value: t.Truncate(time.Second)}, cql2.Date{Value: t.Truncate(24 * time.Hour)})
}

func (g grower) span() cql2.Expr {
	if g.IntN(2) == 0 {
		return g.moment()
	}
	ends := [2]cql2.Expr{g.moment(), g.expr(g.any(), nil)}
	if g.IntN(2) == 0 {
		ends[0], ends[1] = ends[1], ends[0]
	}
	return cql2.Interval{Start: ends[0], End: ends[1]}
}

func (g grower) place(t testing.TB) cql2.Expr {
	switch g.IntN(4) {
	case 0:
		return cql2.Property{Name: pick(g, "geometry", "footprint")}
	case 1:
		box := []float64{g.Float64() * 10, 1, pick(g, -5, 5.5, 20), 4}
		shape, err := geo.ParseBox(box)
		require.NoError(t, err)
		return cql2.Geometry{Shape: shape, BBox: box}
	}
	shape, _, err := geo.ReadWKT(pick(g, "POINT(1.5 -2e-7)", "MULTIPOINT(1 2,3 4)", "LINESTRING(170 0,190 1)", "POLYGON((0 0,9 0,9 9,0 0),(5 1,6 1,6 2,5 1))",
		"MULTIPOLYGON(((0 0,9 0,9 9,0 0)))", "MULTILINESTRING((0 0,1 1),(2 2,3 3))", "GEOMETRYCOLLECTION(POINT(1 2),GEOMETRYCOLLECTION(POINT(3 4)))"))
	require.NoError(t, err)
	return cql2.Geometry{Shape: shape}
}

func (g grower) list(depth int) cql2.Expr {
	if g.IntN(2) == 0 {
		return g.any()
	}
	items := []cql2.Expr{}
	for range g.IntN(4) {
		items = append(items, g.expr(g.text(depth), g.number(depth), g.any(), cql2.Bool{Value: true}, cql2.Date{Value: time.Unix(86400, 0).UTC()}))
	}
	return cql2.List{Items: items}
}

// alike makes values that compare with each other.
func (g grower) alike(depth, n int) []cql2.Expr {
	kind := g.IntN(4)
	out := make([]cql2.Expr, n)
	for i := range out {
		switch kind {
		case 0:
			out[i] = g.text(depth)
		case 1:
			out[i] = g.number(depth)
		case 2:
			out[i] = g.moment()
		default:
			out[i] = g.expr(g.any(), cql2.Bool{Value: g.IntN(2) == 0})
		}
	}
	return out
}

func (g grower) condition(t testing.TB, depth int) cql2.Expr {
	if depth == 0 {
		return g.expr(g.any(), cql2.Bool{Value: g.IntN(2) == 0})
	}
	switch g.IntN(11) {
	case 0, 1:
		args := []cql2.Expr{}
		for range 2 + g.IntN(2) {
			args = append(args, g.condition(t, depth-1))
		}
		if g.IntN(2) == 0 {
			return cql2.And{Args: args}
		}
		return cql2.Or{Args: args}
	case 2:
		return cql2.Not{Arg: g.condition(t, depth-1)}
	case 3:
		v := g.alike(depth-1, 2)
		return cql2.Compare{Op: pick(g, "=", "<>", "<", ">", "<=", ">="), Left: v[0], Right: v[1]}
	case 4:
		return cql2.Like{Value: g.text(depth - 1), Pattern: g.pattern()}
	case 5:
		v := g.alike(depth-1, 3)
		return cql2.Between{Value: v[0], Low: v[1], High: v[2]}
	case 6:
		v := g.alike(depth-1, 1+g.IntN(4))
		return cql2.In{Value: v[0], List: v[1:]}
	case 7:
		return cql2.IsNull{Arg: g.expr(g.condition(t, depth-1), g.text(depth-1), g.number(depth-1), g.span(), g.place(t), g.any())}
	case 8:
		return cql2.Spatial{Op: pick(g, "s_intersects", "s_disjoint", "s_equals", "s_touches", "s_crosses", "s_within", "s_contains", "s_overlaps"), Left: g.place(t), Right: g.place(t)}
	case 9:
		return cql2.Temporal{Op: pick(g, "t_after", "t_before", "t_contains", "t_disjoint", "t_during", "t_equals", "t_finishedby", "t_finishes", "t_intersects",
			"t_meets", "t_metby", "t_overlappedby", "t_overlaps", "t_startedby", "t_starts"), Left: g.span(), Right: g.span()}
	}
	return cql2.Array{Op: pick(g, "a_equals", "a_contains", "a_containedby", "a_overlaps"), Left: g.list(depth - 1), Right: g.list(depth - 1)}
}

// TestEveryTreeIsReadAgain prints random trees and reads them, in both encodings.
func TestEveryTreeIsReadAgain(t *testing.T) {
	g := grower{rand.New(rand.NewPCG(7, 7))}
	docs := lakes(t)
	for range 5000 {
		e := g.condition(t, 1+g.IntN(4))
		same(t, e)
		again, err := cql2.ParseText(cql2.Text(e))
		require.NoError(t, err)
		for _, doc := range docs {
			require.Equal(t, told(cql2.Eval(e, doc)), told(cql2.Eval(again, doc)), cql2.Text(e))
		}
	}
}

func FuzzParseText(f *testing.F) {
	g := grower{rand.New(rand.NewPCG(1, 2))}
	for range 30 {
		f.Add(cql2.Text(g.condition(f, 3)))
	}
	for _, s := range []string{everyday, "a BETWEEN 1 AND 2 AND b", "notes = 1", `a = '\'' OR "a""b" = ''''`, "-a ^ -2 = +1", "(((", "a IN ()", "S_EQUALS(POINT Z(1 2 3),g)"} {
		f.Add(s)
	}
	docs := lakes(f)
	f.Fuzz(func(t *testing.T, text string) {
		e, err := cql2.ParseText(text)
		if err != nil {
			return
		}
		same(t, e)
		for _, doc := range docs {
			cql2.Eval(e, doc)
		}
	})
}

func FuzzParseJSON(f *testing.F) {
	g := grower{rand.New(rand.NewPCG(3, 4))}
	for range 30 {
		f.Add([]byte(cql2.JSON(g.condition(f, 3))))
	}
	docs := lakes(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := cql2.ParseJSON(data)
		if err != nil {
			return
		}
		same(t, e)
		for _, doc := range docs {
			cql2.Eval(e, doc)
		}
	})
}
