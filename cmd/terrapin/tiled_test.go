package main

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/datasets"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/gdal"
	"github.com/terrapin-eo/terrapin/predictions"
	"github.com/terrapin-eo/terrapin/stream"
)

// open opens the data directory for reading.
func (s shell) open() *workspace {
	s.t.Helper()
	w, err := openReading(s.t.Context(), place{data: s.dir}, slog.New(slog.DiscardHandler))
	require.NoError(s.t, err)
	s.t.Cleanup(w.close)
	return w
}

// pixels is a sample as a trainer gets it: what each scene shows of it, and its label.
type pixels struct {
	image, valid map[string]string // by the source of the scene
	label        string
}

// samples reads every sample of a split in one way or the other: by its place in the frame.
func (s shell) samples(ref, split string) map[cube.Window]pixels {
	s.t.Helper()
	w := s.open()
	v, err := datasets.Open(s.t.Context(), w.root, ref)
	require.NoError(s.t, err)
	c, err := w.cube(s.t.Context(), v.Cube)
	require.NoError(s.t, err)
	view, err := c.At(s.t.Context(), v.Snapshot)
	require.NoError(s.t, err)
	region, err := view.Region(v.Cell)
	require.NoError(s.t, err)
	run, err := stream.New(stream.Config{Root: w.root, Cubes: w.cube, Reader: w.reader}).Open(s.t.Context(), stream.Ticket{Samples: &stream.SampleTicket{
		Dataset: ref, Split: split, Seed: 1, Shuffle: stream.ByVersion, BatchSize: 7, WorldSize: 1}})
	require.NoError(s.t, err)
	defer run.Close()
	all, err := v.Split(split)
	require.NoError(s.t, err)
	byID := map[string]datasets.Sample{}
	for i := range all.Len() {
		one, err := all.At(i)
		require.NoError(s.t, err)
		byID[one.ID] = one
	}
	source := map[cube.SliceID]string{}
	for _, sl := range view.Slices() {
		source[sl.ID] = sl.Source
	}
	out, shape := map[cube.Window]pixels{}, run.Info().Shape
	area := v.Size * v.Size
	for range run.Steps() {
		b, err := run.Next(s.t.Context())
		require.NoError(s.t, err)
		for i, id := range b.IDs {
			p := pixels{image: map[string]string{}, valid: map[string]string{}}
			slot := shape.Bands * area * shape.DType.Size()
			for k, slice := range byID[id].Slots {
				at := i*shape.Slots + k
				if slice == "" {
					require.Equal(s.t, int64(stream.NoTime), b.Times[at])
					continue
				}
				if valid := string(b.Valid[at*area : (at+1)*area]); valid != string(make([]byte, area)) {
					p.image[source[slice]], p.valid[source[slice]] = string(b.Image[at*slot:(at+1)*slot]), valid
				}
			}
			if b.Label != nil {
				n := len(b.Label) / b.Rows
				p.label = string(b.Label[i*n : (i+1)*n])
			}
			at, err := region.From(byID[id].Cell, byID[id].Window)
			require.NoError(s.t, err)
			out[at] = p
		}
	}
	return out
}

// equalSamples holds every sample of a dataset over a tiled cube to the same place of a plain one.
func (s shell) equalSamples(plain, tiled string) {
	s.t.Helper()
	n := 0
	for _, split := range datasets.Splits() {
		want, got := s.samples(plain, split), s.samples(tiled, split)
		require.Len(s.t, got, len(want), split)
		for at, p := range want {
			require.Equal(s.t, p, got[at], "%s %+v", split, at)
			n++
		}
	}
	require.Greater(s.t, n, 20)
}

