package export

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/layout/layouttest"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/gdal"
)

type fixture struct {
	Config
	scenes []layouttest.Scene
}

func start(t *testing.T) *fixture {
	t.Helper()
	spec := layouttest.Spec(cube.Uint16, layouttest.Value(65535))
	made, err := layout.Create(t.Context(), layouttest.Bucket(), spec)
	require.NoError(t, err)
	f := &fixture{Config: Config{Cube: made, Reader: read.New(read.Config{})}}
	for i, day := range []int{3, 8, 13, 18} {
		f.scenes = append(f.scenes, layouttest.Random(spec, uint64(i+1), "scene", layouttest.Date(6, day, 0)))
	}
	layouttest.Commit(t, made, f.scenes...)
	return f
}

func (f *fixture) run(t *testing.T, req Request) Report {
	t.Helper()
	report, err := Run(t.Context(), f.Config, req)
	require.NoError(t, err)
	return report
}

func TestCOGsHoldTheScenes(t *testing.T) {
	f := start(t)
	spec := f.Cube.Spec()
	window := cube.Window{Row: 5, Col: 3, Height: 30, Width: 20}
	req := Request{Out: filepath.Join(t.TempDir(), "new/out"), Format: COG, Window: &window, Bands: []string{"B08", "B02"}}
	report := f.run(t, req)
	require.Len(t, report.Files, 4)
	require.Equal(t, 4, report.Scenes)
	require.Contains(t, report.Note, "in 4 of the files", "bands that differ in validity share a mask")
	for i, file := range report.Files {
		require.Regexp(t, `s2_202106\d\dT120000_[0-9a-f]{32}\.tif$`, file.Path)
		info, err := os.Stat(file.Path)
		require.NoError(t, err)
		require.Equal(t, file.Bytes, info.Size())
		raster, err := gdal.Open(file.Path)
		require.NoError(t, err)
		defer raster.Close()
		grid, err := raster.Grid()
		require.NoError(t, err)
		require.Equal(t, cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 500030, 0, -10, 5599950}, Width: 20, Height: 30}, grid)
		pixels := window.Height * window.Width
		got, mask := make([]byte, 2*pixels*2), make([]byte, pixels)
		require.NoError(t, raster.Read(grid.All(), []int{0, 1}, cube.Uint16, got))
		require.NoError(t, raster.ReadMask(grid.All(), 0, mask))
		plane := spec.Grid.Height * spec.Grid.Width
		want, observed := make([]byte, pixels*2), bytes.Repeat([]byte{255}, pixels)
		for at, band := range []int{2, 0} {
			require.Equal(t, []string{"B08", "B02"}[at], raster.Bands[at].Name)
			require.EqualValues(t, 65535, *raster.Bands[at].Nodata)
			cube.CopyWindow(want, window, f.scenes[i].Image[band*plane*2:(band+1)*plane*2], spec.Grid.All(), 2)
			require.Equal(t, want, got[at*pixels*2:(at+1)*pixels*2])
			valid := make([]byte, pixels)
			cube.CopyWindow(valid, window, f.scenes[i].Valid[band*plane:(band+1)*plane], spec.Grid.All(), 1)
			for p, v := range valid {
				if v == 0 {
					observed[p] = 0
				}
			}
		}
		require.Equal(t, observed, mask)
		tags := raster.Metadata("")
		require.Equal(t, f.scenes[i].Meta.Time.Format(stampLayout), tags["TERRAPIN_TIME"])
		require.Equal(t, report.Snapshot, tags["TERRAPIN_SNAPSHOT"])
		_, known := must(f.Cube.At(t.Context(), "")).Lookup(cube.SliceID(tags["TERRAPIN_SLICE"]))
		require.True(t, known)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestWhatIsChosen(t *testing.T) {
	f := start(t)
	bounds := [4]float64{500011, 5599899, 500049, 5599981}
	report := f.run(t, Request{Out: t.TempDir(), Format: COG, Bounds: &bounds, Span: must(cube.ParseSpan("2021-06-04", "2021-06-13"))})
	require.Equal(t, cube.Window{Row: 1, Col: 1, Height: 10, Width: 4}, report.Window, "bounds are snapped outwards")
	require.Equal(t, 2, report.Scenes, "the last date means its whole day")

	whole := cube.Window{Height: 41, Width: 37}
	for name, bad := range map[string]Request{
		"format":     {Format: "netcdf"},
		"band":       {Format: COG, Bands: []string{"B99"}},
		"twice":      {Format: COG, Bands: []string{"B02", "B02"}},
		"group":      {Format: COG, Group: "20m"},
		"outside":    {Format: COG, Bounds: &[4]float64{0, 0, 1, 1}},
		"empty":      {Format: COG, Bounds: &[4]float64{500049, 5599899, 500011, 5599981}},
		"over":       {Format: COG, Window: &cube.Window{Row: 40, Height: 2, Width: 1}},
		"both":       {Format: COG, Window: &whole, Bounds: &bounds},
		"no scene":   {Format: COG, Span: must(cube.ParseSpan("2022-01-01", ".."))},
		"no version": {Format: COG, Version: "v9"},
		"shard":      {Format: Zarr, Shard: 17},
		"cog shards": {Format: COG, Shard: 32},
	} {
		bad.Out = filepath.Join(t.TempDir(), "out")
		_, err := Run(t.Context(), f.Config, bad)
		require.Error(t, err, name)
		require.NotEqual(t, fault.Internal, fault.KindOf(err), "%s: %v", name, err)
		require.NotEmpty(t, fault.CureOf(err), name)
		_, err = os.Stat(bad.Out)
		require.True(t, os.IsNotExist(err), "%s: a refused export leaves nothing", name)
	}
}

