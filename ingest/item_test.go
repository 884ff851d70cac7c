package ingest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/cubetest"
)

type object = map[string]any

// stacItem is a STAC item of two one-band assets, as its caller spoils or extends it.
func stacItem(edit func(item, properties, assets object)) object {
	properties := object{"datetime": "2020-11-01T10:56:21.024Z"}
	assets := object{
		"red":       object{"href": "./x_red.tif", "type": "image/tiff; application=geotiff"},
		"nir":       object{"href": "x_nir.tif", "type": "image/tiff"},
		"thumbnail": object{"href": "https://127.0.0.1:1/t.jpg", "type": "image/jpeg"},
	}
	it := object{"type": "Feature", "stac_version": "1.1.0", "id": "S2A_X", "geometry": nil, "links": []any{}, "properties": properties, "assets": assets}
	if edit != nil {
		edit(it, properties, assets)
	}
	return it
}

// writeItem writes an item with its two assets and returns its path.
func writeItem(t *testing.T, doc object) string {
	t.Helper()
	dir := t.TempDir()
	raster{bands: []string{""}}.write(t, filepath.Join(dir, "x_red.tif"))
	raster{bands: []string{""}, value: func(_, row, col int) float64 { return float64(row * col) }}.write(t, filepath.Join(dir, "x_nir.tif"))
	raster{bands: []string{"nir", "red"}}.write(t, filepath.Join(dir, "all.tif"))
	data, err := json.Marshal(doc)
	require.NoError(t, err)
	path := filepath.Join(dir, "item.json")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func TestItem(t *testing.T) {
	path := writeItem(t, stacItem(func(_, p, assets object) {
		p["s2:generation_time"] = "2020-11-01T13:15:17Z"
		p["s2:processing_baseline"] = "04.00"
		p["eo:cloud_cover"] = 12.5
		p["platform"] = "sentinel-2a"
		for _, key := range []string{"red", "nir"} {
			assets[key].(object)["raster:bands"] = []any{object{"scale": 0.0001, "offset": -0.1}}
		}
	}))
	c, _ := newCube(t, smallSpec())
	rep := ingest(t, c, Request{Sources: []string{path}})
	require.Equal(t, []Accepted{{Source: path, Item: "S2A_X", Datetime: "2020-11-01T10:56:21.024Z"}}, rep.Accepted)
	s := axisOf(t, c)[0]
	require.Equal(t, "S2A_X", s.Source)
	require.Equal(t, "generated", s.AvailableFrom)
	require.Equal(t, "2020-11-01T13:15:17Z", stamp(s.Available))
	require.Equal(t, cube.Contract{Scale: 0.0001, Offset: -0.1, Baseline: "04.00"}, s.Contract)
	require.Equal(t, map[string]any{"eo:cloud_cover": 12.5, "platform": "sentinel-2a"}, s.Properties)
	require.Len(t, ingest(t, c, Request{Sources: []string{filepath.Dir(path)}, DatetimePattern: "%Y"}).Rejected, 1,
		"the folder's item stands for its assets; only all.tif has no time")
}

// The ways in which an item says where its bands are, and when it was taken, give the same pixels.
func TestItemForms(t *testing.T) {
	for name, c := range map[string]struct {
		edit     func(it, p, a object)
		datetime string
		from     string
	}{
		"asset keys": {nil, "2020-11-01T10:56:21.024Z", "latency"},
		"published": {func(_, p, _ object) {
			p["published"] = "2020-11-02T00:00:00Z"
			p["s2:generation_time"] = "2020-11-01T13:15:17Z"
			p["created"] = "2024-01-01T00:00:00Z"
		}, "2020-11-01T10:56:21.024Z", "published"},
		"created is not availability": {func(_, p, _ object) { p["created"] = "2024-01-01T00:00:00Z" }, "2020-11-01T10:56:21.024Z", "latency"},
		"start_datetime": {func(_, p, _ object) {
			p["datetime"] = nil
			p["start_datetime"] = "2020-11-01T00:00:00+01:00"
		}, "2020-10-31T23:00:00Z", "latency"},
		"bands of 1.1": {func(_, _, a object) {
			a["one"], a["two"] = a["red"], a["nir"]
			delete(a, "red")
			delete(a, "nir")
			a["one"].(object)["bands"] = []any{object{"name": "red"}}
			a["two"].(object)["bands"] = []any{object{"name": "nir"}}
		}, "2020-11-01T10:56:21.024Z", "latency"},
		"eo:bands": {func(_, _, a object) {
			a["one"], a["two"] = a["red"], a["nir"]
			delete(a, "red")
			delete(a, "nir")
			a["one"].(object)["eo:bands"] = []any{object{"name": "red"}}
			a["two"].(object)["eo:bands"] = []any{object{"name": "nir"}}
		}, "2020-11-01T10:56:21.024Z", "latency"},
		"one asset": {func(_, _, a object) {
			delete(a, "red")
			delete(a, "nir")
			a["data"] = object{"href": "all.tif", "bands": []any{object{"name": "nir"}, object{"name": "red"}}}
		}, "2020-11-01T10:56:21.024Z", "latency"},
		"names in the file": {func(_, _, a object) {
			delete(a, "red")
			delete(a, "nir")
			a["data"] = object{"href": "all.tif"}
		}, "2020-11-01T10:56:21.024Z", "latency"},
	} {
		t.Run(name, func(t *testing.T) {
			cb, dir := newCube(t, smallSpec())
			path := writeItem(t, stacItem(c.edit))
			rep := ingest(t, cb, Request{Sources: []string{path}})
			require.Len(t, rep.Accepted, 1, "%+v", rep.Rejected)
			require.Equal(t, c.datetime, rep.Accepted[0].Datetime)
			require.Equal(t, c.from, axisOf(t, cb)[0].AvailableFrom)
			want := filepath.Join(filepath.Dir(path), "all.tif")
			if name != "one asset" && name != "names in the file" {
				want = filepath.Join(t.TempDir(), "want.tif")
				raster{value: func(b, row, col int) float64 {
					if b == 0 {
						return float64((row*3 + col) % 100)
					}
					return float64(row * col)
				}}.write(t, want)
			}
			equalsSources(t, dir, map[string]string{"S2A_X": want})
		})
	}
}

func TestItemRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		edit   func(it, p, a object)
		reason string
	}{
		"remote":    {func(_, _, a object) { a["red"].(object)["href"] = "https://127.0.0.1:1/x.tif" }, "only files below the item's own folder"},
		"absolute":  {func(_, _, a object) { a["red"].(object)["href"] = "/etc/passwd" }, "only files below the item's own folder"},
		"parent":    {func(_, _, a object) { a["red"].(object)["href"] = "../x_red.tif" }, "only files below the item's own folder"},
		"missing":   {func(_, _, a object) { a["red"].(object)["href"] = "absent.tif" }, "does not exist"},
		"no band":   {func(_, _, a object) { delete(a, "red") }, `holds the band "red"`},
		"null":      {func(_, _, a object) { a["red"] = nil }, `holds the band "red"`},
		"no time":   {func(_, p, _ object) { p["datetime"] = nil }, "neither datetime nor start_datetime"},
		"bad time":  {func(_, p, _ object) { p["datetime"] = "yesterday" }, `"datetime" is yesterday`},
		"number":    {func(_, p, _ object) { p["datetime"] = 5 }, `"datetime" is 5`},
		"too early": {func(_, p, _ object) { p["published"] = "2019-01-01T00:00:00Z" }, "before it was acquired"},
		"no assets": {func(it, _, _ object) { delete(it, "assets") }, "no assets"},
		"no id":     {func(it, _, _ object) { delete(it, "id") }, "without an id"},
		"not stac":  {func(it, _, _ object) { delete(it, "stac_version") }, "no STAC item"},
		"count":     {func(_, _, a object) { a["red"].(object)["href"] = "all.tif" }, "its file has 2"},
		"contracts": {func(_, _, a object) {
			a["red"].(object)["raster:bands"] = []any{object{"scale": 0.0001}}
		}, "a slice has one for all its bands"},
	} {
		t.Run(name, func(t *testing.T) {
			cb, _ := newCube(t, smallSpec())
			path := writeItem(t, stacItem(c.edit))
			rep := ingest(t, cb, Request{Sources: []string{path}})
			require.Len(t, rep.Rejected, 1)
			require.Equal(t, path, rep.Rejected[0].Source)
			require.Contains(t, rep.Rejected[0].Reason, c.reason)
			require.Empty(t, axisOf(t, cb))
		})
	}
}

