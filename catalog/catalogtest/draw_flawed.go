package catalogtest

import (
	"fmt"
	"maps"
	"slices"
)

// flaws are the ways in which outlines go wrong, each with what draws the coordinates of a Polygon or, if several, of a MultiPolygon.
// low is the south-western corner of a square of a few degrees that they lie about.
var flaws = map[string]struct {
	several bool
	draw    func(d draw, low corner) string
}{
	"bow-tie": {false, func(d draw, low corner) string {
		a, b := d.about(low), d.about(low)
		if a[0] == b[0] || a[1] == b[1] {
			b = corner{a[0] + 1, min(90, a[1]+3)}
		}
		return rings(a, b, corner{b[0], a[1]}, corner{a[0], b[1]}, a)
	}},
	"tangle": {false, func(d draw, low corner) string {
		line := []corner{d.about(low)}
		for range 3 + d.IntN(7) {
			line = append(line, d.about(low))
		}
		return rings(append(line, line[0])...)
	}},
	"hole on the edge": {false, func(d draw, low corner) string {
		at := low.by(float64(d.IntN(3)), 0)
		return join(square4(low), pick(d, list([]corner{at, at.by(1, 0), at.by(1, 1), at.by(0, 1), at}), list([]corner{at, at.by(1, 1), at.by(0, 2), at}), list([]corner{low, low.by(4, 2), low.by(2, 4), low})))
	}},
	"hole over the edge": {false, func(d draw, low corner) string {
		hole := func() string {
			a := d.about(low)
			return ring(a, a.by(float64(1+d.IntN(4)), float64(1+d.IntN(3))))
		}
		return pick(d, join(square4(low), hole()), join(square4(low), hole(), hole()), join(square4(low), square4(low.by(-1, -1))), join(square4(low), square4(low)))
	}},
	"shells over each other": {true, func(d draw, low corner) string {
		shell := func() string {
			a := d.about(low)
			return "[" + ring(a, a.by(float64(1+d.IntN(4)), float64(1+d.IntN(3)))) + "]"
		}
		return pick(d, join(shell(), shell()), join("["+square4(low)+"]", shell(), shell()), join(holed(low), "["+ring(low.by(1, 1), low.by(2, 2))+"]"), join(holed(low), shell()))
	}},
	"points twice": {false, func(d draw, low corner) string {
		line, out := []corner{low, low.by(3, 0), low.by(3, 1), low.by(4, 4), low.by(1, 3)}, []corner{}
		for _, c := range line {
			for range 1 + d.IntN(3) {
				out = append(out, c)
			}
		}
		return rings(append(out, low)...)
	}},
	"spike": {false, func(d draw, low corner) string {
		side := []corner{low, low.by(4, 0), low.by(4, 4), low.by(0, 4)}
		k := d.IntN(4)
		line := append([]corner{}, side[:k+1]...)
		line = append(line, d.about(low), side[k]) // there and back
		return rings(append(append(line, side[k+1:]...), low)...)
	}},
	"collapsed": {true, func(d draw, low corner) string {
		a, b, c := d.about(low), d.about(low), d.about(low)
		flat := "[" + list([]corner{a, b, c, b, a}) + "]"
		return pick(d, join(flat), join(flat, "["+list([]corner{c, c, c, c})+"]"), join(flat, "["+square4(low)+"]"), join("["+list([]corner{c, c, c, c})+"]"))
	}},
	"twice around": {false, func(d draw, low corner) string {
		a := d.about(low)
		return rings(low, low.by(4, 0), low.by(4, 4), low.by(0, 4), low, low.by(3, 1), a, low.by(1, 3), low)
	}},
}

var flawNames = slices.Sorted(maps.Keys(flaws))

// flawed is a geometry with one of flaws.
func (d draw) flawed(flaw string) string {
	f, kind := flaws[flaw], "Polygon"
	if f.several {
		kind = "MultiPolygon"
	}
	return fmt.Sprintf(`{"type":%q,"coordinates":%s}`, kind, f.draw(d, corner{pick(d, 0, 0, 0, 2, 176, 178, -182.0), pick(d, 0, 0, 1, -2.0)}))
}

// about is a point in a square or a little beyond, mostly on the grid.
func (d draw) about(low corner) corner {
	if d.often(15) {
		return low.by(5*d.Float64(), 5*d.Float64())
	}
	return low.by(float64(d.IntN(7)-1), float64(d.IntN(7)-1))
}

func (c corner) by(x, y float64) corner { return corner{c[0] + x, c[1] + y} }

func square4(low corner) string { return ring(low, low.by(4, 4)) }

func rings(outline ...corner) string { return "[" + list(outline) + "]" }

func join(parts ...string) string { return list(parts) }
