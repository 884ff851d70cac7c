package catalogtest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/catalog/words"
	"github.com/terrapin-eo/terrapin/fault"
)

// manyItems are n items in two collections, which hold the same ids: few times and values, so that many are equal.
func manyItems(n int) catalog.Changes {
	ch := catalog.Changes{Collections: documents(Collection("a"), Collection("b"))}
	values := []string{"", `,"v":null`, `,"v":1`, `,"v":2.5`, `,"v":"x"`, `,"v":"1"`, `,"v":true`, `,"v":[1]`, `,"v":"2020-01-01"`}
	for i := range n {
		properties := at(fmt.Sprintf("2020-01-%02dT00:00:00Z", 1+i%5)) + values[i%len(values)] + fmt.Sprintf(`,"title":"item %d"`, i)
		ch.Items = append(ch.Items, Item([]string{"a", "b"}[i%2], fmt.Sprintf("i%03d", i/2), square, properties))
	}
	return ch
}

// sorts are orders over manyItems.
var sorts = map[string][]catalog.SortKey{
	"newest":          nil,
	"oldest":          {{Property: "datetime"}},
	"mixed":           {{Property: "v"}},
	"mixed, down":     {{Property: "v", Descending: true}},
	"nowhere":         {{Property: "none", Descending: true}},
	"several":         {{Property: "v", Descending: true}, {Property: "datetime"}, {Property: "id", Descending: true}},
	"collection down": {{Property: "collection", Descending: true}, {Property: "id"}},
}

func testPages(t *testing.T, c catalog.Catalog) {
	apply(t, c, manyItems(60))
	rng := rand.New(rand.NewPCG(5, 9))
	queries := []catalog.Query{{}, {BBox: []float64{-5, -5, 5, 5}}, {Collections: []string{"b", "a", "none"}}}
	for i, name := range slices.Sorted(maps.Keys(sorts)) {
		for k, q := range queries {
			if raced && (i+k)%len(queries) > 0 {
				continue
			}
			q.Sort = sorts[name]
			q.Limit = 100
			whole := walk(t, c, q)
			require.Len(t, whole, 60, name)
			require.Len(t, slices.Compact(slices.Sorted(slices.Values(whole))), 60, name)
			q.Limit = 7
			require.Equal(t, whole, walk(t, c, q), name)
			wander(t, c, q, whole, rng)
		}
	}
	got, r := search(t, c, catalog.Query{Page: catalog.Page{Limit: 60}})
	require.Len(t, got, 60)
	require.Empty(t, r.Next, "a last page that is just full has no next")
	require.Empty(t, r.Prev)
	require.Nil(t, r.Matched, "what was not asked for is not counted")
	for _, limit := range []int{0, -3} {
		got, r = search(t, c, catalog.Query{Page: catalog.Page{Limit: limit}})
		require.Len(t, got, catalog.DefaultLimit)
		require.NotEmpty(t, r.Next)
	}
	_, r = search(t, c, catalog.Query{Count: true, Page: catalog.Page{Limit: 1_000_000}})
	require.Len(t, r.Documents, 60)
	require.Equal(t, 60, *r.Matched)
}

// wander goes to and fro over the pages of a list that does not change, with another size of page at each step.
func wander(t *testing.T, c catalog.Catalog, q catalog.Query, whole []string, rng *rand.Rand) {
	t.Helper()
	from, to := 0, 0
	for step := range 12 {
		q.Count = step%3 == 0
		page, r := search(t, c, q)
		if step == 0 {
			to = min(q.Size(), len(whole))
		}
		require.Equal(t, whole[from:to], page, "%+v: page from %d to %d", q, from, to)
		require.Equal(t, to < len(whole), r.Next != "", "%+v: a next page after %d to %d of %d", q, from, to, len(whole))
		require.Equal(t, from > 0, r.Prev != "", "%+v: a page before %d to %d of %d", q, from, to, len(whole))
		require.True(t, r.Matched == nil || q.Count && *r.Matched == len(whole), "matched is exact or absent")
		q.Limit = 1 + rng.IntN(20)
		switch back := r.Next == "" || r.Prev != "" && rng.IntN(2) == 0; {
		case back && r.Prev == "":
			return
		case back:
			q.Token, from, to = r.Prev, max(0, from-q.Limit), from
		default:
			q.Token, from, to = r.Next, to, min(len(whole), to+q.Limit)
		}
	}
}

