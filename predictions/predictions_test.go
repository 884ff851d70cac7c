package predictions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/gdal"
	"github.com/terrapin-eo/terrapin/predictions"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

var grid = cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 664000, 0, -10, 5612120}, Width: 20, Height: 12}

const digest = "td1:0000000000000000000000000000000000000000000000000000000000000000"

func unet() predictions.Model {
	return predictions.Model{
		ID: "unet-4", Framework: "PyTorch", Architecture: "U-Net", Dataset: "crops@v3", DatasetDigest: digest,
		Inputs:          []predictions.Input{{Name: "s2", Bands: []string{"B04", "B08"}, Shape: []int{-1, 12, 2, 16, 16}, Dims: []string{"batch", "time", "channel", "height", "width"}}},
		Classes:         []predictions.Class{{Value: 0, Name: "other"}, {Value: 1, Name: "winter wheat"}},
		Artifact:        &predictions.Artifact{Href: "assets/models/unet-4/weights.pt", SHA256: fmt.Sprintf("%064x", 7), Size: 12},
		Hyperparameters: map[string]any{"lr": 0.1}, Actor: "ada",
	}
}

// world is a data directory with a cube of two scenes.
func world(t *testing.T) (predictions.Config, *layout.View) {
	t.Helper()
	ctx := context.Background()
	dir := t.TempDir()
	driver, err := file.New(dir)
	require.NoError(t, err)
	root := store.New(driver, "file://"+dir)
	c, err := layout.Create(ctx, root.Sub("cubes/s2"), layout.Spec{Name: "s2", Grid: grid, Bands: []cube.Band{{Name: "B04"}, {Name: "B08"}}, DType: cube.Uint16, Chunk: 32})
	require.NoError(t, err)
	var staged []*layout.Staged
	for day := range 2 {
		s, err := c.Stage(ctx, grid.All())
		require.NoError(t, err)
		image, valid := make([]byte, c.Spec().ImageChunkBytes()), bytes.Repeat([]byte{1}, c.Spec().ValidChunkBytes())
		image[0] = byte(day + 1)
		require.NoError(t, s.Write(ctx, "10m", 0, 0, image, valid))
		done, err := s.Finish(ctx, layout.Meta{
			Source: fmt.Sprintf("scene%d", day), Time: time.Date(2021, 5, 1+day, 10, 0, 0, 0, time.UTC), Contract: cube.DefaultContract(), Actor: "ada",
		})
		require.NoError(t, err)
		staged = append(staged, done)
	}
	_, err = c.Commit(ctx, staged, "two scenes")
	require.NoError(t, err)
	v, err := c.At(ctx, "")
	require.NoError(t, err)
	return predictions.Config{Root: root, Dir: t.TempDir()}, v
}

// write sends the whole grid in windows of 8 pixels with an overlap of 2; values are f of row and column.
func write(t *testing.T, r *predictions.Run, f func(k, row, col int) (float32, bool)) {
	t.Helper()
	const core, pad = 8, 2
	for row := 0; row < grid.Height; row += core {
		for col := 0; col < grid.Width; col += core {
			w := cube.Window{Row: row - pad, Col: col - pad, Height: core + 2*pad, Width: core + 2*pad}
			c := cube.Window{Row: row, Col: col, Height: core, Width: core}.Intersect(grid.All())
			data, valid := make([]byte, 2*w.Height*w.Width*4), make([]byte, w.Height*w.Width)
			for i := range valid {
				for k := range 2 {
					v, ok := f(k, w.Row+i/w.Width, w.Col+i%w.Width)
					if c.Intersect(cube.Window{Row: w.Row + i/w.Width, Col: w.Col + i%w.Width, Height: 1, Width: 1}).Empty() {
						v = -999 // outside of the core: must not matter
					}
					cube.Float32.Put(data[(k*len(valid)+i)*4:], float64(v))
					if ok {
						valid[i] = 1
					}
				}
			}
			require.NoError(t, r.Write(w, c, data, valid))
		}
	}
}

func value(k, row, col int) (float32, bool) {
	return float32(k*1000+row*20+col) + 0.5, (row+col)%7 != 0
}

func spec(v *layout.View) predictions.RunSpec {
	return predictions.RunSpec{Model: "unet-4", Dataset: "crops@v3", Cube: v, Names: []string{"p_other", "p_wheat"}, DType: cube.Float32, Actor: "ada"}
}

