package ingest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/gdal"
)

// Real series: types, NaN, several chunks, unnamed bands and file names of many kinds, pixel for pixel
// through icechunk on disk against rasterio.
func TestRealSeries(t *testing.T) {
	for name, c := range map[string]struct {
		glob    string
		bands   []string
		pattern string
		least   int
	}{
		"flanders s1":       {"ts/s1s2-flanders-worldcereal/geotiff/s1_*.tif", nil, "s1_%Y%m%d", 12},
		"flanders s2":       {"ts/s1s2-flanders-worldcereal/geotiff/s2_*.tif", nil, "s2_%Y%m%d", 12},
		"belgium":           {"ts/s2-belgium-gfmap/geotiff/s2_*.tif", nil, "%Y%m%d", 19},
		"slovenia ndvi":     {"ts/s2-slovenia-eolearn/geotiff/ndvi_*.tif", nil, "%Y%m%dT%H%M%S", 68},
		"slovenia mask":     {"ts/s2-slovenia-eolearn/geotiff/mask_*.tif", nil, "%Y%m%dT%H%M%S", 68},
		"slovenia s2":       {"ts/s2-slovenia-eolearn/geotiff/s2l1c_*.tif", nil, "%Y%m%dT%H%M%S", 5},
		"california":        {"ts/s1rtc-california-opera/*/OPERA_L2_RTC-S1_T137-292320-IW2_*_VH.tif", []string{"VH"}, "_%Y%m%dT%H%M%SZ_", 2},
		"greenland":         {"scenes/l8-greenland-xrspatial/*_B4.tiff", []string{"B4"}, "LC8003017%Y%j", 1},
		"sentinel 60 m":     {"scenes/s2-60m-rasterframes/B01_cog.tif", nil, "", 0},
		"landsat 7":         {"scenes/l7-olinda-stars/L7_ETMs.tif", []string{"B1", "B2", "B3", "B4", "B5", "B7"}, "", 0},
		"mask inside":       {"cogs/rio-tiler/cog_rgb_mask.tif", []string{"r", "g", "b"}, "", 0},
		"mask in mercator":  {"cogs/rasterio/cogeo.tif", []string{"r", "g", "b"}, "", 0},
		"new york, one day": {"ts/l8-newyork-gdalcubes/L8NY18/LC08_L1TP_014031_20180106_20180119_01_T1/*_B4.TIF", []string{"B4"}, "_%Y%m%d_", 1},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join(cubetest.Real(t, ""), filepath.FromSlash(c.glob)))
			require.NoError(t, err)
			require.NotEmpty(t, files)
			if c.pattern == "" { // no time in the name: give it one, as its owner would
				dated := filepath.Join(t.TempDir(), "scene_20200101.tif")
				data, err := os.ReadFile(files[0])
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(dated, data, 0o600))
				files, c.pattern = []string{dated}, "%Y%m%d"
			}
			spec := like(t, files[0], c.bands...)
			if spec.Grid.Width < 300 {
				spec.Chunk = 64
			}
			cb, dir := newCube(t, spec)
			rep := ingest(t, cb, Request{Sources: files, DatetimePattern: c.pattern})
			require.Empty(t, rep.Rejected)
			require.Len(t, rep.Accepted, len(files))
			require.GreaterOrEqual(t, len(files), c.least)
			require.Len(t, axisOf(t, cb), len(files))
			equalsSources(t, dir, bySource(files))
		})
	}
}

// Damaged files are refused one by one with a reason and a cure, and nothing is committed.
func TestDamagedSources(t *testing.T) {
	var files []string
	require.NoError(t, filepath.WalkDir(cubetest.Real(t, "corrupt"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) != ".tsv" {
			files = append(files, path)
		}
		return err
	}))
	require.Greater(t, len(files), 150)
	spec := like(t, cubetest.Real(t, "cogs/rio-tiler/scene_band1.tif"), "B1")
	c, _ := newCube(t, spec)
	before := ingest(t, c, Request{Sources: []string{"absent"}}).Snapshot
	dir := t.TempDir()
	for i, f := range files { // a date in each name, so that the date is not what is missing
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		files[i] = filepath.Join(dir, strings.TrimSuffix(filepath.Base(f), filepath.Ext(f))+"_20200101"+filepath.Ext(f))
		require.NoError(t, os.WriteFile(files[i], data, 0o600))
	}
	rep := ingest(t, c, Request{Sources: files, DatetimePattern: "_%Y%m%d"})
	for _, a := range rep.Accepted {
		require.Contains(t, a.Source, "zero_mid", "GDAL reads this one without complaint")
	}
	require.Len(t, rep.Rejected, len(files)-len(rep.Accepted))
	for _, r := range rep.Rejected {
		if strings.Contains(r.Source, "S2_scene_band1_truncate60") {
			require.Contains(t, r.Reason, "damaged between rows")
		}
	}
	if len(rep.Accepted) == 0 {
		require.Equal(t, before, rep.Snapshot)
	}
	require.Len(t, axisOf(t, c), len(rep.Accepted))
}

