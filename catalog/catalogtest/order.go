package catalogtest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
)

func ptr[T any](v T) *T { return &v }

// instant is a time of RFC 3339.
func instant(s string) time.Time {
	t, err := catalog.ParseTime(s)
	if err != nil {
		panic(err) // a constant of a test
	}
	return t
}

func testOrder(t *testing.T, c catalog.Catalog) {
	put(t, c,
		Item("a", "old", "null", at("2019-01-01T00:00:00Z")),
		Item("b", "same", "null", at("2020-01-01T00:00:00Z")),
		Item("a", "same", "null", at("2020-01-01T01:00:00+01:00")),
		Item("a", "Same", "null", at("2020-01-01T00:00:00.000000Z")),
		Item("a", "micro", "null", at("2020-01-01T00:00:00.000001Z")),
		Item("a", "span", "null", `"datetime":null,"start_datetime":"2021-01-01T00:00:00Z","end_datetime":"2023-01-01T00:00:00Z"`),
		Item("a", "until", "null", `"datetime":null,"end_datetime":"2022-01-01T00:00:00Z"`),
		Item("a", "both", "null", `"datetime":"2018-06-01T00:00:00Z","start_datetime":"2018-01-01T00:00:00Z","end_datetime":"2024-01-01T00:00:00Z"`),
		Item("a", "first", "null", at("0001-01-01T00:00:00Z")),
		Item("a", "last", "null", at("9999-12-31T23:59:59.999999Z")),
		Item("a", "timeless", "null", `"datetime":null`),
		Item("a", "\U0001F422", "null", at("2017-01-01T00:00:00Z")), // bytewise: after U+FFxx, which UTF-16 sorts behind
		Item("a", "\uff5e", "null", at("2017-01-01T00:00:00Z")),
		Item("a", "é", "null", at("2017-01-01T00:00:00Z")),
		Item("a", "z", "null", at("2017-01-01T00:00:00Z")),
	)
	want := []string{"a/last", "a/until", "a/span", "a/micro", "a/Same", "a/same", "b/same", "a/old", "a/both", "a/z", "a/é", "a/\uff5e", "a/\U0001F422", "a/first", "a/timeless"}
	for _, limit := range []int{1, 2, 3, 8, 100} {
		require.Equal(t, want, walk(t, c, catalog.Query{Page: catalog.Page{Limit: limit}}), "limit %d", limit)
	}
}

// testSort orders values of every kind: numbers, moments and booleans by value, then other text bytewise, then
// what has no scalar, and within equal ones by collection and id, which no direction turns round.
func testSort(t *testing.T, c catalog.Catalog) {
	values := []string{ // in ascending order, equal ones in one entry
		`-1.7976931348623157e308`, `-5`, `-0.5`, `0 -0 0.0 false 0e5`, `5e-324`, `0.1 1e-1 0.1000000000000000055511151231257827`, `1 true 1.0 10e-1`, `2`, `10`,
		`1577836799000000 "2019-12-31T23:59:59Z"`, `1577836800000000 "2020-01-01" "2020-01-01T00:00:00Z" "2020-01-01T02:00:00+02:00"`,
		`"2020-01-01T00:00:00.000001Z"`, `"2020-01-02"`, `9007199254740992 9007199254740993`, `9223372036854775808`, `1e300`,
		`""`, `"+0"`, `"1"`, `"10"`, `"2"`, `"2020-01-01T00:00:00"`, `"2020-1-1"`, `"2020-13-01"`, `"A"`, `"Z"`, `"\u0061"`, `"a\u0301"`, `"b"`, `"é"`, `"\uff5e"`, `"🐢"`,
		`null [] [1] {} {"a":1} none`,
	}
	docs, groups := documents(), [][]string{}
	n := 0
	for _, line := range values {
		group := []string{}
		for _, v := range fields(line) {
			property := then + `,"v":` + v
			if v == "none" {
				property = then
			}
			// Ids do not ascend with the values.
			id := fmt.Sprintf("%02d", (n*37)%97)
			name := []string{"a", "b"}[n%2]
			docs, group = append(docs, Item(name, id, "null", property)), append(group, name+"/"+id)
			n++
		}
		slices.Sort(group)
		groups = append(groups, group)
	}
	put(t, c, docs...)
	up := slices.Concat(groups...)
	// In both directions numbers come before text and text before nothing.
	text := slices.IndexFunc(values, func(s string) bool { return s == `""` })
	down := slices.Clone(groups)
	slices.Reverse(down[:text])
	slices.Reverse(down[text : len(down)-1])
	for _, limit := range []int{3, 1000} {
		q := catalog.Query{Sort: []catalog.SortKey{{Property: "v"}}, Page: catalog.Page{Limit: limit}}
		require.Equal(t, up, walk(t, c, q), "ascending, limit %d", limit)
		q.Sort[0].Descending = true
		require.Equal(t, slices.Concat(down...), walk(t, c, q), "descending, limit %d", limit)
	}
	ids := slices.SortedFunc(slices.Values(up), func(x, y string) int { return -compareText(x[2:], y[2:]) })
	require.Equal(t, ids, walk(t, c, catalog.Query{Sort: []catalog.SortKey{{Property: "id", Descending: true}}}))
	require.Equal(t, slices.Sorted(slices.Values(up)), walk(t, c, catalog.Query{Sort: []catalog.SortKey{{Property: "geometry"}}}), "a geometry is no scalar")
	require.Equal(t, walk(t, c, catalog.Query{}), walk(t, c, catalog.Query{Sort: []catalog.SortKey{}}), "no key is newest first")
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// fields splits a line at blanks that are not within a JSON value.
func fields(line string) (out []string) {
	depth, quoted, begin := 0, false, 0
	for i, r := range line + " " {
		switch {
		case r == '"':
			quoted = !quoted
		case r == '[' || r == '{':
			depth++
		case r == ']' || r == '}':
			depth--
		case r == ' ' && depth == 0 && !quoted:
			out, begin = append(out, line[begin:i]), i+1
		}
	}
	return out
}

func testSortCollections(t *testing.T, c catalog.Catalog) {
	apply(t, c, catalog.Changes{Collections: documents(
		collection("a", `"title":"z","n":2,`), collection("b", `"title":"y",`), collection("c", `"title":"z","n":1,`), collection("d", `"n":10,`), collection("e", `"title":null,"n":"2",`))})
	for _, one := range []struct {
		sort []catalog.SortKey
		want []string
	}{
		{nil, []string{"a", "b", "c", "d", "e"}},
		{[]catalog.SortKey{{Property: "id", Descending: true}}, []string{"e", "d", "c", "b", "a"}},
		{[]catalog.SortKey{{Property: "title"}}, []string{"b", "a", "c", "d", "e"}},
		{[]catalog.SortKey{{Property: "title", Descending: true}}, []string{"a", "c", "b", "d", "e"}},
		{[]catalog.SortKey{{Property: "title", Descending: true}, {Property: "n"}}, []string{"c", "a", "b", "d", "e"}},
		{[]catalog.SortKey{{Property: "n"}}, []string{"c", "a", "d", "e", "b"}},
	} {
		got := []string{}
		q := catalog.Query{Sort: one.sort, Page: catalog.Page{Limit: 2}}
		for {
			r, err := c.Collections(t.Context(), all, q)
			require.NoError(t, err)
			got = append(got, collectionNames(t, r.Documents)...)
			if q.Token = r.Next; q.Token == "" {
				break
			}
		}
		require.Equal(t, one.want, got, "%v", one.sort)
	}
}
