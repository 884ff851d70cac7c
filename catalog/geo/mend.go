package geo

import (
	"cmp"
	"math"
	"math/big"
	"slices"

	"github.com/paulmach/orb"
)

// What is not sound is put in order on a grid (snap rounding): every corner and every crossing is moved to the middle of
// its pixel, and with it whatever passes through that pixel, so that nothing crosses any more, exactly. Then corners go back to
// where they were, if that leaves all as it is.
const (
	// pixels are in one degree; one is 0.1 micrometres.
	pixels = 0x1p40
	// So many crossings, and fourfold the pieces, are put in order, with so many looks at pairs of pieces and at pixels on pieces. Both bound the
	// time it takes: to 20 ms for a short outline, and a second for the longest.
	mostCrossings = 1000
	mostLooks     = 10_000_000
)

// onGrid is the middle of a point's pixel, in pixels: a whole number below 2⁴⁹, so that differences of such, and halves, are exact.
func onGrid(p orb.Point) orb.Point {
	return orb.Point{math.Floor(p[0]*pixels+0.5) + 0, math.Floor(p[1]*pixels+0.5) + 0}
}

func mend(given []piece, rings *ringsOf) (orb.Geometry, error) {
	corners := map[orb.Point]orb.Point{} // what was in a pixel first
	var moved []piece
	for _, p := range given {
		a, b := onGrid(p.a), onGrid(p.b)
		for _, c := range [][2]orb.Point{{a, p.a}, {b, p.b}} {
			if _, there := corners[c[0]]; !there {
				corners[c[0]] = c[1]
			}
		}
		if a != b {
			moved = append(moved, newPiece(a, b, p.rings...))
		}
	}
	all, err := snapped(moved, corners)
	if err != nil {
		return nil, err
	}
	pieces := slices.DeleteFunc(slices.Clone(all), func(p piece) bool { return len(p.rings) == 0 })
	l := sweep(pieces)
	if !l.clean {
		return nil, errTangled
	}
	back := func(p orb.Point) orb.Point {
		if c, there := corners[p]; there {
			return c
		}
		return orb.Point{p[0] / pixels, p[1] / pixels}
	}
	areas, err := trace(l.directed(pieces, rings))
	if err != nil {
		return nil, err
	}
	if len(areas) == 0 {
		for i := range all {
			all[i] = newPiece(back(all[i].a), back(all[i].b))
		}
		if len(all) == 0 {
			return given[0].a, nil
		}
		return flattened(all), nil
	}
	again, numbers := piecesOf(everyPoint(areas, back))
	if l := sweep(again); l.clean && l.borders(again, &numbers) {
		out, err := trace(l.directed(again, &numbers)) // in the order that it has when it is read again
		return several(out), err
	}
	return several(everyPoint(areas, func(p orb.Point) orb.Point { return orb.Point{p[0] / pixels, p[1] / pixels} })), nil
}

func everyPoint(areas orb.MultiPolygon, move func(orb.Point) orb.Point) orb.MultiPolygon {
	out := make(orb.MultiPolygon, len(areas))
	for i, a := range areas {
		out[i] = make(orb.Polygon, len(a))
		for k, r := range a {
			out[i][k] = make(orb.Ring, len(r))
			for j, p := range r {
				out[i][k][j] = move(p)
			}
		}
	}
	return out
}

