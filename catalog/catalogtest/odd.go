package catalogtest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
)

// noise is text that no database can press together.
func noise(characters int) string {
	rng := rand.New(rand.NewPCG(1, uint64(characters)))
	var b strings.Builder
	for range characters {
		b.WriteByte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[rng.IntN(64)])
	}
	return b.String()
}

// oddNames are ids and names of properties that are text to a catalog and something else to what is not careful.
var oddNames = []string{" ", "%", "%2F", "'", `"`, `\`, `\"`, "''", "'; DROP TABLE item; --", "$", "$.x", "*", "#", "?", "?1", "$1", ":x", "a.b", "a/b", "a//b", "../a", ".", "..", "a b", "a%b",
	"a_b", "a[0]", "[0]", "[", "]", "{}", "a\nb", "\t", "\x7f", "\u00a0", "\u2028", "é", "e\u0301", "ß", "İ", "\u200f", "\ufffd", "\uffff", "森林", "\U0001F422", "null", "true", "0", "-1", "1e5",
	"id'||'", "<script>", "&amp;", "a;b", "a,b", "NULL", "properties", "datetime ", noise(1000)}

func testOddIDs(t *testing.T, c catalog.Catalog) {
	ch := catalog.Changes{}
	refs := []catalog.ItemRef{}
	for i, name := range oddNames {
		other := oddNames[(i+1)%len(oddNames)]
		ch.Collections = append(ch.Collections, Collection(name))
		for _, id := range []string{name, other} {
			ch.Items = append(ch.Items, Item(name, id, square, then))
			refs = append(refs, catalog.ItemRef{Collection: name, ID: id})
		}
	}
	apply(t, c, ch)
	order := func(a, b catalog.ItemRef) int {
		if n := strings.Compare(a.Collection, b.Collection); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	}
	slices.SortFunc(refs, order)
	want := []string{}
	for _, ref := range refs {
		want = append(want, ref.Collection+"/"+ref.ID)
		doc, err := c.Item(t.Context(), all, ref)
		require.NoError(t, err, "%q", ref)
		require.Equal(t, []string{want[len(want)-1]}, names(t, documents(doc)))
	}
	require.Equal(t, want, walk(t, c, catalog.Query{Page: catalog.Page{Limit: 3}}), "every id carries a token")
	for _, name := range oddNames {
		require.Len(t, walk(t, c, catalog.Query{Collections: []string{name}}), 2, "%q", name)
		require.Len(t, walk(t, c, catalog.Query{IDs: []string{name}, BBox: []float64{0, 0, 1, 1}}), 2, "%q", name)
		require.Len(t, walk(t, c, catalog.Query{Filter: is("=", property(cql2.ID), name)}), 2, "%q", name)
		require.Len(t, walk(t, c, catalog.Query{Filter: cql2.Like{Value: property(cql2.Collection), Pattern: literal(strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(name))}}), 2, "%q", name)
		doc, err := c.Collection(t.Context(), all, name)
		require.NoError(t, err, "%q", name)
		require.Equal(t, []string{name}, collectionNames(t, documents(doc)))
	}
	require.Len(t, walk(t, c, catalog.Query{Collections: oddNames, IDs: oddNames, Page: catalog.Page{Limit: 1000}}), len(want))
	apply(t, c, catalog.Changes{DeleteItems: refs})
	require.Empty(t, walk(t, c, catalog.Query{}))
	apply(t, c, catalog.Changes{DeleteCollections: oddNames})
	r, err := c.Collections(t.Context(), all, catalog.Query{})
	require.NoError(t, err)
	require.Empty(t, r.Documents)
}

