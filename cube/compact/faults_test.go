package compact_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/compact"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

var errCut = errors.New("cut off")

// cutting is a store of which a process loses sight at its n-th call: at a write before or after it took
// effect, or at a read.
type cutting struct {
	store.Driver
	left  atomic.Int64 // calls until the cut
	after bool         // a write that is cut off is there all the same
	once  bool         // only that call fails
}

func (d *cutting) cut() bool {
	n := d.left.Add(-1)
	return n == 0 || n < 0 && !d.once
}

func (d *cutting) Put(ctx context.Context, key string, body io.Reader, c store.Condition) (store.Info, error) {
	n := d.left.Add(-1)
	if n < 0 && !d.once || n == 0 && !d.after {
		return store.Info{}, errCut
	}
	info, err := d.Driver.Put(ctx, key, body, c)
	if n == 0 {
		return store.Info{}, errCut
	}
	return info, err
}

func (d *cutting) Get(ctx context.Context, key string, r store.Range) (io.ReadCloser, store.Info, error) {
	if d.cut() {
		return nil, store.Info{}, errCut
	}
	return d.Driver.Get(ctx, key, r)
}

// Cut off at each step, whether the step took effect or not, the cube reads as before and the next run ends
// the work; cut off at one step only, with an answer lost, nothing goes wrong either.
func TestCutOffAtEachStep(t *testing.T) {
	for _, mode := range []struct{ after, once bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		t.Run(fmt.Sprintf("after=%v,once=%v", mode.after, mode.once), func(t *testing.T) {
			steps := 0
			for step := int64(1); ; step++ {
				d := &cutting{Driver: mem.New(), after: mode.after, once: mode.once}
				d.left.Store(1 << 60)
				b := store.New(d, "mem://data")
				s := layouttest.Spec(cube.Uint16, nil)
				c := create(t, b, s)
				fill(t, c, 0, 9)
				was := all(t, at(t, c, ""))
				c, err := layout.Open(t.Context(), b)
				require.NoError(t, err)

				d.left.Store(step)
				_, err = compact.Run(t.Context(), compact.Config{Cube: c, Dates: 8, All: true, StepBytes: 60_000})
				met := d.left.Load() <= 0
				d.left.Store(1 << 60)
				if !mode.once && met {
					require.Error(t, err)
				}
				c, err = layout.Open(t.Context(), b)
				require.NoError(t, err)
				same(t, was, all(t, at(t, c, "")))
				if step%3 == 0 { // whatever was left behind goes, and nothing that is needed
					_, err := c.Repo().Collect(t.Context(), icechunk.CollectConfig{OlderThan: time.Nanosecond})
					require.NoError(t, err)
				}
				r := run(t, compact.Config{Cube: c, Dates: 8, All: true})
				require.Equal(t, 1, r.Ranges.After.Most)
				same(t, was, all(t, at(t, c, "")))
				require.Zero(t, run(t, compact.Config{Cube: c, Dates: 8, All: true}).Moved)
				if !met {
					break
				}
				steps++
			}
			assert.Greater(t, steps, 10)
		})
	}
}

// Ingests, readers of the newest and of pinned snapshots, expiry and collection go on while everything is
// compacted again and again.
func TestBesideEverythingElse(t *testing.T) {
	b := store.New(mem.New(), "mem://data")
	s := layouttest.Spec(cube.Uint16, nil)
	c := create(t, b, s)
	fill(t, c, 0, 20)
	pinned := at(t, c, "")
	require.NoError(t, c.Tag(t.Context(), "pinned", pinned.Snapshot()))
	was := all(t, pinned)
	want := map[string]layouttest.Scene{}
	var mu sync.Mutex
	note := func(n int) layouttest.Scene {
		sc := scene(s, n)
		mu.Lock()
		defer mu.Unlock()
		want[sc.Meta.Source] = sc
		return sc
	}
	for n := range 20 {
		note(n)
	}
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	writers.Go(func() {
		for n := range 12 { // some late, some new
			sc := note(100 + n)
			if n%3 == 0 {
				sc.Meta.Time = day(n).Add(time.Hour)
			}
			staged := layouttest.Stage(t, c, sc)
			r, err := c.Commit(t.Context(), []*layout.Staged{staged}, "more")
			if assert.NoError(t, err) {
				assert.Equal(t, layout.Accepted, r.Outcomes[0].Status)
			}
		}
	})
	writers.Go(func() {
		for range 12 {
			_, err := compact.Run(t.Context(), compact.Config{Cube: c, Dates: 8, All: true, StepBytes: 100_000})
			assert.NoError(t, err)
		}
	})
	for range 2 {
		readers.Go(func() {
			r := read.New(read.Config{CacheBytes: -1})
			for {
				select {
				case <-done:
					return
				default:
				}
				for _, ref := range []string{"", "pinned"} {
					v, err := c.At(t.Context(), ref)
					if !assert.NoError(t, err) {
						return
					}
					for _, sl := range v.Slices() {
						q := read.Request{Cell: "r0c0/10m", Slices: []cube.SliceID{sl.ID}, Window: s.Grid.All()}
						n := s.Grid.Width * s.Grid.Height
						image, valid := make([]byte, 6*n), make([]byte, n)
						if !assert.NoError(t, r.Read(t.Context(), v, q, image, valid)) {
							return
						}
						mu.Lock()
						sc := want[sl.Source]
						mu.Unlock()
						assert.True(t, string(sc.Image) == string(image), "pixels of %s", sl.Source)
					}
				}
			}
		})
	}
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			_, err := c.Repo().Collect(t.Context(), icechunk.CollectConfig{OlderThan: time.Hour})
			assert.NoError(t, err)
		}
	})
	writers.Wait()
	close(done)
	readers.Wait()
	_, err := compact.Run(t.Context(), compact.Config{Cube: c, Dates: 8, All: true}) // whatever came after the last of those runs
	require.NoError(t, err)

	tip := at(t, c, "")
	require.Len(t, tip.Slices(), 32)
	newest := all(t, tip)
	_, err = c.Repo().Expire(t.Context(), icechunk.ExpireConfig{Before: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	gone, err := c.Repo().Collect(t.Context(), icechunk.CollectConfig{OlderThan: time.Nanosecond})
	require.NoError(t, err)
	require.Positive(t, gone.Chunks.Objects, "packs that only the history needed")
	c, err = layout.Open(t.Context(), b)
	require.NoError(t, err)
	same(t, newest, all(t, at(t, c, "")))
	same(t, was, all(t, at(t, c, "pinned")))
	log, err := c.Log(t.Context(), "")
	require.NoError(t, err)
	require.Less(t, len(log), 6)
}
