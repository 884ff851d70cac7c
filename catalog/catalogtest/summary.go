package catalogtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// aggregate asks for one thing.
func aggregate(t *testing.T, c catalog.Catalog, q catalog.Query, ask catalog.Aggregation) catalog.Aggregate {
	t.Helper()
	ask.Name = "asked"
	out, err := c.Aggregate(t.Context(), all, q, []catalog.Aggregation{ask})
	require.NoError(t, err)
	require.Len(t, out, 1)
	require.Equal(t, "asked", out[0].Name)
	return plain(out[0])
}

// plain brings what is equal into one form: numbers are float64, times UTC, and a list without buckets is nil.
func plain(a catalog.Aggregate) catalog.Aggregate {
	switch v := a.Value.(type) {
	case int:
		a.Value = float64(v)
	case int64:
		a.Value = float64(v)
	case float64:
		a.Value = v + 0 // no -0
	case time.Time:
		a.Value = v.UTC()
	}
	if len(a.Buckets) == 0 {
		a.Buckets = nil
	}
	return a
}

// counted are an answer's buckets as key=count.
func counted(a catalog.Aggregate) []string {
	out := []string{}
	for _, b := range a.Buckets {
		out = append(out, fmt.Sprintf("%s=%d", b.Key, b.Count))
	}
	return out
}

func testAggregate(t *testing.T, c catalog.Catalog) {
	put(t, c,
		Item("a", "1", square, at("2020-01-01T00:00:00.000001Z")+`,"n":5,"mixed":3,"d":"2020-03-01"`),
		Item("a", "2", "null", at("2021-06-01T12:00:00+02:00")+`,"n":-2.5,"mixed":"2020-01-01","d":"2020-02-29T10:00:00Z"`),
		Item("a", "3", "null", `"datetime":null,"n":null,"mixed":true`),
		Item("b", "1", square, at("2019-01-01T00:00:00Z")+`,"n":"9","mixed":"text","d":"no date"`),
	)
	value := func(q catalog.Query, kind catalog.AggregationKind, property string) any {
		return aggregate(t, c, q, catalog.Aggregation{Kind: kind, Property: property}).Value
	}
	only := catalog.Query{Collections: []string{"a"}, Page: catalog.Page{Limit: 1}, Sort: []catalog.SortKey{{Property: "n"}}}
	none := catalog.Query{IDs: []string{"none"}}
	require.Equal(t, 4.0, value(catalog.Query{}, catalog.Count, ""))
	require.Equal(t, 3.0, value(only, catalog.Count, ""), "page and order do not matter")
	require.Equal(t, 1.0, value(catalog.Query{BBox: []float64{0, 0, 1, 1}, Collections: []string{"b"}}, catalog.Count, ""))
	require.Equal(t, 2.0, value(catalog.Query{Filter: is(">", property("n"), -100)}, catalog.Count, ""))
	require.Equal(t, 0.0, value(none, catalog.Count, ""))
	require.Equal(t, -2.5, value(catalog.Query{}, catalog.Least, "n"))
	require.Equal(t, 5.0, value(catalog.Query{}, catalog.Greatest, "n"))
	require.Equal(t, instant("2019-01-01T00:00:00Z"), value(catalog.Query{}, catalog.Least, "datetime"))
	require.Equal(t, instant("2021-06-01T10:00:00Z"), value(only, catalog.Greatest, "datetime"))
	require.Equal(t, instant("2020-01-01T00:00:00.000001Z"), value(only, catalog.Least, "datetime"))
	require.Equal(t, instant("2020-02-29T10:00:00Z"), value(only, catalog.Least, "d"))
	require.Equal(t, instant("2020-03-01T00:00:00Z"), value(only, catalog.Greatest, "d"))
	require.Equal(t, 3.0, value(catalog.Query{}, catalog.Greatest, "mixed"), "where there are numbers, it is of numbers")
	for _, property := range []string{"none", "collection", "id", "geometry", `q"uo'te`} {
		require.Nil(t, value(catalog.Query{}, catalog.Least, property), property)
	}
	require.Nil(t, value(none, catalog.Greatest, "n"))
	require.Nil(t, value(catalog.Query{Collections: []string{}}, catalog.Least, "datetime"))

	several, err := c.Aggregate(t.Context(), all, only, []catalog.Aggregation{{Name: "x", Kind: catalog.Count}, {Name: "x", Kind: catalog.Least, Property: "n"}, {Name: "", Kind: catalog.Terms, Property: "none"}})
	require.NoError(t, err)
	require.Equal(t, []string{"x", "x", ""}, []string{several[0].Name, several[1].Name, several[2].Name}, "answers come in the order of the questions")
	require.Equal(t, 3.0, plain(several[0]).Value)
	require.Equal(t, -2.5, several[1].Value)
	require.Empty(t, several[2].Buckets)
	nothing, err := c.Aggregate(t.Context(), all, catalog.Query{}, nil)
	require.NoError(t, err)
	require.Empty(t, nothing)
}

