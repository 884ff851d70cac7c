package catalogtest

import (
	"testing"
	"time"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/catalog/words"
)

func property(name string) cql2.Expr { return cql2.Property{Name: name} }

// literal is a value as a filter has it.
func literal(v any) cql2.Expr {
	switch v := v.(type) {
	case string:
		return cql2.String{Value: v}
	case float64:
		return cql2.Number{Value: v}
	case int:
		return cql2.Number{Value: float64(v)}
	case bool:
		return cql2.Bool{Value: v}
	case time.Time:
		return cql2.Timestamp{Value: v}
	case cql2.Expr:
		return v
	}
	panic("catalogtest: no literal of this type")
}

func is(op string, left cql2.Expr, right any) cql2.Expr {
	return cql2.Compare{Op: op, Left: left, Right: literal(right)}
}

func not(e cql2.Expr) cql2.Expr { return cql2.Not{Arg: e} }

func word(text string) words.Question { return words.Word{Text: text} }

// testFilter holds the meanings that decide most: unknown, types and three-valued logic. The differential test holds the rest.
func testFilter(t *testing.T, c catalog.Catalog) {
	put(t, c,
		Item("a", "five", square, then+`,"n":5,"s":"five","b":true,"t":"2020-05-05T12:00:00Z","l":[1,2,"x"]`),
		Item("a", "six", "null", then+`,"n":6.5,"s":"Fünf","b":false,"t":"2020-05-05","l":[]`),
		Item("a", "text", square, then+`,"n":"5","s":"5%_\\","b":"true","t":"2020-05-06T00:00:00+01:00","l":"x"`),
		Item("a", "null", square, then+`,"n":null,"s":null,"b":null,"t":null,"l":null`),
		Item("a", "none", square, then),
	)
	n, s, b, when, l := property("n"), property("s"), property("b"), property("t"), property("l")
	five, none := is("=", n, 5), is("=", property("nothing"), 1)
	ask := func(e cql2.Expr) catalog.Query { return catalog.Query{Filter: e} }
	noon := instant("2020-05-05T12:00:00Z")
	date := cql2.Date{Value: instant("2020-05-05T00:00:00Z")}
	finds(t, c, map[string]found{
		"equal":                       {ask(five), []string{"five"}},
		"unequal, not of other types": {ask(is("<>", n, 5)), []string{"six"}},
		"not of unknown":              {ask(not(five)), []string{"six"}},
		"not not":                     {ask(not(not(five))), []string{"five"}},
		"unknown or true":             {ask(cql2.Or{Args: []cql2.Expr{none, five}}), []string{"five"}},
		"unknown and true":            {ask(cql2.And{Args: []cql2.Expr{none, five}}), nil},
		"not (unknown and false)":     {ask(not(cql2.And{Args: []cql2.Expr{none, is("=", n, 7)}})), []string{"five", "six"}},
		"not (unknown or false)":      {ask(not(cql2.Or{Args: []cql2.Expr{none, is("=", n, 7)}})), nil},
		"text is no number":           {ask(is("=", n, "5")), []string{"text"}},
		"null is null":                {ask(cql2.IsNull{Arg: n}), []string{"none", "null"}},
		"not null":                    {ask(not(cql2.IsNull{Arg: n})), []string{"five", "six", "text"}},
		"nowhere is null":             {ask(cql2.IsNull{Arg: property("geometry")}), []string{"six"}},
		"bool":                        {ask(b), []string{"five"}},
		"not bool":                    {ask(not(b)), []string{"six"}},
		"bool compared":               {ask(is("<", b, true)), []string{"six"}},
		"always":                      {ask(literal(true)), []string{"five", "none", "null", "six", "text"}},
		"never":                       {ask(literal(false)), nil},
		"between, ends included":      {ask(cql2.Between{Value: n, Low: literal(5), High: literal(6.5)}), []string{"five", "six"}},
		"between, turned round":       {ask(cql2.Between{Value: n, Low: literal(6.5), High: literal(5)}), nil},
		"in":                          {ask(cql2.In{Value: n, List: []cql2.Expr{literal(5), literal("5"), literal(9)}}), []string{"five", "text"}},
		"not in":                      {ask(not(cql2.In{Value: n, List: []cql2.Expr{literal(5), literal(9)}})), []string{"six"}},
		"like":                        {ask(cql2.Like{Value: s, Pattern: literal("f%")}), []string{"five"}},
		"like one character":          {ask(cql2.Like{Value: s, Pattern: literal("F_nf")}), []string{"six"}},
		"like escaped":                {ask(cql2.Like{Value: s, Pattern: literal(`5\%\_\\`)}), []string{"text"}},
		"not like":                    {ask(not(cql2.Like{Value: s, Pattern: literal("f%")})), []string{"six", "text"}},
		"case and accents":            {ask(is("=", cql2.Func{Name: "accenti", Args: []cql2.Expr{cql2.Func{Name: "casei", Args: []cql2.Expr{s}}}}, "funf")), []string{"six"}},
		"time":                        {ask(is("=", when, noon)), []string{"five", "six"}},
		"time before":                 {ask(is("<", when, instant("2020-05-05T23:00:00Z"))), []string{"five"}},
		"day":                         {ask(is("=", when, date)), []string{"five", "six", "text"}},
		"property of the item":        {ask(is("=", property("id"), "six")), []string{"six"}},
		"collection":                  {ask(is("<>", property("collection"), "a")), nil},
		"property, property":          {ask(is("=", n, n)), []string{"five", "six", "text"}},
		"arithmetic":                  {ask(is("=", cql2.Arith{Op: "*", Left: n, Right: literal(2)}, 13)), []string{"six"}},
		"division by zero":            {ask(not(is("=", cql2.Arith{Op: "/", Left: n, Right: literal(0)}, 13))), nil},
		"array":                       {ask(cql2.Array{Op: "a_contains", Left: l, Right: cql2.List{Items: []cql2.Expr{literal("x"), literal(1)}}}), []string{"five"}},
		"no array":                    {ask(not(cql2.Array{Op: "a_contains", Left: l, Right: cql2.List{Items: []cql2.Expr{literal("x")}}})), []string{"six"}},
		"empty array":                 {ask(cql2.Array{Op: "a_containedby", Left: l, Right: cql2.List{}}), []string{"six"}},
		"disjoint, not nowhere":       {ask(cql2.Spatial{Op: "s_disjoint", Left: property("geometry"), Right: cql2.Geometry{Shape: geo.Box(5, 5, 6, 6)}}), []string{"five", "none", "null", "text"}},
		"after":                       {ask(cql2.Temporal{Op: "t_after", Left: when, Right: literal(noon)}), []string{"text"}},
		"with all else":               {catalog.Query{Filter: not(cql2.IsNull{Arg: n}), BBox: []float64{0, 0, 1, 1}, IDs: []string{"five", "six", "none"}}, []string{"five"}},
	})
}

