package ingest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/cubetest"

	"github.com/terrapin-eo/terrapin/fault"
)

func TestPattern(t *testing.T) {
	for _, c := range []struct{ pattern, name, want string }{
		{"s2_%Y%m%d", "s2_20201101.tif", "2020-11-01T00:00:00Z"},
		{"%Y%m%d", "LC08_L1TP_014031_20180106_20180119_01_T1.TIF", "2018-01-06T00:00:00Z"},
		{"%Y%m%dT%H%M%S", "mask_20150711T100008.tif", "2015-07-11T10:00:08Z"},
		{"_%Y%m%dT%H%M%SZ_", "OPERA_L2_RTC-S1_T137-292320-IW2_20231203T015911Z_20231203T124004Z_S1A_30_v1.0_VH.tif", "2023-12-03T01:59:11Z"},
		{"%Y%m%d%H%M%S", "x20201101235959.tif", "2020-11-01T23:59:59Z"},
		{"%Y%m%d", "x20201101235959.tif", "2020-11-01T00:00:00Z"},
		{"LC8%j", "never.tif", ""},
		{"%Y%j", "LC80030172015001LGN00_B4.tiff", "2015-01-01T00:00:00Z"},
		{"%Y%j", "MOD_2020366.tif", "2020-12-31T00:00:00Z"},
		{"%Y%j", "MOD_2021366.tif", ""},
		{"%d%b%Y", "scene-09Mar2019.tif", "2019-03-09T00:00:00Z"},
		{"%d%b%y", "scene-09MAR69.tif", "1969-03-09T00:00:00Z"},
		{"%d%b%y", "scene-09mar68.tif", "2068-03-09T00:00:00Z"},
		{"%Y-%m-%dT%H.%M.%S.%f", "a_2020-01-02T03.04.05.5.tif", "2020-01-02T03:04:05.5Z"},
		{"%Y-%m-%dT%H.%M.%S.%f", "a_2020-01-02T03.04.05.000001x.tif", "2020-01-02T03:04:05.000001Z"},
		{"100%%_%Y", "x100%_2020.tif", "2020-01-01T00:00:00Z"},
		{"%Y%m", "x202013_202012.tif", "2020-12-01T00:00:00Z"},
		{"s2_%Y%m%d", "s2_20210229.tif", ""},
		{"s2_%Y%m%d", "s2_20211301.tif", ""},
		{"s2_%Y%m%d", "S2_20210101.tif", ""},
		{"%Y%m%dT%H%M%S", "20210101T240000.tif", ""},
		{"%Y%m%d", "00000101.tif", ""},
		{"[%Y]", "a[2020].tif", "2020-01-01T00:00:00Z"},
	} {
		p, err := parsePattern(c.pattern)
		if c.pattern == "LC8%j" {
			require.True(t, fault.Is(err, fault.Invalid))
			continue
		}
		require.NoError(t, err, c.pattern)
		got, err := p.find(c.name)
		if c.want == "" {
			require.Error(t, err, "%s in %s gave %v", c.pattern, c.name, got)
			require.NotEmpty(t, fault.CureOf(err))
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.want, got.Format(time.RFC3339Nano), "%s in %s", c.pattern, c.name)
	}
}

func TestPatternErrorNamesWhatFailed(t *testing.T) {
	p, err := parsePattern("s2_%Y%m%d")
	require.NoError(t, err)
	_, err = p.find("s2_20210229.tif")
	require.ErrorContains(t, err, `"s2_20210229"`)
	require.ErrorContains(t, err, "month 2 of 2021 has no day 29")
	require.True(t, fault.Is(err, fault.Invalid))
	_, err = p.find("l8.tif")
	require.ErrorContains(t, err, `"s2_%Y%m%d" is not found in the name "l8.tif"`)
	require.True(t, fault.Is(err, fault.NotFound))
}

func TestBadPatterns(t *testing.T) {
	for _, s := range []string{"%Q", "%", "%m", "%Y%y", "%Y%j%d", "%Y%d", "%Y%Y", "%Y%m%b", "abc"} {
		_, err := parsePattern(s)
		require.True(t, fault.Is(err, fault.Invalid), s)
		require.NotEmpty(t, fault.CureOf(err))
	}
}

// Whatever Python's strptime reads in full, the pattern reads alike.
func TestPatternEqualsPython(t *testing.T) {
	var cases []struct{ Pattern, Name, Want string }
	require.NoError(t, json.Unmarshal([]byte(cubetest.Python(t, `
import json, random
from datetime import datetime, timedelta
rng = random.Random(3)
out = []
for _ in range(500):
    at = datetime(1970, 1, 1) + timedelta(microseconds=rng.randrange(0, 95 * 365 * 86400 * 10**6))
    date = rng.choice(["%Y%m%d", "%Y-%m-%d", "%Y%j", "%d%b%Y", "%d.%m.%y", "%y%m%d"])
    clock = rng.choice(["", "T%H%M%S", "_%H-%M", " %H:%M:%S.%f"])
    pattern = "x" + date + clock
    name = at.strftime(pattern)
    out.append({"pattern": pattern, "name": name, "want": datetime.strptime(name, pattern).strftime("%Y-%m-%dT%H:%M:%S.%f")})
print(json.dumps(out))`)), &cases))
	require.Len(t, cases, 500)
	for _, c := range cases {
		p, err := parsePattern(c.Pattern)
		require.NoError(t, err)
		got, err := p.find("scene_" + c.Name + "_b.tif")
		require.NoError(t, err, "%+v", c)
		require.Equal(t, c.Want, got.Format("2006-01-02T15:04:05.000000"), "%+v", c)
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("s2_%Y%m%d", "s2_20201101.tif")
	f.Add("%Y%j%%%f", "2020366%1")
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := parsePattern(text)
		if err != nil {
			return
		}
		if at, err := p.find(name); err == nil && at.Location() != time.UTC {
			t.Fatal("not UTC")
		}
	})
}
