package stac

import (
	"encoding/json"
	"math"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/clip"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/crs"
	"github.com/terrapin-eo/terrapin/fault"
)

// Footprint returns the outline of a window of a grid as GeoJSON in WGS 84, and its bounding box. An
// outline that crosses the antimeridian is cut there, and its box then has west greater than east, as
// RFC 7946 wants both.
func Footprint(g cube.Grid, w cube.Window) (json.RawMessage, []float64, error) {
	points, err := crs.FootprintWGS84(g, w)
	if err != nil {
		return nil, nil, fault.New(fault.KindOf(err), "footprint in WGS 84: %w", err)
	}
	ring := make(orb.Ring, len(points))
	for i, p := range points {
		ring[i] = orb.Point{round(p[0]), round(p[1])}
	}
	parts := cut(ring)
	box, err := crs.BBoxWGS84(g, w)
	if err != nil {
		return nil, nil, fault.New(fault.KindOf(err), "bounding box in WGS 84: %w", err)
	}
	bbox := []float64{round(box[0]), round(box[1]), round(box[2]), round(box[3])}
	shape := map[string]any{"type": "Polygon", "coordinates": []orb.Ring{parts[0]}}
	if len(parts) > 1 {
		shape = map[string]any{"type": "MultiPolygon", "coordinates": [][]orb.Ring{{parts[0]}, {parts[1]}}}
	}
	geometry, err := json.Marshal(shape)
	if err != nil {
		return nil, nil, fault.New(fault.Internal, "write a footprint: %w", err)
	}
	return geometry, bbox, nil
}

// cut brings a ring within longitudes −180 to 180, in two parts if it reaches over.
func cut(ring orb.Ring) []orb.Ring {
	b := ring.Bound()
	if b.Min[0] >= -180 && b.Max[0] <= 180 {
		return []orb.Ring{ring}
	}
	var out []orb.Ring
	for _, turn := range []float64{0, 360, -360} {
		moved := make(orb.Ring, len(ring))
		for i, p := range ring {
			moved[i] = orb.Point{p[0] + turn, p[1]}
		}
		part := clip.Ring(orb.Bound{Min: orb.Point{-180, -90}, Max: orb.Point{180, 90}}, moved)
		if len(part) >= 4 && part.Bound().Max[0] > part.Bound().Min[0] {
			out = append(out, part)
		}
	}
	return out
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
