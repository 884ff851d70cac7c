package gdal

import (
	"github.com/airbusgeo/godal"
)

// wellKnown are systems that writers often spell out without their code and that GDAL does not name
// by itself; a WKT that equals one of them has its code.
var wellKnown = []int{4326, 3857, 3035, 6933, 4258, 4269}

// authorityCode finds the code of a CRS, such as "EPSG:32631", or "" if there is none.
func authorityCode(wkt string) string {
	if wkt == "" {
		return ""
	}
	quiet := godal.ErrLogger((&messages{}).logger())
	sr, err := godal.NewSpatialRefFromWKT(wkt, quiet)
	if err != nil {
		return ""
	}
	defer sr.Close()
	if code := code(sr); code != "" {
		return code
	}
	if sr.AutoIdentifyEPSG() == nil {
		if code := code(sr); code != "" {
			return code
		}
	}
	for _, n := range wellKnown {
		known, err := godal.NewSpatialRefFromEPSG(n, quiet)
		if err != nil {
			continue
		}
		same := sr.IsSame(known)
		name := code(known)
		known.Close()
		if same {
			return name
		}
	}
	return ""
}

func code(sr *godal.SpatialRef) string {
	name, number := sr.AuthorityName(""), sr.AuthorityCode("")
	if name == "" || number == "" {
		return ""
	}
	return name + ":" + number
}

// Code finds the code of a CRS that is spelt out, such as "EPSG:32631"; "" if there is none.
func Code(wkt string) string {
	start()
	return authorityCode(wkt)
}

// WKT spells out a CRS given by its code; "" if GDAL does not know it.
func WKT(crs string) string {
	start()
	quiet := godal.ErrLogger((&messages{}).logger())
	sr, err := godal.NewSpatialRef(crs, quiet)
	if err != nil {
		return ""
	}
	defer sr.Close()
	wkt, err := sr.WKT()
	if err != nil {
		return ""
	}
	return wkt
}
