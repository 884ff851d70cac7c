package read_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

const cell = "r0c0/10m"

// driver counts reads of chunk objects, and can damage or hold them.
type driver struct {
	store.Driver
	gets   atomic.Int64
	damage atomic.Bool
	hold   chan struct{}
	held   chan struct{}
}

// Near is that of a driver inside that has it.
func (d *driver) Near(key string) store.Near {
	if inner, ok := d.Driver.(store.NearDriver); ok {
		return inner.Near(key)
	}
	return nil
}

func (d *driver) Get(ctx context.Context, key string, r store.Range) (io.ReadCloser, store.Info, error) {
	if !strings.Contains(key, "/chunks/") {
		return d.Driver.Get(ctx, key, r)
	}
	d.gets.Add(1)
	if d.hold != nil {
		d.held <- struct{}{}
		select {
		case <-d.hold:
		case <-ctx.Done():
			return nil, store.Info{}, ctx.Err()
		}
	}
	rc, info, err := d.Driver.Get(ctx, key, r)
	if err != nil || !d.damage.Load() {
		return rc, info, err
	}
	data, err := io.ReadAll(rc)
	for i := range data {
		data[i] ^= 0x55
	}
	return io.NopCloser(bytes.NewReader(data)), info, err
}

type world struct {
	view   *layout.View
	spec   layout.Spec
	scenes map[cube.SliceID]layouttest.Scene
	ids    []cube.SliceID
	driver *driver
}

func newWorld(t *testing.T, s layout.Spec) world {
	t.Helper()
	w := world{spec: s, scenes: map[cube.SliceID]layouttest.Scene{}, driver: &driver{Driver: mem.New()}}
	c, err := layout.Create(t.Context(), store.New(w.driver, "mem://data").Sub("cubes/s2"), s)
	require.NoError(t, err)
	var scenes []layouttest.Scene
	for i := range 4 {
		scenes = append(scenes, layouttest.Random(s, uint64(i), fmt.Sprint("s", i), layouttest.Date(9-i, 1, 0)))
	}
	result := layouttest.Commit(t, c, scenes...)
	for i, o := range result.Outcomes {
		w.scenes[o.Slice.ID] = scenes[i]
		w.ids = append(w.ids, o.Slice.ID)
	}
	w.view, err = c.At(t.Context(), "")
	require.NoError(t, err)
	w.driver.gets.Store(0)
	return w
}

// want is the request answered pixel by pixel from what was put in.
func (w world) want(q read.Request) (image, valid []byte) {
	s, size := w.spec, w.spec.DType.Size()
	bands := q.Bands
	if bands == nil {
		bands = []int{0, 1, 2}
	}
	fill := make([]byte, size)
	w.view.Array("r0c0/10m", layout.Image).FillChunk(fill)
	for _, id := range q.Slices {
		sc, there := w.scenes[id]
		ok := bytes.Repeat([]byte{1}, q.Window.Height*q.Window.Width)
		for _, b := range bands {
			for i := range ok {
				row, col := q.Window.Row+i/q.Window.Width, q.Window.Col+i%q.Window.Width
				if !there || row < 0 || col < 0 || row >= s.Grid.Height || col >= s.Grid.Width {
					image = append(image, fill...)
					ok[i] = 0
					continue
				}
				at := (b*s.Grid.Height+row)*s.Grid.Width + col
				image = append(image, sc.Image[at*size:(at+1)*size]...)
				ok[i] &= sc.Valid[at]
			}
		}
		valid = append(valid, ok...)
	}
	return image, valid
}

func (w world) buffers(q read.Request) (image, valid []byte) {
	bands := len(q.Bands)
	if q.Bands == nil {
		bands = len(w.spec.Bands)
	}
	n := len(q.Slices) * q.Window.Height * q.Window.Width
	image, valid = make([]byte, n*bands*w.spec.DType.Size()), make([]byte, n)
	for i := range image { // buffers are re-used: what was in them must not count
		image[i] = 0xEE
	}
	for i := range valid {
		valid[i] = 0xEE
	}
	return image, valid
}

