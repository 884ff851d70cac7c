package ingest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
)

func TestExtent(t *testing.T) {
	w, hit := extent(smallGrid, smallGrid)
	require.True(t, hit)
	require.Equal(t, smallGrid.All(), w, "its own border is not crossed")
	inner := smallGrid
	inner.Transform[2], inner.Width = inner.Transform[2]+15, 2
	w, hit = extent(smallGrid, inner)
	require.True(t, hit)
	require.Equal(t, cube.Window{Row: 0, Col: 1, Height: 50, Width: 3}, w)
	far := smallGrid
	far.CRS = "EPSG:32617"
	_, hit = extent(smallGrid, far)
	require.False(t, hit, "another side of the Earth, beyond the reach of the cube's projection")
	odd := smallGrid
	odd.CRS = "EPSG:2154"
	w, hit = extent(smallGrid, odd)
	require.True(t, hit)
	require.Equal(t, smallGrid.All(), w, "a CRS beyond our arithmetic is left to gdalwarp")
}

// Parts cover an axis without gap or overlap, and none crosses an edge of the grid or, inside it, a
// border of the step.
func TestCuts(t *testing.T) {
	for start := -70; start < 70; start += 7 {
		for length := 1; length < 200; length += 13 {
			for _, span := range []int{1, 3} {
				at := start
				for _, p := range cuts(start, length, 50, 16, span) {
					require.Equal(t, at, p[0])
					require.Greater(t, p[1], p[0])
					at = p[1]
					for _, edge := range []int{0, 50} {
						require.False(t, p[0] < edge && p[1] > edge, "%v crosses %d", p, edge)
					}
					require.Equal(t, floorDiv(p[0], 16*span), floorDiv(p[1]-1, 16*span))
				}
				require.Equal(t, start+length, at)
			}
		}
	}
}

func TestNumbersAndNamesInCures(t *testing.T) {
	require.Equal(t, "a/b c_mended.tif", mended("a/b c.jp2"))
	require.Equal(t, "4000000", decimal(4e6))
	require.Equal(t, "0.0001", decimal(1e-4))
}
