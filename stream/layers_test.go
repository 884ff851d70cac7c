package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// tiers is a data directory with a cube of three resolutions, and what its scenes hold.
type tiers struct {
	spec   layout.Spec
	cfg    datasets.Config
	engine *Engine
	scenes map[cube.SliceID]layouttest.Scene
}

// newTiers commits scenes of several footprints to cells of an edge, 0 for one cell. The last scene has no 60 m.
func newTiers(t *testing.T, cell int) *tiers {
	t.Helper()
	spec := layouttest.Spec(cube.Uint16, layouttest.Value(65535))
	spec.Grid.Width, spec.Grid.Height, spec.CellSize = 150, 144, cell
	middle, err := spec.NewGroup("20m", []cube.Band{{Name: "B05"}, {Name: "B06"}, {Name: "B11"}})
	require.NoError(t, err)
	coarse, err := spec.NewGroup("60m", []cube.Band{{Name: "B01"}})
	require.NoError(t, err)
	coarse.DType, coarse.Nodata = cube.Int32, layouttest.Value(-7)
	spec.Further = []layout.Group{coarse, middle}
	w := &tiers{spec: spec, scenes: map[cube.SliceID]layouttest.Scene{}}
	root := store.New(mem.New(), "mem://data")
	c, err := layout.Create(t.Context(), root.Sub("cubes/s2"), spec)
	require.NoError(t, err)
	for i, f := range []cube.Window{{Height: 144, Width: 150}, {Row: 7, Col: 11, Height: 90, Width: 101}, {Row: 60, Height: 60, Width: 150}} {
		sc := layouttest.RandomIn(spec, uint64(i), fmt.Sprint("s", i), layouttest.Date(3+i, 1, 0), f)
		if i == 2 {
			clear(sc.Further[0].Valid)
			fillValues(sc.Further[0].Image, coarse.DType, coarse.Fill())
		}
		id := layouttest.Commit(t, c, sc).Outcomes[0].Slice.ID
		w.scenes[id] = sc
	}
	cubes := func(context.Context, string) (*layout.Cube, error) { return c, nil }
	w.cfg = datasets.Config{Root: root, Cube: cubes}
	w.engine = New(Config{Root: root, Cubes: cubes})
	return w
}

func (w *tiers) commit(t *testing.T, more string) *datasets.Version {
	t.Helper()
	recipe := "name: mixed\ncube: s2\nsplit: {by: block, block_m: 120, train: 1, validate: 0, test: 0}\n" + more
	r, err := datasets.Commit(t.Context(), w.cfg, []byte(recipe), "test")
	require.NoError(t, err, fault.CureOf(err))
	v, err := datasets.Open(t.Context(), w.cfg.Root, r.Dataset+"@"+r.Version)
	require.NoError(t, err)
	check, err := datasets.Verify(t.Context(), w.cfg, v.Ref())
	require.NoError(t, err)
	require.True(t, check.OK, "%+v", check.Problems)
	return v
}

// pixel is what the scenes hold at a pixel of a resolution's frame.
func (w *tiers) pixel(id cube.SliceID, group string, band string, row, col int) (value float64, valid bool) {
	for i, g := range w.spec.Groups() {
		if g.Name != group {
			continue
		}
		for b, name := range g.BandNames() {
			if name == band {
				at := (b*g.Grid.Height+row)*g.Grid.Width + col
				p := w.scenes[id].Of(i)
				return g.DType.Get(p.Image[at*g.DType.Size():]), p.Valid[at] == 1
			}
		}
	}
	panic("no such band")
}

