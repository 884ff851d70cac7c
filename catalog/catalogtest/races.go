package catalogtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
)

// writers and readers are how many work at once.
const writers, readers = 8, 8

// testRaces lets writers try for one thing: of those who name the same version exactly one wins, and no step of a count is lost.
func testRaces(t *testing.T, c catalog.Catalog) {
	put(t, c, Item("a", "n", "null", then+`,"n":0`))
	ctx := t.Context()
	for round := range 5 {
		var won atomic.Int32
		ref := catalog.ItemRef{Collection: "a", ID: fmt.Sprint("round ", round)}
		for name, conds := range map[string]func() catalog.Condition{
			"absent": func() catalog.Condition { return catalog.Condition{Ref: ref, Absent: true} },
			"tag":    func() catalog.Condition { return catalog.Condition{Ref: ref, ETags: []string{tagOf(t, c, ref)}} },
		} {
			if name == "tag" {
				apply(t, c, catalog.Changes{Items: documents(Item("a", ref.ID, "null", then+`,"by":"nobody"`))})
			} else {
				apply(t, c, catalog.Changes{DeleteItems: []catalog.ItemRef{ref}})
			}
			cond := conds()
			won.Store(0)
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					_, err := c.Apply(ctx, catalog.Changes{Conditions: []catalog.Condition{cond}, Items: documents(Item("a", ref.ID, "null", then+fmt.Sprintf(`,"by":%d`, w)))})
					switch {
					case err == nil:
						won.Add(1)
					case !errors.Is(err, catalog.ErrChanged) && !errors.Is(err, catalog.ErrExists):
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			wg.Wait()
			require.EqualValues(t, 1, won.Load(), name)
		}
	}

	const steps = 6
	counter := catalog.ItemRef{Collection: "a", ID: "n"}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < steps && !t.Failed(); {
				doc, err := c.Item(ctx, all, counter)
				if err != nil {
					t.Error(err)
					return
				}
				var item struct{ Properties struct{ N int } }
				if err := json.Unmarshal(doc, &item); err != nil {
					t.Error(err)
					return
				}
				_, err = c.Apply(ctx, catalog.Changes{Conditions: []catalog.Condition{{Ref: counter, ETags: []string{catalog.ETag(doc)}}},
					Items: documents(Item("a", "n", "null", then+fmt.Sprintf(`,"n":%d`, item.Properties.N+1)))})
				if err == nil {
					done++
				} else if !errors.Is(err, catalog.ErrChanged) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, []string{"a/n"}, walk(t, c, catalog.Query{Filter: is("=", property("n"), writers*steps)}))
}

// testReadersAndWriters lets writers put and delete pairs while readers look: a pair is seen whole or not at all,
// everything acknowledged is there, and every answer of one moment agrees with itself.
func testReadersAndWriters(t *testing.T, c catalog.Catalog) {
	apply(t, c, catalog.Changes{Collections: documents(Collection("a"))})
	ctx := t.Context()
	const each = 12
	var wg, reading sync.WaitGroup
	var mu sync.Mutex
	revisions := []int64{}
	done := make(chan struct{})
	for w := range writers {
		wg.Go(func() {
			last := int64(0)
			for i := range each {
				id := func(side string) string { return fmt.Sprintf("w%d-%02d-%s", w, i, side) }
				properties := then + fmt.Sprintf(`,"title":"pair","w":%d`, w)
				ch := catalog.Changes{Items: documents(Item("a", id("left"), square, properties), Item("a", id("right"), square, properties), Item("a", id("gone"), square, properties), Item("a", id("going"), square, properties))}
				rev, err := c.Apply(ctx, ch)
				if err != nil || rev <= last {
					t.Errorf("revision %d after %d: %v", rev, last, err)
					return
				}
				if _, err := c.Item(ctx, all, catalog.ItemRef{Collection: "a", ID: id("right")}); err != nil {
					t.Errorf("an acknowledged item is not there: %v", err)
				}
				last, err = c.Apply(ctx, catalog.Changes{DeleteItems: []catalog.ItemRef{{Collection: "a", ID: id("gone")}, {Collection: "a", ID: id("going")}}})
				if err != nil || last <= rev {
					t.Errorf("revision %d after %d: %v", last, rev, err)
					return
				}
				mu.Lock()
				revisions = append(revisions, rev, last)
				mu.Unlock()
			}
		})
	}
	for r := range readers {
		reading.Go(func() {
			q := []catalog.Query{{BBox: []float64{0, 0, 1, 1}}, {Words: word("pair")}, {Filter: is(">=", property("w"), 0)}, {Sort: []catalog.SortKey{{Property: "w"}}}}[r%4]
			q.Limit, q.Count = catalog.MaxLimit, true
			for {
				select {
				case <-done:
					return
				default:
				}
				page, err := c.Search(ctx, all, q)
				if err != nil {
					t.Error(err)
					return
				}
				if n := len(page.Documents); n%2 != 0 || page.Matched != nil && *page.Matched != n {
					t.Errorf("half a change was seen: %d items, matched %v", n, page.Matched)
				}
				sum, err := c.Aggregate(ctx, all, q, []catalog.Aggregation{{Kind: catalog.Count}, {Kind: catalog.Terms, Property: "title"}, {Kind: catalog.Dates, Property: "datetime", Step: "month"}})
				if err != nil {
					t.Error(err)
					return
				}
				n := plain(sum[0]).Value.(float64)
				for _, a := range sum[1:] {
					if int(n)%2 != 0 || n > 0 && (len(a.Buckets) != 1 || a.Buckets[0].Count != int(n)) {
						t.Errorf("aggregates of one moment: %+v", sum)
					}
				}
			}
		})
	}
	wg.Wait()
	close(done)
	reading.Wait()
	got, r := search(t, c, catalog.Query{Count: true, Page: catalog.Page{Limit: catalog.MaxLimit}})
	require.Len(t, got, writers*each*2, "nothing is lost")
	require.Equal(t, writers*each*2, *r.Matched)
	slices.Sort(revisions)
	require.Len(t, slices.Compact(revisions), writers*each*2, "every change has its own revision")
}

// testOppositeOrder lets writers change the same items and collections in opposite orders.
func testOppositeOrder(t *testing.T, c catalog.Catalog) {
	put(t, c)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range 6 {
				ch := catalog.Changes{Collections: documents(collection("a", fmt.Sprintf(`"n":"%d %d",`, w, i)), collection("b", fmt.Sprintf(`"n":"%d %d",`, w, i)))}
				for k := range 10 {
					ch.Items = append(ch.Items, Item([]string{"a", "b"}[k%2], fmt.Sprint(k), square, then+fmt.Sprintf(`,"n":"%d %d"`, w, i)))
				}
				ch.DeleteItems = []catalog.ItemRef{{Collection: "a", ID: "x"}, {Collection: "b", ID: "y"}}
				if w%2 == 1 {
					slices.Reverse(ch.Collections)
					slices.Reverse(ch.Items)
					slices.Reverse(ch.DeleteItems)
				}
				if _, err := c.Apply(t.Context(), ch); err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
			}
		})
	}
	wg.Wait()
	// The last change is there as a whole.
	buckets := aggregate(t, c, catalog.Query{}, catalog.Aggregation{Kind: catalog.Terms, Property: "n"}).Buckets
	require.Len(t, buckets, 1, "%v", buckets)
	require.Equal(t, 10, buckets[0].Count)
}
