package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/crs"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/gdal"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/file"
)

const demo = "../demo/data/"

// newCube makes a cube on disk and returns it with its directory.
func newCube(t *testing.T, spec layout.Spec) (*layout.Cube, string) {
	t.Helper()
	dir := t.TempDir()
	driver, err := file.New(dir)
	require.NoError(t, err)
	t.Cleanup(func() { driver.Close() })
	spec.Name = "s2"
	spec.Created = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c, err := layout.Create(context.Background(), store.New(driver, "file://"+dir), spec)
	require.NoError(t, err)
	return c, dir
}

func like(t *testing.T, path string, bands ...string) layout.Spec {
	t.Helper()
	spec, err := LikeRaster(path, bands)
	require.NoError(t, err)
	return spec
}

// run ingests and checks what holds for every report: each source once, reasons and cures given.
func ingest(t *testing.T, c *layout.Cube, req Request) Report {
	t.Helper()
	rep, err := Run(context.Background(), Config{Cube: c}, req)
	require.NoError(t, err)
	for _, r := range rep.Rejected {
		require.NotEmpty(t, r.Reason, r.Source)
		require.NotEmpty(t, r.Cure, "%s: %s", r.Source, r.Reason)
	}
	for _, s := range rep.Skipped {
		require.NotEmpty(t, s.Reason)
	}
	view, err := c.At(context.Background(), "")
	require.NoError(t, err)
	require.Equal(t, view.Snapshot(), rep.Snapshot)
	return rep
}

func axisOf(t *testing.T, c *layout.Cube) []cube.Slice {
	t.Helper()
	view, err := c.At(context.Background(), "")
	require.NoError(t, err)
	return view.Cells()[0].Slices
}

func demoScenes(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(demo + "s2_*.tif")
	require.NoError(t, err)
	require.Len(t, files, 12)
	return files
}

func bySource(paths []string) map[string]string {
	files := map[string]string{}
	for _, p := range paths {
		files[strings.TrimSuffix(filepath.Base(p), filepath.Ext(p))] = p
	}
	return files
}

// The demo's scenes: one is late, one is damaged, all are there twice.
func TestDemoScenes(t *testing.T) {
	files := demoScenes(t)
	c, dir := newCube(t, like(t, files[0]))
	late := files[5]
	early := append(append([]string{}, files[:5]...), files[6:]...)
	rep := ingest(t, c, Request{Sources: early, DatetimePattern: "s2_%Y%m%d", Actor: "me"})
	require.Len(t, rep.Accepted, 11)
	require.Equal(t, Accepted{Source: early[0], Item: "s2_20201101", Datetime: "2020-11-01T00:00:00Z"}, rep.Accepted[0])

	whole, err := os.ReadFile(late)
	require.NoError(t, err)
	cut := filepath.Join(t.TempDir(), filepath.Base(late))
	require.NoError(t, os.WriteFile(cut, whole[:len(whole)*3/4], 0o600))
	before := rep.Snapshot
	rep = ingest(t, c, Request{Sources: []string{cut}, DatetimePattern: "s2_%Y%m%d"})
	require.Len(t, rep.Rejected, 1)
	require.Equal(t, before, rep.Snapshot, "a damaged scene changes nothing")
	require.Equal(t, cut, rep.Rejected[0].Source)
	require.Contains(t, rep.Rejected[0].Reason, "damaged")

	rep = ingest(t, c, Request{Sources: []string{late}, DatetimePattern: "s2_%Y%m%d"})
	require.Len(t, rep.Accepted, 1)
	axis := axisOf(t, c)
	require.Len(t, axis, 12)
	require.True(t, sort.SliceIsSorted(axis, func(i, j int) bool { return axis[i].Less(axis[j]) }))
	require.Equal(t, "latency", axis[0].AvailableFrom)
	require.Equal(t, "me", axis[0].Actor)

	rep = ingest(t, c, Request{Sources: []string{demo}, DatetimePattern: "s2_%Y%m%d"})
	require.Len(t, rep.Skipped, 12, "the folder holds the same scenes")
	require.Len(t, rep.Rejected, 1, "and a label raster")
	equalsSources(t, dir, bySource(files))
}