// compare holds every row of an epoch to the scenes, pixel by pixel, and counts the pixels.
func (w *tiers) compare(t *testing.T, v *datasets.Version, convert func(x float64, s datasets.BandStats) float64) (compared int) {
	t.Helper()
	ticket, err := ParseTicket([]byte(fmt.Sprintf(`{"dataset": %q, "batch_size": 7, "seed": 3, "tail": "pad"}`, v.Ref())))
	require.NoError(t, err)
	run, err := w.engine.Open(t.Context(), ticket)
	require.NoError(t, err)
	defer run.Close()
	region := run.src.(*sampleSource).region
	byID := map[string]datasets.Sample{}
	all, err := v.Split("train")
	require.NoError(t, err)
	for i := range all.Len() {
		s, err := all.At(i)
		require.NoError(t, err)
		byID[s.ID] = s
	}
	groups := append([]datasets.Group{{Name: "10m", DType: v.DType, Nodata: v.Nodata, Bands: v.Bands, Scale: 1, Stats: v.Stats}}, v.Groups...)
	for {
		b, err := run.Next(t.Context())
		if err == io.EOF {
			return compared
		}
		require.NoError(t, err)
		for k, g := range groups {
			p, size := Pixels{b.Image, b.Valid}, v.Size/g.Scale
			d := run.Info().Shape.DType
			if k > 0 {
				p, d = b.Further[k-1], run.Info().Shape.Further[k-1].DType
			}
			for i, id := range b.IDs {
				var at cube.Window
				if id != "" {
					at, err = region.From(byID[id].Cell, byID[id].Window)
					require.NoError(t, err)
				}
				for slot := range v.Slots {
					for y := range size {
						for x := range size {
							seen := id != "" && byID[id].Slots[slot] != ""
							fill := 0.0
							if !v.Normalise {
								fill = *g.Nodata
							}
							valid, want := seen, make([]float64, len(g.Bands))
							for c, band := range g.Bands {
								want[c] = fill
								if seen {
									value, ok := w.pixel(byID[id].Slots[slot], g.Name, band, at.Row/g.Scale+y, at.Col/g.Scale+x)
									want[c], valid = value, valid && ok
								}
							}
							row := i*v.Slots + slot
							require.Equal(t, valid, p.Valid[(row*size+y)*size+x] == 1, "%s of %s, slot %d, row %d, column %d", g.Name, id, slot, y, x)
							for c := range g.Bands {
								if seen && v.Normalise {
									if want[c] = convert(want[c], g.Stats[c]); !valid {
										want[c] = 0
									}
								}
								index := ((row*len(g.Bands)+c)*size+y)*size + x
								require.Equal(t, want[c], d.Get(p.Image[index*d.Size():]), "%s of %s, slot %d, row %d, column %d", g.Bands[c], id, slot, y, x)
								compared++
							}
						}
					}
				}
			}
		}
		b.Release()
	}
}

// Three resolutions of a sample are the same ground, each in its own pixels, in one cell and over the edges of many,
// whatever a scene lacks.
func TestSamplesOfThreeResolutions(t *testing.T) {
	for _, cell := range []int{0, 96} {
		w := newTiers(t, cell)
		v := w.commit(t, "features: [B11, B08, B01, B05, B02]\nwindow: {size: 12, stride: 18, jitter: 6}\n")
		require.Equal(t, []string{"B08", "B02"}, v.Bands)
		require.Len(t, v.Groups, 2)
		require.Equal(t, []string{"B11", "B05"}, v.Groups[0].Bands)
		require.Equal(t, []int{2, 6}, []int{v.Groups[0].Scale, v.Groups[1].Scale})
		require.Greater(t, w.compare(t, v, nil), 3*40*(2*144+2*36+4))

		v = w.commit(t, "features: [B08, B05, B01]\nwindow: {size: 24}\nnormalise: {per: band, from: train}\n")
		w.compare(t, v, func(x float64, s datasets.BandStats) float64 {
			return float64((float32(x) - float32(s.Mean)) / float32(s.Std))
		})
	}
}

