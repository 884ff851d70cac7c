package geo

import (
	"encoding/json"

	"github.com/paulmach/orb"
)

// GeoJSON is the shape as it was given, without heights.
func (s *Shape) GeoJSON() json.RawMessage { return appendGeoJSON(nil, s.geometry) }

func appendGeoJSON(out []byte, g orb.Geometry) []byte {
	out = append(append(append(out, `{"type":"`...), g.GeoJSONType()...), '"')
	if children, ok := g.(orb.Collection); ok {
		out = append(out, `,"geometries":[`...)
		for i, child := range children {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendGeoJSON(out, child)
		}
		return append(out, "]}"...)
	}
	return append(appendCoordinates(append(out, `,"coordinates":`...), g), '}')
}

func appendCoordinates(out []byte, g orb.Geometry) []byte {
	switch g := g.(type) {
	case orb.Point:
		out = appendNumber(append(out, '['), g[0])
		return append(appendNumber(append(out, ','), g[1]), ']')
	case orb.MultiPoint:
		return appendList(out, g)
	case orb.LineString:
		return appendList(out, g)
	case orb.Ring:
		return appendList(out, g)
	case orb.MultiLineString:
		return appendList(out, g)
	case orb.Polygon:
		return appendList(out, g)
	case orb.MultiPolygon:
		return appendList(out, g)
	}
	return out
}

func appendList[G orb.Geometry](out []byte, list []G) []byte {
	out = append(out, '[')
	for i, g := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendCoordinates(out, g)
	}
	return append(out, ']')
}
