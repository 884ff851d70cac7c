package read_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
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

// tiled is a cube of 3×3 cells at 10 and 20 m with flags, the last column and row of cells cut off by the
// frame's edge; scenes of all sizes cover parts of it, and one cell is reached by none.
type tiled struct {
	view   *layout.View
	spec   layout.Spec
	groups []layout.Group
	scenes map[cube.SliceID]layouttest.Scene
	ids    []cube.SliceID
	driver *driver
}

func tiledSpec(t testing.TB) layout.Spec {
	t.Helper()
	s := layouttest.Spec(cube.Uint16, layouttest.Value(65535))
	s.Grid.Width, s.Grid.Height, s.CellSize = 150, 140, 64
	g, err := s.NewGroup("20m", []cube.Band{{Name: "B05"}, {Name: "B06"}})
	require.NoError(t, err)
	s.Further = []layout.Group{g}
	s.Flags = []layout.Flag{{Name: "cloud", Mask: 1}, {Name: "shadow", Mask: 256}}
	return s
}

var footprints = []cube.Window{
	{Height: 140, Width: 128}, {Row: 10, Col: 20, Height: 60, Width: 70}, {Row: 64, Col: 64, Height: 64, Width: 64},
	{Row: 70, Col: 0, Height: 70, Width: 150}, {Row: 2, Col: 2, Height: 4, Width: 100},
}

func newTiled(t testing.TB, bucket *store.Bucket) tiled { return newTiledIn(t, bucket, "") }

func newTiledIn(t testing.TB, bucket *store.Bucket, codec layout.Codec) tiled {
	t.Helper()
	w := tiled{spec: tiledSpec(t), scenes: map[cube.SliceID]layouttest.Scene{}}
	w.spec.Codec = codec
	if bucket == nil {
		w.driver = &driver{Driver: mem.New()}
		bucket = store.New(w.driver, "mem://data").Sub("cubes/s2")
	}
	w.groups = w.spec.Groups()
	c, err := layout.Create(t.Context(), bucket, w.spec)
	require.NoError(t, err)
	for i, f := range footprints {
		sc := layouttest.RandomIn(w.spec, uint64(i), fmt.Sprint("s", i), layouttest.Date(9-i, 1, 0), f)
		id := layouttest.Commit(t, c, sc).Outcomes[0].Slice.ID
		w.scenes[id], w.ids = sc, append(w.ids, id)
	}
	w.view, err = c.At(t.Context(), "")
	require.NoError(t, err)
	return w
}

// random is a request for any cell of the tiling, existing or not, reaching anywhere.
func (w tiled) random(rng *rand.Rand) (q read.Request, group int) {
	group = rng.IntN(2)
	f := w.groups[group]
	q.Cell = fmt.Sprintf("r%dc%d/%s", rng.IntN(3), rng.IntN(3), f.Name)
	q.Window = cube.Window{Row: rng.IntN(200) - 100, Col: rng.IntN(200) - 100, Height: 1 + rng.IntN(90), Width: 1 + rng.IntN(90)}
	if rng.IntN(3) == 0 { // a chunk as it is
		q.Window = cube.Window{Row: 16 * rng.IntN(4), Col: 16 * rng.IntN(4), Height: 16, Width: 16}
	}
	for range rng.IntN(5) {
		id := cube.SliceID("")
		if rng.IntN(6) > 0 {
			id = w.ids[rng.IntN(len(w.ids))]
		}
		q.Slices = append(q.Slices, id)
	}
	if rng.IntN(2) == 0 {
		q.Bands = []int{}
		for range 1 + rng.IntN(3) {
			q.Bands = append(q.Bands, rng.IntN(len(f.Bands)))
		}
	}
	return q, group
}

