package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/catalogtest"
	"github.com/terrapin-eo/terrapin/catalog/postgres/pgtest"
	"github.com/terrapin-eo/terrapin/fault"
)

// The database goes away and comes back while it is read and written: calls fail with what may be tried again, or not at all, and what was
// acknowledged is there.
func TestDatabaseStartsAgain(t *testing.T) {
	ctx := context.Background()
	s := pgtest.Start(t)
	c := open(t, s.Database(t))
	_, err := c.Apply(ctx, catalog.Changes{Collections: []json.RawMessage{catalogtest.Collection("a")}})
	require.NoError(t, err)
	var wg sync.WaitGroup
	var failed, after atomic.Int64
	acknowledged := make([][]string, 3)
	ended := make(chan struct{})
	running := func() bool {
		select {
		case <-ended:
			return false
		default:
			return true
		}
	}
	tell := func(err error) {
		if err != nil {
			failed.Add(1)
			if !fault.Is(err, fault.Unavailable) || fault.CureOf(err) == "" {
				t.Errorf("%v", err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	for w := range acknowledged {
		wg.Go(func() {
			for i := 0; running(); i++ {
				id := fmt.Sprint(w, "-", i)
				_, err := c.Apply(ctx, catalog.Changes{Items: []json.RawMessage{version("a", id, i)}})
				if tell(err); err == nil {
					acknowledged[w] = append(acknowledged[w], id)
					after.Add(1)
				}
			}
		})
		wg.Go(func() {
			for running() {
				_, err := c.Search(ctx, catalog.Everything(), catalog.Query{BBox: []float64{0, -1, 9, 1}, Count: true})
				tell(err)
			}
		})
	}
	for range 2 {
		time.Sleep(300 * time.Millisecond)
		s.Stop() // as a crash; what was committed is in the write-ahead log, as no machine fell
		time.Sleep(100 * time.Millisecond)
		require.NoError(t, s.Start())
		after.Store(0)
		require.Eventually(t, func() bool { return after.Load() > 20 }, 30*time.Second, 20*time.Millisecond, "writers go on")
	}
	close(ended)
	wg.Wait()
	require.Positive(t, failed.Load(), "or nothing was tested")
	require.NoError(t, c.Ping(ctx))
	for _, ids := range acknowledged {
		for _, id := range ids {
			_, err := c.Item(ctx, catalog.Everything(), catalog.ItemRef{Collection: "a", ID: id})
			require.NoError(t, err)
		}
	}
}

// A connection that died while it was idle costs nobody an answer.
func TestIdleConnectionsDie(t *testing.T) {
	ctx := context.Background()
	s := pgtest.Start(t)
	c := open(t, s.Database(t))
	_, err := c.Apply(ctx, small("a"))
	require.NoError(t, err)
	for range 3 {
		s.Stop()
		require.NoError(t, s.Start())
		require.Equal(t, 1, count(t, c))
		_, err = c.Apply(ctx, small("a"))
		require.NoError(t, err)
	}
}