// The order in which scenes come decides nothing.
func TestOrderOfSourcesDoesNotMatter(t *testing.T) {
	files := demoScenes(t)
	backwards := append([]string{}, files...)
	sort.Sort(sort.Reverse(sort.StringSlice(backwards)))
	a, _ := newCube(t, like(t, files[0]))
	b, _ := newCube(t, like(t, files[0]))
	ingest(t, a, Request{Sources: files, DatetimePattern: "%Y%m%d"})
	for _, f := range backwards {
		ingest(t, b, Request{Sources: []string{f}, DatetimePattern: "%Y%m%d"})
	}
	x, y := axisOf(t, a), axisOf(t, b)
	require.Len(t, x, 12)
	for i := range x {
		require.Equal(t, x[i].ID, y[i].ID)
		require.Equal(t, x[i].Content, y[i].Content)
	}
}

// raster writes a small GeoTIFF for a test.
type raster struct {
	grid   cube.Grid
	dtype  cube.DType
	bands  []string
	nodata *float64
	mask   []byte
	value  func(band, row, col int) float64
}

func number(v float64) *float64 { return &v }

var smallGrid = cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 600000, 0, -10, 5600000}, Width: 70, Height: 50}

func (r raster) write(t *testing.T, path string) string {
	t.Helper()
	if r.grid.CRS == "" {
		r.grid = smallGrid
	}
	if r.dtype == "" {
		r.dtype = cube.Uint16
	}
	if r.bands == nil {
		r.bands = []string{"red", "nir"}
	}
	if r.value == nil {
		r.value = func(band, row, col int) float64 { return float64((band*7 + row*3 + col) % 100) }
	}
	size := r.dtype.Size()
	data := make([]byte, len(r.bands)*r.grid.Height*r.grid.Width*size)
	at := 0
	for b := range r.bands {
		for y := range r.grid.Height {
			for x := range r.grid.Width {
				r.dtype.Put(data[at:], r.value(b, y, x))
				at += size
			}
		}
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, gdal.WriteCOG(context.Background(), path, gdal.COG{
		Grid: r.grid, DType: r.dtype, Bands: r.bands, Nodata: r.nodata, Data: data, Mask: r.mask,
	}))
	return path
}

func smallSpec() layout.Spec {
	return layout.Spec{
		Grid: smallGrid, WKT: gdal.WKT(smallGrid.CRS), Bands: []cube.Band{{Name: "red"}, {Name: "nir"}},
		DType: cube.Uint16, Nodata: number(65535), Chunk: 32,
	}
}

// What does not fit is refused, with what is wrong and how to mend it, and changes nothing.
func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	shift := smallGrid
	shift.Transform[2] += 4
	coarse := smallGrid
	coarse.Transform[0], coarse.Transform[4], coarse.Width, coarse.Height = 20, -20, 35, 25
	zone := smallGrid
	zone.CRS = "EPSG:32630"
	toZone, err := crs.Transform("EPSG:32631", "EPSG:32630")
	require.NoError(t, err)
	zone.Transform[2], zone.Transform[5], err = toZone(600100, 5599900)
	require.NoError(t, err)
	far := smallGrid
	far.Transform[2] += 1e5
	for name, c := range map[string]struct {
		path    string
		pattern string
		reason  string
		cure    string
	}{
		"missing file":    {path: at("absent_20200101.tif"), reason: "does not exist", cure: "check the path"},
		"url":             {path: "https://127.0.0.1:1/x_20200101.tif", reason: "URL", cure: "download"},
		"vsi":             {path: "/vsicurl/http://127.0.0.1:1/x_20200101.tif", reason: "virtual file system", cure: "GeoTIFF"},
		"off the grid":    {path: raster{grid: shift}.write(t, at("shift_20200101.tif")), reason: "off the cube's grid", cure: "gdalwarp -t_srs EPSG:32631 -te 600000 5599500 600700 5600000 -tr 10 10 -r near -dstnodata 65535 "},
		"other pixels":    {path: raster{grid: coarse}.write(t, at("coarse_20200101.tif")), reason: "pixel size 20×20", cure: "gdalwarp -t_srs EPSG:32631 -te 600000 5599500 600700 5600000 -tr 10 10 -r near"},
		"other zone":      {path: raster{grid: zone}.write(t, at("zone_20200101.tif")), reason: "EPSG:32630", cure: "gdalwarp -t_srs EPSG:32631 -te "},
		"elsewhere":       {path: raster{grid: far}.write(t, at("far_20200101.tif")), reason: "wholly outside", cure: "no warping mends that"},
		"other type":      {path: raster{dtype: cube.Float32}.write(t, at("float_20200101.tif")), reason: "is Float32, the cube's is UInt16", cure: "gdal_translate -ot UInt16"},
		"band missing":    {path: raster{bands: []string{"red", "blue"}}.write(t, at("blue_20200101.tif")), reason: `lacks the band "nir"; it has red, blue`, cure: "all the cube's bands"},
		"band twice":      {path: raster{bands: []string{"red", "red", "nir"}}.write(t, at("twice_20200101.tif")), reason: `two bands named "red"`, cure: "name"},
		"unnamed count":   {path: raster{bands: []string{"", "", ""}}.write(t, at("three_20200101.tif")), reason: "3 bands without names, and the cube has 2", cure: "--bands"},
		"no date in name": {path: raster{}.write(t, at("undated.tif")), reason: `"%Y%m%d" is not found in the name "undated.tif"`, cure: "--datetime-pattern"},
		"no such date":    {path: raster{}.write(t, at("x_20210229.tif")), reason: "month 2 of 2021 has no day 29", cure: "pattern"},
		"no pattern":      {path: raster{}.write(t, at("n_20200101.tif")), pattern: "-", reason: "does not say when it was acquired", cure: "--datetime-pattern"},
		"a folder":        {path: filepath.Join(dir, "empty"), reason: "holds no raster", cure: "folder"},
		"no item":         {path: at("no_20200101.json"), reason: "not JSON of a STAC item", cure: "STAC item"},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.MkdirAll(at("empty"), 0o755))
			require.NoError(t, os.WriteFile(at("no_20200101.json"), []byte("{"), 0o600))
			cb, _ := newCube(t, smallSpec())
			pattern := "%Y%m%d"
			if c.pattern == "-" {
				pattern = ""
			}
			rep := ingest(t, cb, Request{Sources: []string{c.path}, DatetimePattern: pattern})
			require.Len(t, rep.Rejected, 1)
			require.Equal(t, c.path, rep.Rejected[0].Source)
			require.Contains(t, rep.Rejected[0].Reason, c.reason)
			require.Contains(t, rep.Rejected[0].Cure, c.cure)
			require.Empty(t, axisOf(t, cb))
		})
	}
}

