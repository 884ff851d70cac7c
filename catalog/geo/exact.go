package geo

import (
	"math"
	"math/big"

	"github.com/paulmach/orb"
)

// turn is −1, 0 or 1 as c lies right of, on or left of the line from a to b. It is exact: rounding is bounded
// first, and where that does not decide, the same is computed without.
func turn(a, b, c orb.Point) int {
	dx, dy, ex, ey := b[0]-a[0], b[1]-a[1], c[0]-a[0], c[1]-a[1]
	left, right := float64(dx*ey), float64(dy*ex)
	det, bound := left-right, (math.Abs(left)+math.Abs(right))*(4*0x1p-53)
	switch {
	case det > bound:
		return 1
	case det < -bound:
		return -1
	case (dx == 0 || ey == 0) && (dy == 0 || ex == 0):
		return 0
	}
	if math.Abs(left) > 0x1p-900 && lossless(b[0], a[0], dx) && lossless(b[1], a[1], dy) && lossless(c[0], a[0], ex) && lossless(c[1], a[1], ey) {
		if left != right {
			return sign(det)
		}
		return sign(math.FMA(dx, ey, -left) - math.FMA(dy, ex, -right))
	}
	x, y := new(big.Float), new(big.Float)
	x.Mul(less(b[0], a[0]), less(c[1], a[1]))
	y.Mul(less(b[1], a[1]), less(c[0], a[0]))
	return x.Cmp(y)
}

// exactBits hold every product of two differences of doubles below 2⁹.
const exactBits = 2400

func less(a, b float64) *big.Float {
	x := new(big.Float).SetPrec(exactBits).SetFloat64(a)
	return x.Sub(x, new(big.Float).SetFloat64(b))
}

// lossless reports whether d is a−b and not only about that.
func lossless(a, b, d float64) bool {
	virtual := a - d
	return (a-(d+virtual))+(virtual-b) == 0
}

func sign(v float64) int {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return 0
}

func segmentBound(a, b orb.Point) orb.Bound {
	return orb.Bound{
		Min: orb.Point{min(a[0], b[0]), min(a[1], b[1])},
		Max: orb.Point{max(a[0], b[0]), max(a[1], b[1])},
	}
}

func onSegment(p, a, b orb.Point) bool {
	return segmentBound(a, b).Contains(p) && turn(a, b, p) == 0
}