func testTerms(t *testing.T, c catalog.Catalog) {
	put(t, c,
		Item("a", "1", "null", then+`,"s":"x","m":1,"l":["red","red","blue"],"k":"c","w":10`),
		Item("a", "2", "null", then+`,"s":"x","m":"1","l":["blue",null,["red"],{"a":1},true,2.50],"k":"b","w":"2"`),
		Item("a", "3", "null", then+`,"s":"y","m":1.0,"l":[],"k":"a","w":-10`),
		Item("b", "1", "null", then+`,"s":null,"m":true,"l":"red","k":"é","w":"007"`),
		Item("b", "2", "null", then+`,"m":1e21,"l":7,"k":"B","w":"1e5"`),
		Item("b", "3", "null", then+`,"s":{"x":1},"m":0.1,"l":[2.5,"2.5","2020-01-01T00:00:00Z"],"k":"\u0061"`),
	)
	terms := func(q catalog.Query, property string, most int) (buckets []string, rest int) {
		a := aggregate(t, c, q, catalog.Aggregation{Kind: catalog.Terms, Property: property, Most: most})
		require.Nil(t, a.Value)
		return counted(a), a.Rest
	}
	for _, one := range []struct {
		property string
		most     int
		want     []string
		rest     int
	}{
		{"s", 0, []string{"x=2", "y=1"}, 0},
		{"s", 1, []string{"x=2"}, 1},
		{"m", 0, []string{"1=3", "0.1=1", "1e+21=1", "true=1"}, 0},
		{"l", 0, []string{"2.5=2", "blue=2", "red=2", "7=1", "2020-01-01T00:00:00Z=1", "true=1"}, 0},
		{"l", 2, []string{"2.5=2", "blue=2"}, 5},
		{"k", 0, []string{"a=2", "B=1", "b=1", "c=1", "é=1"}, 0},
		{"k", 3, []string{"a=2", "B=1", "b=1"}, 2},
		{"collection", 0, []string{"a=3", "b=3"}, 0},
		{"id", 2, []string{"1=2", "2=2"}, 2},
		{"none", 0, []string{}, 0},
		{"w", 0, []string{"-10=1", "2=1", "10=1", "007=1", "1e5=1"}, 0},
	} {
		got, rest := terms(catalog.Query{}, one.property, one.most)
		require.Equal(t, one.want, got, one.property)
		require.Equal(t, one.rest, rest, one.property)
	}
	got, rest := terms(catalog.Query{IDs: []string{"1"}}, "collection", 0)
	require.Equal(t, []string{"a=1", "b=1"}, got)
	require.Zero(t, rest)
	got, rest = terms(catalog.Query{Collections: []string{"none"}}, "s", 0)
	require.Empty(t, got)
	require.Zero(t, rest)

	many := catalog.Changes{Collections: documents(Collection("many"))}
	for i := range 130 {
		many.Items = append(many.Items, Item("many", fmt.Sprint(i), "null", then+fmt.Sprintf(`,"s":"t%03d"`, i)))
	}
	apply(t, c, many)
	got, rest = terms(catalog.Query{Collections: []string{"many"}}, "s", 0)
	require.Len(t, got, 100, "0 is 100")
	require.Equal(t, "t099=1", got[99])
	require.Equal(t, 30, rest)
}