func TestWrongUsage(t *testing.T) {
	c, _ := newCube(t, smallSpec())
	for name, req := range map[string]Request{
		"no source":    {},
		"bad pattern":  {Sources: []string{"x"}, DatetimePattern: "%Q"},
		"bands twice":  {Sources: []string{"x"}, Bands: []string{"red", "nir", "red"}},
		"band lacking": {Sources: []string{"x"}, Bands: []string{"red", "blue"}},
	} {
		_, err := Run(context.Background(), Config{Cube: c}, req)
		require.True(t, fault.Is(err, fault.Invalid), "%s: %v", name, err)
		require.NotEmpty(t, fault.CureOf(err), name)
	}
}

// Scenes that cover a part of the cube, reach over it, carry more bands, a mask, or another nodata.
func TestPlacingAndValidity(t *testing.T) {
	src := t.TempDir()
	at := func(name string) string { return filepath.Join(src, name) }
	west := smallGrid
	west.Transform[2] -= 200
	west.Transform[5] += 130
	inner := cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 600350, 0, -10, 5599900}, Width: 20, Height: 30}
	huge := cube.Grid{CRS: "EPSG:32631", Transform: cube.Affine{10, 0, 600000 - 1000, 0, -10, 5600000 + 2000}, Width: 300, Height: 400}
	mask := make([]byte, smallGrid.Width*smallGrid.Height)
	for i := range mask {
		mask[i] = byte(i % 2)
	}
	files := []string{
		raster{grid: west, nodata: number(65535)}.write(t, at("west_20200101.tif")),
		raster{grid: inner}.write(t, at("inner_20200102.tif")),
		raster{grid: huge, bands: []string{"nir", "blue", "red"}}.write(t, at("huge_20200103.tif")),
		raster{mask: mask}.write(t, at("mask_20200104.tif")),
		raster{nodata: number(0)}.write(t, at("zero_20200105.tif")),
		raster{nodata: number(-9999)}.write(t, at("odd_20200106.tif")),
		raster{bands: []string{"", ""}}.write(t, at("unnamed_20200107.tif")),
		raster{value: func(int, int, int) float64 { return 65535 }}.write(t, at("full_20200108.tif")),
	}
	c, dir := newCube(t, smallSpec())
	rep := ingest(t, c, Request{Sources: files, DatetimePattern: "_%Y%m%d"})
	require.Empty(t, rep.Rejected)
	require.Len(t, rep.Accepted, len(files))
	require.Contains(t, rep.Accepted[4].Note, "nodata is 0 in the source and 65535 in the cube")
	require.Contains(t, rep.Accepted[6].Note, "taken in order as red,nir")
	axis := axisOf(t, c)
	require.Equal(t, cube.Window{Row: 0, Col: 0, Height: 37, Width: 50}, axis[0].Footprint)
	require.Equal(t, cube.Window{Row: 10, Col: 35, Height: 30, Width: 20}, axis[1].Footprint)
	require.Equal(t, smallGrid.All(), axis[2].Footprint)
	equalsSources(t, dir, bySource(files))
}

