// Package crs moves coordinates between the reference systems that Terrapin's grids, footprints and
// labels use, in pure Go: geographic (EPSG:4326, OGC:CRS84 and their datum kin), the UTM families,
// Web Mercator (EPSG:3857), the global equal-area grid EPSG:6933 and Europe's EPSG:3035. Anything
// else is refused as unsupported, never approximated.
//
// Geographic coordinates are always x = longitude, y = latitude, in degrees, whatever the
// authority's axis order says. ETRS89, NAD83 and SIRGAS 2000 keep their own ellipsoid but are taken
// to coincide with WGS 84 as a datum, as PROJ's "ballpark" operation does: their true distance is
// below 2 m and is not modelled. The invariant: forward and inverse agree with PROJ to 0.1 mm and
// 1e-9 degrees inside a projection's area of use.
package crs

import (
	"math"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// Func maps one position. A position that the projection cannot represent, or that is not a finite
// number, is an error of kind fault.Invalid.
type Func func(x, y float64) (float64, float64, error)

// projection converts between longitude and latitude in radians and metres.
type projection interface {
	forward(lon, lat float64) (x, y float64, ok bool)
	inverse(x, y float64) (lon, lat float64, ok bool)
}

// Transform returns the map from one reference system to another. Codes are authority codes such as
// "EPSG:32631" or "OGC:CRS84".
func Transform(from, to string) (Func, error) {
	src, err := lookup(from)
	if err != nil {
		return nil, err
	}
	dst, err := lookup(to)
	if err != nil {
		return nil, err
	}
	if from == to || src == nil && dst == nil {
		return func(x, y float64) (float64, float64, error) { return x, y, finite(x, y, from) }, nil
	}
	return func(x, y float64) (float64, float64, error) {
		if err := finite(x, y, from); err != nil {
			return 0, 0, err
		}
		lon, lat, ok := x*radian, y*radian, true
		if src != nil {
			if lon, lat, ok = src.inverse(x, y); !ok {
				return 0, 0, outside(x, y, from)
			}
		}
		if math.Abs(lat) > math.Pi/2+1e-12 {
			return 0, 0, outside(x, y, from)
		}
		if dst == nil {
			return lon / radian, lat / radian, nil
		}
		u, v, ok := dst.forward(lon, lat)
		if !ok || math.IsNaN(u) || math.IsNaN(v) || math.IsInf(u, 0) || math.IsInf(v, 0) {
			return 0, 0, fault.New(fault.Invalid, "position (%g, %g) in %s cannot be expressed in %s", x, y, from, to).
				WithCure("keep to the area of use of %s", to)
		}
		return u, v, nil
	}, nil
}

// Geographic reports whether a code names a system in degrees of longitude and latitude.
func Geographic(code string) bool {
	switch strings.ToUpper(code) {
	case "EPSG:4326", "OGC:CRS84", "EPSG:4258", "EPSG:4269", "EPSG:4674":
		return true
	}
	return false
}

// Supported reports whether Transform knows a code.
func Supported(code string) bool {
	_, err := lookup(code)
	return err == nil
}

const radian = math.Pi / 180

var (
	wgs84 = newEllipsoid(6378137, 298.257223563)
	grs80 = newEllipsoid(6378137, 298.257222101)
)

// lookup returns a code's projection, or nil for a geographic system.
func lookup(code string) (projection, error) {
	if Geographic(code) {
		return nil, nil
	}
	upper := strings.ToUpper(code)
	if n, ok := strings.CutPrefix(upper, "EPSG:"); ok {
		if num, err := strconv.Atoi(n); err == nil {
			if p := byNumber(num); p != nil {
				return p, nil
			}
		}
	}
	return nil, fault.New(fault.Unsupported, "coordinates in %q cannot be transformed: this release knows "+
		"EPSG:4326 (and 4258, 4269, 4674), OGC:CRS84, 3857, 6933, 3035 and the UTM zones of WGS 84, ETRS89, NAD83 and SIRGAS 2000", code).
		WithCure("use one of those systems, for instance the UTM zone of your area: gdalwarp -t_srs EPSG:326NN")
}

func byNumber(n int) projection {
	switch {
	case n == 3857:
		return webMercator{radius: 6378137}
	case n == 6933:
		return newEqualArea(wgs84, 30*radian)
	case n == 3035:
		return newAzimuthal(grs80, 10*radian, 52*radian, 4321000, 3210000)
	}
	for _, f := range utmFamilies {
		if n >= f.first && n <= f.last {
			return newUTM(f.ellipsoid, n-f.first+f.zone, f.south)
		}
	}
	return nil
}

// utmFamilies lists the runs of EPSG codes that are UTM zones in order.
var utmFamilies = []struct {
	first, last, zone int
	south             bool
	ellipsoid         ellipsoid
}{
	{32601, 32660, 1, false, wgs84},
	{32701, 32760, 1, true, wgs84},
	{25828, 25838, 28, false, grs80}, // ETRS89
	{26901, 26923, 1, false, grs80},  // NAD83
	{31965, 31976, 11, false, grs80}, // SIRGAS 2000, north
	{31977, 31985, 17, true, grs80},  // SIRGAS 2000, south
}

func finite(x, y float64, code string) error {
	if math.IsNaN(x) || math.IsNaN(y) || math.IsInf(x, 0) || math.IsInf(y, 0) {
		return outside(x, y, code)
	}
	return nil
}

func outside(x, y float64, code string) error {
	return fault.New(fault.Invalid, "position (%g, %g) does not exist in %s", x, y, code).
		WithCure("check the order of the axes (x = east or longitude first) and the CRS")
}