// recipe writes a recipe; its split has blocks of 320 m unless more gives another.
func (s shell) recipe(name, cube, more string) string {
	path := filepath.Join(s.t.TempDir(), name+".yaml")
	text := fmt.Sprintf("name: %s\ncube: %s\n%s\n", name, cube, more)
	if !strings.Contains(more, "split:") {
		text += "split: {by: block, block_m: 320, train: 0.6, validate: 0.2, test: 0.2, salt: 1}\n"
	}
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// A real series with labels, in one cell and in nine: each sample of a dataset is the same to the last
// pixel, windows over the edges of cells among them, and so is what a model is given and its prediction.
func TestATiledCubeGivesWhatAPlainOneGives(t *testing.T) {
	s := withCube(t)
	s.json(exitOK, "cube", "create", "cells", "--like", scenes(t)[0], "--cell", "40", "--chunk", "20")
	s.json(exitOK, append([]string{"ingest", "cells", "--datetime-pattern", "s2_%Y%m%d"}, scenes(t)...)...)
	require.Len(t, s.json(exitOK, "cube", "show", "cells")["cells"], 9)
	for _, c := range []string{"s2", "cells"} {
		s.json(exitOK, "labels", "import", "crops-"+c, sample+"labels_cropland.tif", "--cube", c, "--classes", sample+"classes.json")
		for name, more := range map[string]string{
			"raw":    "features: [B08, B02]\nwindow: {size: 12, stride: 12, jitter: 0}",
			"labels": "labels: crops-" + c + "\nwindow: {size: 9, stride: 12, jitter: 0}\nvalues: physical\nnormalise: {per: band, from: train}\ntime: {policy: latest, slots: 3}",
		} {
			doc := s.json(exitOK, "dataset", "commit", s.recipe(name+"-"+c, c, more))
			verified := s.json(exitOK, "dataset", "verify", doc["dataset"].(string)+"@v1")
			require.Equal(t, true, verified["ok"], verified["problems"])
			again := s.json(exitOK, "dataset", "commit", s.recipe(name+"-"+c, c, more))
			require.Equal(t, false, again["created"])
		}
	}
	s.equalSamples("raw-s2@v1", "raw-cells@v1")
	s.equalSamples("labels-s2@v1", "labels-cells@v1")
	fsck := s.json(exitOK, "store", "fsck")
	require.Equal(t, true, fsck["ok"], fsck["problems"])

	w := s.open()
	engine := stream.New(stream.Config{Root: w.root, Cubes: w.cube, Reader: w.reader})
	windows := func(cubeName, cell string) []*stream.Batch {
		run, err := engine.Open(t.Context(), stream.Ticket{Windows: &stream.WindowTicket{Cube: cubeName, Cell: cell, Size: 33, Overlap: 5, BatchSize: 4}})
		require.NoError(t, err)
		defer run.Close()
		var out []*stream.Batch
		for range run.Steps() {
			b, err := run.Next(t.Context())
			require.NoError(t, err)
			out = append(out, &stream.Batch{Step: b.Step, Part: b.Part, Parts: b.Parts, Rows: b.Rows, Image: b.Image, Valid: b.Valid,
				Times: b.Times, IDs: b.IDs, Positions: b.Positions, Places: b.Places}) // all but the memory they lie in
		}
		return out
	}
	require.Equal(t, windows("s2", ""), windows("cells", ""), "the frame, whatever its cells")
	require.Equal(t, windows("cells", ""), windows("cells", "10m"))
	cell := windows("cells", "r1c1/10m")
	require.Equal(t, 4, cell[0].Rows, "40 pixels in windows of 33 with an overlap of 5")
	require.Equal(t, cube.Window{Row: -2, Col: -2, Height: 33, Width: 33}, cell[0].Places[0].Window)

	// A model that says what the first scene's B02 is: stitched over the frame, it is that band.
	_, err := predictions.RegisterModel(t.Context(), w.root, predictions.Model{ID: "same"})
	require.NoError(t, err)
	var rasters [2][]byte
	for i, name := range []string{"s2", "cells"} {
		c, err := w.cube(t.Context(), name)
		require.NoError(t, err)
		view, err := c.At(t.Context(), "")
		require.NoError(t, err)
		run, err := predictions.Begin(t.Context(), predictions.Config{Root: w.root, Dir: t.TempDir()},
			predictions.RunSpec{Model: "same", Cube: view, Names: []string{"b02"}, DType: cube.Uint16, Run: "run-" + name})
		require.NoError(t, err)
		for _, b := range windows(name, "") {
			row, area := len(b.Image)/b.Rows, 33*33
			for k, at := range b.Places {
				require.NoError(t, run.Write(at.Window, at.Core, b.Image[k*row:k*row+2*area], b.Valid[k*len(b.Valid)/b.Rows:][:area]))
			}
		}
		item, err := run.Publish(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1.0, *item.Coverage)
		tif, err := filepath.Glob(filepath.Join(s.dir, "predictions", "run-"+name, "*.tif"))
		require.NoError(t, err)
		raster, err := gdal.Open(tif[0])
		require.NoError(t, err)
		rasters[i] = make([]byte, 100*100*2)
		require.NoError(t, raster.Read(cube.Window{Height: 100, Width: 100}, []int{0}, cube.Uint16, rasters[i]))
		raster.Close()
	}
	require.Equal(t, rasters[0], rasters[1])
	require.NotEqual(t, make([]byte, len(rasters[0])), rasters[0])
}

// Parts of a real scene that overlap, as neighbouring tiles do, and come one after the other: cells
// appear with them, in any order, and everything is where it would be without cells.
func TestCellsAppearAsScenesCome(t *testing.T) {
	file, dir := cubetest.Real(t, "scenes/l8-greenland-xrspatial/LC80030172015001LGN00_B4.tiff"), t.TempDir()
	parts := map[string][4]int{
		"p_20150101": {0, 0, 500, 600}, "p_20150102": {300, 400, 600, 910}, "p_20150103": {700, 0, 393, 700}, "p_20150104": {900, 1100, 150, 180},
	}
	args, names := []string{file, dir}, []string{}
	for _, name := range []string{"p_20150103", "p_20150101", "p_20150104", "p_20150102"} {
		p := parts[name]
		args, names = append(args, fmt.Sprintf("%s=%d,%d,%d,%d", name, p[0], p[1], p[2], p[3])), append(names, filepath.Join(dir, name+".tif"))
	}
	cubetest.Python(t, script(t, "cut.py"), args...)
	s := newShell(t)
	s.json(exitOK, "cube", "create", "plain", "--like", file, "--bands", "B4", "--chunk", "64")
	s.json(exitOK, "cube", "create", "cells", "--like", file, "--bands", "B4", "--chunk", "64", "--cell", "256")
	ingest := []string{"--bands", "B4", "--datetime-pattern", "p_%Y%m%d"}
	s.json(exitOK, append(append([]string{"ingest", "plain"}, names...), ingest...)...)
	last := 0
	for _, name := range names {
		doc := s.json(exitOK, append([]string{"ingest", "cells", name}, ingest...)...)
		require.Len(t, doc["accepted"], 1)
		n := len(s.json(exitOK, "cube", "show", "cells")["cells"].([]any))
		require.GreaterOrEqual(t, n, last)
		last = n
	}
	require.Less(t, last, 5*6, "some cells were never touched")

	w := s.open()
	views := map[string]*layout.View{}
	for _, name := range []string{"plain", "cells"} {
		c, err := w.cube(t.Context(), name)
		require.NoError(t, err)
		views[name], err = c.At(t.Context(), "")
		require.NoError(t, err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		at := cube.Window{Row: rng.IntN(1200) - 60, Col: rng.IntN(1400) - 60, Height: 1 + rng.IntN(300), Width: 1 + rng.IntN(300)}
		var seen [2][]byte
		for i, name := range []string{"plain", "cells"} {
			v := views[name]
			var ids []cube.SliceID
			for _, sl := range v.Slices() {
				ids = append(ids, sl.ID)
			}
			require.Len(t, ids, 4)
			region, err := v.Region("")
			require.NoError(t, err)
			spot := region.Spot(at)
			image, valid := make([]byte, 4*at.Height*at.Width*2), make([]byte, 4*at.Height*at.Width)
			require.NoError(t, w.reader.Read(t.Context(), v, read.Request{Cell: spot.Cell, Slices: ids, Window: spot.Window}, image, valid))
			seen[i] = append(image, valid...)
		}
		require.Equal(t, seen[0], seen[1], "%+v", at)
	}
	for _, c := range []string{"plain", "cells"} {
		path := s.recipe("ice-"+c, c, "window: {size: 50, stride: 50, jitter: 0}")
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, append(text, "values: raw\n"...), 0o600))
		s.json(exitOK, "dataset", "commit", path)
	}
	require.Equal(t, true, s.json(exitOK, "dataset", "verify", "ice-cells@v1")["ok"])
	// The plain cube has windows that no scene covers, too.
	n := 0
	for _, split := range datasets.Splits() {
		want, got := s.samples("ice-plain@v1", split), s.samples("ice-cells@v1", split)
		for at, p := range want {
			if _, there := got[at]; there || len(p.image) > 0 {
				require.Equal(t, p, got[at], "%s %+v", split, at)
				n++
			}
		}
	}
	require.Greater(t, n, 300)

	engine := stream.New(stream.Config{Root: w.root, Cubes: w.cube, Reader: w.reader})
	grid := views["cells"].Spec().Grid
	_, err := engine.Scope(t.Context(), stream.WindowTicket{Cube: "cells", Bounds: bounds(grid, cube.Window{Row: 1085, Col: 1290, Height: 5, Width: 5})})
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
	scope, err := engine.Scope(t.Context(), stream.WindowTicket{Cube: "cells", Bounds: bounds(grid, cube.Window{Row: 350, Col: 450, Height: 5, Width: 5})})
	require.NoError(t, err)
	require.Len(t, scope.Slices, 2, "of four scenes two reach the area")

	items := s.json(exitOK, "cube", "show", "cells")["cells"].([]any)
	for _, c := range items {
		require.NotEmpty(t, c.(map[string]any)["times"], "a cell exists because a scene touches it")
	}
}