func TestFloatsAndNaN(t *testing.T) {
	src := t.TempDir()
	value := func(_, row, col int) float64 {
		switch {
		case row == 3:
			return nan()
		case col == 4:
			return -3.4e38
		}
		return float64(row) - float64(col)/7
	}
	files := []string{
		raster{dtype: cube.Float32, bands: []string{"vv"}, value: value, nodata: number(nan())}.write(t, filepath.Join(src, "a_20200101.tif")),
		raster{dtype: cube.Float32, bands: []string{"vv"}, value: value, nodata: number(-3.4e38)}.write(t, filepath.Join(src, "b_20200101.tif")),
		raster{dtype: cube.Float32, bands: []string{"vv"}, value: value}.write(t, filepath.Join(src, "c_20200101.tif")),
	}
	c, dir := newCube(t, like(t, files[0]))
	rep := ingest(t, c, Request{Sources: files, DatetimePattern: "_%Y%m%d"})
	require.Len(t, rep.Accepted, 3)
	require.Empty(t, rep.Accepted[0].Note)
	equalsSources(t, dir, bySource(files))
}

func nan() float64 { var zero float64; return zero / zero }

func TestSameSceneTwice(t *testing.T) {
	src := t.TempDir()
	a := raster{}.write(t, filepath.Join(src, "a", "x_20200101.tif"))
	same := raster{}.write(t, filepath.Join(src, "b", "x_20200101.tif"))
	other := raster{value: func(int, int, int) float64 { return 5 }}.write(t, filepath.Join(src, "c", "x_20200101.tif"))
	c, _ := newCube(t, smallSpec())
	rep := ingest(t, c, Request{Sources: []string{a, same, other, a}, DatetimePattern: "%Y%m%d"})
	require.Len(t, rep.Accepted, 1)
	require.Equal(t, a, rep.Accepted[0].Source)
	require.Len(t, rep.Skipped, 2)
	require.Len(t, rep.Rejected, 1)
	require.Equal(t, other, rep.Rejected[0].Source)
	require.Contains(t, rep.Rejected[0].Reason, "other content")

	rep = ingest(t, c, Request{Sources: []string{other}, DatetimePattern: "%Y%m%d"})
	require.Len(t, rep.Rejected, 1)
	require.Contains(t, rep.Rejected[0].Reason, string(axisOf(t, c)[0].ID), "names the slice it meets")
	require.Len(t, axisOf(t, c), 1)
}

func TestStrict(t *testing.T) {
	src := t.TempDir()
	good := raster{}.write(t, filepath.Join(src, "x_20200101.tif"))
	bad := filepath.Join(src, "absent_20200102.tif")
	clash := raster{value: func(int, int, int) float64 { return 5 }}.write(t, filepath.Join(src, "c", "x_20200101.tif"))
	c, _ := newCube(t, smallSpec())
	rep := ingest(t, c, Request{Sources: []string{good, bad}, DatetimePattern: "%Y%m%d", Strict: true})
	require.Empty(t, axisOf(t, c))
	require.Len(t, rep.Rejected, 1)
	require.Len(t, rep.Skipped, 1)
	require.Contains(t, rep.Skipped[0].Reason, "held back")
	rep = ingest(t, c, Request{Sources: []string{good}, DatetimePattern: "%Y%m%d", Strict: true})
	require.Len(t, rep.Accepted, 1)
	rep = ingest(t, c, Request{Sources: []string{good}, DatetimePattern: "%Y%m%d", Strict: true})
	require.Len(t, rep.Skipped, 1)
	next := raster{}.write(t, filepath.Join(src, "y_20200103.tif"))
	rep = ingest(t, c, Request{Sources: []string{clash, next}, DatetimePattern: "%Y%m%d", Strict: true})
	require.Len(t, rep.Rejected, 1, "content that clashes with the cube is bad too")
	require.Len(t, rep.Skipped, 1)
	require.Len(t, axisOf(t, c), 1)
}

