package bulk

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
)

func TestUpgradeOfFields(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"bands of both extensions, by their place": {
			`{"type":"Feature","stac_version":"1.0.0","stac_extensions":["https://stac-extensions.github.io/eo/v1.1.0/schema.json","https://stac-extensions.github.io/raster/v1.1.0/schema.json"],
			 "properties":{},"assets":{"a":{"href":"a.tif",
			  "eo:bands":[{"name":"r","common_name":"red","center_wavelength":0.66},{"name":"n","common_name":"nir"}],
			  "raster:bands":[{"data_type":"uint16","scale":1.0e-4,"nodata":0,"spatial_resolution":10},{"data_type":"uint16","scale":1.0e-4,"nodata":1}]}}}`,
			`{"type":"Feature","stac_version":"1.1.0","stac_extensions":["https://stac-extensions.github.io/eo/v2.0.0/schema.json","https://stac-extensions.github.io/raster/v2.0.0/schema.json"],
			 "properties":{},"assets":{"a":{"href":"a.tif",
			  "bands":[{"name":"r","eo:common_name":"red","eo:center_wavelength":0.66,"nodata":0,"raster:spatial_resolution":10},{"name":"n","eo:common_name":"nir","nodata":1}],
			  "data_type":"uint16","raster:scale":1.0e-4}}}`},
		"one band: its asset says all but the name": {
			`{"type":"Feature","stac_version":"1.0.0","properties":{},"assets":{"a":{"raster:bands":[{"data_type":"uint8","statistics":{"minimum":1}}],"href":"x","eo:bands":[{"name":"B1","common_name":"blue"}]}}}`,
			`{"type":"Feature","stac_version":"1.1.0","properties":{},"assets":{"a":{"href":"x","bands":[{"name":"B1"}],"eo:common_name":"blue","data_type":"uint8","statistics":{"minimum":1}}}}`},
		"one band without a name is the asset": {
			`{"type":"Feature","stac_version":"1.0.0","properties":{},"assets":{"a":{"href":"x","raster:bands":[{"data_type":"uint8"}]}}}`,
			`{"type":"Feature","stac_version":"1.1.0","properties":{},"assets":{"a":{"href":"x","data_type":"uint8"}}}`},
		"an asset that says otherwise keeps it, and so do its bands": {
			`{"type":"Feature","stac_version":"1.0.0","properties":{},"assets":{"a":{"href":"x","unit":"K","raster:bands":[{"unit":"m"}]}}}`,
			`{"type":"Feature","stac_version":"1.1.0","properties":{},"assets":{"a":{"href":"x","unit":"K","bands":[{"unit":"m"}]}}}`},
		"several bands without names stay several": {
			`{"type":"Feature","stac_version":"1.0.0","properties":{},"assets":{"a":{"href":"x","raster:bands":[{"data_type":"uint8"},{"data_type":"uint8"}]}}}`,
			`{"type":"Feature","stac_version":"1.1.0","properties":{},"assets":{"a":{"href":"x","bands":[{"data_type":"uint8"},{"data_type":"uint8"}]}}}`},
		"what is no list of bands stays": {
			`{"type":"Feature","stac_version":"1.0.0","properties":{"eo:bands":"none"},"assets":{"a":{"href":"x","eo:bands":[1],"raster:bands":[{"data_type":"uint8"}]},"b":7}}`,
			`{"type":"Feature","stac_version":"1.1.0","properties":{"eo:bands":"none"},"assets":{"a":{"href":"x","eo:bands":[1],"raster:bands":[{"data_type":"uint8"}]},"b":7}}`},
		"projections keep their version": {
			`{"type":"Feature","stac_version":"1.0.0","stac_extensions":["https://stac-extensions.github.io/projection/v1.0.0/schema.json"],
			 "properties":{"proj:epsg":32631,"b":123456789012345678901},"assets":{"a":{"href":"x","proj:epsg":null}}}`,
			`{"type":"Feature","stac_version":"1.1.0","stac_extensions":["https://stac-extensions.github.io/projection/v1.0.0/schema.json"],
			 "properties":{"proj:epsg":32631,"b":123456789012345678901},"assets":{"a":{"href":"x","proj:epsg":null}}}`},
		"a collection": {
			`{"id":"c","type":"Collection","stac_version":"1.0.0","license":"proprietary","stac_extensions":["https://stac-extensions.github.io/item-assets/v1.0.0/schema.json","https://example.com/x.json"],
			 "summaries":{"proj:epsg":[4326,32631],"eo:bands":[{"name":"B1","common_name":"red"}],"gsd":{"minimum":1,"maximum":2}},
			 "item_assets":{"B1":{"roles":["data"],"eo:bands":[{"name":"B1","common_name":"red"}]}},"links":[]}`,
			`{"id":"c","type":"Collection","stac_version":"1.1.0","license":"other","stac_extensions":["https://example.com/x.json"],
			 "summaries":{"proj:epsg":[4326,32631],"bands":[{"name":"B1","eo:common_name":"red"}],"gsd":{"minimum":1,"maximum":2}},
			 "item_assets":{"B1":{"roles":["data"],"bands":[{"name":"B1"}],"eo:common_name":"red"}},"links":[]}`},
		"0.8": {
			`{"type":"Feature","stac_version":"0.8.1","stac_extensions":["eo","dtr","label"],"properties":{"datetime":"2020-01-01T00:00:00Z","dtr:start_datetime":"2020-01-01T00:00:00Z",
			  "eo:platform":"p","eo:instrument":"i","eo:gsd":10,"eo:epsg":32631,"eo:sun_azimuth":12.5,"label:property":["x"],"eo:bands":[{"name":"a","common_name":"red"},{"name":"b"}]},
			  "assets":{"x":{"href":"x","eo:bands":[1,0]}}}`,
			`{"type":"Feature","stac_version":"1.1.0","stac_extensions":["https://stac-extensions.github.io/eo/v2.0.0/schema.json","https://stac-extensions.github.io/label/v1.0.1/schema.json",
			  "https://stac-extensions.github.io/view/v1.0.0/schema.json","https://stac-extensions.github.io/projection/v1.0.0/schema.json"],
			  "properties":{"datetime":"2020-01-01T00:00:00Z","start_datetime":"2020-01-01T00:00:00Z","platform":"p","instruments":["i"],"gsd":10,"proj:epsg":32631,"view:sun_azimuth":12.5,"label:properties":["x"]},
			  "assets":{"x":{"href":"x","bands":[{"name":"b"},{"name":"a","eo:common_name":"red"}]}}}`},
		"a collection of 0.9 without a type": {
			`{"id":"c","stac_version":"0.9.0","license":"MIT","description":"d","links":[],"stac_extensions":["asset","eo"],"extent":{},"assets":{"a":{"title":"A"}},"summaries":{"gsd":{"min":1,"max":2}}}`,
			`{"id":"c","stac_version":"1.1.0","license":"MIT","description":"d","links":[],"stac_extensions":[],"extent":{},"item_assets":{"a":{"title":"A"}},"summaries":{"gsd":{"minimum":1,"maximum":2}},"type":"Collection"}`},
		"times that lack their letters": {
			`{"type":"Feature","stac_version":"1.0.0","properties":{"datetime":"2016-10-08 19:25:32Z","start_datetime":"2025-11-13T01:18:44.291467","end_datetime":"2025-11-13 01:18:44+01:00",
			 "created":"2020-01-01 00:00:00 UTC","updated":"yesterday 00:00:00Z","other":"2016-10-08 19:25:32Z"}}`,
			`{"type":"Feature","stac_version":"1.1.0","properties":{"datetime":"2016-10-08T19:25:32Z","start_datetime":"2025-11-13T01:18:44.291467Z","end_datetime":"2025-11-13T01:18:44+01:00",
			 "created":"2020-01-01T00:00:00Z","updated":"yesterday 00:00:00Z","other":"2016-10-08 19:25:32Z"}}`},
		"times of an extent": {
			`{"type":"Collection","stac_version":"1.0.0","extent":{"temporal":{"interval":[["2015-06-23 00:00:00",null],["2015-06-23T00:00:00Z","2016-01-01"]]}}}`,
			`{"type":"Collection","stac_version":"1.1.0","extent":{"temporal":{"interval":[["2015-06-23T00:00:00Z",null],["2015-06-23T00:00:00Z","2016-01-01"]]}}}`},
		"without a version": {
			`{"type":"Feature","properties":{"license":"various"}}`, `{"type":"Feature","properties":{"license":"other"},"stac_version":"1.1.0"}`},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := Upgrade([]byte(c.in))
			require.NoError(t, err)
			require.JSONEq(t, c.want, string(out))
			again, err := Upgrade(out)
			require.NoError(t, err)
			require.Equal(t, string(out), string(again))
		})
	}
}

