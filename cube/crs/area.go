package crs

import "math"

// equalArea is the ellipsoidal cylindrical equal-area projection, EPSG method 9835, on the central
// meridian 0.
type equalArea struct {
	el ellipsoid
	k0 float64
}

func newEqualArea(el ellipsoid, standardParallel float64) equalArea {
	sin, cos := math.Sincos(standardParallel)
	return equalArea{el: el, k0: cos / math.Sqrt(1-el.e2*sin*sin)}
}

func (p equalArea) forward(lon, lat float64) (x, y float64, ok bool) {
	return p.el.a * p.k0 * wrap(lon), p.el.a * p.el.q(math.Sin(lat)) / (2 * p.k0), true
}

func (p equalArea) inverse(x, y float64) (lon, lat float64, ok bool) {
	lon = x / (p.el.a * p.k0)
	lat, ok = p.el.latitudeOfQ(2 * p.k0 * y / p.el.a)
	return wrap(lon), lat, ok && math.Abs(lon) <= 2*math.Pi
}

// azimuthal is the oblique Lambert azimuthal equal-area projection on the ellipsoid, EPSG method
// 9820 (Snyder 24-17 to 24-29).
type azimuthal struct {
	el                          ellipsoid
	lon0, falseEast, falseNorth float64
	rq, d, sinBeta1, cosBeta1   float64
}

func newAzimuthal(el ellipsoid, lon0, lat0, falseEast, falseNorth float64) azimuthal {
	sin, cos := math.Sincos(lat0)
	p := azimuthal{el: el, lon0: lon0, falseEast: falseEast, falseNorth: falseNorth, rq: el.a * math.Sqrt(el.qp/2)}
	p.sinBeta1, p.cosBeta1 = math.Sincos(math.Asin(el.q(sin) / el.qp))
	p.d = el.a * cos / (math.Sqrt(1-el.e2*sin*sin) * p.rq * p.cosBeta1)
	return p
}

func (p azimuthal) forward(lon, lat float64) (x, y float64, ok bool) {
	sinBeta := p.el.q(math.Sin(lat)) / p.el.qp
	cosBeta := math.Sqrt(math.Max(0, 1-sinBeta*sinBeta))
	sin, cos := math.Sincos(lon - p.lon0)
	w := 1 + p.sinBeta1*sinBeta + p.cosBeta1*cosBeta*cos
	if w < 1e-10 { // the antipode is a circle, not a point
		return 0, 0, false
	}
	b := p.rq * math.Sqrt(2/w)
	return p.falseEast + b*p.d*cosBeta*sin,
		p.falseNorth + b/p.d*(p.cosBeta1*sinBeta-p.sinBeta1*cosBeta*cos), true
}

func (p azimuthal) inverse(x, y float64) (lon, lat float64, ok bool) {
	u, v := (x-p.falseEast)/p.d, (y-p.falseNorth)*p.d
	rho := math.Hypot(u, v)
	if rho < 1e-9 {
		lat, ok = p.el.latitudeOfQ(p.el.qp * p.sinBeta1)
		return p.lon0, lat, ok
	}
	half := rho / (2 * p.rq)
	if half > 1 {
		return 0, 0, false
	}
	sin, cos := math.Sincos(2 * math.Asin(half))
	lat, ok = p.el.latitudeOfQ(p.el.qp * (cos*p.sinBeta1 + v*sin*p.cosBeta1/rho))
	lon = p.lon0 + math.Atan2(u*sin, rho*p.cosBeta1*cos-v*p.sinBeta1*sin)
	return wrap(lon), lat, ok
}

// webMercator is the spherical Mercator projection of geodetic latitudes, EPSG method 1024.
type webMercator struct{ radius float64 }

func (p webMercator) forward(lon, lat float64) (x, y float64, ok bool) {
	if math.Abs(lat) > math.Pi/2-1e-9 {
		return 0, 0, false
	}
	return p.radius * wrap(lon), p.radius * math.Asinh(math.Tan(lat)), true
}

func (p webMercator) inverse(x, y float64) (lon, lat float64, ok bool) {
	lon = x / p.radius
	return wrap(lon), math.Atan(math.Sinh(y / p.radius)), math.Abs(lon) <= 2*math.Pi
}

// wrap brings a longitude that lies beyond the antimeridian back; ±180° stay as they are.
func wrap(lon float64) float64 {
	if math.Abs(lon) <= math.Pi*(1+1e-12) {
		return lon
	}
	return math.Remainder(lon, 2*math.Pi)
}
