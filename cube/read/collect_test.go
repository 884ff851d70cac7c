package read_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// Readers of a version that a tag pins, some with a cube of their own, see its pixels and no error, while
// scenes come late and supersede others, history expires and everything that nothing needs is deleted.
func TestPinnedVersionsReadOnDuringCollection(t *testing.T) {
	files, err := file.New(t.TempDir())
	require.NoError(t, err)
	for name, driver := range map[string]store.Driver{"mem": mem.New(), "file": files} {
		t.Run(name, func(t *testing.T) {
			bucket := store.New(driver, "test://data").Sub("cubes/s2")
			w := newTiled(t, bucket)
			c := w.view.Cube()
			at, err := icechunk.ParseID(w.view.Snapshot())
			require.NoError(t, err)
			require.NoError(t, c.Repo().Tag(t.Context(), "pinned", at))
			var stop atomic.Bool
			var reads atomic.Int64
			var readers sync.WaitGroup
			for g := range 2 {
				readers.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(g), 21))
					r, mine := read.New(read.Config{CacheBytes: 20_000, Workers: 2}), w
					for i := 0; !stop.Load(); i++ {
						if g%2 == 1 && i%20 == 0 { // nothing is kept from before
							own, err := layout.Open(t.Context(), bucket)
							if !assert.NoError(t, err) {
								return
							}
							if mine.view, err = own.At(t.Context(), "pinned"); !assert.NoError(t, err) {
								return
							}
							r = read.New(read.Config{CacheBytes: 20_000, Workers: 2})
						}
						q, group := mine.random(rng)
						image, valid := mine.buffers(q, group)
						if !assert.NoError(t, r.Read(t.Context(), mine.view, q, image, valid)) {
							return
						}
						wantImage, wantValid, _ := w.want(t, q, group)
						if !assert.True(t, bytes.Equal(wantImage, image)) || !assert.True(t, bytes.Equal(wantValid, valid)) {
							return
						}
						reads.Add(1)
					}
				})
			}
			deleted := int64(0)
			for i := 0; i < 4 || reads.Load() < 50; i++ {
				s := layouttest.RandomIn(w.spec, uint64(100+i), fmt.Sprint("s", i%5), layouttest.Date(9-i%5, 1, 0), footprints[i%5])
				_, err := c.CommitWith(t.Context(), []*layout.Staged{layouttest.Stage(t, c, s)}, "reprocessed", layout.CommitOptions{Supersede: true})
				require.NoError(t, err)
				_, err = c.Repo().Expire(t.Context(), icechunk.ExpireConfig{Before: time.Now()})
				require.NoError(t, err)
				report, err := c.Repo().Collect(t.Context(), icechunk.CollectConfig{OlderThan: time.Nanosecond})
				require.NoError(t, err)
				deleted += report.Total().Objects
				if t.Failed() {
					break
				}
			}
			stop.Store(true)
			readers.Wait()
			assert.Positive(t, deleted, "nothing was deleted under the readers")
			t.Logf("%d reads, %d objects deleted meanwhile", reads.Load(), deleted)
		})
	}
}