// snapped cuts pieces at every pixel with a corner or a crossing that they pass through, and tells of each what rings go along it an
// odd number of times.
func snapped(pieces []piece, corners map[orb.Point]orb.Point) ([]piece, error) {
	tree := newBoxTree(len(pieces), func(i int) orb.Bound { return segmentBound(pieces[i].a, pieces[i].b) })
	hot := make([]orb.Point, 0, len(corners))
	for p := range corners {
		hot = append(hot, p)
	}
	looks, crossings := 0, 0
	for i := range pieces {
		e := &pieces[i]
		if tree.any(segmentBound(e.a, e.b), func(j int) bool {
			if looks++; j > i {
				f := &pieces[j]
				if turn(e.a, e.b, f.a)*turn(e.a, e.b, f.b) < 0 && turn(f.a, f.b, e.a)*turn(f.a, f.b, e.b) < 0 {
					crossings++
					hot = append(hot, crossingPixel(e, f))
				}
			}
			return crossings > mostCrossings+4*len(pieces) || looks > mostLooks
		}) {
			return nil, errTangled
		}
	}
	slices.SortFunc(hot, byPlace)
	hot = slices.Compact(hot)
	through := make([][]orb.Point, len(pieces))
	for _, p := range hot {
		around := orb.Bound{Min: orb.Point{p[0] - 0.5, p[1] - 0.5}, Max: orb.Point{p[0] + 0.5, p[1] + 0.5}}
		if tree.any(around, func(i int) bool {
			if passes(&pieces[i], p) {
				through[i] = append(through[i], p)
			}
			looks++
			return looks > mostLooks
		}) {
			return nil, errTangled
		}
	}
	var out []piece
	for i, at := range through {
		way := cmp.Compare(pieces[i].b[1], pieces[i].a[1])
		slices.SortFunc(at, func(p, q orb.Point) int { // as the piece comes to them, column by column
			if n := cmp.Compare(p[0], q[0]); n != 0 {
				return n
			}
			return way * cmp.Compare(p[1], q[1])
		})
		for k := 1; k < len(at); k++ {
			out = append(out, newPiece(at[k-1], at[k], pieces[i].rings...))
		}
	}
	return merged(out), nil
}

// crossingPixel is the pixel in which two pieces cross.
func crossingPixel(e, f *piece) orb.Point {
	whole := func(v float64) *big.Int { return big.NewInt(int64(v)) }
	product := func(a, b float64) *big.Int { return new(big.Int).Mul(whole(a), whole(b)) }
	cross := func(u, v orb.Point) *big.Int {
		x := product(u[0], v[1])
		return x.Sub(x, product(u[1], v[0]))
	}
	d := orb.Point{e.b[0] - e.a[0], e.b[1] - e.a[1]}
	g := orb.Point{f.b[0] - f.a[0], f.b[1] - f.a[1]}
	below, above := cross(d, g), cross(orb.Point{f.a[0] - e.a[0], f.a[1] - e.a[1]}, g)
	if below.Sign() < 0 {
		below.Neg(below)
		above.Neg(above)
	}
	twice := new(big.Int).Lsh(below, 1)
	at := func(axis int) float64 { // the whole part of a + d·above/below + ½
		n := new(big.Int).Mul(whole(d[axis]), above)
		n.Lsh(n, 1).Add(n, below)
		return e.a[axis] + float64(n.Div(n, twice).Int64())
	}
	return orb.Point{at(0), at(1)}
}

// passes reports whether a piece passes through the pixel around a point, to which its south and its west edge belong, without
// their other ends.
func passes(e *piece, p orb.Point) bool {
	if e.a == p || e.b == p || e.a[0] == e.b[0] || e.a[1] == e.b[1] {
		return true // their boxes meet, and whatever is upright or level goes through the middle
	}
	dx, dy, ex, ey := e.b[0]-e.a[0], e.b[1]-e.a[1], p[0]-e.a[0], p[1]-e.a[1]
	upper, lower := float64(dx*ey), float64(dy*ex)
	if math.Abs(upper-lower) > (math.Abs(dx)+math.Abs(dy))/2+(math.Abs(upper)+math.Abs(lower))*0x1p-50 {
		return false // far, whatever was rounded
	}
	left, right := false, false
	for _, corner := range [4]orb.Point{{p[0] - 0.5, p[1] - 0.5}, {p[0] + 0.5, p[1] - 0.5}, {p[0] - 0.5, p[1] + 0.5}, {p[0] + 0.5, p[1] + 0.5}} {
		t := turn(e.a, e.b, corner)
		left, right = left || t > 0, right || t < 0
	}
	return left && right || turn(e.a, e.b, orb.Point{p[0] - 0.5, p[1] - 0.5}) == 0
}

// merged makes one piece of those between the same points.
func merged(pieces []piece) (out []piece) {
	slices.SortFunc(pieces, func(p, q piece) int {
		if n := byPlace(p.a, q.a); n != 0 {
			return n
		}
		return byPlace(p.b, q.b)
	})
	for _, p := range pieces {
		if n := len(out); n > 0 && out[n-1].a == p.a && out[n-1].b == p.b {
			out[n-1].rings = either(out[n-1].rings, p.rings)
		} else {
			out = append(out, p)
		}
	}
	return out
}
