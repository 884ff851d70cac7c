package crs

import "math"

// utm is the transverse Mercator projection by Krüger's series in the third flattening to the sixth
// order (Karney 2011, eqs 35 and 36): its error stays below a micrometre within 3000 km of the
// central meridian.
type utm struct {
	el            ellipsoid
	lon0          float64
	falseNorthing float64
	radius        float64 // of the rectifying sphere, times the scale factor
	alpha, beta   [6]float64
}

const (
	utmScale        = 0.9996
	utmFalseEasting = 500000
	// utmReach is how far from the central meridian a position may lie; the series is exact to a
	// millimetre there, and a point beyond it is a mistake rather than data.
	utmReach = 60 * radian
)

func newUTM(el ellipsoid, zone int, south bool) utm {
	n := el.n
	n2, n3 := n*n, n*n*n
	n4, n5, n6 := n2*n2, n2*n3, n3*n3
	p := utm{
		el:     el,
		lon0:   float64(zone*6-183) * radian,
		radius: utmScale * el.a / (1 + n) * (1 + n2/4 + n4/64 + n6/256),
		alpha: [6]float64{
			n/2 - 2*n2/3 + 5*n3/16 + 41*n4/180 - 127*n5/288 + 7891*n6/37800,
			13*n2/48 - 3*n3/5 + 557*n4/1440 + 281*n5/630 - 1983433*n6/1935360,
			61*n3/240 - 103*n4/140 + 15061*n5/26880 + 167603*n6/181440,
			49561*n4/161280 - 179*n5/168 + 6601661*n6/7257600,
			34729*n5/80640 - 3418889*n6/1995840,
			212378941 * n6 / 319334400,
		},
		beta: [6]float64{
			n/2 - 2*n2/3 + 37*n3/96 - n4/360 - 81*n5/512 + 96199*n6/604800,
			n2/48 + n3/15 - 437*n4/1440 + 46*n5/105 - 1118711*n6/3870720,
			17*n3/480 - 37*n4/840 - 209*n5/4480 + 5569*n6/90720,
			4397*n4/161280 - 11*n5/504 - 830251*n6/7257600,
			4583*n5/161280 - 108847*n6/3991680,
			20648693 * n6 / 638668800,
		},
	}
	if south {
		p.falseNorthing = 10000000
	}
	return p
}

func (p utm) forward(lon, lat float64) (x, y float64, ok bool) {
	d := math.Remainder(lon-p.lon0, 2*math.Pi)
	if math.Abs(d) > utmReach {
		return 0, 0, false
	}
	tan := p.el.conformalTan(math.Tan(lat))
	sin, cos := math.Sincos(d)
	xi0 := math.Atan2(tan, cos)
	eta0 := math.Asinh(sin / math.Hypot(tan, cos))
	xi, eta := xi0, eta0
	for j, a := range p.alpha {
		k := 2 * float64(j+1)
		xi += a * math.Sin(k*xi0) * math.Cosh(k*eta0)
		eta += a * math.Cos(k*xi0) * math.Sinh(k*eta0)
	}
	return utmFalseEasting + p.radius*eta, p.falseNorthing + p.radius*xi, true
}

func (p utm) inverse(x, y float64) (lon, lat float64, ok bool) {
	xi, eta := (y-p.falseNorthing)/p.radius, (x-utmFalseEasting)/p.radius
	// One Earth's quarter north or south of the equator, and the reach to the sides.
	if math.Abs(xi) > math.Pi/2+1e-9 || math.Abs(eta) > 1.4 {
		return 0, 0, false
	}
	xi0, eta0 := xi, eta
	for j, b := range p.beta {
		k := 2 * float64(j+1)
		xi0 -= b * math.Sin(k*xi) * math.Cosh(k*eta)
		eta0 -= b * math.Cos(k*xi) * math.Sinh(k*eta)
	}
	sin, cos := math.Sincos(xi0)
	sinh := math.Sinh(eta0)
	d := math.Atan2(sinh, cos)
	if math.Abs(d) > utmReach+1e-9 {
		return 0, 0, false
	}
	lat = math.Atan(p.el.geodeticTan(sin / math.Hypot(sinh, cos)))
	return math.Remainder(p.lon0+d, 2*math.Pi), lat, true
}