func TestTheFactsOfFurtherResolutions(t *testing.T) {
	w := newTiers(t, 96)
	v := w.commit(t, "features: [B02, B05, B01]\nwindow: {size: 12}\n")
	ticket, err := ParseTicket([]byte(fmt.Sprintf(`{"dataset": %q, "batch_size": 5}`, v.Ref())))
	require.NoError(t, err)
	run, err := w.engine.Open(t.Context(), ticket)
	require.NoError(t, err)
	defer run.Close()
	var facts struct {
		Bands      []string `json:"bands"`
		GroupBytes int      `json:"group_bytes"`
		Groups     []struct {
			Name, Image, Valid, Cell string
			Scale, Size              int
			Bands                    []string
			DType                    string       `json:"dtype"`
			Nodata                   *cube.Number `json:"nodata"`
			Statistics               []statFacts
		} `json:"groups"`
	}
	require.NoError(t, json.Unmarshal(run.Info().Facts, &facts))
	require.Equal(t, []string{"B02"}, facts.Bands)
	require.Equal(t, v.Slots*(16*16*3+8*8*3+3*3*5), facts.GroupBytes, "the ground of a chunk, in each resolution")
	require.Len(t, facts.Groups, 2)
	coarse := facts.Groups[1]
	require.Equal(t, []string{"60m", "image_60m", "valid_60m", "60m", "int32"}, []string{coarse.Name, coarse.Image, coarse.Valid, coarse.Cell, coarse.DType})
	require.Equal(t, []int{6, 2}, []int{coarse.Scale, coarse.Size})
	require.EqualValues(t, -7, *coarse.Nodata)
	require.Equal(t, "B01", coarse.Statistics[0].Band)
	require.Positive(t, coarse.Statistics[0].Count)

	shape := run.Info().Shape
	var names []string
	size := 0
	for _, c := range shape.Columns() {
		names = append(names, c.Name)
		size = aligned(size) + 5*c.rowBytes()
	}
	require.Equal(t, []string{"image", "valid", "image_20m", "valid_20m", "image_60m", "valid_60m", "times", "id", "position"}, names)
	require.Equal(t, aligned(size), shape.BlockBytes(5))
	require.InDelta(t, float64(v.Slots*(144*3+36*3+4*5)), shape.RowBytes(), float64(rowOverhead+8*v.Slots))

	// What is foreseen is of all of them.
	one, err := w.engine.Open(t.Context(), ticket)
	require.NoError(t, err)
	defer one.Close()
	plain := w.commit(t, "features: [B02]\nwindow: {size: 12}\n")
	ticket.Samples.Dataset = plain.Ref()
	other, err := w.engine.Open(t.Context(), ticket)
	require.NoError(t, err)
	defer other.Close()
	mixed, err := one.Explain(t.Context())
	require.NoError(t, err)
	alone, err := other.Explain(t.Context())
	require.NoError(t, err)
	require.Greater(t, mixed.Chunks, 1.5*alone.Chunks)
	require.Greater(t, mixed.BatchBytes, alone.BatchBytes)
	told, err := one.src.(expecter).expect(t.Context(), 0, 5, 1)
	require.NoError(t, err)
	fewer, err := other.src.(expecter).expect(t.Context(), 0, 5, 1)
	require.NoError(t, err)
	require.Greater(t, told.bytes, fewer.bytes)
	told.done()
	fewer.done()
}

// Symmetries lay every resolution of a sample alike, and float32 on request is of every one.
func TestAllResolutionsAreTurnedAndConverted(t *testing.T) {
	w := newTiers(t, 96)
	v := w.commit(t, "features: [B11, B08, B01]\nwindow: {size: 12}\n")
	read := func(more string) (*Run, *Batch) {
		ticket, err := ParseTicket([]byte(fmt.Sprintf(`{"dataset": %q, "batch_size": 40, "seed": 5, %s}`, v.Ref(), more)))
		require.NoError(t, err)
		run, err := w.engine.Open(t.Context(), ticket)
		require.NoError(t, err)
		t.Cleanup(run.Close)
		b, err := run.Next(t.Context())
		require.NoError(t, err)
		t.Cleanup(b.Release)
		return run, b
	}
	plain, straight := read(`"epoch": 0`)
	run, turned := read(`"augment": "d4", "dtype": "float32"`)
	kinds := map[byte]bool{}
	for k, im := range plain.Info().Shape.images() {
		stored, edge := im.DType, im.Height
		now := run.Info().Shape.images()[k]
		require.Equal(t, cube.Float32, now.DType)
		for i := range straight.Rows {
			s := order.Symmetry(turned.Symmetries[i])
			kinds[turned.Symmetries[i]] = true
			a, b := straight.row(plain.Info().Shape, i).pixels(k), turned.row(run.Info().Shape, i).pixels(k)
			for p := range len(a.Valid) {
				plane, y, x := p/(edge*edge), p/edge%edge, p%edge
				if s&order.Flipped != 0 {
					y = edge - 1 - y
				}
				if s&order.Mirrored != 0 {
					x = edge - 1 - x
				}
				if s&order.Transposed != 0 {
					y, x = x, y
				}
				from := (plane*edge+y)*edge + x
				require.Equal(t, a.Valid[from], b.Valid[p], "%s, symmetry %d", im.Name, s)
				require.Equal(t, float64(float32(stored.Get(a.Image[from*stored.Size():]))), now.DType.Get(b.Image[p*4:]), "%s, symmetry %d", im.Name, s)
			}
		}
	}
	require.Greater(t, len(kinds), 5)
}