func TestUpgradeLeavesAndRefuses(t *testing.T) {
	for _, same := range []string{
		`{"type": "Feature", "stac_version": "1.1.0", "assets": {"a": {"eo:bands": [{"name": "x"}]}}}`,
		`{"type":"Collection","stac_version":"1.2.0","license":"proprietary"}`,
		`{"type":"FeatureCollection","features":[]}`, `[1]`, `{"a":1}`,
	} {
		out, err := Upgrade([]byte(same))
		require.NoError(t, err, same)
		require.Equal(t, same, string(out))
	}
	for in, kind := range map[string]fault.Kind{
		`{"type":"Feature",`: fault.Invalid, ``: fault.Invalid,
		`{"type":"Feature","stac_version":"0.7.0"}`: fault.Unsupported, `{"type":"Feature","stac_version":"latest"}`: fault.Unsupported,
		`{"type":"Feature","stac_version":1}`: fault.Unsupported,
	} {
		_, err := Upgrade([]byte(in))
		require.Error(t, err, in)
		require.Equal(t, kind, fault.KindOf(err), in)
		require.NotEmpty(t, fault.CureOf(err), in)
	}
}

func TestVersionsAreInOrder(t *testing.T) {
	order := []string{"0.8.0-rc1", "0.8.1", "0.9.0", "1.0.0-beta.1", "1.0.0-beta.2", "1.0.0-rc.1", "1.0.0-rc.4", "1.0.0", "1.0.1", "1.1.0-beta.1", "1.1.0", "1.2.0", "1.10.0"}
	for i, a := range order {
		for j, b := range order {
			va, ok := parseVersion(a)
			require.True(t, ok, a)
			vb, _ := parseVersion(b)
			require.Equal(t, i < j, va.before(vb), "%s < %s", a, b)
		}
	}
	for _, no := range []string{"", "1", "1.0", "1.0.0.0", "1.0.x", "-1.0.0", "1.0.0-", "v1.0.0"} {
		_, ok := parseVersion(no)
		require.False(t, ok, no)
	}
}