func begin(t *testing.T, cfg predictions.Config, s predictions.RunSpec) *predictions.Run {
	t.Helper()
	_, err := predictions.RegisterModel(context.Background(), cfg.Root, unet())
	require.NoError(t, err)
	r, err := predictions.Begin(context.Background(), cfg, s)
	require.NoError(t, err)
	return r
}

func keys(t *testing.T, cfg predictions.Config) []string {
	t.Helper()
	var out []string
	for info, err := range cfg.Root.List(context.Background(), "predictions/") {
		require.NoError(t, err)
		out = append(out, info.Key)
	}
	return out
}

func TestRunFromWindowsToItem(t *testing.T) {
	ctx := context.Background()
	cfg, v := world(t)
	r := begin(t, cfg, spec(v))
	write(t, r, value)
	require.Empty(t, keys(t, cfg), "nothing is there before Publish")
	list, err := predictions.List(ctx, cfg.Root)
	require.NoError(t, err)
	require.Empty(t, list)
	item, err := r.Publish(ctx)
	require.NoError(t, err)
	require.True(t, item.Created)
	require.Equal(t, "predictions-s2", item.Collection)
	require.Equal(t, r.ID(), item.Run)

	list, err = predictions.List(ctx, cfg.Root)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "unet-4", list[0].Model)
	require.Equal(t, "crops@v3", list[0].Dataset)
	left, err := os.ReadDir(cfg.Dir)
	require.NoError(t, err)
	require.Empty(t, left, "no temporary files stay")

	var doc struct {
		Properties map[string]any
		Links      []struct{ Rel, Href string }
		Assets     map[string]map[string]any
	}
	require.NoError(t, json.Unmarshal(item.Document, &doc))
	var sources []string
	for _, l := range doc.Links {
		if l.Rel == "derived_from" {
			sources = append(sources, l.Href)
		}
	}
	require.ElementsMatch(t, []string{
		"collections/models/items/unet-4", "collections/dataset-crops-v3", "collections/s2/items/scene0", "collections/s2/items/scene1",
	}, sources)
	require.Equal(t, digest, doc.Properties["terrapin:dataset_digest"])
	require.Equal(t, "2021-05-02T10:00:00Z", doc.Properties["datetime"])

	t.Run("the raster as rasterio reads it", func(t *testing.T) {
		key := strings.TrimPrefix(doc.Assets["prediction"]["href"].(string), "assets/")
		require.Equal(t, list[0].Assets["prediction"], "assets/"+key)
		data, _, err := cfg.Root.Read(ctx, key, store.Range{})
		require.NoError(t, err)
		require.EqualValues(t, len(data), doc.Assets["prediction"]["file:size"])
		path := filepath.Join(t.TempDir(), "p.tif")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		python(t, `
import sys, hashlib, numpy as np, rasterio
s=rasterio.open(sys.argv[1]); a=s.read()
k,r,c=np.ogrid[0:2,0:12,0:20]
valid=(r+c)[0]%7!=0
assert s.descriptions==("p_other","p_wheat") and s.crs=="EPSG:32631" and s.transform[:6]==(10,0,664000,0,-10,5612120), s.profile
assert ((s.read_masks(1)>0)==valid).all()
want=np.where(valid,k*1000+r*20+c+0.5,0).astype("float32")
assert (a==want).all(), a-want
assert s.tags(ns="IMAGE_STRUCTURE").get("LAYOUT")=="COG", s.tags(ns="IMAGE_STRUCTURE")
assert sys.argv[2]=="1220"+hashlib.sha256(open(sys.argv[1],"rb").read()).hexdigest()`, path, doc.Assets["prediction"]["file:checksum"].(string))
	})
	t.Run("documents as the published schemas want them", func(t *testing.T) {
		for _, key := range []string{"models/unet-4/commit.json", "predictions/" + r.ID() + "/commit.json"} {
			data, _, err := cfg.Root.Read(ctx, key, store.Range{})
			require.NoError(t, err)
			var rec struct {
				STAC struct{ Collections, Items []json.RawMessage }
			}
			require.NoError(t, json.Unmarshal(data, &rec))
			require.Len(t, rec.STAC.Items, 1)
			require.Empty(t, validate(t, append(rec.STAC.Collections, rec.STAC.Items...)...), key)
		}
	})
	t.Run("again", func(t *testing.T) {
		again, err := predictions.Begin(ctx, cfg, spec(v))
		require.NoError(t, err)
		require.Equal(t, r.ID(), again.ID())
		write(t, again, value)
		same, err := again.Publish(ctx)
		require.NoError(t, err)
		require.False(t, same.Created)
		require.JSONEq(t, string(item.Document), string(same.Document))
		other, err := predictions.Begin(ctx, cfg, spec(v))
		require.NoError(t, err)
		write(t, other, func(k, row, col int) (float32, bool) { return 1, true })
		_, err = other.Publish(ctx)
		require.True(t, fault.Is(err, fault.Conflict), "%v", err)
		require.NotEmpty(t, fault.CureOf(err))
		require.Len(t, keys(t, cfg), 2)
	})
	t.Run("the id of another run", func(t *testing.T) {
		s := spec(v)
		s.Run, s.Names = r.ID(), []string{"x", "y"}
		_, err := predictions.Begin(ctx, cfg, s)
		require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	})
}