func testOddProperties(t *testing.T, c catalog.Catalog) {
	put(t, c)
	odd := append(slices.Clone(oddNames), "", `a"b`, `a'b`, `a\b`, `a"].b`, `"a"`, "\x01", "a.b.c", "a[*]", "**", "a-b", "@", "(x)", "~1", "~0")
	ch := catalog.Changes{Items: documents(
		// Neighbours that a path would lead to, if a name were read as one.
		Item("a", "path", "null", then+`,"a":{"b":"7","b.c":7,"0":7},"x":7,"b":[7]`),
		Item("a", "path2", "null", then+`,"a":[7,{"b":7}]`),
		Item("a", "escaped", "null", then+`,"\u0063afé":"\u0063af\u00e9","sl\/ash":"sl\/ash"`))}
	for i, name := range odd {
		ch.Items = append(ch.Items, Item("a", fmt.Sprintf("%03d", i), "null", then+fmt.Sprintf(`,%s:7,"n":%d`, text(name), i)))
	}
	apply(t, c, ch)
	for i, name := range odd {
		want := []string{fmt.Sprintf("a/%03d", i)}
		require.Equal(t, want, walk(t, c, catalog.Query{Filter: is("=", property(name), 7)}), "%q", name)
		require.Equal(t, want, walk(t, c, catalog.Query{Filter: not(cql2.IsNull{Arg: property(name)})}), "%q", name)
		sorted, _ := search(t, c, catalog.Query{Sort: []catalog.SortKey{{Property: name, Descending: true}}, Page: catalog.Page{Limit: 1}})
		require.Equal(t, want, sorted, "%q", name)
		require.Equal(t, []string{"7=1"}, counted(aggregate(t, c, catalog.Query{}, catalog.Aggregation{Kind: catalog.Terms, Property: name})), "%q", name)
		require.Equal(t, 7.0, aggregate(t, c, catalog.Query{}, catalog.Aggregation{Kind: catalog.Least, Property: name}).Value, "%q", name)
	}
	for name, value := range map[string]string{"café": "café", "sl/ash": "sl/ash"} {
		require.Equal(t, []string{"a/escaped"}, walk(t, c, catalog.Query{Filter: is("=", property(name), value)}), name)
		require.Equal(t, []string{value + "=1"}, counted(aggregate(t, c, catalog.Query{}, catalog.Aggregation{Kind: catalog.Terms, Property: name})))
	}
	list, err := c.Queryables(t.Context(), all, []string{"a"})
	require.NoError(t, err)
	got := []string{}
	for _, q := range list {
		got = append(got, q.Name)
	}
	want := append(slices.Clone(odd), "a", "b", "x", "n", "café", "sl/ash", "datetime")
	slices.Sort(want)
	require.Equal(t, want, got)
}

// testOddValues compares values in the ways in which they may be written, and such as a database likes to take for others.
func testOddValues(t *testing.T, c catalog.Catalog) {
	same := [][]string{ // each line is one value, and no line is another's
		{`1`, `1.0`, `1e0`, `10e-1`, `0.1e1`}, {`0`, `-0`, `0.0`, `0e9`}, {`0.1`, `1e-1`, `0.1000000000000000055511151231257827`}, {`0.30000000000000004`},
		{`9007199254740992`, `9007199254740993`, `9007199254740992.0`}, {`9223372036854775807`, `9223372036854775808`, `9.223372036854775807e18`}, {`18446744073709551616`},
		{`1.7976931348623157e308`}, {`5e-324`, `4.9e-324`}, {`2.2250738585072014e-308`}, {`123456789012345680000`, `123456789012345678901`},
		{`"1"`}, {`"1.0"`}, {`"true"`}, {`"null"`}, {`"é"`, `"\u00e9"`, `"\u00E9"`}, {`"e\u0301"`}, {`"🐢"`, `"\ud83d\udc22"`}, {`"a\/b"`, `"a/b"`}, {`"\u0001"`}, {`"\ufffd"`}, {`""`}, {`" "`}, {`"\\"`},
		{`"a\nb"`}, {`"\"quoted\""`}, {`"'"`}, {`"` + noise(3000) + `"`}, {`true`}, {`false`},
	}
	docs := documents()
	want := [][]string{}
	for i, line := range same {
		want = append(want, nil)
		for j, v := range line {
			id := fmt.Sprintf("%02d-%d", i, j)
			docs, want[i] = append(docs, Item("a", id, "null", then+`,"v":`+v)), append(want[i], "a/"+id)
		}
	}
	put(t, c, docs...)
	for i, line := range same {
		var v any
		require.NoError(t, json.Unmarshal([]byte(line[0]), &v))
		q := catalog.Query{Filter: is("=", property("v"), v), Page: catalog.Page{Limit: 100}}
		require.Equal(t, want[i], walk(t, c, q), line[0])
		q.Filter = cql2.Array{Op: "a_equals", Left: cql2.List{Items: []cql2.Expr{property("v")}}, Right: cql2.List{Items: []cql2.Expr{literal(v)}}}
		require.Equal(t, want[i], walk(t, c, q), line[0])
		q.Filter = cql2.And{Args: []cql2.Expr{is("<=", property("v"), v), is(">=", property("v"), v)}}
		require.Equal(t, want[i], walk(t, c, q), line[0])
	}
	buckets := map[string]int{}
	for _, b := range aggregate(t, c, catalog.Query{}, catalog.Aggregation{Kind: catalog.Terms, Property: "v"}).Buckets {
		buckets[b.Key] = b.Count
	}
	for key, n := range map[string]int{"1": 6, "0": 4, "0.1": 3, "9007199254740992": 3, "true": 2, "false": 1, "é": 3, "123456789012345680000": 2, "": 1, "5e-324": 2, "18446744073709552000": 1} {
		require.Equal(t, n, buckets[key], "%q", key)
	}
}

