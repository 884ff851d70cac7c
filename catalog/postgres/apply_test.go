package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/catalog/postgres"
	"github.com/terrapin-eo/terrapin/catalog/postgres/pgtest"
	"github.com/terrapin-eo/terrapin/fault"
)

func version(collection, id string, n int) json.RawMessage {
	return catalogtest.Item(collection, id, fmt.Sprintf(`{"type":"Point","coordinates":[%d,0]}`, n%180), fmt.Sprintf(`"datetime":"2020-01-%02dT00:00:00Z","n":%d`, 1+n%28, n))
}

// tallied holds the tally to the items.
func tallied(t *testing.T, address string) {
	t.Helper()
	conn := connect(t, address)
	var wrong int
	require.NoError(t, conn.QueryRow(context.Background(), `SELECT count(*) FROM (
			SELECT collection, dated, count(*) AS n FROM item GROUP BY 1, 2
		) i FULL JOIN (
			SELECT collection, dated, sum(n) AS n FROM tally WHERE step = 0 GROUP BY 1, 2 HAVING sum(n) <> 0
		) t USING (collection, dated) WHERE i.n IS DISTINCT FROM t.n`).Scan(&wrong))
	require.Zero(t, wrong, "whole")
	require.NoError(t, conn.QueryRow(context.Background(), `SELECT count(*) FROM (
			SELECT collection, dated, sort / 86400000000 AS start, count(*) AS n FROM item WHERE sort >= 0 GROUP BY 1, 2, 3
		) i FULL JOIN (
			SELECT collection, dated, start, sum(n) AS n FROM tally WHERE step = 2 GROUP BY 1, 2, 3 HAVING sum(n) <> 0
		) t USING (collection, dated, start) WHERE i.n IS DISTINCT FROM t.n`).Scan(&wrong))
	require.Zero(t, wrong, "days")
}