// The real items of the shared data point to the cloud; each is refused by name, none crashes.
func TestRealItemsAreRead(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(cubetest.Real(t, "stac/sentinel2-items"), "*.json"))
	require.NoError(t, err)
	more, err := filepath.Glob(filepath.Join(cubetest.Real(t, "stac/landsat-items"), "*.json"))
	require.NoError(t, err)
	files = append(files, more...)
	require.NotEmpty(t, files)
	c, _ := newCube(t, smallSpec())
	rep := ingest(t, c, Request{Sources: files})
	require.Len(t, rep.Rejected, len(files))
}

func TestFilesOfASource(t *testing.T) {
	path := writeItem(t, stacItem(nil))
	dir := filepath.Dir(path)
	files, err := Files(path)
	require.NoError(t, err)
	require.Equal(t, []string{path, filepath.Join(dir, "x_nir.tif"), filepath.Join(dir, "x_red.tif")}, files)
	files, err = Files(dir)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{path, filepath.Join(dir, "x_nir.tif"), filepath.Join(dir, "x_red.tif"), filepath.Join(dir, "all.tif")}, files)
}

// A damaged item of a folder is named, like any other bad scene; JSON of another kind is none of its scenes.
func TestFolderNamesItsDamagedItems(t *testing.T) {
	good := writeItem(t, stacItem(nil))
	dir := filepath.Dir(good)
	whole, err := os.ReadFile(good)
	require.NoError(t, err)
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("cut.json", string(whole[:len(whole)/2]))
	write("empty.json", "")
	write("nameless.json", `{"type": "Feature", "stac_version": "1.0.0", "assets": {}}`)
	require.NoError(t, os.Symlink(filepath.Join(dir, "absent"), filepath.Join(dir, "dangling.json")))
	write("legend.json", `{"1": "forest"}`)
	write("list.json", `[1]`)
	write("collection.json", `{"type": "Collection", "stac_version": "1.0.0", "assets": {}}`)
	write("fields.geojson", `{"type": "FeatureCollection", "features": []}`)
	write("field.geojson", `{"type": "Feature", "geometry": null, "properties": {}}`)
	c, _ := newCube(t, smallSpec())
	rep := ingest(t, c, Request{Sources: []string{dir}, DatetimePattern: "%Y"})
	require.Len(t, rep.Accepted, 1)
	var named []string
	for _, r := range rep.Rejected {
		if filepath.Ext(r.Source) == ".json" {
			named = append(named, filepath.Base(r.Source))
			require.NotEmpty(t, r.Cure, r.Reason)
		}
	}
	remote := ingest(t, c, Request{Sources: []string{"https://127.0.0.1:1/item.json"}}).Rejected[0]
	require.Contains(t, remote.Reason, "is a URL")
	require.Contains(t, remote.Cure, "download")
	require.ElementsMatch(t, []string{"cut.json", "empty.json", "nameless.json", "dangling.json"}, named)
}
