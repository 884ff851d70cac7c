package flight

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/ingest"
	"github.com/terrapin-eo/terrapin/labels"
	"github.com/terrapin-eo/terrapin/predictions"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
	"github.com/terrapin-eo/terrapin/stream"
	"github.com/terrapin-eo/terrapin/stream/receipts"
)

// world is a data directory made of the bundled sample and of numbers with awkward contracts, and the
// folder that tells a client in another language what is in it.
type world struct {
	dir  string
	root *store.Bucket
	// ledger is that of the server started first.
	ledger *receipts.Ledger
}

const cropsRecipe = `
name: crops
cube: s2
features: [B08, B02, B11]
labels: cropland
window: {size: 10, stride: 9}
time: {policy: all}
split: {by: block, block_m: 160, train: 0.6, validate: 0.2, test: 0.2, salt: 1, allow_drop: true}
`

var sampleBands = []string{"B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12"}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "data"), 0o755))
	driver, err := file.New(filepath.Join(dir, "data"))
	require.NoError(t, err)
	w := &world{dir: dir, root: store.New(driver, "file://"+filepath.Join(dir, "data"))}
	scenes, err := filepath.Abs("../../demo/data")
	require.NoError(t, err)
	w.crops(t, scenes)
	floats := w.floats(t)
	doc, err := json.Marshal(map[string]any{
		"scenes": scenes, "label_file": filepath.Join(scenes, "labels_cropland.tif"), "ignore": w.ignore(t),
		"band_names": sampleBands, "bands": []string{"B08", "B02", "B11"},
		"float_datasets": floats, "synthetic_bands": []string{"b0", "b1", "b2"}, "synthetic_nodata": -9999,
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "world.json"), doc, 0o600))
	return w
}

// crops makes cube s2, labels cropland and dataset crops@v1 of the bundled sample.
func (w *world) crops(t *testing.T, scenes string) {
	t.Helper()
	ctx := t.Context()
	files, err := filepath.Glob(filepath.Join(scenes, "s2_*.tif"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	spec, err := ingest.LikeRaster(files[0], sampleBands)
	require.NoError(t, err)
	spec.Name, spec.Chunk, spec.Actor, spec.Created = "s2", 32, "test", time.Unix(0, 0).UTC()
	c, err := layout.Create(ctx, w.root.Sub("cubes/s2"), spec)
	require.NoError(t, err)
	report, err := ingest.Run(ctx, ingest.Config{Cube: c}, ingest.Request{Sources: files, DatetimePattern: "s2_%Y%m%d", Bands: sampleBands, Actor: "test"})
	require.NoError(t, err)
	require.Empty(t, report.Rejected)
	_, err = labels.Import(ctx, labels.Config{Root: w.root, Cube: c}, labels.ImportRequest{
		Set: "cropland", Files: []string{filepath.Join(scenes, "labels_cropland.tif")}, Actor: "test",
	})
	require.NoError(t, err)
	w.commit(t, cropsRecipe)
}

func (w *world) commit(t *testing.T, recipe string) {
	t.Helper()
	_, err := datasets.Commit(t.Context(), datasets.Config{Root: w.root, Cube: w.cube}, []byte(recipe), "test")
	require.NoError(t, err, "cure: %s", fault.CureOf(err))
}

func (w *world) ignore(t *testing.T) float64 {
	t.Helper()
	rev, err := labels.Open(t.Context(), w.root, "cropland", "")
	require.NoError(t, err)
	return rev.Ignore
}

func (w *world) cube(ctx context.Context, name string) (*layout.Cube, error) {
	if !slices.Contains([]string{"s2", "varied", "uniform"}, name) {
		return nil, fault.New(fault.NotFound, "no cube %q", name).WithCure("cubes: s2, uniform, varied")
	}
	return layout.Open(ctx, w.root.Sub("cubes/"+name))
}

// floats makes two int16 cubes of the same random numbers, one whose slices have different contracts,
// and the datasets [name, physical?, normalised?] over them.
func (w *world) floats(t *testing.T) [][3]any {
	t.Helper()
	const slots, bands, height, width = 3, 3, 70, 90
	r := rand.New(rand.NewPCG(4, 2))
	image, valid := make([]byte, slots*bands*height*width*2), make([]byte, slots*bands*height*width)
	for i := range valid {
		v := float64(r.IntN(12000) - 300)
		if valid[i] = 1; r.IntN(20) == 0 {
			v, valid[i] = -9999, 0
		}
		cube.Int16.Put(image[2*i:], v)
	}
	shape := fmt.Sprintf("(%d, %d, %d, %d)", slots, bands, height, width)
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "synthetic.npy"), npy("<i2", shape, image), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "synthetic_valid.npy"), npy("|u1", shape, valid), 0o600))
	varied := []cube.Contract{{Scale: 1e-4, Offset: -0.1}, {Scale: 2.75e-5, Offset: -0.2}, {Scale: 0.1, Offset: 3}}
	uniform := []cube.Contract{{Scale: 1}, {Scale: 1}, {Scale: 1}}
	w.synthetic(t, "varied", image, valid, varied, height, width)
	w.synthetic(t, "uniform", image, valid, uniform, height, width)
	recipe := "name: %s\ncube: %s\nfeatures: [b2, b0]\nvalues: %s\nwindow: {size: 8, stride: 8}\n" +
		"split: {by: block, block_m: 160, train: 0.6, validate: 0.2, test: 0.2, salt: 1}\n"
	norm := "normalise: {per: band, from: train}\n"
	w.commit(t, fmt.Sprintf(recipe, "physical", "varied", "physical"))
	w.commit(t, fmt.Sprintf(recipe, "physical-norm", "varied", "physical")+norm)
	w.commit(t, fmt.Sprintf(recipe, "raw-norm", "uniform", "raw")+norm)
	return [][3]any{{"physical@v1", true, false}, {"physical-norm@v1", true, true}, {"raw-norm@v1", false, true}}
}

