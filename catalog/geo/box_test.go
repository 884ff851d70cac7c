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

// A rectangle around the whole world has no seam, wherever it begins.
func TestShapesAroundTheWorld(t *testing.T) {
	for _, ring := range []string{
		`[[-180.125,-89.875],[179.875,-89.875],[179.875,90.125],[-180.125,90.125],[-180.125,-89.875]]`, `[[0,-60],[0,60],[360,60],[360,-60],[0,-60]]`,
	} {
		world, err := Parse(json.RawMessage(`{"type":"Polygon","coordinates":[`+ring+`]}`), nil)
		require.NoError(t, err)
		for _, part := range []*Shape{Box(170, -10, -170, 10), Box(-10, 0, 10, 10), Box(179.8, 0, 179.9, 1)} {
			for _, op := range []string{"s_contains", "s_intersects"} {
				answer, known := world.Test(op, part)
				require.True(t, answer && known, ring, op)
			}
		}
	}
	bowTie, err := Parse(json.RawMessage(`{"type":"Polygon","coordinates":[[[0,-60],[360,60],[360,-60],[0,60],[0,-60]]]}`), nil)
	require.NoError(t, err)
	answer, _ := bowTie.Test("s_contains", Box(89, 50, 91, 51))
	require.False(t, answer)
}

// What has no area is the line or the point that it is.
func TestShapesWithoutArea(t *testing.T) {
	shape := func(text string) *Shape {
		s, err := Parse(json.RawMessage(text), nil)
		require.NoError(t, err)
		return s
	}
	point, line := shape(`{"type":"Point","coordinates":[1,1]}`), shape(`{"type":"LineString","coordinates":[[0,0],[2,2]]}`)
	flat := shape(`{"type":"Polygon","coordinates":[[[1,1],[2,2],[0,0],[1,1]]]}`)
	for _, c := range []struct {
		left, right *Shape
		op          string
		want        bool
	}{
		{point, Box(1, 1, 1, 1), "s_equals", true}, {point, Box(1, 1, 1, 1), "s_touches", false}, {point, Box(1, 1, 1, 1), "s_within", true},
		{line, flat, "s_equals", true}, {point, flat, "s_within", true}, {point, flat, "s_touches", false}, {point, flat, "s_intersects", true},
		{Box(0, 0, 2, 2), flat, "s_contains", true}, {Box(170, 1, -170, 1), shape(`{"type":"LineString","coordinates":[[-179,1],[-175,1]]}`), "s_contains", true},
	} {
		answer, known := c.left.Test(c.op, c.right)
		require.True(t, known)
		require.Equal(t, c.want, answer, "%v %s %v", c.left.geometry, c.op, c.right.geometry)
	}
}
