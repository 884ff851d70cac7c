package ingest

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

func TestLikeRaster(t *testing.T) {
	spec := like(t, demo+"s2_20201101.tif")
	require.Equal(t, "EPSG:32631", spec.Grid.CRS)
	require.Equal(t, cube.Affine{10, 0, 664000, 0, -10, 5612120}, spec.Grid.Transform)
	require.Equal(t, cube.Uint16, spec.DType)
	require.Equal(t, 65535.0, *spec.Nodata)
	require.Equal(t, []string{"B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12"}, bandNames(spec.Bands))
	require.Contains(t, spec.WKT, "UTM zone 31N")
	require.False(t, spec.Geographic)
	require.Equal(t, []string{"B08", "B04"}, bandNames(like(t, demo+"s2_20201101.tif", "B08", "B04").Bands), "--bands chooses among names")

	unnamed := raster{bands: []string{"", ""}}.write(t, filepath.Join(t.TempDir(), "u.tif"))
	require.Equal(t, []string{"a", "b"}, bandNames(like(t, unnamed, "a", "b").Bands))
	require.Nil(t, like(t, unnamed, "a", "b").Nodata)

	alike := raster{bands: []string{"bands", "bands"}}.write(t, filepath.Join(t.TempDir(), "alike_20200101.tif"))
	spec = like(t, alike, "a", "b")
	require.Equal(t, []string{"a", "b"}, bandNames(spec.Bands), "a name that all bands share is none")
	c, _ := newCube(t, spec)
	rep := ingest(t, c, Request{Sources: []string{alike}, DatetimePattern: "_%Y%m%d"})
	require.Empty(t, rep.Rejected)
	require.Equal(t, "bands without names taken in order as a,b", rep.Accepted[0].Note)
}

func TestLikeRasterRefuses(t *testing.T) {
	dir := t.TempDir()
	unnamed := raster{bands: []string{"", ""}}.write(t, filepath.Join(dir, "u.tif"))
	for name, c := range map[string]struct {
		path   string
		bands  []string
		reason string
		cure   string
	}{
		"unnamed": {unnamed, nil, "2 bands without a name", "--bands NAME1,NAME2"},
		"count":   {unnamed, []string{"a"}, "2 bands without names, and --bands gives 1", "every band"},
		"twice":   {unnamed, []string{"a", "a"}, `"a" twice`, "one name"},
		"unknown": {demo + "s2_20201101.tif", []string{"B99"}, `lacks the band "B99"`, "bands"},
		"many":    {raster{bands: make([]string, 11)}.write(t, filepath.Join(dir, "m.tif")), nil, "11 bands", "NAME9,NAME10,NAME11"},
		"double":  {raster{bands: []string{"a", "a", "b"}}.write(t, filepath.Join(dir, "d.tif")), nil, `two bands named "a"`, "name"},
		"missing": {filepath.Join(dir, "absent.tif"), nil, "does not exist", "path"},
	} {
		_, err := LikeRaster(c.path, c.bands)
		require.ErrorContains(t, err, c.reason, name)
		require.Contains(t, fault.CureOf(err), c.cure, name)
	}
}