func testDatesAndRanges(t *testing.T, c catalog.Catalog) {
	put(t, c,
		Item("a", "1", square, at("2019-12-31T23:59:59.999999Z")+`,"n":0,"d":"2020-02-29"`),
		Item("a", "2", "null", at("2020-01-01T00:00:00Z")+`,"n":10,"d":"2020-02-29T23:59:59Z"`),
		Item("a", "3", "null", at("2020-01-01T00:30:00+01:00")+`,"n":9.999,"d":"29 Feb"`),
		Item("b", "1", square, at("2021-07-01T10:59:59Z")+`,"n":-0.0,"d":20200229`),
		Item("b", "2", "null", `"datetime":null,"start_datetime":"2020-01-01T00:00:00Z","n":"5"`),
		Item("b", "3", "null", at("1969-12-31T23:00:00Z")+`,"n":20,"d":"0001-01-01T00:00:00Z"`),
	)
	dates := func(q catalog.Query, property, step string) []string {
		return counted(aggregate(t, c, q, catalog.Aggregation{Kind: catalog.Dates, Property: property, Step: step}))
	}
	require.Equal(t, []string{"1969-01-01T00:00:00Z=1", "2019-01-01T00:00:00Z=2", "2020-01-01T00:00:00Z=1", "2021-01-01T00:00:00Z=1"}, dates(catalog.Query{}, "datetime", "year"))
	require.Equal(t, []string{"1969-12-01T00:00:00Z=1", "2019-12-01T00:00:00Z=2", "2020-01-01T00:00:00Z=1", "2021-07-01T00:00:00Z=1"}, dates(catalog.Query{}, "datetime", "month"))
	require.Equal(t, []string{"2019-12-31T00:00:00Z=2", "2020-01-01T00:00:00Z=1"}, dates(catalog.Query{Collections: []string{"a"}}, "datetime", "day"))
	require.Equal(t, []string{"1969-12-29T00:00:00Z=1", "2019-12-30T00:00:00Z=3", "2021-06-28T00:00:00Z=1"}, dates(catalog.Query{}, "datetime", "week"), "from Monday on, over the end of a year")
	require.Equal(t, []string{"2019-12-30T00:00:00Z=1", "2021-06-28T00:00:00Z=1"}, dates(catalog.Query{BBox: []float64{0, 0, 1, 1}}, "datetime", "week"))
	require.Equal(t, []string{"0001-01-01T00:00:00Z=1", "2020-02-24T00:00:00Z=2"}, dates(catalog.Query{}, "d", "week"))
	require.Equal(t, []string{"1969-12-31T23:00:00Z=1", "2021-07-01T10:00:00Z=1"}, dates(catalog.Query{Collections: []string{"b"}}, "datetime", "hour"))
	require.Equal(t, []string{"2019-12-01T00:00:00Z=1", "2021-07-01T00:00:00Z=1"}, dates(catalog.Query{BBox: []float64{0, 0, 1, 1}}, "datetime", "month"))
	require.Equal(t, []string{"0001-01-01T00:00:00Z=1", "2020-02-29T00:00:00Z=2"}, dates(catalog.Query{}, "d", "day"))
	require.Equal(t, []string{"2020-01-01T00:00:00Z=1"}, dates(catalog.Query{}, "start_datetime", "year"))
	require.Empty(t, dates(catalog.Query{}, "n", "year"))
	require.Empty(t, dates(catalog.Query{IDs: []string{}}, "datetime", "year"))

	ranges := func(q catalog.Query, property string, edges ...float64) []string {
		a := aggregate(t, c, q, catalog.Aggregation{Kind: catalog.Ranges, Property: property, Edges: edges})
		for i, b := range a.Buckets {
			require.Equal(t, edges[i], *b.From)
			require.Equal(t, edges[i+1], *b.To)
		}
		return counted(a)
	}
	require.Equal(t, []string{"0-10=3", "10-20=1"}, ranges(catalog.Query{}, "n", 0, 10, 20), "what lies at the last edge is outside")
	require.Equal(t, []string{"-1.5-0=0", "0-0.25=2", "0.25-1e+21=3"}, ranges(catalog.Query{}, "n", -1.5, 0, 0.25, 1e21))
	require.Equal(t, []string{"0-10=0"}, ranges(catalog.Query{IDs: []string{"none"}}, "n", 0, 10), "empty ranges are there")
	require.Equal(t, []string{"0-1e+99=0"}, ranges(catalog.Query{}, "datetime", 0, 1e99), "a moment is no number")

	for name, ask := range map[string]catalog.Aggregation{
		"unknown step": {Kind: catalog.Dates, Property: "datetime", Step: "minute"}, "no step": {Kind: catalog.Dates, Property: "datetime"},
		"edges turned round": {Kind: catalog.Ranges, Property: "n", Edges: []float64{2, 1}}, "equal edges": {Kind: catalog.Ranges, Property: "n", Edges: []float64{1, 1}},
		"unknown kind": {Kind: 99},
	} {
		_, err := c.Aggregate(t.Context(), all, catalog.Query{}, []catalog.Aggregation{ask})
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", name, err)
	}
}

