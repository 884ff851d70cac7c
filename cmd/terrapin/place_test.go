package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/cubetest"
)

// script reads a program of testdata.
func script(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return string(text)
}

// placed holds every cell of a cube that source gives a file for to it, as xarray, rioxarray, odc-geo and GDAL find the pixels.
func (s shell) placed(name string, source func(cell map[string]any) string) {
	s.t.Helper()
	args := []string{filepath.Join(s.dir, "cubes", name), s.t.TempDir()}
	for _, c := range s.json(exitOK, "cube", "show", name)["cells"].([]any) {
		cell := c.(map[string]any)
		if file := source(cell); file != "" {
			args = append(args, cell["path"].(string)+"="+file)
		}
	}
	require.Greater(s.t, len(args), 2)
	spots, err := strconv.Atoi(cubetest.Python(s.t, script(s.t, "place.py"), args...))
	require.NoError(s.t, err)
	require.GreaterOrEqual(s.t, spots, 200)
}

// Every CRS that cubes can have, from real imagery: warped to it where there is no such file. Nobody is
// told where the pixels lie, and everybody finds them.
func TestStrangersPlaceEveryPixel(t *testing.T) {
	const s2, l8 = "ts/s1s2-flanders-worldcereal/geotiff/s2_20201101.tif", "labels/l8-elkton-rasterframes/L8-B4-Elkton-VA-4326.tiff"
	for name, c := range map[string]struct {
		file     string
		crs, res string // "" leaves the file as it is
		bands    string
	}{
		"utm north":               {file: s2},
		"utm south":               {file: "chips/terramind/DEM/282D_485L_3_3.tif"},
		"utm over the date line":  {file: "cogs/rio-tiler/cog_dateline.tif", bands: "B1"},
		"degrees":                 {file: l8, bands: "B4"},
		"degrees, warped":         {file: s2, crs: "EPSG:4326", res: "0.0001"},
		"web mercator":            {file: "cogs/rasterio/cogeo.tif", bands: "r,g,b"},
		"web mercator, odd pixel": {file: "cogs/rio-tiler/noweb.tif", bands: "B1"},
		"laea, warped":            {file: s2, crs: "EPSG:3035", res: "10"},
		"equal area, warped":      {file: s2, crs: "EPSG:6933", res: "10"},
	} {
		t.Run(name, func(t *testing.T) {
			given, file := cubetest.Real(t, c.file), filepath.Join(t.TempDir(), "scene_20200101.tif")
			if c.crs != "" {
				cubetest.Python(t, script(t, "warp.py"), given, c.crs, c.res, file)
			} else {
				data, err := os.ReadFile(given)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(file, data, 0o600))
			}
			s := newShell(t)
			args := []string{"cube", "create", "real", "--like", file}
			if c.bands != "" {
				args = append(args, "--bands", c.bands)
			}
			s.json(exitOK, args...)
			s.json(exitOK, "ingest", "real", file, "--datetime-pattern", "_%Y%m%d")
			s.placed("real", func(map[string]any) string { return file })
		})
	}
}
