package stac

import (
	"encoding/json"
	"math"

	"github.com/paulmach/orb"

	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/crs"
	"github.com/terrapin-eo/terrapin/fault"
)

// Footprint returns the outline of a window of a grid as GeoJSON in WGS 84, and its bounding box, both as Outline has
// them and to 1e-9 degrees.
func Footprint(g cube.Grid, w cube.Window) (json.RawMessage, []float64, error) {
	shape, box, err := outline(g, w, round)
	if err != nil {
		return nil, nil, err
	}
	bbox := []float64{round(box[0]), round(box[1]), round(box[2]), round(box[3])}
	geometry, err := json.Marshal(map[string]any{"type": shape.GeoJSONType(), "coordinates": shape})
	if err != nil {
		return nil, nil, fault.New(fault.Internal, "write a footprint: %w", err)
	}
	return geometry, bbox, nil
}

// Outline returns the outline of a window of a grid in WGS 84, and its bounding box. One that crosses the
// antimeridian is cut there into parts within longitudes −180 to 180, and its box then has west greater than east, as
// RFC 7946 wants both; one that holds a pole is closed along it.
func Outline(g cube.Grid, w cube.Window) (orb.Geometry, [4]float64, error) {
	return outline(g, w, func(v float64) float64 { return v })
}

func outline(g cube.Grid, w cube.Window, to func(float64) float64) (orb.Geometry, [4]float64, error) {
	points, err := crs.FootprintWGS84(g, w)
	if err != nil {
		return nil, [4]float64{}, fault.New(fault.KindOf(err), "footprint in WGS 84: %w", err)
	}
	ring := make(orb.Ring, len(points))
	for i, p := range points {
		ring[i] = orb.Point{to(p[0]), to(p[1])}
	}
	box := crs.BBoxOfRing(points)
	if b := ring.Bound(); b.Min[0] >= -180 && b.Max[0] <= 180 {
		return orb.Polygon{ring}, box, nil
	}
	shape, err := geo.Cut(ring)
	if err != nil {
		return nil, box, fault.New(fault.KindOf(err), "footprint in WGS 84: %w", err)
	}
	return shape, box, nil
}

// round keeps a degree to 1e-9, a tenth of a millimetre.
func round(v float64) float64 { return math.Round(v*1e9) / 1e9 }

// Projection writes the fields of the projection extension for a grid, or a window of it.
func Projection(g cube.Grid, w cube.Window) Fields {
	t := g.Transform
	x, y := t.Apply(float64(w.Col), float64(w.Row))
	minX, minY, maxX, maxY := g.WindowBounds(w)
	return Fields{
		"proj:code":      g.CRS,
		"proj:shape":     []int{w.Height, w.Width},
		"proj:transform": []float64{t[0], t[1], x, t[3], t[4], y},
		"proj:bbox":      []float64{minX, minY, maxX, maxY},
	}
}