func testCollectionPages(t *testing.T, c catalog.Catalog) {
	ch := catalog.Changes{}
	want := []string{}
	for i := range 25 {
		id := fmt.Sprintf("c%02d", i)
		ch.Collections, want = append(ch.Collections, Collection(id)), append(want, id)
	}
	apply(t, c, ch)
	var got, back []string
	q := catalog.Query{Count: true, Page: catalog.Page{Limit: 7}}
	for {
		r, err := c.Collections(t.Context(), all, q)
		require.NoError(t, err)
		require.Equal(t, 25, *r.Matched)
		require.Equal(t, len(got) > 0, r.Prev != "")
		got = append(got, collectionNames(t, r.Documents)...)
		if q.Token = r.Next; q.Token == "" {
			q.Token = r.Prev
			break
		}
	}
	require.Equal(t, want, got)
	for q.Token != "" {
		r, err := c.Collections(t.Context(), all, q)
		require.NoError(t, err)
		require.NotEmpty(t, r.Next)
		back, q.Token = append(collectionNames(t, r.Documents), back...), r.Prev
	}
	require.Equal(t, want[:21], back)
	_, err := c.Collections(t.Context(), all, catalog.Query{Page: catalog.Page{Token: "x"}})
	require.True(t, fault.Is(err, fault.Invalid))
}

// testMovingPages inserts, moves and deletes between two pages, the very document that a token names too: what was
// there all the time comes once, in order, whichever way the pages are walked.
func testMovingPages(t *testing.T, c catalog.Catalog) {
	for seed, sort := range [][]catalog.SortKey{nil, sorts["mixed"], sorts["mixed, down"], sorts["several"], {{Property: "none"}}} {
		rng := rand.New(rand.NewPCG(uint64(seed), 3))
		ch := manyItems(60)
		apply(t, c, catalog.Changes{DeleteCollections: []string{"a", "b"}, Collections: ch.Collections, Items: ch.Items})
		moving := func(name string) bool { return strings.ContainsAny(name[len(name)-1:], "13579") }
		stable := func(in []string) []string { return slices.DeleteFunc(slices.Clone(in), moving) }
		q := catalog.Query{Sort: sort, Page: catalog.Page{Limit: 100}}
		want := stable(walk(t, c, q))
		require.Len(t, want, 30)

		q.Limit = 6
		disturb := func(page []string) {
			ch := catalog.Changes{}
			for _, name := range page { // those that tokens may name
				if moving(name) && rng.IntN(2) == 0 {
					collection, id, _ := strings.Cut(name, "/")
					ch.DeleteItems = append(ch.DeleteItems, catalog.ItemRef{Collection: collection, ID: id})
				}
			}
			for range 3 {
				name := []string{"a", "b"}[rng.IntN(2)]
				value := []string{"", `,"v":1`, `,"v":7`, `,"v":"zz"`, `,"v":null`}[rng.IntN(5)]
				ch.Items = append(ch.Items, Item(name, fmt.Sprintf("i%02d%d", rng.IntN(40), 1+2*rng.IntN(5)), square, at(fmt.Sprintf("2020-01-%02dT00:00:00Z", 1+rng.IntN(9)))+value))
			}
			apply(t, c, ch)
		}
		for _, forward := range []bool{true, false} {
			got := []string{}
			page, r := search(t, c, q)
			if !forward { // begin at the end
				for r.Next != "" {
					q.Token = r.Next
					page, r = search(t, c, q)
				}
			}
			for steps := 0; ; steps++ {
				require.Less(t, steps, 100)
				if forward {
					got, q.Token = append(got, page...), r.Next
				} else {
					got, q.Token = append(slices.Clone(page), got...), r.Prev
				}
				if q.Token == "" {
					break
				}
				disturb(page)
				page, r = search(t, c, q)
				if len(page) == 0 {
					break
				}
			}
			q.Token = ""
			require.Equal(t, want, stable(got), "sort %v, forward %v", sort, forward)
		}
	}
}

