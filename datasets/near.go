package datasets

import (
	"math"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/crs"
)

// The WGS 84 ellipsoid: its equatorial radius in metres and the square of its eccentricity.
const (
	equatorRadius = 6378137.0
	eccentricity2 = 0.00669437999014
)

// radii are those in which the ellipsoid curves at a latitude, north to south and west to east; a
// sphere would tell distances up to 0.6 % too great.
func radii(lat float64) (meridian, transverse float64) {
	sine := math.Sin(lat)
	w2 := 1 - eccentricity2*sine*sine
	transverse = equatorRadius / math.Sqrt(w2)
	return transverse * (1 - eccentricity2) / w2, transverse
}

// ruler measures distances between windows of a grid in metres. In projections in metres that keep
// lengths (UTM and its like) a pixel has the size of the transform; on geographic, Mercator and
// equal-area grids its size on the ground depends on the row.
type ruler struct {
	grid  cube.Grid
	size  func(row float64) (metresX, metresY float64)
	least float64 // the smallest edge of a pixel anywhere in the grid
	// turn is how many columns, at most, go once around the Earth; 0 where the grid is not wide enough for a way around it to be
	// the shorter one.
	turn int
}

func newRuler(g cube.Grid) (ruler, error) {
	dx, dy := g.Transform[0], -g.Transform[4]
	fixed := func(float64) (float64, float64) { return dx, dy }
	switch {
	case crs.Geographic(g.CRS), g.CRS == "EPSG:3857", g.CRS == "EPSG:6933":
	default:
		return ruler{grid: g, size: fixed, least: min(dx, dy)}, nil
	}
	to, err := crs.Transform(g.CRS, "OGC:CRS84")
	if err != nil {
		return ruler{}, err
	}
	r := ruler{grid: g, least: math.Inf(1), size: func(row float64) (float64, float64) {
		x, y := g.Transform.Apply(0, row)
		x1, y1 := g.Transform.Apply(1, row+1)
		lon0, lat0, err0 := to(x, y)
		lon1, lat1, err1 := to(x1, y1)
		if err0 != nil || err1 != nil {
			return 0, 0 // beyond the map: no distance can be vouched for
		}
		const radian = math.Pi / 180
		meridian, transverse := radii(lat0 * radian)
		return transverse * math.Cos(lat0*radian) * math.Abs(lon1-lon0) * radian, meridian * math.Abs(lat0-lat1) * radian
	}}
	const probes = 256
	for i := range probes + 1 {
		x, y := r.size(float64(g.Height) * float64(i) / probes)
		r.least = min(r.least, x, y)
	}
	r.least *= 0.999 // for the rows between
	around := 360.0
	switch g.CRS {
	case "EPSG:3857":
		around = 2 * math.Pi * equatorRadius
	case "EPSG:6933":
		around = globeWidth
	}
	if columns := around / dx; float64(g.Width) > columns/2 {
		r.turn = int(math.Floor(columns + 1e-6))
	}
	return r, nil
}

// turned are the places where a window lies beside others: its own, and those a turn around the Earth away.
func (r ruler) turned(w cube.Window) []cube.Window {
	out := []cube.Window{w}
	if r.turn > 0 {
		east, west := w, w
		east.Col += r.turn
		west.Col -= r.turn
		out = append(out, east, west)
	}
	return out
}

// distance is the least distance between the outlines of two windows, 0 where they touch or overlap.
func (r ruler) distance(a, b cube.Window) float64 {
	cols := gap(a.Col, a.Width, b.Col, b.Width)
	if r.turn > 0 {
		cols = min(cols, gap(a.Col+r.turn, a.Width, b.Col, b.Width), gap(a.Col-r.turn, a.Width, b.Col, b.Width))
	}
	rows := gap(a.Row, a.Height, b.Row, b.Height)
	if cols == 0 && rows == 0 {
		return 0
	}
	// The smallest pixel of all four edges, so that no distance is told greater than it is.
	x, y := r.size(float64(a.Row))
	for _, row := range []int{a.Row + a.Height, b.Row, b.Row + b.Height} {
		rx, ry := r.size(float64(row))
		x, y = min(x, rx), min(y, ry)
	}
	return math.Hypot(float64(cols)*x, float64(rows)*y)
}

// pixels is how many pixels, at most, a distance in metres spans anywhere in the grid.
func (r ruler) pixels(metres float64) int {
	if n := math.Ceil(metres / r.least); n < float64(max(r.grid.Width, r.grid.Height)) {
		return int(n)
	}
	return max(r.grid.Width, r.grid.Height)
}

func gap(a, aLen, b, bLen int) int { return max(0, b-(a+aLen), a-(b+bLen)) }

func overlap(a, b cube.Window) bool { return !a.Intersect(b).Empty() }

// separate drops samples until no two of different splits share a pixel or are nearer than the
// buffer. The rule: test stands; a validate sample that is too near a test sample goes; then a
// train sample that is too near one of those left goes. So the held-out splits, the small ones,
// lose least, and the outcome does not depend on any order. It returns how many went, by split; where none went, what
// comes back is what was given.
func separate(samples []sample, r ruler, buffer float64) ([]sample, [3]int) {
	reach := r.pixels(buffer)
	edge := reach + 2 // a turn may be part of a column more than is counted
	for _, s := range samples {
		edge = max(edge, int(s.height), int(s.width))
	}
	type tile struct{ row, col int }
	held := map[tile][]cube.Window{}
	hold := func(w cube.Window) {
		k := tile{floorDiv(w.Row, edge), floorDiv(w.Col, edge)}
		held[k] = append(held[k], w)
	}
	// A window is at most one tile long and reach is less than one: every window that may be too near
	// begins within two tiles.
	near := func(w cube.Window) bool {
		if len(held) == 0 {
			return false
		}
		for _, w := range r.turned(w) {
			k := tile{floorDiv(w.Row, edge), floorDiv(w.Col, edge)}
			for dr := -2; dr <= 2; dr++ {
				for dc := -2; dc <= 2; dc++ {
					for _, o := range held[tile{k.row + dr, k.col + dc}] {
						if overlap(w, o) || r.distance(w, o) < buffer {
							return true
						}
					}
				}
			}
		}
		return false
	}
	gone, left := make([]bool, len(samples)), len(samples)
	var dropped [3]int
	for split := 2; split >= 0; split-- {
		for i, s := range samples {
			if int(s.split) == split && near(s.window()) {
				gone[i] = true
				dropped[split]++
				left--
			}
		}
		for i, s := range samples {
			if int(s.split) == split && split > 0 && !gone[i] { // train is held against nobody
				hold(s.window())
			}
		}
	}
	if left == len(samples) {
		return samples, dropped
	}
	kept := make([]sample, 0, left)
	for i, s := range samples {
		if !gone[i] {
			kept = append(kept, s)
		}
	}
	return kept, dropped
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