func (w world) random(rng *rand.Rand) read.Request {
	q := read.Request{Cell: cell, Window: cube.Window{
		Row: rng.IntN(70) - 20, Col: rng.IntN(70) - 20, Height: 1 + rng.IntN(50), Width: 1 + rng.IntN(50),
	}}
	for range rng.IntN(6) {
		id := cube.SliceID("")
		if rng.IntN(5) > 0 {
			id = w.ids[rng.IntN(len(w.ids))]
		}
		q.Slices = append(q.Slices, id)
	}
	if rng.IntN(3) > 0 {
		q.Bands = []int{}
		for range 1 + rng.IntN(4) {
			q.Bands = append(q.Bands, rng.IntN(3))
		}
	}
	return q
}

// Any window, slices and bands equal the naive model, under every budget and number of workers.
func TestReadEqualsModel(t *testing.T) {
	for _, s := range []layout.Spec{
		layouttest.Spec(cube.Uint16, layouttest.Value(65535)), layouttest.Spec(cube.Float32, layouttest.NaN()), layouttest.Spec(cube.Uint8, nil),
	} {
		w := newWorld(t, s)
		for i, cfg := range []read.Config{{}, {CacheBytes: -1, Workers: 1}, {CacheBytes: 3000, Workers: 3}} {
			r := read.New(cfg)
			rng := rand.New(rand.NewPCG(uint64(i), 3))
			for range 150 {
				q := w.random(rng)
				image, valid := w.buffers(q)
				require.NoError(t, r.Read(t.Context(), w.view, q, image, valid))
				wantImage, wantValid := w.want(q)
				require.True(t, bytes.Equal(wantImage, image), "%+v", q)
				require.True(t, bytes.Equal(wantValid, valid), "%+v", q)
			}
		}
	}
}

func TestManyReadersShareOneCache(t *testing.T) {
	w := newWorld(t, layouttest.Spec(cube.Uint16, layouttest.Value(65535)))
	r := read.New(read.Config{CacheBytes: 6000, Workers: 2})
	var done sync.WaitGroup
	for g := range 8 {
		done.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 9))
			for range 60 {
				q := w.random(rng)
				image, valid := w.buffers(q)
				if !assert.NoError(t, r.Read(t.Context(), w.view, q, image, valid)) {
					return
				}
				wantImage, wantValid := w.want(q)
				if !assert.True(t, bytes.Equal(wantImage, image)) || !assert.True(t, bytes.Equal(wantValid, valid)) {
					return
				}
			}
		})
	}
	done.Wait()
	assert.LessOrEqual(t, r.Stats().Bytes, int64(6000), "the budget holds")
	assert.Positive(t, r.Stats().Hits)
}

func (w world) all() read.Request {
	return read.Request{Cell: cell, Slices: w.ids, Window: w.spec.Grid.All()}
}

func TestCachedChunksAreNotReadAgain(t *testing.T) {
	w := newWorld(t, layouttest.Spec(cube.Uint16, layouttest.Value(65535)))
	r := read.New(read.Config{})
	image, valid := w.buffers(w.all())
	require.NoError(t, r.Read(t.Context(), w.view, w.all(), image, valid))
	first := w.driver.gets.Load()
	assert.Positive(t, first)
	require.NoError(t, r.Read(t.Context(), w.view, w.all(), image, valid))
	assert.Equal(t, first, w.driver.gets.Load())
}