// FuzzUpgrade: whatever comes in, an upgraded document is valid JSON and is not changed by another call.
func FuzzUpgrade(f *testing.F) {
	f.Add(`{"type":"Feature","stac_version":"1.0.0","properties":{"proj:epsg":1},"assets":{"a":{"eo:bands":[{"name":"x"},{}],"raster:bands":[{"scale":1}]}}}`)
	f.Add(`{"type":"Collection","stac_version":"0.9.0","stac_extensions":["asset","eo",7],"assets":{"a":{}},"summaries":{"eo:bands":[{"a":1}]}}`)
	f.Add(`{"type":"Feature","stac_version":"0.8.0","properties":{"eo:bands":[{}],"eo:instrument":"x"},"assets":{"a":{"eo:bands":[0]}}}`)
	f.Add(`{"type":"Feature","type":"Feature","stac_version":"1.0.0","assets":{"":{"bands":[{}],"eo:bands":[{"\u0000":1}]}}}`)
	f.Fuzz(func(t *testing.T, in string) {
		out, err := Upgrade([]byte(in))
		if err != nil || !json.Valid([]byte(in)) {
			return
		}
		require.True(t, json.Valid(out), "%s", out)
		again, err := Upgrade(out)
		require.NoError(t, err)
		require.Equal(t, string(out), string(again))
	})
}
