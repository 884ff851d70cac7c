package catalogtest

import (
	"fmt"
	"strings"
)

func (d draw) lon() float64 {
	return pick(d, -180.0, -179, -178, -90, -1, 0, 1, 2, 3, 4, 90, 178, 179, 180)
}

func (d draw) lat() float64 { return pick(d, -90.0, -10, -1, 0, 1, 2, 3, 4, 45, 90) }

// corner is a point of the grid; it may lie past ±180.
type corner [2]float64

func (c corner) String() string { return fmt.Sprintf("[%g,%g]", c[0], c[1]) }

func (d draw) corner() corner { return corner{d.lon(), d.lat()} }

// near is a point of the grid close to another: their line is short and does not go round the world.
func (d draw) near(c corner) corner {
	return corner{c[0] + float64(d.IntN(5)-2), min(90, max(-90, c[1]+float64(d.IntN(5)-2)))}
}

// line joins two or three points that differ.
func (d draw) line() string {
	points := []corner{d.corner()}
	for want := 2 + d.IntN(2); len(points) < want; {
		if next := d.near(points[len(points)-1]); next != points[len(points)-1] && (len(points) < 2 || next != points[0]) {
			points = append(points, next)
		}
	}
	return list(points)
}

func list[T any](in []T) string {
	out := []string{}
	for _, v := range in {
		out = append(out, fmt.Sprint(v))
	}
	return "[" + strings.Join(out, ",") + "]"
}

// rectangle is one or two degrees wide and high, or higher.
func (d draw) rectangle() (low, high corner) {
	low = corner{d.lon(), pick(d, -90.0, -10, -1, 0, 1, 2, 3, 44, 88)}
	return low, corner{low[0] + float64(1+d.IntN(3)), low[1] + float64(1+d.IntN(2))}
}

func ring(low, high corner) string {
	return list([]corner{low, {high[0], low[1]}, high, {low[0], high[1]}, low})
}

func (d draw) triangle() string {
	for {
		a := d.corner()
		b, c := d.near(a), d.near(a)
		if (b[0]-a[0])*(c[1]-a[1]) != (b[1]-a[1])*(c[0]-a[0]) {
			return list([]corner{a, b, c, a})
		}
	}
}

// holed is a square with a square hole.
func holed(low corner) string {
	high, in, out := corner{low[0] + 4, low[1] + 4}, corner{low[0] + 1, low[1] + 1}, corner{low[0] + 3, low[1] + 3}
	return "[" + ring(low, high) + "," + ring(in, out) + "]"
}

// geometry is a geometry of GeoJSON, or null, and its document's bbox.
func (d draw) geometry() (geometry, bbox string) {
	bbox = "[0,0,1,1]"
	whole := func(kind, coordinates string) string {
		return fmt.Sprintf(`{"type":%q,"coordinates":%s}`, kind, coordinates)
	}
	switch d.IntN(13) {
	case 0:
		return "null", bbox
	case 1:
		c := d.corner()
		return whole("Point", fmt.Sprintf("[%g,%g,%d]", c[0], c[1], d.IntN(9))), bbox
	case 2:
		return whole("MultiPoint", list([]corner{d.corner(), d.corner()})), bbox
	case 3:
		return whole("LineString", d.line()), bbox
	case 4:
		return whole("MultiLineString", "["+d.line()+","+d.line()+"]"), bbox
	case 5:
		return whole("Polygon", "["+d.triangle()+"]"), bbox
	case 6:
		return whole("Polygon", holed(corner{pick(d, 0, 1, 177, -182.0), pick(d, 0, 1, -1.0)})), bbox
	case 7:
		low := corner{pick(d, 0, 1, 178, -180.0), pick(d, 0, 1, -10.0)}
		return whole("MultiPolygon", "[["+ring(low, corner{low[0] + 1, low[1] + 1})+"],["+ring(corner{low[0] + 2, low[1]}, corner{low[0] + 3, low[1] + 2})+"]]"), bbox
	case 8:
		return fmt.Sprintf(`{"type":"GeometryCollection","geometries":[%s,%s]}`, whole("Point", d.corner().String()), whole("LineString", d.line())), bbox
	case 12:
		return d.flawed(pick(d, flawNames...)), bbox
	case 9: // longitudes that jump at the antimeridian, as the bbox says
		south := float64(d.IntN(3))
		return whole("Polygon", list([]string{list([]corner{{178, south}, {-178, south}, {-178, south + 1}, {178, south + 1}, {178, south}})})), fmt.Sprintf("[178,%g,-178,%g]", south, south+1)
	}
	low, high := d.rectangle()
	return whole("Polygon", "["+ring(low, high)+"]"), bbox
}
