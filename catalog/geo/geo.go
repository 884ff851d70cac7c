// Package geo is the geometry of footprints: GeoJSON in, and whether two shapes share a point. It
// computes in the plane of longitude and latitude, as GeoJSON means its edges, takes no notice of
// heights, and knows the antimeridian: what reaches over it is looked at on both sides. It refuses
// GeoJSON that is not valid, with the reason. The invariant: Intersects is symmetric and exact to
// the rounding of float64.
package geo

import (
	"encoding/json"

	"github.com/paulmach/orb"
)

// Shape is a geometry cut into points, lines and polygons within longitudes −180 to 180.
type Shape struct {
	points []orb.Point
	lines  []orb.LineString
	areas  []orb.Polygon
}

// Parse reads a GeoJSON geometry. bbox is that of its document, or nil: one whose west is greater
// than its east says that the geometry crosses the antimeridian though its longitudes jump there.
func Parse(geometry json.RawMessage, bbox []float64) (*Shape, error) { panic("not yet") }

// Box is the rectangle between two corners; west greater than east crosses the antimeridian.
func Box(west, south, east, north float64) *Shape { panic("not yet") }

// Bounds returns one rectangle around the shape, or two if it lies on both sides of the antimeridian.
func (s *Shape) Bounds() []orb.Bound { panic("not yet") }

// Intersects reports whether two shapes share at least a point.
func (s *Shape) Intersects(o *Shape) bool { panic("not yet") }
