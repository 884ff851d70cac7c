// Package burn scan-converts polygons onto a grid by the centre rule: a pixel belongs to a polygon
// if its centre lies inside. It owns the arithmetic only, down to the last bit of GDAL's own
// (GDALRasterizeGeometries without ALL_TOUCHED), and refuses nothing: whether a polygon is valid is
// decided before. The invariant: for rings that are valid, the pixels are exactly those that
// rasterio.features.rasterize burns, shared edges and centres lying on an edge included.
package burn

import (
	"math"
	"slices"

	"github.com/terrapin-eo/terrapin/cube"
)

// Point is a position in the coordinates of the grid's CRS.
type Point struct{ X, Y float64 }

// Ring is a closed line; its last point may repeat the first.
type Ring []Point

// Polygon is a shell followed by its holes. What several rings enclose is decided by the even-odd
// rule.
type Polygon []Ring

// Spans calls emit for every run of pixels of a row that belongs to the polygon: columns from
// (inclusive) to until (exclusive), clipped to the grid. A pixel may be emitted twice where an edge
// runs through pixel centres.
func Spans(p Polygon, g cube.Grid, emit func(row, from, until int)) {
	edges := pixelEdges(p, g.Transform)
	if len(edges) == 0 {
		return
	}
	lo, hi := edges[0].y1, edges[0].y1
	for _, e := range edges {
		lo, hi = min(lo, e.y1, e.y2), max(hi, e.y1, e.y2)
	}
	first := max(0, truncate(lo))
	last := min(g.Height-1, truncate(hi))

	clip := func(row, from, until int) {
		if from, until = max(from, 0), min(until, g.Width); from < until {
			emit(row, from, until)
		}
	}
	var crossings []int
	for row := first; row <= last; row++ {
		centre := float64(row) + 0.5
		crossings = crossings[:0]
		for _, e := range edges {
			switch {
			case e.y1 < centre && e.y2 < centre, e.y1 > centre && e.y2 > centre:
			case e.y1 == e.y2:
				// An edge that runs along the centres of the row belongs to the polygon above it
				// only, which is where a clockwise ring runs leftwards.
				if e.x1 > e.x2 {
					clip(row, round(e.x2), round(e.x1))
				}
			default:
				if x, ok := e.crossing(centre); ok {
					crossings = append(crossings, round(x))
				}
			}
		}
		slices.Sort(crossings)
		for i := 0; i+1 < len(crossings); i += 2 {
			clip(row, crossings[i], crossings[i+1])
		}
	}
}

// Count returns how many pixels of the grid the polygon covers.
func Count(p Polygon, g cube.Grid) int {
	n, row, taken := 0, -1, []bool(nil)
	Spans(p, g, func(r, from, until int) {
		if r != row {
			row, taken = r, make([]bool, g.Width)
		}
		for c := from; c < until; c++ {
			if !taken[c] {
				taken[c] = true
				n++
			}
		}
	})
	return n
}

// edge is a side of a ring in pixel coordinates.
type edge struct{ x1, y1, x2, y2 float64 }

// crossing returns where the edge meets a horizontal line. The lower end of the y interval counts,
// the upper does not, so that a vertex on the line is met once.
func (e edge) crossing(y float64) (float64, bool) {
	if e.y1 > e.y2 {
		e = edge{e.x2, e.y2, e.x1, e.y1}
	}
	if y < e.y1 || y >= e.y2 {
		return 0, false
	}
	// The conversions forbid fused multiply-add, which would round differently from GDAL.
	return float64(float64((y-e.y1)*(e.x2-e.x1))/(e.y2-e.y1)) + e.x1, true
}

// pixelEdges lists the sides of all rings, each ring turned clockwise as seen with north up, in
// pixel coordinates.
func pixelEdges(p Polygon, a cube.Affine) []edge {
	// The inverse is written as GDAL writes it for grids without rotation.
	sx, ox := 1/a[0], -a[2]/a[0]
	sy, oy := 1/a[4], -a[5]/a[4]
	var edges []edge
	for _, ring := range p {
		if len(ring) == 0 {
			continue
		}
		n := len(ring)
		px := make([]Point, n)
		for i, q := range ring {
			px[i] = Point{ox + float64(q.X*sx), oy + float64(q.Y*sy)}
		}
		if !clockwise(ring) {
			slices.Reverse(px)
		}
		for i := range px {
			prev := px[(i+n-1)%n]
			edges = append(edges, edge{prev.X, prev.Y, px[i].X, px[i].Y})
		}
	}
	return edges
}

// clockwise tells a ring's direction by its area, relative to its first point for precision.
func clockwise(r Ring) bool {
	var twice float64
	for i := 1; i+1 < len(r); i++ {
		ax, ay := r[i].X-r[0].X, r[i].Y-r[0].Y
		bx, by := r[i+1].X-r[0].X, r[i+1].Y-r[0].Y
		twice += ax*by - bx*ay
	}
	return twice < 0
}

// round is C's (int)floor(x+0.5), kept within what an int holds far outside of any grid.
func round(x float64) int { return truncate(math.Floor(x + 0.5)) }

func truncate(x float64) int {
	const far = 1 << 40
	return int(max(-far, min(far, x)))
}
