package layout

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
)

// What waits while somebody commits is committed together, up to GroupSize scenes; where that fails, each
// call tries by itself.
func TestQueueMergesWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		bad := &request{scenes: make([]scene, 1), done: make(chan struct{})}
		refused := errors.New("refused")
		gate := make(chan struct{})
		var sizes []int
		do := func(_ context.Context, batch []*request) error {
			n := 0
			for _, r := range batch {
				n += len(r.scenes)
			}
			sizes = append(sizes, n)
			if len(sizes) == 1 {
				<-gate // the first holds the turn until all others wait
			}
			for _, r := range batch {
				if r == bad {
					return refused
				}
			}
			return nil
		}
		var wg sync.WaitGroup
		errs := make([]error, 12)
		run := func(i int, ctx context.Context, r *request) {
			wg.Go(func() { errs[i] = q.run(ctx, r, do) })
			synctest.Wait()
		}
		fresh := func(n int) *request { return &request{scenes: make([]scene, n), done: make(chan struct{})} }
		run(0, t.Context(), fresh(3))
		for i := 1; i <= 4; i++ {
			run(i, t.Context(), fresh(20))
		}
		run(5, t.Context(), bad)
		cancelled, cancel := context.WithCancel(t.Context())
		run(6, cancelled, fresh(1))
		cancel()
		synctest.Wait()
		close(gate)
		wg.Wait()
		for i, err := range errs {
			switch i {
			case 5:
				assert.ErrorIs(t, err, refused)
			case 6:
				assert.ErrorIs(t, err, context.Canceled)
			default:
				assert.NoError(t, err, i)
			}
		}
		assert.Equal(t, 3, sizes[0])
		total, most := 0, 0
		for _, n := range sizes[1:] {
			total, most = total+n, max(most, n)
			assert.LessOrEqual(t, n, GroupSize)
		}
		assert.GreaterOrEqual(t, most, 60, "calls were merged: %v", sizes)
		assert.Empty(t, q.waiting)
	})
}
