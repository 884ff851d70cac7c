package crs

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// GridMapping returns the attributes of the CF grid mapping of a reference system: its
// grid_mapping_name, the parameters of the projection and the figure of the Earth. Where the code is
// none that Transform knows, they come from the well-known text (WKT 1), if its projection has a
// name in CF and its unit is the metre; else there are none. Angles are in degrees, lengths in metres.
func GridMapping(code, wkt string) map[string]any {
	if Geographic(code) {
		el := grs80
		if c := strings.ToUpper(code); c == "EPSG:4326" || c == "OGC:CRS84" {
			el = wgs84
		}
		return el.describe(map[string]any{"grid_mapping_name": "latitude_longitude"})
	}
	p, err := lookup(code)
	if err != nil {
		return fromWKT(wkt)
	}
	switch p := p.(type) {
	case utm:
		return p.el.describe(map[string]any{
			"grid_mapping_name": "transverse_mercator", "latitude_of_projection_origin": 0.0,
			"longitude_of_central_meridian": degrees(p.lon0), "scale_factor_at_central_meridian": utmScale,
			"false_easting": float64(utmFalseEasting), "false_northing": p.falseNorthing,
		})
	case webMercator: // the sphere is what makes it so
		return map[string]any{
			"grid_mapping_name": "mercator", "standard_parallel": 0.0, "longitude_of_projection_origin": 0.0,
			"false_easting": 0.0, "false_northing": 0.0, "earth_radius": p.radius, "longitude_of_prime_meridian": 0.0,
		}
	case equalArea:
		return p.el.describe(map[string]any{
			"grid_mapping_name": "lambert_cylindrical_equal_area", "standard_parallel": 30.0, "longitude_of_central_meridian": 0.0,
			"false_easting": 0.0, "false_northing": 0.0,
		})
	case azimuthal:
		return p.el.describe(map[string]any{
			"grid_mapping_name": "lambert_azimuthal_equal_area", "latitude_of_projection_origin": 52.0, "longitude_of_projection_origin": degrees(p.lon0),
			"false_easting": p.falseEast, "false_northing": p.falseNorth,
		})
	}
	return nil
}

// degrees undoes the rounding of a conversion to radians.
func degrees(rad float64) float64 { return math.Round(rad/radian*1e9) / 1e9 }

// describe adds the figure of the Earth.
func (el ellipsoid) describe(attrs map[string]any) map[string]any {
	attrs["semi_major_axis"], attrs["inverse_flattening"], attrs["longitude_of_prime_meridian"] = el.a, el.rf, 0.0
	return attrs
}

// cfProjections gives, for each projection of WKT 1, its name in CF and those of its parameters.
// "standard_parallel" is a list where there are two.
var cfProjections = map[string]struct {
	name       string
	parameters map[string]string
}{
	"transverse_mercator": {"transverse_mercator", map[string]string{
		"latitude_of_origin": "latitude_of_projection_origin", "central_meridian": "longitude_of_central_meridian", "scale_factor": "scale_factor_at_central_meridian"}},
	"mercator_1sp": {"mercator", map[string]string{"central_meridian": "longitude_of_projection_origin", "scale_factor": "scale_factor_at_projection_origin"}},
	"mercator_2sp": {"mercator", map[string]string{"central_meridian": "longitude_of_projection_origin", "standard_parallel_1": "standard_parallel"}},
	"lambert_azimuthal_equal_area": {"lambert_azimuthal_equal_area", map[string]string{
		"latitude_of_center": "latitude_of_projection_origin", "longitude_of_center": "longitude_of_projection_origin"}},
	"lambert_conformal_conic_2sp": {"lambert_conformal_conic", map[string]string{"standard_parallel_1": "standard_parallel", "standard_parallel_2": "standard_parallel",
		"latitude_of_origin": "latitude_of_projection_origin", "central_meridian": "longitude_of_central_meridian"}},
	"albers_conic_equal_area": {"albers_conical_equal_area", map[string]string{"standard_parallel_1": "standard_parallel", "standard_parallel_2": "standard_parallel",
		"latitude_of_center": "latitude_of_projection_origin", "longitude_of_center": "longitude_of_central_meridian"}},
	"cylindrical_equal_area": {"lambert_cylindrical_equal_area", map[string]string{"standard_parallel_1": "standard_parallel", "central_meridian": "longitude_of_central_meridian"}},
	"polar_stereographic":    {"polar_stereographic", map[string]string{"latitude_of_origin": "standard_parallel", "central_meridian": "straight_vertical_longitude_from_pole"}},
	"sinusoidal":             {"sinusoidal", map[string]string{"longitude_of_center": "longitude_of_projection_origin"}},
}

var (
	wktProjection = regexp.MustCompile(`PROJECTION\["([^"]+)"`)
	wktParameter  = regexp.MustCompile(`PARAMETER\["([^"]+)",\s*([-+0-9.eE]+)`)
	wktSpheroid   = regexp.MustCompile(`SPHEROID\["[^"]*",\s*([-+0-9.eE]+),\s*([-+0-9.eE]+)`)
	wktUnit       = regexp.MustCompile(`UNIT\["[^"]*",\s*([-+0-9.eE]+)`)
	wktMeridian   = regexp.MustCompile(`PRIMEM\["[^"]*",\s*([-+0-9.eE]+)`)
)

func fromWKT(wkt string) map[string]any {
	name, figure, units := wktProjection.FindStringSubmatch(wkt), wktSpheroid.FindStringSubmatch(wkt), wktUnit.FindAllStringSubmatch(wkt, -1)
	if name == nil || figure == nil || len(units) == 0 || number(units[len(units)-1][1]) != 1 {
		return nil
	}
	p, ok := cfProjections[strings.ToLower(name[1])]
	if !ok {
		return nil
	}
	attrs := map[string]any{
		"grid_mapping_name": p.name, "semi_major_axis": number(figure[1]), "inverse_flattening": number(figure[2]), "longitude_of_prime_meridian": 0.0,
	}
	if m := wktMeridian.FindStringSubmatch(wkt); m != nil {
		attrs["longitude_of_prime_meridian"] = number(m[1])
	}
	var parallels []float64
	for _, m := range wktParameter.FindAllStringSubmatch(wkt, -1) {
		key, value := strings.ToLower(m[1]), number(m[2])
		switch cf := p.parameters[key]; {
		case key == "false_easting" || key == "false_northing":
			attrs[key] = value
		case cf == "standard_parallel":
			parallels = append(parallels, value)
		case cf != "":
			attrs[cf] = value
		}
	}
	switch len(parallels) {
	case 1:
		attrs["standard_parallel"] = parallels[0]
	case 2:
		attrs["standard_parallel"] = parallels
	}
	if p.name == "polar_stereographic" && len(parallels) == 1 {
		attrs["latitude_of_projection_origin"] = math.Copysign(90, parallels[0])
	}
	for _, v := range attrs {
		if f, ok := v.(float64); ok && math.IsNaN(f) || slices.ContainsFunc(parallels, math.IsNaN) {
			return nil
		}
	}
	return attrs
}

// number reads a number of a well-known text; what matches the patterns and is none counts as NaN.
func number(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return v
}