// files reads every file below a folder but the journal.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == JournalName {
			return err
		}
		text, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		found[rel] = string(text)
		return err
	}))
	return found
}

func TestAnExportThatWasCutOffGoesOn(t *testing.T) {
	f := start(t)
	for _, format := range []Format{COG, Zarr} {
		t.Run(string(format), func(t *testing.T) {
			whole := filepath.Join(t.TempDir(), "whole")
			f.run(t, Request{Out: whole, Format: format})

			out := filepath.Join(t.TempDir(), "cut")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, err := Run(ctx, f.Config, Request{Out: out, Format: format, Progress: func(done, _ int) {
				if done == 2 {
					cancel()
				}
			}})
			require.Equal(t, fault.Canceled, fault.KindOf(err))
			_, err = os.Stat(filepath.Join(out, rootName))
			require.True(t, os.IsNotExist(err), "half a group does not open")

			// What a kill leaves: a file under no final name, a line without its end, a file that lost its tail.
			require.NoError(t, os.WriteFile(filepath.Join(out, halfPrefix+"x"), []byte("half"), 0o666))
			journal, err := os.OpenFile(filepath.Join(out, JournalName), os.O_APPEND|os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = journal.WriteString(`{"path":"lost`)
			require.NoError(t, err)
			require.NoError(t, journal.Close())
			var victim string
			for name := range files(t, out) {
				if !strings.Contains(name, halfPrefix) && (victim == "" || name < victim) {
					victim = name
				}
			}
			require.NoError(t, os.Truncate(filepath.Join(out, victim), 10))

			_, err = Run(t.Context(), f.Config, Request{Out: out, Format: format})
			require.Equal(t, fault.Conflict, fault.KindOf(err), "without --resume")
			_, err = Run(t.Context(), f.Config, Request{Out: out, Format: format, Resume: true, Bands: []string{"B02"}})
			require.Equal(t, fault.Conflict, fault.KindOf(err), "another selection")

			// A scene that came meanwhile is no part of what was begun.
			layouttest.Commit(t, f.Cube, layouttest.Random(f.Cube.Spec(), 99, "late-"+string(format), layouttest.Date(6, 1, 0)))
			report := f.run(t, Request{Out: out, Format: format, Resume: true})
			require.Equal(t, 4, report.Scenes)
			require.Positive(t, report.Skipped)
			require.NoError(t, os.Remove(filepath.Join(out, halfPrefix+"x")))
			require.Equal(t, files(t, whole), files(t, out))

			again := f.run(t, Request{Out: out, Format: format, Resume: true})
			require.Equal(t, report.Files, again.Files)
			require.Greater(t, again.Skipped, report.Skipped)
			_, err = Run(t.Context(), f.Config, Request{Out: out, Format: format, Resume: true, Version: "main"})
			require.Equal(t, fault.Conflict, fault.KindOf(err), "another snapshot by name")
		})
		f = start(t)
	}
}

func TestAFolderWithSomethingElseIsLeftAlone(t *testing.T) {
	f := start(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "thesis.tex"), []byte("x"), 0o666))
	for _, resume := range []bool{false, true} {
		_, err := Run(t.Context(), f.Config, Request{Out: dir, Format: COG, Resume: resume})
		require.Equal(t, fault.Conflict, fault.KindOf(err))
	}
	require.Len(t, files(t, dir), 1)
	_, err := Run(t.Context(), f.Config, Request{Out: filepath.Join(dir, "thesis.tex"), Format: COG})
	require.Equal(t, fault.Invalid, fault.KindOf(err))
}

