package ingest

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/cubetest"
	"github.com/terrapin-eo/terrapin/fault"
)

var testFlags = flagNames{"cloud": 1, "cloud_shadow": 2, "snow": 4, "saturated": 8, "cirrus": 16, "water": 32}

func TestRulesOfMasks(t *testing.T) {
	for text, want := range map[string]map[uint64]uint16{
		// ESA's table: 0 no data … 11 snow or ice.
		"SCL=scl": {0: 0, 1: 8, 2: 0, 3: 2, 4: 0, 5: 0, 6: 32, 7: 0, 8: 1, 9: 1, 10: 1 | 16, 11: 4, 12: 0},
		// USGS's table of common values: 21824 clear, 21952 water, 22280 cloud, 23888 shadow, 30048 snow, 54596 cirrus.
		"QA=qa_pixel": {1: 0, 21824: 0, 21952: 32, 22280: 1, 23888: 2, 30048: 4, 54596: 16},
		// Collection 1's BQA: bit 4 cloud, bits 7-8 shadow and 9-10 snow with 3 for high.
		"B=bits:cloud=4,cloud_shadow=7-8:3,snow=9-10:3": {1: 0, 2720: 0, 2800: 1, 2976: 2, 3744: 4, 2752: 0},
		"B=bits:saturated=0-6":                          {0: 0, 1: 8, 64: 8, 128: 0, 127: 8},
		"B=classes:cloud=2+7,water=1":                   {0: 0, 1: 32, 2: 1, 7: 1, 3: 0},
	} {
		rules, none, err := parseRules([]string{text}, testFlags)
		require.NoError(t, err, text)
		require.False(t, none)
		require.Len(t, rules, 1)
		for _, size := range []int{2, 4} {
			r := rules[0]
			r.prepare(size)
			for value, flags := range want {
				require.Equal(t, flags, r.of(value), "%s: %d", text, value)
				if r.table != nil {
					require.Equal(t, flags, r.table[value], "%s: %d", text, value)
				}
			}
		}
	}
}

func TestRulesThatAreNone(t *testing.T) {
	for _, given := range [][]string{
		{"SCL"}, {"=scl"}, {"SCL="}, {"SCL=cloudy"}, {"SCL=bits:"}, {"SCL=bits:cloud"}, {"SCL=bits:fog=1"}, {"SCL=bits:cloud=32"},
		{"SCL=bits:cloud=3-1"}, {"SCL=bits:cloud=0-1:4"}, {"SCL=classes:cloud=x"}, {"SCL=classes:cloud=-1"}, {"none", "SCL=scl"},
	} {
		_, _, err := parseRules(given, testFlags)
		require.True(t, fault.Is(err, fault.Invalid), "%v: %v", given, err)
		require.NotEmpty(t, fault.CureOf(err))
	}
	_, _, err := parseRules([]string{"SCL=scl"}, nil)
	require.True(t, fault.Is(err, fault.Invalid))
	_, _, err = parseRules([]string{"SCL=scl"}, flagNames{"fog": 1})
	require.ErrorContains(t, err, "sets none of the cube's flags")
	_, none, err := parseRules([]string{"none"}, testFlags)
	require.NoError(t, err)
	require.True(t, none)
}

// A flag is what products call it, and a finer class is no coarser flag.
func TestNamesOfFlags(t *testing.T) {
	require.True(t, means("cloud", "cloud_high_probability"))
	require.True(t, means("cloud", "Cloud"))
	require.True(t, means("shadow", "cloud_shadows"))
	require.True(t, means("snow_ice", "snow"))
	require.True(t, means("thin_cirrus", "thin_cirrus"))
	require.False(t, means("thin_cirrus", "cloud_high_probability"))
	require.False(t, means("cirrus", "cloud"))
	require.False(t, means("cloud", "not_cloud"))
	require.False(t, means("cloud", "cloud_shadow"))
	require.True(t, means("fog", "fog"))
}

// Landsat's own items say which bits are clouds, shadows, snow and saturated; the rule made of them is the
// preset's.
func TestDeclaredClasses(t *testing.T) {
	it, err := readItem(cubetest.Real(t, "stac/landsat-items/landsat-c2-l2/LC08_L2SP_047027_20201204_02_T1/LC08_L2SP_047027_20201204_02_T1.json"))
	require.NoError(t, err)
	declared := testFlags.matched("qa_pixel", it.Assets["qa_pixel"].classes(0))
	preset := testFlags.matched("qa_pixel", qaPixel)
	require.Equal(t, testFlags.all()&^testFlags["saturated"], preset.sets())
	for v := range uint64(1 << 16) {
		require.Equal(t, preset.of(v), declared.of(v), "%d", v)
	}
	saturated := testFlags.matched("qa_radsat", it.Assets["qa_radsat"].classes(0))
	require.Equal(t, testFlags["saturated"], saturated.sets())
	require.Equal(t, testFlags["saturated"], saturated.of(1<<4))
	require.Zero(t, saturated.of(0))
	require.Empty(t, testFlags.matched("red", it.Assets["red"].classes(0)).tests)
}

// Whatever else stands where classes should be says nothing.
func TestClassesThatAreNone(t *testing.T) {
	for _, text := range []string{`"x"`, `[1]`, `[{"value": "a"}]`, `[{"value": -1, "name": "cloud"}]`, `[{"value": 0.5, "name": "cloud"}]`, `null`} {
		var a asset
		require.NoError(t, json.Unmarshal([]byte(`{"href": "x", "classification:classes": `+text+`, "bands": [{"name": "B1", "classification:bitfields": `+text+`}]}`), &a), text)
		require.Zero(t, testFlags.matched("x", a.classes(0)).sets(), text)
		require.Equal(t, []string{"B1"}, a.names())
	}
	denied := bitField{Name: "cloud", Offset: 1, Length: 1, Classes: []valueClass{{0, "cloud"}, {1, "not_cloud"}}}
	require.Equal(t, uint16(1), testFlags.matched("x", denied.classes()).of(0))
	require.Zero(t, testFlags.matched("x", denied.classes()).of(2))
}
