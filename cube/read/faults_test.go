package read_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// flaky fails some reads of chunk objects: not at all there for now, torn, held up, or with a bit flipped.
type flaky struct {
	store.Driver
	mu   sync.Mutex
	rng  *rand.Rand
	rate float64
	// only restricts the faults to answers that hold this byte of this object.
	object string
	at     int64
	bits   bool
	count  atomic.Int64
	near   atomic.Int64 // objects of which something was said to be in memory
}

var errStore = fault.New(fault.Unavailable, "the store is busy")

func (f *flaky) Get(ctx context.Context, key string, r store.Range) (io.ReadCloser, store.Info, error) {
	rc, info, err := f.Driver.Get(ctx, key, r)
	if err != nil || !strings.Contains(key, "/chunks/") {
		return rc, info, err
	}
	if f.object != "" && (!strings.HasSuffix(key, f.object) || f.at < r.Offset || f.at >= r.Offset+r.Length) {
		return rc, info, nil
	}
	f.mu.Lock()
	hit, kind, place := f.rng.Float64() < f.rate, f.rng.IntN(3), f.rng.Float64()
	f.mu.Unlock()
	if !hit {
		return rc, info, nil
	}
	f.count.Add(1)
	data, err := io.ReadAll(rc)
	if err != nil {
		return nil, info, err
	}
	if f.bits {
		data[f.at-r.Offset] ^= 0x10
		return io.NopCloser(bytes.NewReader(data)), info, nil
	}
	switch kind {
	case 0:
		return nil, store.Info{}, errStore
	case 1:
		return io.NopCloser(bytes.NewReader(data[:int(place*float64(len(data)))])), info, nil
	}
	select { // held up until the caller goes away or the others had their turn
	case <-ctx.Done():
		return nil, store.Info{}, ctx.Err()
	case <-time.After(time.Duration(place * float64(2*time.Millisecond))):
		return io.NopCloser(bytes.NewReader(data)), info, nil
	}
}

// Near says of most chunk objects that some of their bytes are in memory, which are as faulty as the others.
func (f *flaky) Near(key string) store.Near {
	if !strings.Contains(key, "/chunks/") || f.chance(0.2) {
		return nil
	}
	f.near.Add(1)
	return nearby{f, key}
}

func (f *flaky) chance(rate float64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rng.Float64() < rate
}

type nearby struct {
	*flaky
	key string
}

func (nearby) Close() error { return nil }

func (n nearby) ReadNow(offset int64, dst []byte) bool {
	if n.chance(0.3) {
		return false
	}
	rc, _, err := n.Get(context.Background(), n.key, store.Range{Offset: offset, Length: int64(len(dst))})
	if err != nil {
		return false
	}
	defer rc.Close()
	_, err = io.ReadFull(rc, dst)
	return err == nil
}

// check demands that a window is right or says why it is not.
func (w tiled) check(t testing.TB, q read.Request, group int, image, valid []byte, err error) bool {
	if err != nil {
		return assert.False(t, read.Damaged(err)) && assert.True(t, fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Canceled), "%v", err)
	}
	wantImage, wantValid, _ := w.want(t, q, group)
	return assert.True(t, bytes.Equal(wantImage, image), "%+v", q) && assert.True(t, bytes.Equal(wantValid, valid), "%+v", q)
}

// Many callers over a store that fails, tears and delays, some of whom go away: every window is right or
// an error, and in the end nothing is held, nothing runs and nothing wrong was kept.
func TestFaultsAndCancellation(t *testing.T) {
	read.Scribble()
	w := newTiled(t, nil)
	store := &flaky{Driver: w.driver.Driver, rng: rand.New(rand.NewPCG(3, 3)), rate: 0.3}
	w.driver.Driver = store
	before := runtime.NumGoroutine()
	for i, cfg := range tight {
		r := read.New(cfg)
		var done sync.WaitGroup
		for g := range 6 {
			done.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(i), uint64(g)))
				for range 25 {
					qs, groups := make([]read.Request, 5), make([]int, 5)
					image, valid := make([][]byte, 5), make([][]byte, 5)
					for k := range qs {
						qs[k], groups[k] = w.random(rng)
						image[k], valid[k] = w.buffers(qs[k], groups[k])
					}
					ctx, cancel := context.WithCancel(t.Context())
					if rng.IntN(3) == 0 {
						timer := time.AfterFunc(time.Duration(rng.IntN(1500))*time.Microsecond, cancel)
						defer timer.Stop()
					}
					report, err := r.ReadMany(ctx, w.view, qs, image, valid)
					for k, q := range qs {
						var why error
						if report.Errs != nil {
							why = report.Errs[k]
						}
						if !w.check(t, q, groups[k], image[k], valid[k], why) {
							cancel()
							return
						}
					}
					assert.Equal(t, err != nil, report.Errs != nil)
					cancel()
				}
			})
		}
		done.Wait()
		require.Empty(t, r.Idle())
		assert.Positive(t, store.count.Load())
		assert.Positive(t, store.near.Load())
		store.rate = 0
		rng := rand.New(rand.NewPCG(99, 9))
		for range 40 {
			q, group := w.random(rng)
			image, valid := w.buffers(q, group)
			require.NoError(t, r.Read(t.Context(), w.view, q, image, valid))
			require.True(t, w.check(t, q, group, image, valid, nil))
		}
		store.rate = 0.3
	}
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+2 }, 5*time.Second, time.Millisecond, "goroutines are left")
}