func TestWriteRefuses(t *testing.T) {
	cfg, v := world(t)
	s := spec(v)
	s.Names, s.DType, s.Area = []string{"class"}, cube.Uint8, cube.Window{Row: 2, Col: 2, Height: 8, Width: 8}
	r := begin(t, cfg, s)
	w := cube.Window{Row: 2, Col: 2, Height: 4, Width: 4}
	ones := bytes.Repeat([]byte{1}, 16)
	require.NoError(t, r.Write(w, w, ones, nil))
	require.NoError(t, r.Write(w, w, ones, ones), "the same again")
	none := make([]byte, 16)
	for _, c := range []struct {
		name, what  string
		kind        fault.Kind
		w, core     cube.Window
		data, valid []byte
	}{
		{"other values", "different values at row 2, column 2", fault.Conflict, w, w, bytes.Repeat([]byte{2}, 16), nil},
		{"other validity", "different values at row 2, column 2", fault.Conflict, w, w, ones, none},
		{"short", "7 and 0 bytes", fault.Invalid, w, w, ones[:7], nil},
		{"short valid", "16 and 7 bytes", fault.Invalid, w, w, ones, ones[:7]},
		{"core outside of window", "is none", fault.Invalid, w, cube.Window{Row: 1, Col: 2, Height: 4, Width: 4}, ones, nil},
		{"no core", "is none", fault.Invalid, w, cube.Window{}, ones, nil},
		{"elsewhere", "outside of the run's area", fault.Invalid, cube.Window{Row: 40, Height: 4, Width: 4}, cube.Window{Row: 40, Height: 4, Width: 4}, ones, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := r.Write(c.w, c.core, c.data, c.valid)
			require.ErrorContains(t, err, c.what)
			require.Equal(t, c.kind, fault.KindOf(err))
			require.NotEmpty(t, fault.CureOf(err))
		})
	}
	reaching := cube.Window{Row: 2, Col: 6, Height: 4, Width: 8}
	require.NoError(t, r.Write(reaching, reaching, make([]byte, 32), make([]byte, 32)), "clipped to the area")
	r.Abort()
	require.True(t, fault.Is(r.Write(w, w, ones, nil), fault.Precondition))
	_, err := r.Publish(context.Background())
	require.True(t, fault.Is(err, fault.Precondition))
	require.Empty(t, keys(t, cfg))
}

func TestNaNIsNoPrediction(t *testing.T) {
	cfg, v := world(t)
	r := begin(t, cfg, spec(v))
	w := cube.Window{Height: 2, Width: 2}
	data := make([]byte, 2*4*4)
	nan := math.NaN()
	for i, x := range []float64{nan, nan, 1, 2, nan, 3, 4, 5} { // pixel 0 has no number at all, pixel 1 one
		cube.Float32.Put(data[i*4:], x)
	}
	require.NoError(t, r.Write(w, w, data, nil))
	require.NoError(t, r.Write(w, w, data, []byte{0, 1, 1, 1}), "the same, said in other words")
	_, err := r.Publish(context.Background())
	require.NoError(t, err)
	list, err := predictions.List(context.Background(), cfg.Root)
	require.NoError(t, err)
	stored, _, err := cfg.Root.Read(context.Background(), strings.TrimPrefix(list[0].Assets["prediction"], "assets/"), store.Range{})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "p.tif")
	require.NoError(t, os.WriteFile(path, stored, 0o600))
	raster, err := gdal.Open(path)
	require.NoError(t, err)
	defer raster.Close()
	mask := make([]byte, 4)
	require.NoError(t, raster.ReadMask(w, 1, mask))
	require.Equal(t, []byte{0, 255, 255, 255}, mask)
}