// A sample of which one resolution is damaged is masked as a whole.
func TestADamagedCoarseChunkMasksTheSample(t *testing.T) {
	w := newTiers(t, 0)
	v := w.commit(t, "features: [B11, B08, B01]\nwindow: {size: 12}\n")
	c, err := w.cfg.Cube(t.Context(), "s2")
	require.NoError(t, err)
	view, err := c.At(t.Context(), "")
	require.NoError(t, err)
	ref, ok, err := view.Ref(t.Context(), "r0c0/20m", layout.Image, 0, 1, 2)
	require.NoError(t, err)
	require.True(t, ok && !ref.Object.IsZero())
	key := "cubes/s2/chunks/" + ref.Object.String()
	data, _, err := w.cfg.Root.Read(t.Context(), key, store.Range{})
	require.NoError(t, err)
	data[ref.Offset+4] ^= 0x10
	_, err = w.cfg.Root.Write(t.Context(), key, data, store.Condition{})
	require.NoError(t, err)
	w.engine = New(w.engine.cfg)
	for _, lend := range []bool{false, true} {
		ticket, err := ParseTicket([]byte(fmt.Sprintf(`{"dataset": %q, "batch_size": 1000, "on_error": "mask"}`, v.Ref())))
		require.NoError(t, err)
		run, err := w.engine.Open(t.Context(), ticket)
		require.NoError(t, err)
		defer run.Close()
		if lend {
			run.Lend()
		}
		b, err := run.Next(t.Context())
		require.NoError(t, err)
		require.Positive(t, b.Masked())
		require.Less(t, b.Masked(), b.Rows)
		for i, why := range b.Lost {
			r := b.row(run.Info().Shape, i)
			if why == nil {
				require.EqualValues(t, 1, b.Weights[i])
				continue
			}
			require.ErrorContains(t, why, "r0c0/20m/image")
			for k, l := range run.src.(*sampleSource).layers {
				p := r.pixels(k)
				require.Equal(t, make([]byte, len(p.Valid)), p.Valid)
				want := make([]byte, len(p.Image))
				fillValues(want, l.group.DType, *l.group.Nodata)
				require.Equal(t, want, p.Image)
			}
		}
		b.Release()
	}
}

// Whole chunks of every resolution are lent, and are what would have been copied.
func TestWholeChunksOfSeveralResolutionsAreLent(t *testing.T) {
	spec := layouttest.Spec(cube.Uint16, layouttest.Value(65535))
	spec.Grid.Width, spec.Grid.Height, spec.Chunk = 512, 256, 256
	g, err := spec.NewGroup("20m", []cube.Band{{Name: "B05"}, {Name: "B11"}})
	require.NoError(t, err)
	g.Chunk = 128
	spec.Further = []layout.Group{g}
	root := store.New(mem.New(), "mem://data")
	c, err := layout.Create(t.Context(), root.Sub("cubes/s2"), spec)
	require.NoError(t, err)
	for i := range 2 {
		layouttest.Commit(t, c, layouttest.RandomIn(spec, uint64(i), fmt.Sprint("s", i), layouttest.Date(3+i, 1, 0), spec.Grid.All()))
	}
	cubes := func(context.Context, string) (*layout.Cube, error) { return c, nil }
	w := &tiers{spec: spec, cfg: datasets.Config{Root: root, Cube: cubes}, engine: New(Config{Root: root, Cubes: cubes})}
	v := w.commit(t, "features: [B05, B02, B08]\nwindow: {size: 256}\n")
	ticket, err := ParseTicket([]byte(fmt.Sprintf(`{"dataset": %q, "batch_size": 2}`, v.Ref())))
	require.NoError(t, err)
	next := func(lend bool) *Batch {
		run, err := w.engine.Open(t.Context(), ticket)
		require.NoError(t, err)
		t.Cleanup(run.Close)
		if lend {
			run.Lend()
		}
		b, err := run.Next(t.Context())
		require.NoError(t, err)
		return b
	}
	copied, lent := next(false), next(true)
	defer copied.Release()
	defer lent.Release()
	require.Len(t, lent.lent, 2*2*(2+1), "samples, slots and bands")
	require.Equal(t, copied.Block().Bytes, bytes.Join(lent.Pieces(lent.Block().Bytes), nil))
	require.Equal(t, copied.Further[0].Image, bytes.Join(lent.Pieces(lent.Further[0].Image), nil))
}
