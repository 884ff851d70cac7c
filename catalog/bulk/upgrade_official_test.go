package bulk

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/cube/cubetest"
)

// migrated has pystac upgrade documents and compares. What it does not do is left out: it moves no bands, keeps eo and
// raster 1.1.0, makes proj:code of proj:epsg, and renames extensions whose fields did not change.
const migrated = `
import json, re, sys, warnings
from datetime import timezone
import pystac
from pystac.serialization.identify import identify_stac_object
from pystac.serialization.migrate import migrate_to_latest
from pystac.utils import str_to_datetime
warnings.simplefilter("ignore")

BANDS = ("eo:bands", "raster:bands", "bands")

def lifted(doc):
    fields = set()
    for band in (b for name in BANDS for b in doc.get(name, [])):
        for key in band:
            fields |= {key, "eo:" + key, "raster:" + key}
    return fields

def moments(value):
    """A value with its times as moments: times that lack their T or zone are mended here, and read as UTC there."""
    if isinstance(value, dict):
        return {k: moments(v) for k, v in value.items()}
    if isinstance(value, list):
        return [moments(v) for v in value]
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[ T]\d\d:", value):
        at = str_to_datetime(value)
        return at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    return value

def compare(place, theirs, ours, given):
    from_bands = lifted(given)
    for key in theirs.keys() | ours.keys():
        if key in BANDS + ("stac_extensions", "proj:code") or key.startswith("storage:"):
            continue
        at = place + "/" + key
        if key == "proj:epsg" and given.get(key, given.get("eo:epsg")) == ours.get(key):
            continue
        if key in ("assets", "item_assets", "properties", "summaries"):
            compare(at, theirs[key], ours[key], given.get(key, {}))
        elif place.endswith("assets"):
            compare(at, theirs[key], ours[key], given.get(key, {}))
        elif moments(theirs.get(key)) != moments(ours.get(key)) and not (key in from_bands and key not in theirs):
            bad.append(f"{at}: {theirs.get(key)!r:.80} {ours.get(key)!r:.80}")

bad = []
for given, ours in json.load(open(sys.argv[1])):
    try:
        info = identify_stac_object(given)
    except pystac.STACTypeError:  # it wants a type just where the version has one
        given["type"] = ours["type"]
        if ours["type"] != "Feature" and ("beta" in given["stac_version"] or given["stac_version"].startswith("0.")):
            del given["type"]
        info = identify_stac_object(given)
    compare(given["id"], migrate_to_latest(given, info), ours, given)
    assert pystac.read_dict(ours).id == given["id"]
print("\n".join(bad))
`

// TestUpgradeOfRealDocuments upgrades every published document of the real data that is older, and compares with pystac.
func TestUpgradeOfRealDocuments(t *testing.T) {
	pairs := [][2]json.RawMessage{}
	require.NoError(t, filepath.WalkDir(cubetest.Real(t, "stac"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		head := gjson.GetManyBytes(text, "type", "stac_version", "id")
		if v, ok := parseVersion(head[1].Str); !ok || !v.before(version{1, 1, 0, ""}) || head[2].Str == "" || head[0].Str == "FeatureCollection" || !json.Valid(text) {
			return nil
		}
		out, err := Upgrade(text)
		require.NoError(t, err, path)
		require.Equal(t, stacVersion, gjson.GetBytes(out, "stac_version").Str, path)
		again, err := Upgrade(out)
		require.NoError(t, err)
		require.Equal(t, string(out), string(again))
		for _, gone := range []string{`"eo:bands"`, `"raster:bands"`} {
			require.NotContains(t, string(out), gone, path)
		}
		pairs = append(pairs, [2]json.RawMessage{text, out})
		return nil
	}))
	require.Greater(t, len(pairs), 100)
	file := filepath.Join(t.TempDir(), "pairs.json")
	raw, err := json.Marshal(pairs)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	require.Empty(t, cubetest.Python(t, migrated, file))
}
