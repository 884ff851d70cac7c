package geo

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/paulmach/orb"

	"github.com/terrapin-eo/terrapin/fault"
)

// cure is said of every geometry that is refused.
const cure = "send a GeoJSON geometry (RFC 7946) in degrees: longitude first, rings closed, no empty part"

// maxDepth of collections within collections.
const maxDepth = 8

// Parse reads a GeoJSON geometry. bbox is that of its document, or nil: one whose west is greater
// than its east says that the geometry crosses the antimeridian where its longitudes jump.
func Parse(geometry json.RawMessage, bbox []float64) (*Shape, error) {
	r := reader{crossing: (len(bbox) == 4 && bbox[0] > bbox[2]) || (len(bbox) == 6 && bbox[0] > bbox[3])}
	if err := r.geometry(geometry, 0); err != nil {
		return nil, fault.New(fault.Invalid, "geometry: %w", err).WithCure("%s", cure)
	}
	return newShape(&r.shape), nil
}

type reader struct {
	shape    Shape
	crossing bool
}

func (r *reader) geometry(data json.RawMessage, depth int) error {
	var g struct {
		Type        string            `json:"type"`
		Coordinates json.RawMessage   `json:"coordinates"`
		Geometries  []json.RawMessage `json:"geometries"`
	}
	if err := json.Unmarshal(data, &g); err != nil {
		return fmt.Errorf("not a GeoJSON object: %w", err)
	}
	switch g.Type {
	case "Point":
		return one(g.Coordinates, r.point)
	case "MultiPoint":
		return each(g.Coordinates, r.point)
	case "LineString":
		return one(g.Coordinates, r.line)
	case "MultiLineString":
		return each(g.Coordinates, r.line)
	case "Polygon":
		return one(g.Coordinates, r.area)
	case "MultiPolygon":
		return each(g.Coordinates, r.area)
	case "GeometryCollection":
		if depth == maxDepth {
			return fmt.Errorf("GeometryCollections are nested more than %d deep", maxDepth)
		}
		if len(g.Geometries) == 0 {
			return fmt.Errorf("GeometryCollection without geometries")
		}
		for i, child := range g.Geometries {
			if err := r.geometry(child, depth+1); err != nil {
				return fmt.Errorf("geometries[%d]: %w", i, err)
			}
		}
		return nil
	case "":
		return fmt.Errorf("it has no type")
	}
	return fmt.Errorf("unknown type %q", g.Type)
}

// one decodes coordinates and hands them on; each does so for the members of a list.
func one[T any](data json.RawMessage, use func(T) error) error {
	var v T
	if len(data) == 0 {
		return fmt.Errorf("it has no coordinates")
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return fmt.Errorf("coordinates: %w", err)
	}
	return use(v)
}

func each[T any](data json.RawMessage, use func(T) error) error {
	return one(data, func(list []T) error {
		if len(list) == 0 {
			return fmt.Errorf("coordinates are empty")
		}
		for i, v := range list {
			if err := use(v); err != nil {
				return fmt.Errorf("coordinates[%d]: %w", i, err)
			}
		}
		return nil
	})
}

func (r *reader) point(c []float64) error {
	p, err := position(c)
	if err == nil {
		r.shape.points = append(r.shape.points, p)
	}
	return err
}

func (r *reader) line(c [][]float64) error {
	points, err := positions(c)
	if err != nil {
		return err
	}
	if len(points) < 2 {
		return fmt.Errorf("a line needs 2 positions and has %d", len(points))
	}
	r.shape.lines = append(r.shape.lines, r.unfold(points))
	return nil
}

func (r *reader) area(c [][][]float64) error {
	if len(c) == 0 {
		return fmt.Errorf("a polygon without rings")
	}
	area := make(orb.Polygon, len(c))
	for i, ring := range c {
		points, err := positions(ring)
		if err != nil {
			return fmt.Errorf("ring %d: %w", i, err)
		}
		if len(points) < 4 {
			return fmt.Errorf("ring %d: a ring needs 4 positions and has %d", i, len(points))
		}
		if points[0] != points[len(points)-1] {
			return fmt.Errorf("ring %d is not closed: it begins at %v and ends at %v", i, points[0], points[len(points)-1])
		}
		area[i] = r.unfold(points)
	}
	r.shape.areas = append(r.shape.areas, area)
	return nil
}

// unfold lets longitudes run on past 180 where a crossing part jumps from one side to the other.
func (r *reader) unfold(points []orb.Point) []orb.Point {
	b := orb.MultiPoint(points).Bound()
	if !r.crossing || b.Max[0]-b.Min[0] <= 180 {
		return points
	}
	for i := range points {
		if points[i][0] < 0 {
			points[i][0] += 360
		}
	}
	return points
}

func positions(c [][]float64) ([]orb.Point, error) {
	out := make([]orb.Point, len(c))
	for i, v := range c {
		p, err := position(v)
		if err != nil {
			return nil, fmt.Errorf("position %d: %w", i, err)
		}
		out[i] = p
	}
	return out, nil
}

func position(c []float64) (orb.Point, error) {
	if len(c) < 2 {
		return orb.Point{}, fmt.Errorf("a position needs 2 numbers and has %d", len(c))
	}
	if math.Abs(c[1]) > 90 {
		return orb.Point{}, fmt.Errorf("latitude %g is beyond ±90", c[1])
	}
	if math.Abs(c[0]) > 360 {
		return orb.Point{}, fmt.Errorf("longitude %g is beyond ±360", c[0])
	}
	return orb.Point{c[0], c[1]}, nil
}
