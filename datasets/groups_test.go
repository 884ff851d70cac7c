package datasets

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
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

// tiered is a data directory with a cube of several resolutions and two scenes.
func tiered(t *testing.T, resolutions map[string]string, change func(scenes []layouttest.Scene)) Config {
	t.Helper()
	spec := layouttest.Spec(cube.Uint16, layouttest.Value(65535))
	spec.Grid.Width, spec.Grid.Height = 96, 120
	for _, name := range slices.Sorted(maps.Keys(resolutions)) {
		var of []cube.Band
		for _, b := range strings.Split(resolutions[name], ",") {
			of = append(of, cube.Band{Name: b})
		}
		g, err := spec.NewGroup(name, of)
		require.NoError(t, err)
		spec.Further = append(spec.Further, g)
	}
	root := store.New(mem.New(), "mem://data")
	c, err := layout.Create(t.Context(), root.Sub("cubes/s2"), spec)
	require.NoError(t, err)
	scenes := []layouttest.Scene{
		layouttest.RandomIn(spec, 1, "a", layouttest.Date(3, 1, 0), spec.Grid.All()), layouttest.RandomIn(spec, 2, "b", layouttest.Date(4, 1, 0), spec.Grid.All()),
	}
	if change != nil {
		change(scenes)
	}
	layouttest.Commit(t, c, scenes...)
	return Config{Root: root, Cube: func(context.Context, string) (*layout.Cube, error) { return c, nil }}
}

var sentinel = map[string]string{"20m": "B05,B11", "60m": "B01"}

const tieredRecipe = `name: mixed
cube: s2
features: [%s]
window: {%s}
split: {by: block, block_m: 120, train: 0.6, validate: 0.2, test: 0.2, salt: 0, allow_drop: true}
`

func tieredCommit(t *testing.T, cfg Config, features, window string) Report {
	t.Helper()
	r, err := Commit(t.Context(), cfg, fmt.Appendf(nil, tieredRecipe, features, window), "test")
	require.NoError(t, err, fault.CureOf(err))
	return r
}

func TestFeaturesOfSeveralResolutions(t *testing.T) {
	cfg := tiered(t, sentinel, nil)
	r := tieredCommit(t, cfg, "B11, B02, B01, B08", "size: 12")
	require.True(t, r.Created)
	require.Contains(t, strings.Join(r.Notes, "\n"), "image of 12×12 pixels (B02, B08), image_20m of 6×6 pixels (B11), image_60m of 2×2 pixels (B01)")
	again := tieredCommit(t, cfg, "B02, B11, B08, B01", "size: 12")
	assert.False(t, again.Created, "what counts is the order within a resolution")
	assert.Equal(t, r.Digest, again.Digest)
	for _, other := range []string{"B08, B02, B11, B01", "B02, B08, B11", "B02, B08, B05, B01", "B02, B08"} {
		assert.NotEqual(t, r.Digest, tieredCommit(t, cfg, other, "size: 12").Digest, other)
	}

	v, err := Open(t.Context(), cfg.Root, "mixed@v1")
	require.NoError(t, err)
	assert.Equal(t, "10m", v.Grid.ResolutionName(false))
	assert.Equal(t, []string{"B02", "B08"}, v.Bands)
	require.Len(t, v.Groups, 2)
	assert.Equal(t, "20m 60m", v.Groups[0].Name+" "+v.Groups[1].Name)
	assert.Equal(t, cube.Window{Row: 3, Col: 4, Height: 2, Width: 2}, v.Groups[1].Window(cube.Window{Row: 18, Col: 24, Height: 12, Width: 12}))
	bands := []string{}
	for _, s := range r.Statistics {
		bands = append(bands, s.Band)
	}
	assert.Equal(t, []string{"B02", "B08", "B11", "B01"}, bands)
	check, err := Verify(t.Context(), cfg, "mixed@v1")
	require.NoError(t, err)
	assert.True(t, check.OK, "%+v", check.Problems)
	assert.Equal(t, 2*(6*8+3*4+1*2), check.Chunks, "of every resolution, where samples lie")
	diff, err := Diff(t.Context(), cfg.Root, "mixed@v1", "mixed@v3")
	require.NoError(t, err)
	assert.Contains(t, diff.Definitions, "groups")
}

func TestStatisticsOfACoarseBand(t *testing.T) {
	var scenes []layouttest.Scene
	cfg := tiered(t, map[string]string{"20m": "B05,B11"}, func(s []layouttest.Scene) { scenes = s })
	r := tieredCommit(t, cfg, "B02, B11", "size: 8")
	v, err := Open(t.Context(), cfg.Root, "mixed")
	require.NoError(t, err)
	train, err := v.Split("train")
	require.NoError(t, err)
	sum, n := 0.0, uint64(0)
	const width, plane = 48, 48 * 60
	for i := range train.Len() {
		w := v.Groups[0].Window(sampleAt(t, train, i).Window)
		for _, sc := range scenes {
			for row := w.Row; row < w.Row+w.Height; row++ {
				for col := w.Col; col < w.Col+w.Width; col++ {
					if at := plane + row*width + col; sc.Further[0].Valid[at] == 1 {
						sum += cube.Uint16.Get(sc.Further[0].Image[2*at:])
						n++
					}
				}
			}
		}
	}
	require.Equal(t, "B11", r.Statistics[1].Band)
	assert.Equal(t, n, r.Statistics[1].Count)
	assert.InDelta(t, sum/float64(n), r.Statistics[1].Mean, 1e-9)
	assert.Equal(t, r.Statistics[1], v.Groups[0].Stats[0])
}

