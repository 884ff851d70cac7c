package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/cubetest"
)

// tiers makes STAC items of three resolutions from a real series; the coarser bands are thinned, not measured.
func tiers(t *testing.T) (dir string, items []string) {
	t.Helper()
	dir = t.TempDir()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(cubetest.Real(t, "ts/s2-belgium-gfmap/geotiff/s2_20231002.tif")), "s2_202310*.tif"))
	require.NoError(t, err)
	require.Len(t, files, 6)
	cubetest.Python(t, script(t, "tiers.py"), append([]string{dir}, files...)...)
	items, err = filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	require.Len(t, items, 6)
	return dir, items
}

// Sentinel-2's three resolutions, in cells and with flags from the declared classes of its own scene
// classification: pixel for pixel, and placed right by everybody.
func TestThreeResolutionsInCells(t *testing.T) {
	dir, items := tiers(t)
	s := newShell(t)
	s.json(exitOK, "cube", "create", "be", "--crs", "EPSG:32631", "--bounds", "587880,5684950,588300,5685430", "--res", "10", "--bands", "B02,B03,B04",
		"--group", "20m=B8A", "--group", "60m=B01", "--cell", "24", "--chunk", "4", "--flags", "cloud,cloud_shadow,snow,water")
	doc := s.json(exitOK, append([]string{"ingest", "be"}, items...)...)
	require.Len(t, doc["accepted"], 6)
	require.Contains(t, doc["accepted"].([]any)[0].(map[string]any)["note"], "flags cloud, cloud_shadow, snow, water from scl")
	compared, err := strconv.Atoi(cubetest.Python(t, script(t, "tiers_check.py"), filepath.Join(s.dir, "cubes", "be"), dir))
	require.NoError(t, err)
	require.Equal(t, 6*(42*48*3+21*24+7*8), compared)
	s.placed("be", func(cell map[string]any) string {
		if !strings.HasPrefix(cell["path"].(string), "r1c1/") && cell["path"] != "r0c0/10m" {
			return ""
		}
		group := strings.TrimSuffix(filepath.Base(cell["path"].(string)), "m")
		return filepath.Join(dir, "s2_20231002_r"+group+".tif")
	})
	again := s.json(exitOK, append([]string{"ingest", "be"}, items...)...)
	require.Len(t, again["skipped"], 6)

	// The same classes by the preset are the same flags.
	text, err := os.ReadFile(items[0])
	require.NoError(t, err)
	bare := filepath.Join(dir, "again.json")
	require.NoError(t, os.WriteFile(bare, []byte(strings.Replace(string(text), "classification:classes", "no", 1)), 0o600))
	refused := s.json(exitRefused, "ingest", "be", bare)["rejected"].([]any)[0].(map[string]any)
	require.Contains(t, refused["reason"], "nothing says which pixels")
	require.Contains(t, refused["cure"], "--flags-from")
	require.Len(t, s.json(exitOK, "ingest", "be", bare, "--flags-from", "scl=scl")["skipped"], 1)
	other := s.json(exitRefused, "ingest", "be", bare, "--flags-from", "none")["rejected"].([]any)[0].(map[string]any)
	require.Contains(t, other["cure"], "--supersede")

	// A dataset of the 20 m band over the cells, and one of all three resolutions.
	doc = s.json(exitOK, "dataset", "commit", s.recipe("coarse", "be", "features: [B8A]\nwindow: {size: 3, stride: 3, jitter: 0}\nsplit: {by: block, block_m: 120, train: 0.6, validate: 0.2, test: 0.2, salt: 1}"))
	require.Equal(t, true, s.json(exitOK, "dataset", "verify", "coarse@v1")["ok"])
	n := 0
	for _, count := range doc["samples"].(map[string]any) {
		n += int(count.(float64))
	}
	require.Greater(t, n, 40)
	seen := s.samples("coarse@v1", "train")
	for at, p := range seen {
		require.Len(t, p.image, 6)
		require.Len(t, p.image["s2_20231022"], 3*3*2)
		require.True(t, at.Row >= 0 && at.Row+3 <= 24 && at.Col+3 <= 21, "%+v lies in the frame of 20 m", at)
	}
	_, stderr, code := s.run("dataset", "commit", s.recipe("mixed", "be", "features: [B02, B8A]\nwindow: {size: 3, stride: 3, jitter: 0}"))
	require.Equal(t, exitRefused, code)
	require.Contains(t, stderr, "multiples of 2")
	require.Contains(t, stderr, "10m has B02, B03, B04; 20m has B8A; 60m has B01")
	doc = s.json(exitOK, "dataset", "commit", s.recipe("mixed", "be", "features: [B01, B8A, B04, B02]\nwindow: {size: 6, stride: 6, jitter: 0}\nsplit: {by: block, block_m: 120, train: 0.6, validate: 0.2, test: 0.2, salt: 1}"))
	require.Len(t, doc["statistics"], 4)
	require.Equal(t, true, s.json(exitOK, "dataset", "verify", "mixed@v1")["ok"])
	shown := s.json(exitOK, "dataset", "show", "mixed")
	require.Equal(t, []any{"B04", "B02"}, shown["bands"])
	require.Equal(t, []any{
		map[string]any{"name": "20m", "bands": []any{"B8A"}, "size": 3.0, "dtype": "uint16"},
		map[string]any{"name": "60m", "bands": []any{"B01"}, "size": 1.0, "dtype": "uint16"},
	}, shown["groups"])
	read := s.json(exitOK, "stream", "mixed@v1")
	require.Equal(t, read["samples"].(float64)*6*(2*36*2+36+9*2+9+2+1), read["bytes"])
}
