package geo

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/paulmach/orb"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/fault"
)

// cure is said of every geometry that is refused.
const cure = "send a GeoJSON geometry (RFC 7946) in degrees: longitude first, rings closed, no empty part"

// maxDepth of collections within collections.
const maxDepth = 8

// Parse reads a GeoJSON geometry. bbox is that of its document, or nil: one whose west is greater
// than its east says that the geometry crosses the antimeridian where its longitudes jump.
func Parse(geometry json.RawMessage, bbox []float64) (*Shape, error) {
	if !gjson.ValidBytes(geometry) {
		return nil, fault.New(fault.Invalid, "geometry: not a GeoJSON object: it is no JSON").WithCure("%s", cure)
	}
	return ParseValid(geometry, bbox)
}

// ParseValid is Parse of what is known to be JSON.
func ParseValid(geometry json.RawMessage, bbox []float64) (*Shape, error) {
	r := reader{crossing: (len(bbox) == 4 && bbox[0] > bbox[2]) || (len(bbox) == 6 && bbox[0] > bbox[3])}
	g, err := r.geometry(gjson.ParseBytes(geometry), 0)
	if err != nil {
		return nil, fault.New(fault.Invalid, "geometry: %w", err).WithCure("%s", cure)
	}
	at, err := plain(g)
	if err != nil {
		return nil, fault.New(fault.Invalid, "geometry: %w", err).WithCure("simplify its outlines")
	}
	return newShape(g, at), nil
}

type reader struct{ crossing bool }

func (r *reader) geometry(g gjson.Result, depth int) (orb.Geometry, error) {
	if !g.IsObject() {
		return nil, fmt.Errorf("not a GeoJSON object")
	}
	var kind, coordinates, geometries gjson.Result
	g.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "type":
			kind = value
		case "coordinates":
			coordinates = value
		case "geometries":
			geometries = value
		}
		return true
	})
	switch kind.Str {
	case "Point":
		p, err := position(coordinates)
		return p, err
	case "MultiPoint":
		points, err := list(coordinates, position)
		return orb.MultiPoint(points), err
	case "LineString":
		l, err := r.line(coordinates)
		return l, err
	case "MultiLineString":
		lines, err := list(coordinates, r.line)
		return orb.MultiLineString(lines), err
	case "Polygon":
		a, err := r.area(coordinates)
		return a, err
	case "MultiPolygon":
		areas, err := list(coordinates, r.area)
		return orb.MultiPolygon(areas), err
	case "GeometryCollection":
		if depth == maxDepth {
			return nil, fmt.Errorf("GeometryCollections are nested more than %d deep", maxDepth)
		}
		out, n := orb.Collection{}, 0
		var err error
		geometries.ForEach(func(_, child gjson.Result) bool {
			var c orb.Geometry
			if c, err = r.geometry(child, depth+1); err != nil {
				err = fmt.Errorf("geometries[%d]: %w", n, err)
			}
			out, n = append(out, c), n+1
			return err == nil
		})
		if err == nil && (n == 0 || !geometries.IsArray()) {
			err = fmt.Errorf("GeometryCollection without geometries")
		}
		return out, err
	case "":
		return nil, fmt.Errorf("it has no type")
	}
	return nil, fmt.Errorf("unknown type %q", kind.Str)
}

// list reads each member of a list of coordinates.
func list[T any](coordinates gjson.Result, read func(gjson.Result) (T, error)) (out []T, err error) {
	if err := isList(coordinates); err != nil {
		return nil, err
	}
	coordinates.ForEach(func(_, v gjson.Result) bool {
		var item T
		if item, err = read(v); err != nil {
			err = fmt.Errorf("coordinates[%d]: %w", len(out), err)
		}
		out = append(out, item)
		return err == nil
	})
	if len(out) == 0 {
		return nil, fmt.Errorf("coordinates are empty")
	}
	return out, err
}

func isList(coordinates gjson.Result) error {
	if !coordinates.Exists() {
		return fmt.Errorf("it has no coordinates")
	}
	if !coordinates.IsArray() {
		return fmt.Errorf("coordinates: there is no list where one has to be")
	}
	return nil
}

func (r *reader) line(coordinates gjson.Result) (orb.LineString, error) {
	points, err := positions(coordinates)
	if err != nil {
		return nil, err
	}
	return r.unfold(points), checkLine(points)
}

func (r *reader) area(coordinates gjson.Result) (orb.Polygon, error) {
	if err := isList(coordinates); err != nil {
		return nil, err
	}
	var area orb.Polygon
	var err error
	coordinates.ForEach(func(_, ring gjson.Result) bool {
		var points []orb.Point
		if points, err = positions(ring); err == nil {
			err = checkRing(points)
		}
		if err != nil {
			err = fmt.Errorf("ring %d: %w", len(area), err)
		}
		area = append(area, r.unfold(points))
		return err == nil
	})
	if len(area) == 0 {
		return nil, fmt.Errorf("a polygon without rings")
	}
	return area, err
}

func checkLine(points []orb.Point) error {
	if len(points) < 2 {
		return fmt.Errorf("a line needs 2 positions and has %d", len(points))
	}
	return nil
}

func checkRing(points []orb.Point) error {
	if len(points) < 4 {
		return fmt.Errorf("a ring needs 4 positions and has %d", len(points))
	}
	if points[0] != points[len(points)-1] {
		return fmt.Errorf("it is not closed: it begins at %v and ends at %v", points[0], points[len(points)-1])
	}
	return nil
}

// unfold lets longitudes run on past 180 where a crossing part jumps from one side to the other.
func (r *reader) unfold(points []orb.Point) []orb.Point {
	if !r.crossing {
		return points
	}
	if b := orb.MultiPoint(points).Bound(); b.Max[0]-b.Min[0] <= 180 {
		return points
	}
	for i := range points {
		if points[i][0] < 0 {
			points[i][0] += 360
		}
	}
	return points
}

func positions(coordinates gjson.Result) (out []orb.Point, err error) {
	if err := isList(coordinates); err != nil {
		return nil, err
	}
	out = make([]orb.Point, 0, 5)
	coordinates.ForEach(func(_, v gjson.Result) bool {
		var p orb.Point
		if p, err = position(v); err != nil {
			err = fmt.Errorf("position %d: %w", len(out), err)
		}
		out = append(out, p)
		return err == nil
	})
	return out, err
}

func position(coordinates gjson.Result) (p orb.Point, err error) {
	if err := isList(coordinates); err != nil {
		return p, err
	}
	n := 0
	coordinates.ForEach(func(_, v gjson.Result) bool {
		if v.Type != gjson.Number {
			err = fmt.Errorf("coordinates: %s is no number", v.Raw)
			return false
		}
		if n < 2 {
			p[n] = v.Num
		}
		n++
		return true
	})
	if err == nil && n < 2 {
		err = fmt.Errorf("a position needs 2 numbers and has %d", n)
	}
	if err != nil {
		return p, err
	}
	return onEarth(p)
}

// onEarth refuses what is no place on Earth. What is little beyond a pole, as an edge of a pixel is whose centre is there,
// is at the pole.
func onEarth(p orb.Point) (orb.Point, error) {
	if !(math.Abs(p[1]) <= 90+overshoot) {
		return p, fmt.Errorf("latitude %g is beyond ±90", p[1])
	}
	if !(math.Abs(p[0]) <= 360) {
		return p, fmt.Errorf("longitude %g is beyond ±360", p[0])
	}
	p[1] = max(-90, min(p[1], 90))
	return p, nil
}
