package geo

import (
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