func bounds(g cube.Grid, w cube.Window) []float64 {
	x0, y0, x1, y1 := g.WindowBounds(w)
	return []float64{x0, y0, x1, y1}
}

// A reprocessed scene takes the old one's place by an explicit act: the cube shows the new pixels, and a
// version that was committed before goes on giving the old ones.
func TestASupersededSceneLivesOnInOldVersions(t *testing.T) {
	for name, create := range map[string][]string{"plain": nil, "cells": {"--cell", "40", "--chunk", "20"}} {
		t.Run(name, func(t *testing.T) {
			s, files := newShell(t), scenes(t)[4:8]
			s.json(exitOK, append([]string{"cube", "create", "s2", "--like", files[0]}, create...)...)
			s.json(exitOK, append([]string{"ingest", "s2", "--datetime-pattern", "s2_%Y%m%d"}, files...)...)
			recipe := s.recipe("crops", "s2", "features: [B04, B08]\nwindow: {size: 12, stride: 12, jitter: 0}")
			s.json(exitOK, "dataset", "commit", recipe)
			before := s.samples("crops@v1", "train")
			shown := s.json(exitOK, "cube", "show", "s2")["cells"].([]any)[0].(map[string]any)

			// The next month's pixels under this month's name stand for the reprocessed scene.
			redone := filepath.Join(t.TempDir(), filepath.Base(files[1]))
			data, err := os.ReadFile(scenes(t)[8])
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(redone, data, 0o600))
			ingest := []string{"ingest", "s2", redone, "--datetime-pattern", "s2_%Y%m%d"}
			refused := s.json(exitRefused, ingest...)["rejected"].([]any)[0].(map[string]any)
			require.Contains(t, refused["reason"], "other content")
			require.Contains(t, refused["cure"], "--supersede")
			require.Empty(t, s.json(exitRefused, append(ingest, "--supersede-item", "nothing")...)["accepted"])
			doc := s.json(exitOK, append(ingest, "--supersede")...)
			require.Len(t, doc["accepted"], 1)
			item := doc["accepted"].([]any)[0].(map[string]any)["item"]
			gone := doc["superseded"].([]any)[0].(map[string]any)
			require.Equal(t, item, gone["item"], "the item goes on under its id")
			require.Equal(t, redone, gone["source"])
			require.Contains(t, shown["slices"], gone["slice"])
			now := s.json(exitOK, "cube", "show", "s2")["cells"].([]any)[0].(map[string]any)
			require.Len(t, now["slices"], 4)
			require.NotContains(t, now["slices"], gone["slice"])
			again := s.json(exitOK, append(ingest, "--supersede")...)
			require.Len(t, again["skipped"], 1)
			require.Empty(t, again["superseded"])

			require.Equal(t, before, s.samples("crops@v1", "train"), "the old version streams the old pixels")
			require.Equal(t, true, s.json(exitOK, "dataset", "verify", "crops@v1")["ok"])
			require.Equal(t, "v2", s.json(exitOK, "dataset", "commit", recipe)["version"])
			after := s.samples("crops@v2", "train")
			require.NotEqual(t, before, after)
			for at, p := range before {
				require.Equal(t, p.image["s2_20210501"], after[at].image["s2_20210501"], "other scenes stay as they were")
			}

			// Under another name and time, exactly one scene for exactly one item.
			other := filepath.Join(t.TempDir(), "v2_20210302.tif")
			require.NoError(t, os.WriteFile(other, data, 0o600))
			byItem := []string{"--datetime-pattern", "v2_%Y%m%d", "--supersede-item", item.(string)}
			_, stderr, code := s.run(append([]string{"ingest", "s2", other, files[2]}, byItem...)...)
			require.Equal(t, exitRefused, code)
			require.Contains(t, stderr, "one scene")
			doc = s.json(exitOK, append([]string{"ingest", "s2", other}, byItem...)...)
			require.Equal(t, "v2_20210302", doc["superseded"].([]any)[0].(map[string]any)["item"])
			catalogued := map[string]bool{}
			w := s.open()
			c, err := w.cube(t.Context(), "s2")
			require.NoError(t, err)
			view, err := c.At(t.Context(), "")
			require.NoError(t, err)
			for _, sl := range view.Slices() {
				catalogued[sl.Item] = true
			}
			require.Equal(t, s.items("s2"), catalogued, "the catalog has what the cube has, and no superseded item")
			require.True(t, catalogued["v2_20210302"])
			require.False(t, catalogued[item.(string)])
			s.json(exitOK, "store", "reindex")
			require.Equal(t, catalogued, s.items("s2"), "and a rebuilt one too")
			require.Equal(t, true, s.json(exitOK, "store", "fsck")["ok"])
		})
	}
}

// items are the ids that the catalog has of a collection.
func (s shell) items(collection string) map[string]bool {
	s.t.Helper()
	w, err := openCommitting(s.t.Context(), place{data: s.dir}, slog.New(slog.DiscardHandler), commitOptions{})
	require.NoError(s.t, err)
	defer w.close()
	page, err := w.catalog.Search(s.t.Context(), catalog.Everything(), catalog.Query{Collections: []string{collection}, Page: catalog.Page{Limit: 1000}})
	require.NoError(s.t, err)
	out := map[string]bool{}
	for _, doc := range page.Documents {
		e, err := catalog.ParseItem(doc)
		require.NoError(s.t, err)
		out[e.Ref.ID] = true
	}
	return out
}
