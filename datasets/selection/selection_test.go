package selection

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/cube/crs"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/ingest"
	"github.com/terrapin-eo/terrapin/labels"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
)

// world is a data directory with the bundled sample, and versions of it with and without labels.
type world struct {
	root     *store.Bucket
	stats    *stats
	labels   *labels.Revision
	labelled *datasets.Version
	bare     *datasets.Version
}

// stats counts how often a manifest is looked for.
type stats struct {
	store.Driver
	manifests atomic.Int64
}

func (s *stats) Stat(ctx context.Context, key string) (store.Info, error) {
	if strings.HasSuffix(key, "/manifest.parquet") {
		s.manifests.Add(1)
	}
	return s.Driver.Stat(ctx, key)
}

const recipe = "name: crops\ncube: s2\nlabels: cropland\nwindow: {size: 8}\nsplit: {by: block, block_m: 320, train: 0.7, validate: 0.15, test: 0.15, salt: 1}\n"

func newWorld(t *testing.T) *world {
	t.Helper()
	files, err := filepath.Glob("../../demo/data/s2_*.tif")
	require.NoError(t, err)
	w := &world{stats: &stats{Driver: mem.New()}}
	w.root = store.New(w.stats, "mem://data")
	spec, err := ingest.LikeRaster(files[0], nil)
	require.NoError(t, err)
	spec.Name, spec.Chunk, spec.Created = "s2", 32, time.Unix(0, 0).UTC()
	c, err := layout.Create(t.Context(), w.root.Sub("cubes/s2"), spec)
	require.NoError(t, err)
	report, err := ingest.Run(t.Context(), ingest.Config{Cube: c}, ingest.Request{Sources: files[:3], DatetimePattern: "s2_%Y%m%d", Actor: "test"})
	require.NoError(t, err)
	require.Empty(t, report.Rejected)
	_, err = labels.Import(t.Context(), labels.Config{Root: w.root, Cube: c}, labels.ImportRequest{Set: "cropland", Files: []string{"../../demo/data/labels_cropland.tif"}, Actor: "test"})
	require.NoError(t, err)
	w.labels, err = labels.Open(t.Context(), w.root, "cropland", "")
	require.NoError(t, err)
	cfg := datasets.Config{Root: w.root, Cube: func(context.Context, string) (*layout.Cube, error) { return c, nil }}
	commit := func(recipe string) *datasets.Version {
		r, err := datasets.Commit(t.Context(), cfg, []byte(recipe), "test")
		require.NoError(t, err, fault.CureOf(err))
		v, err := datasets.Open(t.Context(), w.root, r.Dataset+"@"+r.Version)
		require.NoError(t, err)
		return v
	}
	w.labelled = commit(recipe)
	w.bare = commit(strings.NewReplacer("crops", "bare", "labels: cropland\n", "").Replace(recipe))
	return w
}

func filter(t *testing.T, text string) cql2.Expr {
	t.Helper()
	e, err := cql2.ParseText(text)
	require.NoError(t, err, text)
	return e
}

func split(t *testing.T, v *datasets.Version) datasets.Samples {
	t.Helper()
	s, err := v.Split("train")
	require.NoError(t, err)
	return s
}

// kept lists a choice's samples as an epoch without mixing has them.
func kept(c *order.Choice, s order.Shuffle) []int {
	o := order.Draw(order.Key{Algorithm: order.DrawnAlgorithm, Shuffle: s}, c)
	out := []int{}
	for p := range o.Len() {
		out = append(out, int(o.At(p)))
	}
	return out
}

// share is how much of a sample has a label value, read from the raster; nil is any label.
func (w *world) share(t *testing.T, s datasets.Sample, value *float64) float64 {
	t.Helper()
	size := w.labels.DType.Size()
	buf := make([]byte, s.Window.Height*s.Window.Width*size)
	require.NoError(t, w.labels.Read(t.Context(), s.Window, buf))
	n := 0
	for i := 0; i < len(buf); i += size {
		if v := w.labels.DType.Get(buf[i:]); value != nil && v == *value || value == nil && v != w.labels.Ignore {
			n++
		}
	}
	return float64(n) / float64(s.Window.Height*s.Window.Width)
}