func testBigDocuments(t *testing.T, c catalog.Catalog) {
	ring := []string{}
	for i := range 20_000 { // a comb from 0 to 20 degrees
		ring = append(ring, fmt.Sprintf("[%g,%d]", float64(i)/1000, 1+i%2))
	}
	ring = append(ring, "[20,0]", "[0,0]", ring[0])
	assets := []string{}
	for i := range 2000 {
		assets = append(assets, fmt.Sprintf(`"asset %d":{"href":"https://example.org/%d/%s","title":%s,"roles":["data"]}`, i, i, noise(100), text(oddNames[i%len(oddNames)])))
	}
	big := json.RawMessage(`{"type":"Feature","id":"big","collection":"a","geometry":{"type":"Polygon","coordinates":[[` + strings.Join(ring, ",") + `]]},
		"properties":{` + then + `,"title":"big forest","text":"` + strings.Repeat(noise(64), 15_000) + `","deep":` + nested(60) + `,"list":[` + strings.Repeat("1,", 50_000) + `2]},
		"assets":{` + strings.Join(assets, ",") + `},"links":[]}`)
	description := strings.Repeat("many words of a description ", 20_000)
	apply(t, c, catalog.Changes{Collections: documents(collection("a", `"summaries":{"x":[`+strings.Repeat(`"`+noise(50)+`",`, 5000)+`1]},`)),
		Items: documents(big, Item("a", "wordy", "null", then+`,"description":`+text(description)))})
	entry, err := catalog.ParseItem(big)
	require.NoError(t, err)
	doc, err := c.Item(t.Context(), all, catalog.ItemRef{Collection: "a", ID: "big"})
	require.NoError(t, err)
	require.True(t, string(entry.Document) == string(doc), "the document comes back byte for byte")
	finds(t, c, map[string]found{
		"in the comb":     {catalog.Query{BBox: []float64{5, 0.5, 5.1, 0.6}}, []string{"big"}},
		"above the comb":  {catalog.Query{BBox: []float64{5, 2.5, 5.1, 3}}, nil},
		"words":           {catalog.Query{Words: word("forest")}, []string{"big"}},
		"the last word":   {catalog.Query{Words: word("description")}, []string{"wordy"}},
		"list":            {catalog.Query{Filter: cql2.Array{Op: "a_contains", Left: property("list"), Right: cql2.List{Items: []cql2.Expr{literal(2)}}}}, []string{"big"}},
		"text of a MB":    {catalog.Query{Filter: cql2.Like{Value: property("text"), Pattern: literal(noise(64) + "%")}}, []string{"big"}},
		"length of a MB":  {catalog.Query{Filter: is("=", cql2.Func{Name: "length", Args: []cql2.Expr{property("text")}}, 960_000)}, []string{"big"}},
		"sorted by a MB":  {catalog.Query{Sort: []catalog.SortKey{{Property: "text"}}}, []string{"big", "wordy"}},
		"paged by a MB":   {catalog.Query{Sort: []catalog.SortKey{{Property: "text"}, {Property: "id"}}, Page: catalog.Page{Limit: 5}}, []string{"big", "wordy"}},
		"the other first": {catalog.Query{Sort: []catalog.SortKey{{Property: "description"}}}, []string{"wordy", "big"}},
	})
}
