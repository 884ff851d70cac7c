package crs

import "math"

// ellipsoid is an ellipsoid of revolution with what the projections derive from it once.
type ellipsoid struct {
	a  float64 // semi-major axis, metres
	rf float64 // inverse flattening
	e2 float64 // first eccentricity squared
	e  float64
	n  float64 // third flattening
	qp float64 // authalic q at the pole
}

func newEllipsoid(a, inverseFlattening float64) ellipsoid {
	f := 1 / inverseFlattening
	el := ellipsoid{a: a, rf: inverseFlattening, e2: f * (2 - f), n: f / (2 - f)}
	el.e = math.Sqrt(el.e2)
	el.qp = el.q(1)
	return el
}

// q is Snyder's authalic function (3-12) of the sine of a latitude; q/qp is the sine of the authalic
// latitude.
func (el ellipsoid) q(sin float64) float64 {
	es := el.e * sin
	return (1 - el.e2) * (sin/(1-es*es) + math.Atanh(es)/el.e)
}

// latitudeOfQ inverts q by Newton's method (Snyder 3-16), from the authalic latitude.
func (el ellipsoid) latitudeOfQ(q float64) (float64, bool) {
	ratio := q / el.qp
	if math.Abs(ratio) >= 1 {
		if math.Abs(ratio) > 1+1e-12 {
			return 0, false
		}
		return math.Copysign(math.Pi/2, ratio), true
	}
	lat := math.Asin(ratio)
	for range 20 {
		sin, cos := math.Sincos(lat)
		if cos < 1e-12 {
			break
		}
		w := 1 - el.e2*sin*sin
		step := w * w / (2 * cos) * (q - el.q(sin)) / (1 - el.e2)
		lat += step
		if math.Abs(step) < 1e-15 {
			break
		}
	}
	return lat, true
}

// conformalTan maps the tangent of a geodetic latitude to that of the conformal latitude (Karney
// 2011, eqs 7 to 9).
func (el ellipsoid) conformalTan(tan float64) float64 {
	hyp := math.Hypot(1, tan)
	sigma := math.Sinh(el.e * math.Atanh(el.e*tan/hyp))
	return tan*math.Hypot(1, sigma) - sigma*hyp
}

// geodeticTan inverts conformalTan by Newton's method (Karney 2011, eqs 19 to 21).
func (el ellipsoid) geodeticTan(conformal float64) float64 {
	tan := conformal / (1 - el.e2)
	for range 10 {
		c := el.conformalTan(tan)
		hyp := math.Hypot(1, tan)
		step := (conformal - c) / math.Hypot(1, c) * (1 + (1-el.e2)*tan*tan) / ((1 - el.e2) * hyp)
		tan += step
		if math.Abs(step) < 1e-14*math.Max(1, math.Abs(tan)) {
			break
		}
	}
	return tan
}