func testQueryables(t *testing.T, c catalog.Catalog) {
	put(t, c,
		Item("a", "1", "null", then+`,"whole":1,"real":1,"mixed":"x","day":"2020-01-01","when":"2020-01-01","l":[1],"o":{"p":1},"null":null,"eo:cloud_cover":5.0`),
		Item("a", "2", "null", then+`,"whole":-3e2,"real":1.5,"mixed":7,"day":"2021-01-01","when":"2020-01-01T00:00:00Z","b":true,"l":"x"`),
		Item("b", "1", "null", `"datetime":null,"whole":2.5,"only b":"x","null":"2020-01-01T00:00:00Z"`),
	)
	find := func(collections ...string) map[string]string {
		list, err := c.Queryables(t.Context(), all, collections)
		require.NoError(t, err)
		out, last := map[string]string{}, ""
		for _, q := range list {
			require.Greater(t, q.Name, last, "by name, each once")
			last = q.Name
			out[q.Name] = fmt.Sprint(q.Types, q.Format)
		}
		return out
	}
	a := map[string]string{"b": "[boolean]", "datetime": "[string]date-time", "day": "[string]date", "eo:cloud_cover": "[integer]", "l": "[array string]", "mixed": "[integer string]",
		"o": "[object]", "real": "[number]", "when": "[string]", "whole": "[integer]"}
	b := map[string]string{"null": "[string]date-time", "only b": "[string]", "whole": "[number]"}
	both := map[string]string{"null": "[string]date-time", "only b": "[string]"}
	for name, of := range a {
		both[name] = of
	}
	both["whole"] = "[number]"
	require.Equal(t, a, find("a"))
	require.Equal(t, b, find("b"))
	require.Equal(t, both, find())
	require.Equal(t, both, find("a", "b", "none"))
	require.Empty(t, find("none"))
	none, err := c.Queryables(t.Context(), all, []string{})
	require.NoError(t, err)
	require.Empty(t, none)
	apply(t, c, catalog.Changes{DeleteCollections: []string{"a"}})
	require.Equal(t, b, find(), "a collection's properties go with it")
	apply(t, c, catalog.Changes{Collections: documents(Collection("a")), Items: documents(Item("a", "1", "null", then+`,"new":1`))})
	require.Equal(t, map[string]string{"datetime": "[string]date-time", "new": "[integer]"}, find("a"))
	apply(t, c, catalog.Changes{Reset: true})
	require.Empty(t, find())
}

func testScope(t *testing.T, c catalog.Catalog) {
	ctx := t.Context()
	apply(t, c, manyItems(4))
	var nobody catalog.Scope
	_, seen := search(t, c, catalog.Query{Page: catalog.Page{Limit: 1}})
	for _, q := range []catalog.Query{{Count: true}, {Count: true, BBox: []float64{0, 0, 1, 1}}, {Count: true, IDs: []string{"i000"}}, {Count: true, Filter: literal(true)},
		{Count: true, Sort: []catalog.SortKey{{Property: "v"}}}, {Count: true, Words: word("item")}, {Count: true, Page: catalog.Page{Token: seen.Next}}} {
		r, err := c.Search(ctx, nobody, q)
		require.NoError(t, err)
		require.Empty(t, r.Documents)
		require.Empty(t, r.Next)
		require.Empty(t, r.Prev)
		require.True(t, r.Matched == nil || *r.Matched == 0)
		if q.Token != "" {
			continue
		}
		list, err := c.Collections(ctx, nobody, q)
		require.NoError(t, err)
		require.Empty(t, list.Documents)
		require.True(t, list.Matched == nil || *list.Matched == 0)
		sums, err := c.Aggregate(ctx, nobody, q, []catalog.Aggregation{{Kind: catalog.Count}, {Kind: catalog.Least, Property: "datetime"}, {Kind: catalog.Terms, Property: "v"},
			{Kind: catalog.Dates, Property: "datetime", Step: "month"}, {Kind: catalog.Ranges, Property: "v", Edges: []float64{0, 9}}, {Kind: catalog.Terms, Property: "collection"}})
		require.NoError(t, err)
		require.Equal(t, 0.0, plain(sums[0]).Value)
		require.Nil(t, sums[1].Value)
		require.Empty(t, sums[2].Buckets)
		require.Zero(t, sums[2].Rest)
		require.Empty(t, sums[3].Buckets)
		require.Equal(t, []string{"0-9=0"}, counted(sums[4]))
		require.Empty(t, sums[5].Buckets)
	}
	for _, collections := range [][]string{nil, {"a"}} {
		properties, err := c.Queryables(ctx, nobody, collections)
		require.NoError(t, err)
		require.Empty(t, properties)
	}
	_, err := c.Collection(ctx, nobody, "a")
	require.ErrorIs(t, err, catalog.ErrNotFound)
	_, err = c.Item(ctx, nobody, catalog.ItemRef{Collection: "a", ID: "i000"})
	require.ErrorIs(t, err, catalog.ErrNotFound)
}