func testTokens(t *testing.T, c catalog.Catalog) {
	apply(t, c, manyItems(30))
	newest, bucket, posted := catalog.Query{Collections: []string{"a"}, Page: catalog.Page{Limit: 2}}, catalog.FromBucket, catalog.Posted
	filter := func(v float64) cql2.Expr {
		return cql2.Compare{Op: ">", Left: cql2.Property{Name: "v"}, Right: cql2.Number{Value: v}}
	}
	day := ptr(instant("2020-01-03T00:00:00Z"))
	for name, with := range map[string]func(*catalog.Query, int){
		"ids": func(q *catalog.Query, i int) {
			q.IDs = [][]string{{"i000", "i001", "i002", "i003", "i004"}, {"i001"}}[i]
		},
		"bbox":   func(q *catalog.Query, i int) { q.BBox = []float64{0, 0, 1, float64(1 + i)} },
		"shape":  func(q *catalog.Query, i int) { q.Intersects = geo.Box(0, 0, 1, float64(1+i)) },
		"time":   func(q *catalog.Query, i int) { q.Time = []catalog.Interval{{Start: day}, {End: day}}[i] },
		"filter": func(q *catalog.Query, i int) { q.Filter = filter(float64(i) / 2) },
		"shapes": func(q *catalog.Query, i int) {
			q.Filter = cql2.Spatial{Op: "s_intersects", Left: cql2.Property{Name: cql2.Location}, Right: cql2.Geometry{Shape: geo.Box(0, 0, 1, float64(1+i))}}
		},
		"words": func(q *catalog.Query, i int) {
			q.Words = []words.Question{words.Word{Text: "item"}, words.Not{Arg: words.Word{Text: "x"}}}[i]
		},
		"sort":     func(q *catalog.Query, i int) { q.Sort = []catalog.SortKey{{Property: "v", Descending: i == 1}} },
		"property": func(q *catalog.Query, i int) { q.Sort = []catalog.SortKey{{Property: []string{"v", "datetime"}[i]}} },
		"origin":   func(q *catalog.Query, i int) { q.Origin = []*catalog.Origin{&bucket, &posted}[i] },
	} {
		one, other := newest, newest
		with(&one, 0)
		with(&other, 1)
		_, r := search(t, c, one)
		require.NotEmpty(t, r.Next, name)
		same := newest // made anew: a question is the same by its value
		with(&same, 0)
		same.Token, same.Limit, same.Count = r.Next, 9, true
		search(t, c, same) // another size of page goes on with the same token
		for _, q := range []catalog.Query{other, newest} {
			q.Token = r.Next
			refuseToken(t, c, q)
		}
	}
	_, r := search(t, c, newest)
	bad := []catalog.Query{{Collections: []string{"b"}}, {}, {Collections: []string{}}}
	for i := range bad {
		bad[i].Token = r.Next
	}
	for i := range r.Next {
		edited := []byte(r.Next)
		edited[i] ^= 1
		bad = append(bad, catalog.Query{Collections: []string{"a"}, Page: catalog.Page{Token: string(edited)}})
	}
	for _, token := range []string{"1", "next:10", r.Next + "A", r.Next[:8], r.Next[1:], strings.Repeat("A", 80), "\x00", "' OR 1=1 --", strings.Repeat("z", 100_000)} {
		bad = append(bad, catalog.Query{Collections: []string{"a"}, Page: catalog.Page{Token: token}})
	}
	for _, q := range bad {
		refuseToken(t, c, q)
	}
	list, err := c.Collections(t.Context(), all, catalog.Query{Page: catalog.Page{Limit: 1}})
	require.NoError(t, err)
	refuseToken(t, c, catalog.Query{Page: catalog.Page{Token: list.Next}})
	_, first := search(t, c, catalog.Query{Page: catalog.Page{Limit: 1}})
	_, err = c.Collections(t.Context(), all, catalog.Query{Page: catalog.Page{Token: first.Next}})
	require.True(t, fault.Is(err, fault.Invalid), "a token of items opens no list of collections")
}

func refuseToken(t *testing.T, c catalog.Catalog, q catalog.Query) {
	t.Helper()
	_, err := c.Search(t.Context(), all, q)
	require.True(t, fault.Is(err, fault.Invalid), "%+v: %v", q, err)
	require.NotEmpty(t, fault.CureOf(err))
}

func testForeignTokens(t *testing.T, c, other catalog.Catalog) {
	apply(t, c, manyItems(30))
	apply(t, other, manyItems(30))
	_, r := search(t, other, catalog.Query{Page: catalog.Page{Limit: 3}})
	refuseToken(t, c, catalog.Query{Page: catalog.Page{Token: r.Next}})
}
