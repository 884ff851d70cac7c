package geo

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

func TestBoxesThatAreNoPlaceOnEarth(t *testing.T) {
	for _, b := range [][]float64{{0, 0, -1e11, 10}, {1e300, 0, -1e300, 10}, {-3601, 0, 0, 1}, {0, -92, 1, 0}, {0, 0, 1, 1e9}, {0, 0, 5, 3601, 1, 6}} {
		_, err := ParseBox(b)
		require.True(t, fault.Is(err, fault.Invalid), b)
		require.NotEmpty(t, fault.CureOf(err), b)
	}
	for _, b := range [][]float64{{300, 0, -300, 10}, {-180, -90.00014, 180, 83.99986}, {360, -90, -360, 90}} {
		s, err := ParseBox(b)
		require.NoError(t, err, b)
		require.LessOrEqual(t, len(s.Bounds()), 2, b)
	}
}

// Shapes whose edges a raster's half pixel takes beyond a pole end at the pole.
func TestShapesThatEndAtAPole(t *testing.T) {
	world, err := Parse(json.RawMessage(`{"type":"Polygon","coordinates":[[[-180.125,-90.125],[179.875,-90.125],[179.875,90.125],[-180.125,90.125],[-180.125,-90.125]]]}`), nil)
	require.NoError(t, err)
	pole, _, err := ReadWKT("POINT(12 -90.00014)")
	require.NoError(t, err)
	require.True(t, world.Intersects(pole))
	for _, b := range world.Bounds() {
		require.Equal(t, []float64{-90, 90}, []float64{b.Min[1], b.Max[1]})
	}
}