// The command that a refusal gives does mend the file.
func TestTheCureWorks(t *testing.T) {
	if _, err := exec.LookPath("gdalwarp"); err != nil {
		t.Skip("gdalwarp is not installed: " + err.Error())
	}
	src := t.TempDir()
	shift := smallGrid
	shift.Transform[2] += 4
	shift.Transform[5] -= 123
	coarse := smallGrid
	coarse.Transform[0], coarse.Transform[4], coarse.Width, coarse.Height = 20, -20, 35, 25
	degrees := cube.Grid{CRS: "EPSG:4326", Transform: cube.Affine{1e-4, 0, 4.42, 0, -1e-4, 50.54}, Width: 150, Height: 90}
	for name, r := range map[string]raster{
		"shift_20200101.tif":      {grid: shift},
		"with space_20200102.tif": {grid: coarse, nodata: number(65535)},
		"degrees_20200103.tif":    {grid: degrees},
	} {
		c, dir := newCube(t, smallSpec())
		path := r.write(t, filepath.Join(src, name))
		rep := ingest(t, c, Request{Sources: []string{path}, DatetimePattern: "_%Y%m%d"})
		require.Len(t, rep.Rejected, 1)
		out, err := exec.Command("sh", "-c", rep.Rejected[0].Cure).CombinedOutput()
		require.NoError(t, err, "%s\n%s", rep.Rejected[0].Cure, out)
		mended := strings.TrimSuffix(path, ".tif") + "_mended.tif"
		rep = ingest(t, c, Request{Sources: []string{mended}, DatetimePattern: "_%Y%m%d"})
		require.Empty(t, rep.Rejected)
		require.Len(t, rep.Accepted, 1)
		require.Empty(t, rep.Accepted[0].Note)
		equalsSources(t, dir, bySource([]string{mended}))
	}
}

// What the raster does not cover is not measured in the mended file either, though nobody declares nodata.
func TestTheCureInventsNoPixel(t *testing.T) {
	if _, err := exec.LookPath("gdalwarp"); err != nil {
		t.Skip("gdalwarp is not installed: " + err.Error())
	}
	shift := smallGrid
	shift.Transform[2] += 254
	shift.Transform[5] -= 126
	degrees := cube.Grid{CRS: "EPSG:4326", Transform: cube.Affine{1e-4, 0, 4.42, 0, -1e-4, 50.54}, Width: 150, Height: 90}
	for name, grid := range map[string]cube.Grid{"shift": shift, "degrees": degrees} {
		for _, dtype := range []cube.DType{cube.Uint8, cube.Int16, cube.Uint16, cube.Float32} {
			spec := smallSpec()
			spec.DType, spec.Nodata = dtype, nil
			c, _ := newCube(t, spec)
			path := raster{grid: grid, dtype: dtype, value: func(int, int, int) float64 { return 7 }}.
				write(t, filepath.Join(t.TempDir(), name+"_20200101.tif"))
			rep := ingest(t, c, Request{Sources: []string{path}, DatetimePattern: "_%Y%m%d"})
			require.Len(t, rep.Rejected, 1)
			out, err := exec.Command("sh", "-c", rep.Rejected[0].Cure).CombinedOutput()
			require.NoError(t, err, "%s\n%s", rep.Rejected[0].Cure, out)
			mended := strings.TrimSuffix(path, ".tif") + "_mended.tif"
			rep = ingest(t, c, Request{Sources: []string{mended}, DatetimePattern: "_%Y%m%d"})
			require.Len(t, rep.Accepted, 1)
			file, err := gdal.Open(mended)
			require.NoError(t, err)
			width, height := file.Size()
			pixels := make([]byte, width*height*dtype.Size())
			require.NoError(t, file.Read(cube.Window{Width: width, Height: height}, []int{0}, dtype, pixels))
			valid := make([]byte, width*height)
			observe(valid, pixels, dtype, file.Bands[0].Nodata)
			file.Close()
			seen := 0
			for i := range valid {
				if valid[i] != 0 {
					seen++
					require.Equal(t, 7.0, dtype.Get(pixels[i*dtype.Size():]), "%s %s", name, dtype)
				}
			}
			require.NotZero(t, seen)
		}
	}
}

// Bands of one item that cover different pixels: the commands given cut both to what they share.
func TestTheCureOfDifferentExtents(t *testing.T) {
	if _, err := exec.LookPath("gdalwarp"); err != nil {
		t.Skip("gdalwarp is not installed: " + err.Error())
	}
	dir := t.TempDir()
	east := smallGrid
	east.Transform[2] += 100
	raster{bands: []string{"red"}}.write(t, filepath.Join(dir, "red.tif"))
	raster{bands: []string{"nir"}, grid: east}.write(t, filepath.Join(dir, "nir.tif"))
	write := func(red, nir string) string {
		path := filepath.Join(dir, "item.json")
		require.NoError(t, os.WriteFile(path, []byte(`{"type": "Feature", "stac_version": "1.1.0", "id": "one", "properties": {"datetime": "2020-01-01T00:00:00Z"},
			"assets": {"red": {"href": "`+red+`"}, "nir": {"href": "`+nir+`"}}}`), 0o600))
		return path
	}
	c, _ := newCube(t, smallSpec())
	rep := ingest(t, c, Request{Sources: []string{write("red.tif", "nir.tif")}})
	require.Len(t, rep.Rejected, 1)
	_, commands, found := strings.Cut(rep.Rejected[0].Cure, ": ")
	require.True(t, found)
	out, err := exec.Command("sh", "-c", commands).CombinedOutput()
	require.NoError(t, err, "%s\n%s", commands, out)
	rep = ingest(t, c, Request{Sources: []string{write("red_mended.tif", "nir_mended.tif")}})
	require.Empty(t, rep.Rejected)
}