func TestBandsOption(t *testing.T) {
	src := t.TempDir()
	unnamed := raster{bands: []string{"", "", ""}}.write(t, filepath.Join(src, "u_20200101.tif"))
	c, dir := newCube(t, smallSpec())
	rep := ingest(t, c, Request{Sources: []string{unnamed}, DatetimePattern: "%Y%m%d", Bands: []string{"nir", "blue", "red"}})
	require.Len(t, rep.Accepted, 1)
	require.Contains(t, rep.Accepted[0].Note, "nir,blue,red")
	named := raster{bands: []string{"nir", "blue", "red"}}.write(t, filepath.Join(src, "named.tif"))
	equalsSources(t, dir, map[string]string{"u_20200101": named})

	wrong := raster{bands: []string{"red", "blue", "nir"}}.write(t, filepath.Join(src, "w_20200102.tif"))
	rep = ingest(t, c, Request{Sources: []string{wrong}, DatetimePattern: "%Y%m%d", Bands: []string{"nir", "blue", "red"}})
	require.Len(t, rep.Rejected, 1)
	require.Contains(t, rep.Rejected[0].Reason, `named "red", and --bands says "nir"`)
}

// The time of a file is that of its IMAGERY metadata where its name has none, never TIFFTAG_DATETIME.
func TestTimeOfTheFile(t *testing.T) {
	src := t.TempDir()
	dated := raster{}.write(t, filepath.Join(src, "dated.tif"))
	tagged := raster{}.write(t, filepath.Join(src, "tagged.tif"))
	cubetest.Python(t, `
import sys, warnings, rasterio
warnings.simplefilter("ignore")
with rasterio.open(sys.argv[1], "r+", IGNORE_COG_LAYOUT_BREAK="YES") as ds:
    ds.update_tags(ns="IMAGERY", ACQUISITIONDATETIME="2020-11-01 10:56:21")
with rasterio.open(sys.argv[2], "r+", IGNORE_COG_LAYOUT_BREAK="YES") as ds:
    ds.update_tags(TIFFTAG_DATETIME="2019:01:01 00:00:00")`, dated, tagged)
	c, _ := newCube(t, smallSpec())
	rep := ingest(t, c, Request{Sources: []string{dated, tagged}})
	require.Len(t, rep.Accepted, 1)
	require.Equal(t, "2020-11-01T10:56:21Z", rep.Accepted[0].Datetime)
	require.Len(t, rep.Rejected, 1)
	require.Contains(t, rep.Rejected[0].Cure, "TIFFTAG_DATETIME = 2019:01:01 00:00:00 is not used")

	rep = ingest(t, c, Request{Sources: []string{dated}, DatetimePattern: "s2_%Y"})
	require.Len(t, rep.Skipped, 1, "a pattern that is not found leaves the metadata")
}

// The report speaks of the paths the owner of an upload knows, in reasons and cures too.
func TestGivenNames(t *testing.T) {
	dir := t.TempDir()
	here := filepath.Join(dir, "u_20200101.tif")
	shift := smallGrid
	shift.Transform[2] += 4
	moved := raster{grid: shift}.write(t, filepath.Join(dir, "u_20200101.tiff"))
	c, _ := newCube(t, smallSpec())
	rep := ingest(t, c, Request{
		Sources: []string{here, moved}, DatetimePattern: "%Y%m%d",
		Given: map[string]string{here: "mine/u.tif", moved: "mine/moved file.tiff"},
	})
	require.Equal(t, "mine/u.tif", rep.Rejected[0].Source)
	require.Equal(t, "mine/u.tif does not exist", rep.Rejected[0].Reason)
	require.Equal(t, "mine/moved file.tiff", rep.Rejected[1].Source)
	require.Contains(t, rep.Rejected[1].Cure, " 'mine/moved file.tiff' 'mine/moved file_mended.tif'")
	data, err := json.Marshal(rep)
	require.NoError(t, err)
	require.NotContains(t, string(data), dir)
}

func TestReportJSON(t *testing.T) {
	c, _ := newCube(t, smallSpec())
	rep := ingest(t, c, Request{Sources: []string{filepath.Join(t.TempDir(), "x.tif")}})
	data, err := json.Marshal(rep)
	require.NoError(t, err)
	var doc map[string]any
	require.NoError(t, json.Unmarshal(data, &doc))
	require.Equal(t, []any{}, doc["accepted"])
	require.Equal(t, []any{}, doc["skipped"])
	require.Equal(t, fmt.Sprint(rep.Snapshot), doc["snapshot"])
}

func TestCanceled(t *testing.T) {
	c, _ := newCube(t, smallSpec())
	x := raster{}.write(t, filepath.Join(t.TempDir(), "x_20200101.tif"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Run(ctx, Config{Cube: c}, Request{Sources: []string{x}, DatetimePattern: "%Y%m%d"})
	require.True(t, fault.Is(err, fault.Canceled), "%v", err)
	require.Empty(t, axisOf(t, c))
}