func TestPublishNeedsAWindow(t *testing.T) {
	cfg, v := world(t)
	_, err := begin(t, cfg, spec(v)).Publish(context.Background())
	require.True(t, fault.Is(err, fault.Precondition), "%v", err)
}

func TestBeginRefuses(t *testing.T) {
	cfg, v := world(t)
	begin(t, cfg, spec(v)).Abort()
	plain := unet()
	plain.ID, plain.Dataset, plain.DatasetDigest = "plain", "", ""
	_, err := predictions.RegisterModel(context.Background(), cfg.Root, plain)
	require.NoError(t, err)
	for _, c := range []struct {
		name, what, cure string
		kind             fault.Kind
		change           func(*predictions.RunSpec)
	}{
		{"model", `no model "resnet"`, "plain, unet-4", fault.NotFound, func(s *predictions.RunSpec) { s.Model = "resnet" }},
		{"other dataset", "trained on crops@v3, not on crops@v2", "leave the dataset out", fault.Conflict, func(s *predictions.RunSpec) { s.Dataset = "crops@v2" }},
		{"no version", "is no version", "NAME@vN", fault.Invalid, func(s *predictions.RunSpec) { s.Dataset = "crops" }},
		{"unknown dataset", "no dataset version", "dataset ls", fault.NotFound, func(s *predictions.RunSpec) { s.Model = "plain" }},
		{"digest", "has the digest", "which version", fault.Conflict, func(s *predictions.RunSpec) { s.DatasetDigest = "td1:1" }},
		{"slice", "no slice", "read from", fault.NotFound, func(s *predictions.RunSpec) { s.Slices = []cube.SliceID{"00"} }},
		{"no slice", "no scene", "ingest", fault.Invalid, func(s *predictions.RunSpec) { s.Slices = []cube.SliceID{} }},
		{"area", "does not lie in the grid", "inside", fault.Invalid, func(s *predictions.RunSpec) { s.Area = cube.Window{Height: 99, Width: 9} }},
		{"cell", "no cell", "r0c0/10m", fault.NotFound, func(s *predictions.RunSpec) { s.Cell = "r9c9/10m" }},
		{"names", "no names", "name them", fault.Invalid, func(s *predictions.RunSpec) { s.Names = nil }},
		{"twice", "stands there twice", "of its own", fault.Invalid, func(s *predictions.RunSpec) { s.Names = []string{"a", "a"} }},
		{"dtype", "cannot be written", "float32", fault.Unsupported, func(s *predictions.RunSpec) { s.DType = cube.Int64 }},
		{"run", "bad run name", "letters", fault.Invalid, func(s *predictions.RunSpec) { s.Run = "../x" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := spec(v)
			c.change(&s)
			_, err := predictions.Begin(context.Background(), cfg, s)
			require.ErrorContains(t, err, c.what)
			require.Equal(t, c.kind, fault.KindOf(err))
			require.Contains(t, fault.CureOf(err), c.cure)
		})
	}
}