// One bad bit in a range of many chunks fails the windows that need its chunk, and no others.
func TestOneBadChunkFailsItsWindowsOnly(t *testing.T) {
	w := newTiled(t, nil)
	index, _, ok := w.view.Slice("r0c0/10m", w.ids[0])
	require.True(t, ok)
	ref, ok, err := w.view.Ref(t.Context(), "r0c0/10m", layout.Image, index, 1, 1)
	require.NoError(t, err)
	require.True(t, ok)
	bad := &flaky{Driver: w.driver.Driver, rng: rand.New(rand.NewPCG(3, 3)), rate: 1, object: ref.Object.String(), bits: true}
	bad.at = int64(ref.Offset) + 4 // of the size in the header
	w.driver.Driver = bad
	for _, cfg := range tight {
		r := read.New(cfg)
		var qs []read.Request
		var image, valid [][]byte
		for cy := range 4 {
			for cx := range 4 {
				q := read.Request{Cell: "r0c0/10m", Slices: w.ids[:1]}
				q.Window.Row, q.Window.Col, q.Window.Height, q.Window.Width = 16*cy, 16*cx, 16, 16
				i, v := w.buffers(q, 0)
				qs, image, valid = append(qs, q), append(image, i), append(valid, v)
			}
		}
		report, err := r.ReadMany(t.Context(), w.view, qs, image, valid)
		require.Error(t, err)
		require.Len(t, report.Errs, 16)
		for k, q := range qs {
			if k == 5 {
				assert.Equal(t, fault.Corrupt, fault.KindOf(report.Errs[k]))
				assert.True(t, read.Damaged(report.Errs[k]))
				assert.ErrorContains(t, report.Errs[k], "chunk [")
				assert.ErrorContains(t, report.Errs[k], "1 1] of r0c0/10m/image in mem://data/cubes/s2 (object chunks/"+ref.Object.String())
				continue
			}
			require.NoError(t, report.Errs[k])
			assert.True(t, w.check(t, q, 0, image[k], valid[k], nil))
		}
		require.Empty(t, r.Idle())
	}
}

// A range whose answer breaks off is asked for chunk by chunk, so that one object that is cut short
// fails only what lies behind the cut.
func TestAShortObjectFailsWhatIsMissing(t *testing.T) {
	w := newTiled(t, nil)
	index, _, _ := w.view.Slice("r0c0/10m", w.ids[0])
	ref, _, err := w.view.Ref(t.Context(), "r0c0/10m", layout.Image, index, 2, 0)
	require.NoError(t, err)
	key := "cubes/s2/chunks/" + ref.Object.String()
	rc, _, err := w.driver.Driver.Get(t.Context(), key, store.Range{})
	require.NoError(t, err)
	data, err := io.ReadAll(rc)
	require.NoError(t, err)
	_, err = w.driver.Driver.Put(t.Context(), key, bytes.NewReader(data[:ref.Offset+1]), store.Condition{})
	require.NoError(t, err)
	qs := []read.Request{{Cell: "r0c0/10m", Slices: w.ids[:1]}, {Cell: "r0c0/10m", Slices: w.ids[:1]}}
	qs[0].Window.Height, qs[0].Window.Width = 16, 64
	qs[1].Window.Height, qs[1].Window.Width, qs[1].Window.Row = 16, 64, 32
	i0, v0 := w.buffers(qs[0], 0)
	i1, v1 := w.buffers(qs[1], 0)
	report, err := read.New(read.Config{}).ReadMany(t.Context(), w.view, qs, [][]byte{i0, i1}, [][]byte{v0, v1})
	require.Error(t, err)
	require.NoError(t, report.Errs[0])
	assert.True(t, w.check(t, qs[0], 0, i0, v0, nil))
	assert.Equal(t, fault.Corrupt, fault.KindOf(report.Errs[1]))
	assert.True(t, read.Damaged(report.Errs[1]))
	assert.False(t, errors.Is(report.Errs[1], store.ErrNotFound))
}

// losing has no object of some name, and remembers what it was asked for.
type losing struct {
	store.Driver
	mu   sync.Mutex
	lost string
	keys map[string]bool
}

func (l *losing) Get(ctx context.Context, key string, r store.Range) (io.ReadCloser, store.Info, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys[key] = true
	if key == l.lost {
		return nil, store.Info{}, store.ErrNotFound
	}
	return l.Driver.Get(ctx, key, r)
}

// Whatever object is lost, it is an error; damage of the data it is where pixels lie in it, and no digests.
func TestOnlyLostPixelsAreDamage(t *testing.T) {
	driver := &losing{Driver: mem.New(), keys: map[string]bool{}}
	bucket := store.New(driver, "mem://data").Sub("cubes/s2")
	w := newTiled(t, bucket)
	index, _, _ := w.view.Slice("r0c0/10m", w.ids[0])
	ref, _, err := w.view.Ref(t.Context(), "r0c0/10m", layout.Image, index, 1, 1)
	require.NoError(t, err)
	q := read.Request{Cell: "r0c0/10m", Slices: w.ids[:1]}
	q.Window.Row, q.Window.Col, q.Window.Height, q.Window.Width = 16, 16, 16, 16
	once := func() error {
		image, valid := w.buffers(q, 0)
		c, err := layout.Open(t.Context(), bucket)
		if err != nil {
			return err
		}
		v, err := c.At(t.Context(), w.view.Snapshot())
		if err != nil {
			return err
		}
		return read.New(read.Config{}).Read(t.Context(), v, q, image, valid)
	}
	clear(driver.keys)
	require.NoError(t, once())
	needed := slices.Collect(maps.Keys(driver.keys))
	require.Greater(t, len(needed), 3)
	pixels := 0
	for _, key := range needed {
		driver.lost = key
		err := once()
		require.Error(t, err, key)
		of := strings.HasSuffix(key, ref.Object.String())
		require.Equal(t, of, read.Damaged(err), "%s: %v", key, err)
		if of {
			pixels++
		}
	}
	require.Equal(t, 1, pixels)
}