// One pixel of a coarse band, in one sample, is another digest of the leaf of that sample and of those that share its chunk.
func TestCoarsePixelsAreInTheDigest(t *testing.T) {
	pixels := func(change func(scenes []layouttest.Scene)) ([]sample, []string) {
		cfg := tiered(t, sentinel, change)
		r, err := ParseRecipe(fmt.Appendf(nil, tieredRecipe, "B02, B01", "size: 12"))
		require.NoError(t, err)
		_, view, rev, err := pins(t.Context(), cfg, r)
		require.NoError(t, err)
		p, err := resolve(t.Context(), r, view, rev, read.New(read.Config{}))
		require.NoError(t, err)
		out := make([]string, len(p.samples))
		for i := range p.samples {
			var l leaf
			require.NoError(t, p.leaf(&p.samples[i], &l))
			out[i] = l.pixels.sum
		}
		return p.samples, out
	}
	samples, before := pixels(nil)
	_, after := pixels(func(scenes []layouttest.Scene) {
		scenes[0].Further[1].Image[2*(19*16+15)] ^= 1 // the last pixel of 60 m
	})
	require.Len(t, after, len(before))
	changed := 0
	for i := range before {
		if before[i] != after[i] {
			changed++
			assert.GreaterOrEqual(t, int(samples[i].row)+12, 96, "chunks of 60 m are 96 pixels of 10 m")
		}
	}
	assert.Positive(t, changed)
	assert.Less(t, changed, len(before))
}

func TestJitterKeepsWholePixelsOfEveryResolution(t *testing.T) {
	cfg := tiered(t, sentinel, nil)
	tieredCommit(t, cfg, "B02, B05, B01", "size: 12, stride: 24, jitter: 12")
	v, err := Open(t.Context(), cfg.Root, "mixed")
	require.NoError(t, err)
	seen := map[int]bool{}
	for _, name := range Splits() {
		split, err := v.Split(name)
		require.NoError(t, err)
		for i := range split.Len() {
			w := sampleAt(t, split, i).Window
			require.Zero(t, w.Row%6+w.Col%6, "%+v", w)
			require.True(t, w.Row >= 0 && w.Col >= 0 && w.Row+12 <= 120 && w.Col+12 <= 96, "%+v", w)
			seen[w.Row%24] = true
		}
	}
	require.Greater(t, len(seen), 2, "windows were moved")
}

func TestWindowsThatCutCoarsePixelsAreRefused(t *testing.T) {
	cfg := tiered(t, sentinel, nil)
	for _, c := range []struct{ features, window, place, what, cure string }{
		{"B02, B05", "size: 9", "line 4, column 16", "window.size 9", "multiples of 2"},
		{"B02, B05, B01", "size: 8", "line 4, column 16", "window.size 8", "multiples of 6"},
		{"B02, B01", "size: 12, stride: 8", "line 4, column 28", "window.stride 8", "multiples of 6"},
		{"B01, B05", "size: 12, jitter: 2", "line 4, column 28", "window.jitter 2", "multiples of 3"},
	} {
		_, err := Commit(t.Context(), cfg, fmt.Appendf(nil, tieredRecipe, c.features, c.window), "test")
		require.Error(t, err, c.window)
		require.True(t, fault.Is(err, fault.Invalid), err)
		require.Contains(t, err.Error(), c.place)
		require.Contains(t, err.Error(), c.what)
		require.Contains(t, fault.CureOf(err), c.cure)
		require.Contains(t, fault.CureOf(err), "10m has B02, B03, B08")
	}
	_, err := Open(t.Context(), cfg.Root, "mixed")
	require.True(t, fault.Is(err, fault.NotFound), "a refused recipe leaves nothing behind")
	tieredCommit(t, cfg, "B01, B05", "size: 3")
	v, err := Open(t.Context(), cfg.Root, "mixed")
	require.NoError(t, err)
	require.Equal(t, []string{"B05"}, v.Bands, "the windows are of 20 m")
	require.Equal(t, 3, v.Groups[0].Scale)
}

func TestResolutionsThatDoNotNestAreRefused(t *testing.T) {
	cfg := tiered(t, map[string]string{"20m": "B05", "30m": "L05"}, nil)
	_, err := Commit(t.Context(), cfg, fmt.Appendf(nil, tieredRecipe, "B05, L05", "size: 6"), "test")
	require.Error(t, err)
	require.True(t, fault.Is(err, fault.Unsupported), err)
	require.Contains(t, err.Error(), `line 3, column 17: feature "L05": pixels of 30m are not whole pixels of 20m`)
	require.Contains(t, fault.CureOf(err), "30m has L05")
	tieredCommit(t, cfg, "B02, B05, L05", "size: 6")
}
