package stream

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
)

// counted is a source whose rows hold their position.
type counted struct {
	reads atomic.Int64
	fails uint64 // position that cannot be read, if not 0
	panic bool
	hold  chan struct{} // where not nil, reads wait for it or for the end of their context
}

func (c *counted) shape() Shape {
	return Shape{Slots: 1, Bands: 1, Height: 2, Width: 2, DType: cube.Uint16, Label: cube.Uint8}
}

func (c *counted) fill(ctx context.Context, first uint64, dst []row) error {
	return inParallel(ctx, len(dst), func(ctx context.Context, i int) error { return c.one(ctx, first+uint64(i), dst[i]) })
}

func (c *counted) one(ctx context.Context, pos uint64, dst row) error {
	c.reads.Add(1)
	if c.hold != nil {
		select {
		case <-c.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if c.fails != 0 && pos == c.fails {
		if c.panic {
			panic("broken")
		}
		return fault.New(fault.Corrupt, "chunk is damaged")
	}
	for i := range 4 {
		cube.Uint16.Put(dst.image[2*i:], float64(pos))
		dst.valid[i] = 1
		dst.label[i] = byte(pos)
	}
	dst.times[0] = int64(pos)
	*dst.id = strconv.FormatUint(pos, 10)
	return nil
}

func (c *counted) pad(dst row) { dst.times[0] = NoTime }

func (c *counted) taken() Chunks { return Chunks{} }

func openCounted(t *testing.T, src *counted, n, start uint64, batch, world, rank int, tail order.Tail, messageBytes int) *Run {
	t.Helper()
	plan, err := order.NewPlan(n, start, batch, world, tail)
	require.NoError(t, err)
	r, err := newRun(Info{}, src, plan, rank, messageBytes, &share{heap: &heap{}})
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r
}

// positions reads a run to its end and checks what every batch must hold.
func positions(t *testing.T, r *Run) (all []int64, perStep []int) {
	t.Helper()
	var step uint64
	for part := 0; ; part++ {
		b, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if b.Step != step {
			step, part = b.Step, 0
		}
		require.Equal(t, part, b.Part)
		if part == 0 {
			perStep = append(perStep, 0)
		}
		perStep[len(perStep)-1] += b.Rows
		require.Equal(t, int(step), len(perStep)-1)
		for i, p := range b.Positions {
			if p >= 0 {
				require.Equal(t, strconv.FormatInt(p, 10), b.IDs[i])
				require.Equal(t, float64(uint16(p)), cube.Uint16.Get(b.Image[8*i:]))
				require.Equal(t, byte(p), b.Label[4*i])
				require.Equal(t, p, b.Times[i])
			}
			if b.Weights != nil {
				require.Equal(t, p >= 0, b.Weights[i] == 1)
			}
		}
		all = append(all, b.Positions...)
	}
	_, err := r.Next(t.Context())
	require.ErrorIs(t, err, io.EOF)
	return all, perStep
}

// Whatever the batch size, the number of ranks, the tail and the message size: together the ranks read
// every position from the start exactly once, in step order, except what the tail leaves out or pads.
func TestRanksReadEveryPositionOnce(t *testing.T) {
	for _, n := range []uint64{0, 1, 7, 24, 61} {
		for _, start := range []uint64{0, n / 3, n} {
			for world := 1; world <= 8; world++ {
				for _, batch := range []int{1, 3, 8} {
					for _, tail := range []order.Tail{order.Short, order.Drop, order.Pad} {
						if tail == order.Short && world > 1 {
							continue
						}
						seen := map[int64]int{}
						var steps []int
						for rank := range world {
							all, per := positions(t, openCounted(t, &counted{}, n, start, batch, world, rank, tail, 1+700*(world%2)))
							if rank > 0 {
								require.Equal(t, steps, per, "every rank makes the same steps")
							}
							steps = per
							for _, p := range all {
								seen[p]++
							}
						}
						left := n - start
						want := left
						if tail == order.Drop {
							want -= left % uint64(batch*world)
						}
						for p := start; p < start+want; p++ {
							require.Equal(t, 1, seen[int64(p)])
						}
						delete(seen, -1)
						require.Len(t, seen, int(want))
					}
				}
			}
		}
	}
}

func TestRunInfoCountsRows(t *testing.T) {
	for _, tail := range []order.Tail{order.Short, order.Drop, order.Pad} {
		r := openCounted(t, &counted{}, 23, 2, 5, 1, 0, tail, 0)
		info := r.Info()
		all, per := positions(t, r)
		require.Len(t, all, int(info.Rows))
		require.Len(t, per, int(info.Steps))
	}
}

func TestMessageBytesCutsWholeRows(t *testing.T) {
	per := int((&counted{}).shape().RowBytes())
	for bytes, rows := range map[int][]int{1: {1, 1, 1, 1, 1, 1, 1}, 3 * per: {3, 3, 1}, 7 * per: {7}, 100 * per: {7}} {
		r := openCounted(t, &counted{}, 7, 0, 7, 1, 0, order.Short, bytes)
		for i, want := range rows {
			b, err := r.Next(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, b.Rows)
			require.Equal(t, i, b.Part)
			require.Equal(t, len(rows), b.Parts)
			require.Zero(t, b.Step)
		}
	}
}

func TestTooLargeAMessageIsRefusedWithTheCure(t *testing.T) {
	big := bigSource{&counted{}}
	plan, err := order.NewPlan(1<<20, 0, 64, 1, order.Short)
	require.NoError(t, err)
	_, err = newRun(Info{}, big, plan, 0, 0, &share{heap: &heap{}})
	require.True(t, fault.Is(err, fault.TooLarge))
	require.Contains(t, fault.CureOf(err), "message_bytes")
	require.Contains(t, fault.CureOf(err), "batch_size 38 ")

	_, err = newRun(Info{}, big, plan, 0, 64<<20, &share{heap: &heap{}})
	require.NoError(t, err, "message_bytes cures it")

	plan.Batch = 38
	_, err = newRun(Info{}, big, plan, 0, 0, &share{heap: &heap{}})
	require.NoError(t, err, "the batch size that the cure names is small enough")

	plan.N, plan.Batch = 38, 64
	_, err = newRun(Info{}, big, plan, 0, 0, &share{heap: &heap{}})
	require.NoError(t, err, "a split that is smaller than the batch never makes so large a message")

	huge := hugeSource{big}
	_, err = newRun(Info{}, huge, plan, 0, 1, &share{heap: &heap{}})
	require.True(t, fault.Is(err, fault.TooLarge), "one row alone is too large")
}

// The length of a frame is that of the block and of the counts behind it, and no more than MaxMessageBytes.
func TestTheLongestMessageIsAFrame(t *testing.T) {
	for _, s := range []Shape{
		{Slots: 1, Bands: 1, Height: 18918, Width: 18918, DType: cube.Uint16, Weighted: true, Turned: true, Placed: true},
		{Slots: 1, Bands: 1, Height: 1, Width: 1<<29 - 100, DType: cube.Uint8}, // whose RowBytes are MaxMessageBytes
		{Slots: 12, Bands: 13, Height: 293, Width: 293, DType: cube.Uint16},
		{Slots: 1, Bands: 1, Height: 1, Width: 1, DType: cube.Uint8},
		{Slots: 1, Bands: 1, Height: 1, Width: 1 << 40, DType: cube.Uint8},
	} {
		n := s.mostRows()
		if n > 0 {
			require.LessOrEqual(t, s.BlockBytes(n)+ChunksBytes, MaxMessageBytes, "%+v", s)
		}
		if s.RowBytes() == MaxMessageBytes {
			require.Zero(t, n, "the columns' gaps and the counts are more than the allowance")
		}
		require.Greater(t, float64(n+2)*s.RowBytes(), float64(MaxMessageBytes), "%+v: no more are refused than must be", s)
	}
}

type bigSource struct{ *counted }

func (bigSource) shape() Shape {
	return Shape{Slots: 12, Bands: 13, Height: 293, Width: 293, DType: cube.Uint16}
}

type hugeSource struct{ bigSource }

func (hugeSource) shape() Shape {
	return Shape{Slots: 1000, Bands: 13, Height: 16384, Width: 16384, DType: cube.Float64}
}

func TestLookAheadIsBounded(t *testing.T) {
	src := &counted{}
	r := openCounted(t, src, 1000, 0, 10, 1, 0, order.Short, 0)
	_, err := r.Next(t.Context())
	require.NoError(t, err)
	// One batch taken, one waiting, one read and blocked: never more than three.
	require.Eventually(t, func() bool { return src.reads.Load() == 30 }, 5*time.Second, time.Millisecond)
	runtime.Gosched()
	require.LessOrEqual(t, src.reads.Load(), int64(30))
}

func TestReadErrorEndsTheRun(t *testing.T) {
	for _, panics := range []bool{false, true} {
		src := &counted{fails: 12, panic: panics}
		r := openCounted(t, src, 100, 0, 5, 1, 0, order.Short, 0)
		for range 2 {
			_, err := r.Next(t.Context())
			require.NoError(t, err)
		}
		b, err := r.Next(t.Context())
		require.Nil(t, b)
		require.Error(t, err)
		if panics {
			require.True(t, fault.Is(err, fault.Internal))
			require.ErrorContains(t, err, "broken")
		} else {
			require.True(t, fault.Is(err, fault.Corrupt))
		}
		_, again := r.Next(t.Context())
		require.Equal(t, err, again, "a run that failed does not go on")
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	for i := range 20 {
		src := &counted{}
		if i%2 == 0 {
			src.hold = make(chan struct{})
		}
		r := openCounted(t, src, 1000, 0, 10, 1, 0, order.Short, 0)
		ctx, cancel := context.WithCancel(t.Context())
		if src.hold == nil {
			_, err := r.Next(ctx)
			require.NoError(t, err)
		} else {
			go func() {
				for src.reads.Load() == 0 {
					runtime.Gosched()
				}
				cancel()
			}()
			_, err := r.Next(ctx)
			require.True(t, fault.Is(err, fault.Canceled))
		}
		r.Close()
		cancel()
	}
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		require.True(t, time.Now().Before(end), "goroutines are left")
	}

	unread := openCounted(t, &counted{}, 10, 0, 1, 1, 0, order.Short, 0)
	unread.Close()
	_, err := unread.Next(t.Context())
	require.ErrorIs(t, err, io.EOF)
}
