package crs_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/terrapin-eo/terrapin/cube/crs"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
)

// PROJ, told nothing but the CF attributes, puts positions where the code does; also where the attributes
// come from a well-known text of a system that this package cannot transform itself.
func TestGridMappingIsWhatPROJUnderstands(t *testing.T) {
	codes := []string{
		"EPSG:32631", "EPSG:32733", "EPSG:25832", "EPSG:26910", "EPSG:31983", "EPSG:3857", "EPSG:6933", "EPSG:3035",
		"EPSG:4326", "EPSG:4258", "OGC:CRS84",
	}
	own := map[string]any{}
	for _, code := range codes {
		own[code] = crs.GridMapping(code, "")
	}
	text, err := json.Marshal(own)
	require.NoError(t, err)
	cubetest.Python(t, `
import sys, json
from pyproj import CRS, Transformer
for code, attrs in json.loads(sys.argv[1]).items():
    want, got = CRS.from_user_input(code), CRS.from_cf(attrs)
    area = want.area_of_use
    for fx in (0.2, 0.5, 0.8):
        for fy in (0.2, 0.5, 0.8):
            lon, lat = area.west + fx * (area.east - area.west), area.south + fy * (area.north - area.south)
            p, q = (Transformer.from_crs(c.geodetic_crs, c, always_xy=True).transform(lon, lat) for c in (want, got))
            assert abs(p[0] - q[0]) < 1e-6 and abs(p[1] - q[1]) < 1e-6, (code, p, q)
`, string(text))

	wkts := cubetest.Python(t, `
import json
from pyproj import CRS
from pyproj.enums import WktVersion
print(json.dumps({c: CRS.from_user_input(c).to_wkt(WktVersion.WKT1_GDAL) for c in (
    "EPSG:2154", "EPSG:5070", "EPSG:3031", "EPSG:3413", "EPSG:3410", "EPSG:2056", "EPSG:32661", "EPSG:2193", "EPSG:3395", "ESRI:54008")}))
`)
	var texts map[string]string
	require.NoError(t, json.Unmarshal([]byte(wkts), &texts))
	derived := map[string]any{}
	for code, wkt := range texts {
		derived[code] = crs.GridMapping(code, wkt)
	}
	assert.Empty(t, derived["EPSG:2056"], "an oblique Mercator has no name in CF")
	delete(derived, "EPSG:2056")
	delete(derived, "EPSG:32661") // a scale at the pole
	text, err = json.Marshal(derived)
	require.NoError(t, err)
	cubetest.Python(t, `
import sys, json
from pyproj import CRS, Transformer
for code, attrs in json.loads(sys.argv[1]).items():
    want, got = CRS.from_user_input(code), CRS.from_cf(attrs)
    area = want.area_of_use
    for fx in (0.2, 0.5, 0.8):
        lon, lat = area.west + fx * (area.east - area.west), area.south + fx * (area.north - area.south)
        p, q = (Transformer.from_crs(c.geodetic_crs, c, always_xy=True).transform(lon, lat) for c in (want, got))
        assert abs(p[0] - q[0]) < 1e-3 and abs(p[1] - q[1]) < 1e-3, (code, p, q, attrs)
`, string(text))
	assert.Empty(t, crs.GridMapping("EPSG:2263", `PROJCS["x",GEOGCS["y",DATUM["z",SPHEROID["s",6378137,298.25]],UNIT["degree",0.017]],PROJECTION["Transverse_Mercator"],UNIT["US survey foot",0.3048006096]]`))
	assert.Empty(t, crs.GridMapping("EPSG:0", "nonsense"))
}