func TestTheJournalSaysWhatIsWhole(t *testing.T) {
	f := start(t)
	out := filepath.Join(t.TempDir(), "out")
	f.run(t, Request{Out: out, Format: Zarr})
	text, err := os.ReadFile(filepath.Join(out, JournalName))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	var h heading
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &h))
	require.Equal(t, "s2", h.Cube)
	require.Len(t, h.Slices, 4)
	found := files(t, out)
	for _, line := range lines[1:] {
		var e entry
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		require.Len(t, found[e.Path], int(e.Bytes))
		delete(found, e.Path)
	}
	require.Empty(t, found)
	require.Contains(t, lines[len(lines)-1], `"zarr.json"`, "the group comes last")
}

// TestAWindowAcrossCellsIsOne exports the same window from a single grid and from cells of one chunk.
func TestAWindowAcrossCellsIsOne(t *testing.T) {
	window := cube.Window{Row: 7, Col: 3, Height: 30, Width: 31}
	for _, format := range []Format{COG, Zarr} {
		pixels := map[int]map[string]string{}
		for _, cell := range []int{0, 16} {
			spec := layouttest.Spec(cube.Uint16, layouttest.Value(65535))
			spec.CellSize = cell
			made, err := layout.Create(t.Context(), layouttest.Bucket(), spec)
			require.NoError(t, err)
			f := &fixture{Config: Config{Cube: made, Reader: read.New(read.Config{})}}
			layouttest.Commit(t, made, layouttest.Random(spec, 1, "scene", layouttest.Date(6, 3, 0)))
			out := filepath.Join(t.TempDir(), "out")
			report := f.run(t, Request{Out: out, Format: format, Window: &window})
			require.Equal(t, 1, report.Scenes)
			pixels[cell] = map[string]string{}
			if format == Zarr {
				for name, text := range files(t, out) {
					if name != rootName { // which names the slice
						pixels[cell][name] = text
					}
				}
				continue
			}
			raster, err := gdal.Open(report.Files[0].Path)
			require.NoError(t, err)
			defer raster.Close()
			grid := must(raster.Grid())
			got := make([]byte, 3*2*grid.Width*grid.Height)
			require.NoError(t, raster.Read(grid.All(), []int{0, 1, 2}, cube.Uint16, got))
			pixels[cell]["pixels"] = string(got)
		}
		require.Equal(t, pixels[0], pixels[16], format)
	}
}

// A frame may be that of a country: without bounds, an export takes what cells there are, not all of the frame.
func TestNothingIsExportedWhereNoSceneEverWas(t *testing.T) {
	spec := layouttest.Spec(cube.Uint16, layouttest.Value(65535))
	spec.CellSize = 16
	made, err := layout.Create(t.Context(), layouttest.Bucket(), spec)
	require.NoError(t, err)
	f := &fixture{Config: Config{Cube: made, Reader: read.New(read.Config{})}}
	layouttest.Commit(t, made,
		layouttest.RandomIn(spec, 1, "a", layouttest.Date(6, 3, 0), cube.Window{Row: 20, Col: 3, Height: 5, Width: 5}),
		layouttest.RandomIn(spec, 2, "b", layouttest.Date(6, 4, 0), cube.Window{Row: 22, Col: 18, Height: 5, Width: 5}))
	for _, format := range []Format{COG, Zarr} {
		report := f.run(t, Request{Out: filepath.Join(t.TempDir(), "out"), Format: format})
		require.Equal(t, cube.Window{Row: 16, Col: 0, Height: 16, Width: 32}, report.Window)
	}
}