func TestFiltersKeepWhatTheySay(t *testing.T) {
	w := newWorld(t)
	samples := split(t, w.labelled)
	class := w.labelled.Labels.Classes[len(w.labelled.Labels.Classes)-1]
	value, name := float64(class.Value), w.labelled.Labels.ClassName(class.Value)
	property := cql2.Text(cql2.Property{Name: "class:" + name})
	first, err := samples.At(0)
	require.NoError(t, err)
	last := w.labelled.Slices[len(w.labelled.Slices)-1]
	for text, want := range map[string]func(datasets.Sample) bool{
		"row >= 24":                     func(s datasets.Sample) bool { return s.Window.Row >= 24 },
		"row = col OR NOT (height = 8)": func(s datasets.Sample) bool { return s.Window.Row == s.Window.Col },
		"row BETWEEN 8 AND 40 AND col IN (0, 16)": func(s datasets.Sample) bool {
			return s.Window.Row >= 8 && s.Window.Row <= 40 && (s.Window.Col == 0 || s.Window.Col == 16)
		},
		"id = '" + first.ID + "'":                                    func(s datasets.Sample) bool { return s.ID == first.ID },
		"cell LIKE 'r0%'":                                            func(s datasets.Sample) bool { return strings.HasPrefix(s.Cell, "r0") },
		"split = 'train'":                                            func(datasets.Sample) bool { return true },
		"scenes = 3 AND col < 16":                                    func(s datasets.Sample) bool { return s.Window.Col < 16 },
		"datetime >= TIMESTAMP('2000-01-01T00:00:00Z')":              func(datasets.Sample) bool { return true },
		"A_CONTAINS(slots, ('" + string(last.ID) + "')) AND row < 9": func(s datasets.Sample) bool { return s.Window.Row < 9 && slices.Contains(s.Slots, last.ID) },
		property + " > 0.25":                                         func(s datasets.Sample) bool { return w.share(t, s, &value) > 0.25 },
		"labelled < 1 OR " + property + " = 1":                       func(s datasets.Sample) bool { return w.share(t, s, nil) < 1 || w.share(t, s, &value) == 1 },
	} {
		c, err := NewCache(1<<20).Get(t.Context(), w.labelled, "train", Ask{Filter: filter(t, text)})
		require.NoError(t, err, text)
		expected := []int{}
		for i := range samples.Len() {
			s, err := samples.At(i)
			require.NoError(t, err)
			if want(s) {
				expected = append(expected, i)
			}
		}
		require.NotEmpty(t, expected, text)
		require.Equal(t, expected, kept(c, order.Base), text)
	}
}

func TestFiltersByPlace(t *testing.T) {
	w := newWorld(t)
	samples := split(t, w.labelled)
	get := func(text string) []int {
		c, err := NewCache(1<<20).Get(t.Context(), w.labelled, "train", Ask{Filter: filter(t, text)})
		require.NoError(t, err, text)
		return kept(c, order.Base)
	}
	require.Len(t, get("S_INTERSECTS(geometry, BBOX(-180, -90, 180, 90))"), samples.Len())
	for _, i := range []int{0, samples.Len() / 2, samples.Len() - 1} {
		s, err := samples.At(i)
		require.NoError(t, err)
		ring, err := crs.FootprintWGS84(w.labelled.Grid, s.Window)
		require.NoError(t, err)
		x, y := (ring[0][0]+ring[2][0])/2, (ring[0][1]+ring[2][1])/2
		require.Equal(t, []int{i}, get(fmt.Sprintf("S_INTERSECTS(geometry, POINT(%.9f %.9f))", x, y)))
	}
}

func TestClassesAreBalanced(t *testing.T) {
	w := newWorld(t)
	samples := split(t, w.labelled)
	c, err := NewCache(1<<20).Get(t.Context(), w.labelled, "train", Ask{Weights: datasets.Balanced})
	require.NoError(t, err)
	require.EqualValues(t, samples.Len(), c.Len())
	classOf := make([]string, samples.Len())
	classes := map[string]float64{}
	for i := range classOf {
		s, err := samples.At(i)
		require.NoError(t, err)
		best := -1.0
		for _, class := range w.labelled.Labels.Classes {
			value := float64(class.Value)
			if share := w.share(t, s, &value); share > best && share > 0 {
				best, classOf[i] = share, w.labelled.Labels.ClassName(class.Value)
			}
		}
		require.NotEmpty(t, classOf[i], "every sample of this set is labelled")
		classes[classOf[i]]++
	}
	require.Greater(t, len(classes), 1)
	drawn, times := map[string]float64{}, make([]float64, len(classOf))
	for _, i := range kept(c, order.Uniform) {
		drawn[classOf[i]]++
		times[i]++
	}
	share := float64(samples.Len()) / float64(len(classes))
	for class, n := range classes {
		require.InDelta(t, share, drawn[class], n, class) // each sample may come once more or less
	}
	for i, n := range times {
		require.InDelta(t, share/classes[classOf[i]], n, 1)
	}
	mean, epochs := map[string]float64{}, 200
	for e := range uint64(epochs) {
		o := order.Draw(order.Key{Algorithm: order.DrawnAlgorithm, Shuffle: order.Uniform, Weights: datasets.Balanced, Epoch: e}, c)
		for p := range o.Len() {
			mean[classOf[o.At(p)]]++
		}
	}
	for class := range classes {
		require.InDelta(t, share, mean[class]/float64(epochs), share/10, class)
	}
}

