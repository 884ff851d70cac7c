package crs

import (
	"math"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
)

// maxBow is how far, in degrees, a straight edge of a footprint may stray from the true curve: about
// a tenth of a metre.
const maxBow = 1e-6

// FootprintWGS84 returns the outline of a window of a grid as a closed counter-clockwise ring of
// [longitude, latitude], with as many points on each edge as its curvature needs. Longitudes run on
// continuously where the window crosses the antimeridian, so they may leave [-180, 180] there. The ring of a
// window that holds a pole goes once around it and is closed along the pole.
func FootprintWGS84(g cube.Grid, w cube.Window) ([][2]float64, error) {
	to, err := Transform(g.CRS, "OGC:CRS84")
	if err != nil {
		return nil, err
	}
	top, left := float64(w.Row), float64(w.Col)
	bottom, right := top+float64(w.Height), left+float64(w.Width)
	corners := [][2]float64{{left, top}, {left, bottom}, {right, bottom}, {right, top}, {left, top}}
	o := outline{to: to, grid: g, cylindrical: cylindrical(g.CRS)}
	start, err := o.at(corners[0])
	if err != nil {
		return nil, err
	}
	o.ring = append(o.ring, start)
	for i := 1; i < len(corners); i++ {
		if err := o.edge(corners[i-1], corners[i], 0); err != nil {
			return nil, err
		}
	}
	o.close()
	return o.ring, nil
}

// BBoxWGS84 returns west, south, east, north of a window of a grid. West is greater than east where
// the window crosses the antimeridian, as RFC 7946 has it.
func BBoxWGS84(g cube.Grid, w cube.Window) ([4]float64, error) {
	ring, err := FootprintWGS84(g, w)
	if err != nil {
		return [4]float64{}, err
	}
	return BBoxOfRing(ring), nil
}

// BBoxOfRing is BBoxWGS84 of a window whose outline is known.
func BBoxOfRing(ring [][2]float64) [4]float64 {
	b := [4]float64{ring[0][0], ring[0][1], ring[0][0], ring[0][1]}
	for _, p := range ring {
		b[0], b[1] = min(b[0], p[0]), min(b[1], p[1])
		b[2], b[3] = max(b[2], p[0]), max(b[3], p[1])
	}
	switch {
	case b[2]-b[0] >= 360:
		b[0], b[2] = -180, 180
	default:
		b[0], b[2] = turn(b[0]), turn(b[2])
		if b[0] == 180 { // it begins there, or ends
			b[0] = -180
		}
		if b[2] == -180 {
			b[2] = 180
		}
	}
	return b
}

// outline collects the points of a ring in order.
type outline struct {
	to          Func
	grid        cube.Grid
	cylindrical bool
	ring        [][2]float64
}

// close ends the ring where it began. One that has gone around the Earth meanwhile holds a pole: counter-clockwise means
// eastwards around the north pole, and westwards around the south pole.
func (o *outline) close() {
	first, last := o.ring[0], len(o.ring)-1
	turn := 360 * math.Round((o.ring[last][0]-first[0])/360)
	o.ring[last] = first
	if o.cylindrical || turn == 0 {
		return
	}
	o.ring[last][0] += turn
	pole := math.Copysign(90, turn)
	o.ring = append(o.ring, [2]float64{first[0] + turn, pole}, [2]float64{first[0], pole}, first)
}

// cylindrical reports whether longitude is proportional to x, so that no point of a grid has to be
// brought near its neighbour.
func cylindrical(code string) bool {
	return Geographic(code) || strings.EqualFold(code, "EPSG:3857") || strings.EqualFold(code, "EPSG:6933")
}

// at gives the position of a pixel corner.
func (o *outline) at(p [2]float64) ([2]float64, error) {
	x, y := o.grid.Transform.Apply(p[0], p[1])
	lon, lat, err := o.to(x, y)
	return [2]float64{lon, max(-90, min(lat, 90))}, err // a pixel whose centre is at a pole reaches over it
}

// edge appends the points of one edge but its first, halving it until it is straight enough.
func (o *outline) edge(a, b [2]float64, depth int) error {
	from := o.ring[len(o.ring)-1]
	end, err := o.at(b)
	if err != nil {
		return err
	}
	middle := [2]float64{(a[0] + b[0]) / 2, (a[1] + b[1]) / 2}
	mid, err := o.at(middle)
	if err != nil {
		return err
	}
	if !o.cylindrical {
		end[0], mid[0] = near(end[0], from[0]), near(mid[0], from[0])
	}
	bow := math.Hypot(mid[0]-(from[0]+end[0])/2, mid[1]-(from[1]+end[1])/2)
	if bow > maxBow && depth < 6 {
		if err := o.edge(a, middle, depth+1); err != nil {
			return err
		}
		return o.edge(middle, b, depth+1)
	}
	o.ring = append(o.ring, end)
	return nil
}

// turn brings a longitude into [-180, 180].
func turn(lon float64) float64 {
	if lon >= -180 && lon <= 180 {
		return lon
	}
	return lon - 360*math.Floor((lon+180)/360)
}

// near shifts a longitude by whole turns to lie within half a turn of another.
func near(lon, other float64) float64 {
	return lon - 360*math.Round((lon-other)/360)
}