// Writers in two processes put, change and remove the same documents in random order: none fails, none waits in a circle, and what was
// acknowledged last is there.
func TestWritersMeet(t *testing.T) {
	ctx, address := context.Background(), pgtest.Database(t)
	servers := []*postgres.Catalog{open(t, address), open(t, address)}
	_, err := servers[0].Apply(ctx, catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a"), catalogtest.Collection("b")}})
	require.NoError(t, err)
	const writers, rounds, ids = 8, 40, 30
	var wg sync.WaitGroup
	var n atomic.Int64
	for w := range writers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(17, uint64(w)))
			for range rounds {
				var ch catalog.Changes
				for range 1 + r.IntN(12) {
					collection, id := []string{"a", "b"}[r.IntN(2)], fmt.Sprint("i", r.IntN(ids))
					switch r.IntN(6) {
					case 0:
						ch.DeleteItems = append(ch.DeleteItems, catalog.ItemRef{Collection: collection, ID: id})
					case 1:
						ch.Collections = append(ch.Collections, json.RawMessage(fmt.Sprintf(`{"type":"Collection","stac_version":"1.1.0","id":"c%d","description":"%d","license":"other",
							"extent":{"spatial":{"bbox":[[-180,-90,180,90]]},"temporal":{"interval":[[null,null]]}},"links":[]}`, r.IntN(4), r.IntN(5))))
					default:
						ch.Items = append(ch.Items, version(collection, id, int(n.Add(1))))
					}
				}
				if r.IntN(10) == 0 {
					ch.DeleteCollections = append(ch.DeleteCollections, fmt.Sprint("c", r.IntN(4)))
				}
				if r.IntN(4) == 0 {
					ch.Marks = map[string]string{fmt.Sprint("m", r.IntN(3)): fmt.Sprint(r.IntN(3)), "n": ""}
				}
				if _, err := servers[w%2].Apply(ctx, ch); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	// The last word of everybody, one after the other, so that it is known.
	var last catalog.Changes
	for i := range ids {
		last.Items = append(last.Items, version("a", fmt.Sprint("i", i), 1_000_000+i))
	}
	_, err = servers[1].Apply(ctx, last)
	require.NoError(t, err)
	for i := range ids {
		doc, err := servers[0].Item(ctx, catalog.Everything(), catalog.ItemRef{Collection: "a", ID: fmt.Sprint("i", i)})
		require.NoError(t, err)
		require.Contains(t, string(doc), fmt.Sprintf(`"n":%d`, 1_000_000+i))
	}
	tallied(t, address)
	var deadlocks int
	require.NoError(t, connect(t, address).QueryRow(ctx, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`).Scan(&deadlocks))
	require.Zero(t, deadlocks)
}

// Of many who want to be the first with an item, or the next after one version of it, one is.
func TestConditionsAmongWriters(t *testing.T) {
	ctx, address := context.Background(), pgtest.Database(t)
	servers := []*postgres.Catalog{open(t, address), open(t, address)}
	_, err := servers[0].Apply(ctx, catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")}})
	require.NoError(t, err)
	ref := catalog.ItemRef{Collection: "a", ID: "x"}
	won := func(cond catalog.Condition, lost error, n int) {
		t.Helper()
		var wins atomic.Int64
		var wg sync.WaitGroup
		for w := range 12 {
			wg.Go(func() {
				_, err := servers[w%2].Apply(ctx, catalog.Changes{Conditions: []catalog.Condition{cond}, Items: []json.RawMessage{version("a", "x", n+w)}})
				if err == nil {
					wins.Add(1)
				} else if !errors.Is(err, lost) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, wins.Load())
	}
	won(catalog.Condition{Ref: ref, Absent: true}, catalog.ErrExists, 0)
	for round := range 5 {
		doc, err := servers[0].Item(ctx, catalog.Everything(), ref)
		require.NoError(t, err)
		won(catalog.Condition{Ref: ref, ETags: []string{catalog.ETag(doc)}}, catalog.ErrChanged, 100*(round+1))
	}
}

// What one server knows of a collection is forgotten when another removes it and puts it anew.
func TestServersForget(t *testing.T) {
	ctx, address := context.Background(), pgtest.Database(t)
	one, two := open(t, address), open(t, address)
	with := func(property string) catalog.Changes {
		return catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")},
			Items: []json.RawMessage{catalogtest.Item("a", property, "null", `"datetime":"2020-01-01T00:00:00Z","`+property+`":1`)}}
	}
	names := func(c catalog.Catalog) (out []string) {
		list, err := c.Queryables(ctx, catalog.Everything(), nil)
		require.NoError(t, err)
		for _, q := range list {
			out = append(out, q.Name)
		}
		return out
	}
	_, err := one.Apply(ctx, with("p"))
	require.NoError(t, err)
	_, err = two.Apply(ctx, catalog.Changes{DeleteCollections: []string{"a"}})
	require.NoError(t, err)
	require.Empty(t, names(one))
	page, err := one.Collections(ctx, catalog.Everything(), catalog.Query{})
	require.NoError(t, err)
	require.Empty(t, page.Documents)
	_, err = one.Apply(ctx, with("p"))
	require.NoError(t, err)
	require.Equal(t, []string{"datetime", "p"}, names(two))
	page, err = two.Collections(ctx, catalog.Everything(), catalog.Query{})
	require.NoError(t, err)
	require.Len(t, page.Documents, 1)
	tallied(t, address)
}

// Counting goes on while the tally is added up, and one adds up at a time.
func TestTalliesAddUp(t *testing.T) {
	ctx, address := context.Background(), pgtest.Database(t)
	c := open(t, address)
	_, err := c.Apply(ctx, catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")}})
	require.NoError(t, err)
	const writers, each = 4, 50
	var wg sync.WaitGroup
	var put atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			before := int(put.Load())
			n := count(t, c)
			if n < before || n > writers*each {
				t.Errorf("%d are counted, and %d were put before", n, before)
			}
			if err := c.CompactTallies(ctx); err != nil {
				t.Error(err)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := c.Apply(ctx, catalog.Changes{Items: []json.RawMessage{version("a", fmt.Sprint(w, "-", i), i)}}); err != nil {
					t.Error(err)
					return
				}
				put.Add(1)
			}
		})
	}
	wg.Wait()
	close(stop)
	<-stopped
	require.Equal(t, writers*each, count(t, c))
	tallied(t, address)
	require.NoError(t, c.CompactTallies(ctx))
	var rows, keys int
	require.NoError(t, connect(t, address).QueryRow(ctx, `SELECT count(*), count(DISTINCT (step, start, collection, dated)) FROM tally`).Scan(&rows, &keys))
	require.Equal(t, keys, rows)
	tallied(t, address)
}

// Changes that are given up leave nothing, and the connection is as it was.
func TestGivenUp(t *testing.T) {
	address := pgtest.Database(t)
	c := open(t, address)
	_, err := c.Apply(context.Background(), small("a"))
	require.NoError(t, err)
	conn := connect(t, address)
	exec(t, conn, `BEGIN`)
	exec(t, conn, `SELECT FROM item FOR UPDATE`)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	ch := small("b")
	ch.Items = append(ch.Items, version("a", "x", 1), version("a", "new", 1))
	begun := time.Now()
	_, err = c.Apply(ctx, ch)
	require.True(t, fault.Is(err, fault.Canceled), err)
	require.Less(t, time.Since(begun), 5*time.Second)
	require.Equal(t, 1, count(t, c))
	exec(t, conn, `ROLLBACK`)
	_, err = c.Apply(context.Background(), ch)
	require.NoError(t, err)
	require.Equal(t, 3, count(t, c))
}
