package datasets

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/ingest"
	"github.com/terrapin-eo/terrapin/labels"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

var sampleBands = []string{"B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12"}

const cropsRecipe = `name: crops
cube: s2
features: [B08, B02, B11]
labels: cropland
window: {size: 16}
split: {by: block, block_m: 320, train: 0.7, validate: 0.15, test: 0.15, salt: 1}
normalise: {per: band, from: train}
`

// world is a data directory with the bundled sample: cube s2 and labels cropland.
type world struct {
	dir  string
	root *store.Bucket
	cfg  Config
}

// newWorld ingests the scenes in an order drawn from seed, in several calls.
func newWorld(t *testing.T, seed uint64, latency time.Duration) *world {
	t.Helper()
	files, err := filepath.Glob("../demo/data/s2_*.tif")
	require.NoError(t, err)
	require.Len(t, files, 12)
	w := emptyWorld(t)
	spec, err := ingest.LikeRaster(files[0], sampleBands)
	require.NoError(t, err)
	spec.Name, spec.Chunk, spec.Latency, spec.Created = "s2", 32, latency, time.Unix(0, 0).UTC()
	c, err := layout.Create(t.Context(), w.root.Sub("cubes/s2"), spec)
	require.NoError(t, err)
	rand.New(rand.NewPCG(seed, 1)).Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	for _, part := range [][]string{files[:5], files[5:6], files[6:]} {
		w.ingest(t, c, part...)
	}
	_, err = labels.Import(t.Context(), labels.Config{Root: w.root, Cube: c}, labels.ImportRequest{Set: "cropland", Files: []string{"../demo/data/labels_cropland.tif"}, Actor: "test"})
	require.NoError(t, err)
	return w
}

func (w *world) ingest(t *testing.T, c *layout.Cube, files ...string) {
	t.Helper()
	report, err := ingest.Run(t.Context(), ingest.Config{Cube: c}, ingest.Request{Sources: files, DatetimePattern: "s2_%Y%m%d", Bands: sampleBands, Actor: "test"})
	require.NoError(t, err)
	require.Empty(t, report.Rejected)
}

func emptyWorld(t *testing.T) *world {
	t.Helper()
	w := &world{dir: t.TempDir()}
	driver, err := file.New(w.dir)
	require.NoError(t, err)
	w.root = store.New(driver, "file://"+w.dir)
	w.cfg = Config{Root: w.root, Cube: func(ctx context.Context, name string) (*layout.Cube, error) {
		return layout.Open(ctx, w.root.Sub("cubes/"+name))
	}}
	return w
}

func (w *world) commit(t *testing.T, recipe string) Report {
	t.Helper()
	r, err := Commit(t.Context(), w.cfg, []byte(recipe), "test")
	require.NoError(t, err, "cure: %s", fault.CureOf(err))
	return r
}

func (w *world) refused(t *testing.T, recipe string) error {
	t.Helper()
	_, err := Commit(t.Context(), w.cfg, []byte(recipe), "test")
	require.Error(t, err)
	return err
}

func (w *world) cube(t *testing.T) *layout.Cube {
	t.Helper()
	c, err := w.cfg.Cube(t.Context(), "s2")
	require.NoError(t, err)
	return c
}

func sampleAt(t *testing.T, s Samples, i int) Sample {
	t.Helper()
	one, err := s.At(i)
	require.NoError(t, err)
	return one
}

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.dir}, parts...)...)
}

func python(t *testing.T) string {
	t.Helper()
	p := os.Getenv("TERRAPIN_PYTHON")
	if p == "" {
		t.Skip("TERRAPIN_PYTHON not set: no official reader of GeoParquet")
	}
	return p
}