// npy is NumPy's file format, version 1.
func npy(descr, shape string, data []byte) []byte {
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape)
	header += strings.Repeat(" ", 63-(10+len(header))%64) + "\n"
	out := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), byte(len(header)>>8))
	return append(append(out, header...), data...)
}

func (w *world) synthetic(t *testing.T, name string, image, valid []byte, contracts []cube.Contract, height, width int) {
	t.Helper()
	ctx, nodata, chunk, bands := t.Context(), -9999.0, 32, 3
	c, err := layout.Create(ctx, w.root.Sub("cubes/"+name), layout.Spec{
		Name: name, Grid: cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 500000, 0, -10, 5600000}, Width: width, Height: height},
		Bands: []cube.Band{{Name: "b0"}, {Name: "b1"}, {Name: "b2"}}, DType: cube.Int16, Nodata: &nodata, Chunk: chunk,
		Actor: "test", Created: time.Unix(0, 0).UTC(),
	})
	require.NoError(t, err)
	var staged []*layout.Staged
	for s, contract := range contracts {
		stage, err := c.Stage(ctx, cube.Window{Height: height, Width: width})
		require.NoError(t, err)
		for cy := range (height + chunk - 1) / chunk {
			for cx := range (width + chunk - 1) / chunk {
				img, seen := make([]byte, bands*chunk*chunk*2), make([]byte, bands*chunk*chunk)
				for b := range bands {
					for y := range min(chunk, height-cy*chunk) {
						n := min(chunk, width-cx*chunk)
						from, to := ((s*bands+b)*height+cy*chunk+y)*width+cx*chunk, (b*chunk+y)*chunk
						copy(img[2*to:2*(to+n)], image[2*from:])
						copy(seen[to:to+n], valid[from:])
					}
				}
				require.NoError(t, stage.Write(ctx, c.Spec().Groups()[0].Name, cy, cx, img, seen))
			}
		}
		at := time.Date(2021, time.Month(1+s), 1, 10, 0, 0, 0, time.UTC)
		done, err := stage.Finish(ctx, layout.Meta{Source: fmt.Sprintf("scene%d", s), Time: at, Contract: contract, Actor: "test"})
		require.NoError(t, err)
		staged = append(staged, done)
	}
	_, err = c.Commit(ctx, staged, "synthetic")
	require.NoError(t, err)
}

// serve starts a server with an empty cache over the world and returns its URL.
func (w *world) serve(t *testing.T) (string, *Server) {
	t.Helper()
	ledger, err := receipts.Open(receipts.Config{Path: filepath.Join(t.TempDir(), "receipts.log")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ledger.Close()) })
	if w.ledger == nil {
		w.ledger = ledger
	}
	srv := New(Config{
		Engine:      stream.New(stream.Config{Root: w.root, Cubes: w.cube, Reader: read.New(read.Config{}), Receipts: ledger}),
		Receipts:    ledger,
		Predictions: predictions.Config{Root: w.root, Dir: t.TempDir()},
		Log:         slog.New(slog.DiscardHandler),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		srv.Shutdown(ctx)
		require.NoError(t, <-done)
	})
	return "grpc://" + l.Addr().String(), srv
}

// stock runs a check of testdata/stock_client.py against a server and returns what it printed.
func (w *world) stock(t *testing.T, check, url string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), python(t), "testdata/stock_client.py", check, url, w.dir)
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Run(), "%s\n%s", check, errs.String())
	return out.String()
}

func python(t *testing.T) string {
	t.Helper()
	p := os.Getenv("TERRAPIN_PYTHON")
	if p == "" {
		t.Skip("TERRAPIN_PYTHON not set: no official pyarrow.flight client")
	}
	return p
}