// want answers a request pixel by pixel from the scenes that were put in.
func (w tiled) want(t testing.TB, q read.Request, group int) (image, valid, flags []byte) {
	g := w.groups[group]
	c, err := w.view.Cell(q.Cell)
	require.NoError(t, err)
	bands := q.Bands
	if bands == nil {
		for b := range g.Bands {
			bands = append(bands, b)
		}
	}
	for _, id := range q.Slices {
		sc, there := w.scenes[id]
		ok := bytes.Repeat([]byte{1}, q.Window.Height*q.Window.Width)
		for k, b := range bands {
			for i := range ok {
				row, col := c.Window.Row+q.Window.Row+i/q.Window.Width, c.Window.Col+q.Window.Col+i%q.Window.Width
				inside := there && row >= 0 && col >= 0 && row < g.Grid.Height && col < g.Grid.Width
				if k == 0 && group == 0 {
					bits := []byte{0, 0}
					if inside {
						bits = sc.Flags[2*(row*g.Grid.Width+col):][:2]
					}
					flags = append(flags, bits...)
				}
				if !inside {
					image, ok[i] = append(image, 0xFF, 0xFF), 0
					continue
				}
				at := (b*g.Grid.Height+row)*g.Grid.Width + col
				image = append(image, sc.Of(group).Image[2*at:2*at+2]...)
				ok[i] &= sc.Of(group).Valid[at]
			}
		}
		valid = append(valid, ok...)
	}
	return image, valid, flags
}

// buffers are full of what must not count.
func (w tiled) buffers(q read.Request, group int) (image, valid []byte) {
	bands := len(q.Bands)
	if q.Bands == nil {
		bands = len(w.groups[group].Bands)
	}
	n := len(q.Slices) * q.Window.Height * q.Window.Width
	return bytes.Repeat([]byte{0xEE}, 2*n*bands), bytes.Repeat([]byte{0xEE}, n)
}

var tight = []read.Config{
	{},
	{CacheBytes: -1, Workers: 1, Ranges: 1, FlightBytes: 1, GapBytes: -1},
	{CacheBytes: -1, Workers: 3, FlightBytes: 3000, RangeBytes: 1000},
	{CacheBytes: 9000, Workers: 3, Ranges: 2, FlightBytes: 2000},
}

// codecs are some that pixels may be stored in, that of nothing to decode first.
var codecs = []layout.Codec{layout.Uncompressed, "", "zstd:1", "blosc-lz4", "gzip:1"}

// Batches of any windows of any cells equal the naive model, in every codec and under every budget; memory that was given
// back is scribbled over meanwhile.
func TestBatchesAcrossCellsEqualModel(t *testing.T) {
	read.Scribble()
	for _, codec := range codecs {
		t.Run(codec.String(), func(t *testing.T) { batchesEqualModel(t, newTiledIn(t, nil, codec)) })
	}
}

func batchesEqualModel(t *testing.T, w tiled) {
	for i, cfg := range tight {
		r := read.New(cfg)
		rng := rand.New(rand.NewPCG(uint64(i), 4))
		for range 40 {
			n := rng.IntN(12)
			qs, groups := make([]read.Request, n), make([]int, n)
			image, valid := make([][]byte, n), make([][]byte, n)
			for k := range qs {
				qs[k], groups[k] = w.random(rng)
				image[k], valid[k] = w.buffers(qs[k], groups[k])
			}
			report, err := r.ReadMany(t.Context(), w.view, qs, image, valid)
			require.NoError(t, err)
			require.Nil(t, report.Errs)
			for k, q := range qs {
				wantImage, wantValid, _ := w.want(t, q, groups[k])
				require.True(t, bytes.Equal(wantImage, image[k]), "%+v", q)
				require.True(t, bytes.Equal(wantValid, valid[k]), "%+v", q)
			}
			require.Empty(t, r.Idle())
		}
	}
}

func TestFlagsEqualModel(t *testing.T) {
	w := newTiled(t, nil)
	for _, cfg := range tight {
		r := read.New(cfg)
		rng := rand.New(rand.NewPCG(7, 7))
		for range 60 {
			q, group := w.random(rng)
			into := bytes.Repeat([]byte{0xEE}, 2*len(q.Slices)*q.Window.Height*q.Window.Width)
			err := r.ReadFlags(t.Context(), w.view, q, into)
			if group == 1 {
				require.Equal(t, fault.NotFound, fault.KindOf(err), "20 m has no flags")
				continue
			}
			require.NoError(t, err)
			_, _, want := w.want(t, q, group)
			require.True(t, bytes.Equal(want, into), "%+v", q)
		}
	}
}