func testWords(t *testing.T, c catalog.Catalog) {
	put(t, c,
		Item("a", "both", "null", then+`,"title":"Green Forest","description":"A river, wide and slow."`),
		Item("a", "keys", square, then+`,"title":"water","keywords":["river","Green forest","river"]`),
		Item("a", "none", "null", then+`,"other":"forest"`),
		Item("a", "odd", "null", then+`,"title":7,"description":null,"keywords":["Čeřeň-forest's",8,null,["forest"]]`),
		Item("a", "script", "null", then+`,"title":"森林 лес ΔΆΣΟΣ","keywords":"no list"`),
	)
	all := func(q ...words.Question) words.Question { return words.All{Args: q} }
	any := func(q ...words.Question) words.Question { return words.Any{Args: q} }
	except := func(q words.Question) words.Question { return words.Not{Arg: q} }
	ask := func(q words.Question) catalog.Query { return catalog.Query{Words: q} }
	phrase := func(w ...string) words.Question { return words.Phrase{Words: w} }
	finds(t, c, map[string]found{
		"word":                      {ask(word("forest")), []string{"both", "keys", "odd"}},
		"word in the description":   {ask(word("wide")), []string{"both"}},
		"part of a word":            {ask(word("for")), nil},
		"accents":                   {ask(word("ceren")), []string{"odd"}},
		"other scripts":             {ask(word("лес")), []string{"script"}},
		"phrase":                    {ask(phrase("green", "forest")), []string{"both", "keys"}},
		"phrase, other order":       {ask(phrase("forest", "green")), nil},
		"phrase over two texts":     {ask(phrase("forest", "a")), nil},
		"phrase over two keywords":  {ask(phrase("river", "green")), nil},
		"phrase over a mark":        {ask(phrase("river", "wide")), []string{"both"}},
		"phrase of one":             {ask(phrase("water")), []string{"keys"}},
		"or":                        {ask(any(word("water"), word("slow"))), []string{"both", "keys"}},
		"and":                       {ask(all(word("river"), word("forest"), word("slow"))), []string{"both"}},
		"except":                    {ask(all(word("forest"), except(word("river")))), []string{"odd"}},
		"nothing but except":        {ask(except(word("river"))), []string{"none", "odd", "script"}},
		"nested":                    {ask(all(any(word("water"), phrase("wide", "and", "slow")), except(all(word("green"), word("a"))))), []string{"keys"}},
		"words that are operators":  {ask(any(word("and"), word("near"), word("or"))), []string{"both"}},
		"no such word":              {ask(word("nothing")), nil},
		"with a place and a filter": {catalog.Query{Words: word("river"), BBox: []float64{0, 0, 1, 1}, Filter: is("=", property("title"), "water")}, []string{"keys"}},
	})
	// What is not there any more is not found any more.
	apply(t, c, catalog.Changes{Items: documents(Item("a", "both", "null", then+`,"title":"Desert"`)), DeleteItems: []catalog.ItemRef{{Collection: "a", ID: "keys"}}})
	finds(t, c, map[string]found{"changed": {ask(word("forest")), []string{"odd"}}, "new": {ask(word("desert")), []string{"both"}}})
}