// Weights by class give each class its share: that of its samples times its weight.
func TestWeightsByClass(t *testing.T) {
	w := newWorld(t)
	samples := split(t, w.labelled)
	classes, err := Classes(t.Context(), w.labelled, "train")
	require.NoError(t, err)
	first := w.labelled.Labels.Classes[0]
	given, err := w.labelled.Labels.ClassWeights(fmt.Sprintf(`{"class": {%q: 3}}`, w.labelled.Labels.ClassName(first.Value)))
	require.NoError(t, err)
	c, err := NewCache(1<<20).Get(t.Context(), w.labelled, "train", Ask{Weights: given.Text})
	require.NoError(t, err)
	named, err := NewCache(1<<20).Get(t.Context(), w.labelled, "train", Ask{Filter: filter(t, fmt.Sprintf("class = '%s'", w.labelled.Labels.ClassName(first.Value)))})
	require.NoError(t, err)
	heavy := map[int]bool{}
	for _, i := range kept(named, order.Base) {
		heavy[i] = true
	}
	require.NotEmpty(t, heavy)
	require.Less(t, len(heavy), samples.Len())
	times := make([]float64, samples.Len())
	for _, i := range kept(c, order.Uniform) {
		times[i]++
	}
	total := float64(samples.Len() + 2*len(heavy))
	for i, n := range times {
		require.NotEqual(t, int32(noClass), classes[i])
		want := float64(samples.Len()) / total
		if heavy[i] {
			want *= 3
		}
		require.InDelta(t, want, n, 1)
	}
}

func TestWeightsByANumber(t *testing.T) {
	w := newWorld(t)
	samples := split(t, w.labelled)
	c, err := NewCache(1<<20).Get(t.Context(), w.labelled, "train", Ask{Weights: "row", Filter: filter(t, "col > 0")})
	require.NoError(t, err)
	counts, sum := map[int]float64{}, 0.0
	for _, i := range kept(c, order.Uniform) {
		counts[i]++
	}
	for i := range samples.Len() {
		if s, err := samples.At(i); err == nil && s.Window.Col > 0 {
			sum += float64(s.Window.Row)
		}
	}
	for i := range samples.Len() {
		s, err := samples.At(i)
		require.NoError(t, err)
		if s.Window.Col == 0 {
			require.Zero(t, counts[i])
			continue
		}
		share := float64(c.Len()) * float64(s.Window.Row) / sum
		require.InDelta(t, share, counts[i], 1)
		if s.Window.Row == 0 {
			require.Zero(t, counts[i])
		}
	}
}

func TestStorageGroupsByChunk(t *testing.T) {
	w := newWorld(t)
	samples := split(t, w.labelled)
	for k, ask := range []Ask{
		{}, {}, {Filter: filter(t, "row > 16 OR col > 8")}, {Filter: filter(t, "row > 16 OR col > 8")}, {Weights: datasets.Balanced}, {Weights: datasets.Balanced},
	} {
		algorithm, bytes := order.DrawnByChunk, uint64(0)
		if k%2 == 1 {
			algorithm, bytes = order.DrawnAlgorithm, 2<<10
		}
		base, err := NewCache(1<<20).Get(t.Context(), w.labelled, "train", Ask{Filter: ask.Filter})
		require.NoError(t, err)
		ask.Storage = &Storage{Storage: order.Storage{Edge: 32, Window: 8, Bytes: 1 << 10}, WindowBytes: bytes}
		c, err := NewCache(1<<20).Get(t.Context(), w.labelled, "train", ask)
		require.NoError(t, err)
		require.Equal(t, base.Len(), c.Len())
		if ask.Weights != "" {
			continue
		}
		got := kept(c, order.Base)
		place := func(i int) []int { // row by row, or the bits of chunk row and column in turns
			s, err := samples.At(i)
			require.NoError(t, err)
			row, col, z := s.Window.Row/32, s.Window.Col/32, 0
			if bytes == 0 {
				return []int{row, col, i}
			}
			for bit := range 16 {
				z |= (row>>bit&1)<<(2*bit+1) | (col>>bit&1)<<(2*bit)
			}
			return []int{z, i}
		}
		require.True(t, slices.IsSortedFunc(got, func(a, b int) int { return slices.Compare(place(a), place(b)) }))
		sorted := slices.Sorted(slices.Values(got))
		require.Equal(t, kept(base, order.Base), sorted)
		require.Equal(t, bytes > 0, c.Groups().Chunks > 0)
		o := order.Draw(order.Key{Algorithm: algorithm, Shuffle: order.Window(2 << 10)}, c)
		var window []int
		for p := range o.Len() {
			window = append(window, int(o.At(p)))
		}
		require.Equal(t, sorted, slices.Sorted(slices.Values(window)))
		require.NotEqual(t, got, window)
	}
}

func TestWhatCannotBeAskedIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		version    *datasets.Version
		ask        Ask
		kind       fault.Kind
		says, cure string
	}{
		{w.labelled, Ask{Filter: filter(t, "clouds < 0.1")}, fault.Invalid, `no property "clouds"`, "labelled"},
		{w.labelled, Ask{Weights: "area"}, fault.Invalid, `no property "area"`, "class"},
		{w.labelled, Ask{Weights: "cell"}, fault.Invalid, "no number to weight by", "class_balanced"},
		{w.labelled, Ask{Weights: "geometry"}, fault.Invalid, "no number to weight by", "row"},
		{w.bare, Ask{Weights: datasets.Balanced}, fault.Invalid, "no labels", "row"},
		{w.bare, Ask{Weights: `{"class":{}}`}, fault.Invalid, "no labels", "scenes"},
		{w.labelled, Ask{Weights: `{"class":{"-77":1}}`}, fault.Invalid, "no class", "they have"},
		{w.bare, Ask{Filter: filter(t, "labelled > 0")}, fault.Invalid, "no labels", "scenes"},
		{w.labelled, Ask{Filter: filter(t, "row < 0")}, fault.Precondition, "passes the filter row < 0", "samples"},
		{w.labelled, Ask{Filter: filter(t, "class = 'maize'")}, fault.Precondition, "passes the filter", "and the labels the classes "},
		{w.labelled, Ask{Filter: filter(t, "cell > 3")}, fault.Precondition, "passes the filter", "samples"},
		{w.labelled, Ask{Filter: filter(t, "row = 0"), Weights: "row"}, fault.Invalid, "all weights are 0", "greater than 0"},
	} {
		cache := NewCache(1 << 20)
		_, err := cache.Get(t.Context(), c.version, "train", c.ask)
		require.True(t, fault.Is(err, c.kind), err)
		require.ErrorContains(t, err, c.says)
		require.Contains(t, fault.CureOf(err), c.cure)
		require.Eventually(t, func() bool {
			cache.mu.Lock()
			defer cache.mu.Unlock()
			return len(cache.items) == 0
		}, 5*time.Second, time.Millisecond, "what failed is tried again")
	}
	_, err := NewCache(0).Get(t.Context(), w.labelled, "holdout", Ask{Weights: "row"})
	require.True(t, fault.Is(err, fault.NotFound), err)
}

func TestAChoiceIsBuiltOnceAndForgottenWhenThereIsNoRoom(t *testing.T) {
	w := newWorld(t)
	cache := NewCache(1 << 20)
	ask := Ask{Filter: filter(t, "row > 8")}
	var all sync.WaitGroup
	for range 16 {
		all.Add(1)
		go func() {
			defer all.Done()
			_, err := cache.Get(t.Context(), w.labelled, "train", ask)
			if err != nil {
				t.Error(err)
			}
		}()
	}
	all.Wait()
	require.EqualValues(t, 1, w.stats.manifests.Load())

	small := NewCache(1)
	w.stats.manifests.Store(0)
	for range 3 {
		for _, text := range []string{"row > 8", "row > 16"} {
			_, err := small.Get(t.Context(), w.labelled, "train", Ask{Filter: filter(t, text)})
			require.NoError(t, err)
		}
	}
	require.Greater(t, w.stats.manifests.Load(), int64(2), "there is no room for two")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := NewCache(1).Get(ctx, w.labelled, "train", ask)
	require.ErrorIs(t, err, context.Canceled)
}