// Readers that want a chunk while it is loaded wait for it; one that goes away does not take the
// others with it.
func TestOneLoadServesAll(t *testing.T) {
	w := newWorld(t, layouttest.Spec(cube.Uint16, layouttest.Value(65535)))
	w.driver.hold, w.driver.held = make(chan struct{}), make(chan struct{}, 1000)
	r := read.New(read.Config{Workers: 4})
	q := read.Request{Cell: cell, Slices: w.ids[:1], Window: cube.Window{Row: 20, Col: 20, Height: 2, Width: 2}}

	leader, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		image, valid := w.buffers(q)
		gone <- r.Read(leader, w.view, q, image, valid)
	}()
	<-w.driver.held
	const others = 5
	done := make(chan error, others)
	for range others {
		go func() {
			image, valid := w.buffers(q)
			err := r.Read(t.Context(), w.view, q, image, valid)
			if wantImage, _ := w.want(q); err == nil && !bytes.Equal(wantImage, image) {
				err = errors.New("wrong pixels")
			}
			done <- err
		}()
	}
	cancel()
	assert.True(t, fault.Is(<-gone, fault.Canceled))
	close(w.driver.hold)
	for range others {
		assert.NoError(t, <-done)
	}
	assert.LessOrEqual(t, w.driver.gets.Load(), int64(3), "the abandoned load, then one for the image and one for the validity")
}

// A damaged chunk is an error that says which chunk and which object; nothing of it is kept.
func TestDamageIsAnError(t *testing.T) {
	w := newWorld(t, layouttest.Spec(cube.Uint16, layouttest.Value(65535)))
	r := read.New(read.Config{})
	w.driver.damage.Store(true)
	q := read.Request{Cell: cell, Slices: w.ids[:1], Window: cube.Window{Row: 20, Col: 20, Height: 2, Width: 2}}
	image, valid := w.buffers(q)
	err := r.Read(t.Context(), w.view, q, image, valid)
	require.Error(t, err)
	assert.Equal(t, fault.Corrupt, fault.KindOf(err))
	index, _, _ := w.view.Slice(cell, w.ids[0])
	assert.Contains(t, err.Error(), fmt.Sprintf("chunk [%d 0 1 1] of r0c0/10m/image", index))
	ref, ok, refErr := w.view.Ref(t.Context(), cell, layout.Image, index, 1, 1)
	require.NoError(t, refErr)
	require.True(t, ok)
	assert.Contains(t, err.Error(), "chunks/"+ref.Object.String())
	w.driver.damage.Store(false)
	require.NoError(t, r.Read(t.Context(), w.view, q, image, valid))
	wantImage, wantValid := w.want(q)
	assert.Equal(t, wantImage, image)
	assert.Equal(t, wantValid, valid)
}

func TestMissingObjectIsAnError(t *testing.T) {
	w := newWorld(t, layouttest.Spec(cube.Uint16, layouttest.Value(65535)))
	var keys []string
	for info, err := range w.driver.List(t.Context(), "cubes/s2/chunks/") {
		require.NoError(t, err)
		keys = append(keys, info.Key)
	}
	for _, key := range keys {
		require.NoError(t, w.driver.Delete(t.Context(), key))
	}
	image, valid := w.buffers(w.all())
	err := read.New(read.Config{}).Read(t.Context(), w.view, w.all(), image, valid)
	require.Error(t, err)
	assert.Equal(t, fault.Corrupt, fault.KindOf(err), "the cube says that it is there")
	assert.Contains(t, err.Error(), "chunks/")
}

func TestReadRefuses(t *testing.T) {
	w := newWorld(t, layouttest.Spec(cube.Uint16, layouttest.Value(65535)))
	r := read.New(read.Config{})
	good := read.Request{Cell: cell, Slices: w.ids[:1], Window: cube.Window{Height: 2, Width: 2}, Bands: []int{0}}
	for name, change := range map[string]func(*read.Request){
		"cell":        func(q *read.Request) { q.Cell = "r1c1/10m" },
		"slice":       func(q *read.Request) { q.Slices = []cube.SliceID{"0123"} },
		"band":        func(q *read.Request) { q.Bands = []int{3} },
		"no bands":    func(q *read.Request) { q.Bands = []int{} },
		"empty":       func(q *read.Request) { q.Window.Width = 0 },
		"other sizes": func(q *read.Request) { q.Window.Width = 3 },
	} {
		q := good
		change(&q)
		image, valid := w.buffers(good)
		assert.Error(t, r.Read(t.Context(), w.view, q, image, valid), name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	image, valid := w.buffers(good)
	assert.True(t, fault.Is(r.Read(ctx, w.view, good, image, valid), fault.Canceled))
}