func TestModels(t *testing.T) {
	ctx := context.Background()
	cfg, _ := world(t)
	first, err := predictions.RegisterModel(ctx, cfg.Root, unet())
	require.NoError(t, err)
	require.True(t, first.Created)
	again := unet()
	again.Actor = "grace"
	second, err := predictions.RegisterModel(ctx, cfg.Root, again)
	require.NoError(t, err)
	require.False(t, second.Created)
	require.Equal(t, "ada", second.Actor)
	require.Equal(t, first.Digest, second.Digest)
	other := unet()
	other.Architecture = "ResNet"
	_, err = predictions.RegisterModel(ctx, cfg.Root, other)
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	list, err := predictions.Models(ctx, cfg.Root)
	require.NoError(t, err)
	require.Len(t, list, 1)
	_, err = cfg.Root.Write(ctx, "datasets/fields/v1/commit.json", []byte(`{"format":1,"kind":"dataset","digest":"td1:ab"}`), store.Condition{})
	require.NoError(t, err)
	bare, err := predictions.RegisterModel(ctx, cfg.Root, predictions.Model{ID: "m", Dataset: "fields@v1"})
	require.NoError(t, err)
	require.Equal(t, "td1:ab", bare.DatasetDigest, "looked up")
	light := unet()
	light.ID, light.Artifact = "4", nil
	third, err := predictions.RegisterModel(ctx, cfg.Root, light)
	require.NoError(t, err)
	require.Empty(t, validate(t, first.Document, bare.Document, third.Document))

	for what, m := range map[string]predictions.Model{
		"bad model name":       {ID: "Bad Name"},
		"unknown task":         {ID: "x", Task: "guessing"},
		"is no version":        {ID: "x", Dataset: "crops"},
		"no dataset version":   {ID: "x", Dataset: "crops@v9"},
		"artifact needs":       {ID: "x", Artifact: &predictions.Artifact{Href: "w.pt", SHA256: "AB"}},
		"has no name":          {ID: "x", Classes: []predictions.Class{{Value: 1}}},
		"does not go with":     {ID: "x", Inputs: []predictions.Input{{Shape: []int{1}}}},
		"unknown data type":    {ID: "x", Inputs: []predictions.Input{{DType: "half"}}},
		`dimension "Batch 1"`:  {ID: "x", Inputs: []predictions.Input{{Shape: []int{1}, Dims: []string{"Batch 1"}}}},
		"stands there twice":   {ID: "x", Classes: []predictions.Class{{Value: 1, Name: "a"}, {Value: 1, Name: "b"}}},
		"64 lower-case hex":    {ID: "x", Artifact: &predictions.Artifact{}},
		"has no name or stand": {ID: "x", Classes: []predictions.Class{{Name: ""}}},
	} {
		_, err := predictions.RegisterModel(ctx, cfg.Root, m)
		require.ErrorContains(t, err, what)
	}
}

// The id of a run is derived from everything that decides its values.
func TestRunID(t *testing.T) {
	cfg, v := world(t)
	base := begin(t, cfg, spec(v)).ID()
	require.Len(t, base, 32)
	seen := map[string]string{base: "base"}
	cells := v.Cells()
	for name, change := range map[string]func(*predictions.RunSpec){
		"slices": func(s *predictions.RunSpec) { s.Slices = []cube.SliceID{cells[0].Slices[0].ID} },
		"area":   func(s *predictions.RunSpec) { s.Area = cube.Window{Height: 3, Width: 3} },
		"names":  func(s *predictions.RunSpec) { s.Names = []string{"a"} },
		"dtype":  func(s *predictions.RunSpec) { s.DType = cube.Float64 },
	} {
		s := spec(v)
		change(&s)
		id := begin(t, cfg, s).ID()
		require.Empty(t, seen[id], name)
		seen[id] = name
	}
	s := spec(v)
	s.Actor, s.Slices = "grace", []cube.SliceID{cells[0].Slices[1].ID, cells[0].Slices[0].ID}
	require.Equal(t, base, begin(t, cfg, s).ID(), "neither who nor the order in which slices are named")
}

func python(t *testing.T, program string, args ...string) {
	t.Helper()
	out, err := exec.Command(interpreter(t), append([]string{"-W", "ignore", "-c", program}, args...)...).CombinedOutput()
	require.NoError(t, err, string(out))
}

func interpreter(t *testing.T) string {
	t.Helper()
	p := os.Getenv("TERRAPIN_PYTHON")
	if p == "" {
		t.Skip("TERRAPIN_PYTHON not set: no official programs to compare with")
	}
	return p
}

// validate runs the published schemas over documents and returns what they object to.
func validate(t *testing.T, docs ...json.RawMessage) string {
	t.Helper()
	in, err := json.Marshal(docs)
	require.NoError(t, err)
	const folder = "../catalog/stac/testdata/"
	cmd := exec.Command(interpreter(t), folder+"validate.py", folder+"schemas")
	cmd.Stdin = bytes.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if cmd.Run() != nil && out.Len() == 0 {
		t.Fatalf("validate.py: %s", errs.String())
	}
	return out.String()
}