// A window that is refused says why and leaves the others of its batch alone.
func TestRefusedWindowsOfABatch(t *testing.T) {
	w := newTiled(t, nil)
	rng := rand.New(rand.NewPCG(1, 1))
	good, group := w.random(rng)
	good.Slices, good.Bands = w.ids, nil
	bad := []read.Request{good, good, good, good, good}
	bad[1].Cell = "r9c9/10m"
	bad[2].Slices = append([]cube.SliceID{w.ids[0]}, "0123")
	bad[3].Bands = []int{99}
	image, valid := make([][]byte, 5), make([][]byte, 5)
	for i := range bad {
		image[i], valid[i] = w.buffers(bad[i], group)
	}
	image[4] = image[4][1:]
	report, err := read.New(read.Config{}).ReadMany(t.Context(), w.view, bad, image, valid)
	require.Len(t, report.Errs, 5)
	assert.Equal(t, report.Errs[1], err, "the first")
	assert.NoError(t, report.Errs[0])
	assert.Equal(t, fault.NotFound, fault.KindOf(report.Errs[1]))
	assert.Equal(t, fault.NotFound, fault.KindOf(report.Errs[2]))
	assert.Equal(t, fault.Invalid, fault.KindOf(report.Errs[3]))
	assert.Equal(t, fault.Internal, fault.KindOf(report.Errs[4]))
	wantImage, _, _ := w.want(t, good, group)
	assert.True(t, bytes.Equal(wantImage, image[0]))
}

// What a batch wants many times is read and decoded once, and neighbours come in one range.
func TestABatchReadsEachChunkOnce(t *testing.T) {
	w := newTiled(t, nil)
	q := read.Request{Cell: "r0c0/10m", Slices: w.ids[:1], Window: cube.Window{Row: 8, Col: 8, Height: 40, Width: 40}}
	qs, image, valid := make([]read.Request, 7), make([][]byte, 7), make([][]byte, 7)
	for i := range qs {
		qs[i] = q
		qs[i].Window.Row += i % 2
		image[i], valid[i] = w.buffers(q, 0)
	}
	r := read.New(read.Config{})
	foreseen, err := r.Foresee(t.Context(), w.view, qs)
	require.NoError(t, err)
	assert.Zero(t, w.driver.gets.Load())
	report, err := r.ReadMany(t.Context(), w.view, qs, image, valid)
	require.NoError(t, err)
	foreseen.Decoding = report.Decoding
	assert.Equal(t, report.Cost, foreseen)
	assert.EqualValues(t, 2*12, report.Misses, "four by three chunks of pixels and of validity")
	assert.EqualValues(t, 1, report.Ranges)
	assert.EqualValues(t, 11, report.Coalesced, "validity is small enough to lie in the manifest")
	assert.EqualValues(t, 1+2, w.driver.gets.Load(), "the range, and once the digests of either layer")
	again, err := r.ReadMany(t.Context(), w.view, qs, image, valid)
	require.NoError(t, err)
	assert.Equal(t, read.Cost{Hits: report.Misses}, again.Cost)
	foreseen, err = r.Foresee(t.Context(), w.view, qs)
	require.NoError(t, err)
	assert.Equal(t, again.Cost, foreseen)
	assert.EqualValues(t, report.Misses, r.Stats().Misses)
}

// Chunks that somebody expects to read outlive a pass over everything else.
func TestExpectedChunksAreKept(t *testing.T) {
	w := newTiled(t, nil)
	r := read.New(read.Config{CacheBytes: 30_000})
	q := read.Request{Cell: "r0c0/10m", Slices: w.ids[:1], Window: cube.Window{Height: 32, Width: 32}}
	all := read.Request{Cell: "r0c0/10m", Slices: w.ids, Window: cube.Window{Height: 140, Width: 150}}
	image, valid := w.buffers(q, 0)
	allImage, allValid := w.buffers(all, 0)
	for _, expected := range []bool{false, true} {
		require.NoError(t, r.Read(t.Context(), w.view, q, image, valid))
		e, err := r.Expect(t.Context(), w.view, nil, 1)
		if expected {
			e, err = r.Expect(t.Context(), w.view, []read.Request{q}, 1)
		}
		require.NoError(t, err)
		require.NoError(t, r.Read(t.Context(), w.view, all, allImage, allValid))
		w.driver.gets.Store(0)
		require.NoError(t, r.Read(t.Context(), w.view, q, image, valid))
		assert.Equal(t, expected, w.driver.gets.Load() == 0)
		e.Done()
		e.Done()
		require.Empty(t, r.Idle())
	}
}
