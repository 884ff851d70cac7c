package bulk

import (
	"bytes"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog/tree"
)

const extensions = "https://stac-extensions.github.io/"

// shortExtensions are the names that extensions had before 1.0.0, with what they are called since; "" is gone.
var shortExtensions = map[string]string{
	"eo": "eo/v1.0.0", "proj": "projection/v1.0.0", "projection": "projection/v1.0.0", "raster": "raster/v1.0.0",
	"view": "view/v1.0.0", "sat": "sat/v1.0.0", "sar": "sar/v1.0.0", "label": "label/v1.0.1", "file": "file/v1.0.0",
	"checksum": "file/v1.0.0", "version": "version/v1.0.0", "scientific": "scientific/v1.0.0", "timestamps": "timestamps/v1.0.0",
	"pointcloud": "pointcloud/v1.0.0", "datacube": "datacube/v1.0.0", "processing": "processing/v1.0.0",
	"item-assets": "item-assets/v1.0.0", "asset": "item-assets/v1.0.0",
	"commons": "", "collection-assets": "", "datetime-range": "", "dtr": "", "single-file-stac": "", "tiled-assets": "",
}

// ofItems are those that a collection only had for its items to inherit, which they no longer do.
var ofItems = map[string]bool{
	"eo": true, "file": true, "label": true, "pointcloud": true, "projection": true, "sar": true, "sat": true, "timestamps": true, "view": true,
}

// oldFields are the properties and asset fields that had other names before 1.0.0.
var oldFields = map[string]string{
	"dtr:start_datetime": "start_datetime", "dtr:end_datetime": "end_datetime",
	"eo:platform": "platform", "eo:constellation": "constellation", "eo:gsd": "gsd", "eo:epsg": "proj:epsg",
	"eo:off_nadir": "view:off_nadir", "eo:azimuth": "view:azimuth", "eo:incidence_angle": "view:incidence_angle",
	"eo:sun_azimuth": "view:sun_azimuth", "eo:sun_elevation": "view:sun_elevation",
	"label:property": "label:properties", "label:task": "label:tasks", "label:overview": "label:overviews", "label:method": "label:methods",
	"checksum:multihash": "file:checksum",
}

// upgradeOld brings a document of 0.8 to the last candidate of 1.0.0 to the fields of 1.0.0, and reads it again.
func upgradeOld(t *tree.Tree, kind string) error {
	if kind == "Collection" {
		upgradeOldCollection(t)
	}
	properties := part(t, tree.Root, "properties")
	bands, _ := parseList(string(t.Raw(t.Get(properties, "eo:bands"))))
	upgradeOldFields(t, properties)
	inAssets := false
	eachPart(t, "assets", nil, func(asset tree.Node) {
		upgradeOldFields(t, asset)
		inAssets = bandsByIndex(t, asset, bands) || inAssets
	})
	if inAssets { // they were listed for the assets to point at
		t.Drop(properties, "eo:bands")
	}
	upgradeOldExtensions(t, kind, t.Raw(t.Get(tree.Root, "properties")))
	return t.Again()
}

func upgradeOldExtensions(t *tree.Tree, kind string, properties []byte) {
	at := t.Get(tree.Root, "stac_extensions")
	list, ok := parseList(string(t.Raw(at)))
	if !ok {
		return
	}
	named := []string{}
	for _, raw := range list {
		uri := gjson.Parse(raw).String()
		now, short := shortExtensions[uri]
		switch {
		case !short:
			named = append(named, raw)
		case kind == "Collection" && ofItems[uri]:
		case now != "":
			named = append(named, quoted(extensions+now+"/schema.json"))
		}
	}
	for _, since := range []struct{ prefix, folder string }{{"view:", "view/"}, {"proj:", "projection/"}} {
		if bytes.Contains(properties, []byte(`"`+since.prefix)) && !strings.Contains(listOf(named), extensions+since.folder) {
			named = append(named, quoted(extensions+since.folder+"v1.0.0/schema.json"))
		}
	}
	t.SetValue(at, listOf(named))
}

func upgradeOldFields(t *tree.Tree, o tree.Node) {
	if o == tree.None {
		return
	}
	for from, to := range oldFields {
		t.Move(o, from, to)
	}
	if n := t.Get(o, "eo:instrument"); n != tree.None {
		t.SetValue(n, listOf([]string{string(t.Raw(n))}))
		t.Move(o, "eo:instrument", "instruments")
	}
}

// bandsByIndex puts the bands that an asset points at in the place of their indices.
func bandsByIndex(t *tree.Tree, asset tree.Node, bands []string) bool {
	n := t.Get(asset, "eo:bands")
	list, ok := parseList(string(t.Raw(n)))
	if !ok || len(bands) == 0 || len(list) == 0 {
		return false
	}
	for i, raw := range list {
		at := gjson.Parse(raw)
		if at.Type != gjson.Number || at.Num != float64(at.Int()) || at.Int() < 0 || at.Int() >= int64(len(bands)) {
			return false
		}
		list[i] = bands[at.Int()]
	}
	t.SetValue(n, listOf(list))
	return true
}

// upgradeOldCollection knows that item_assets were called assets while their extension was called asset.
func upgradeOldCollection(t *tree.Tree) {
	if bytes.Contains(t.Raw(t.Get(tree.Root, "stac_extensions")), []byte(`"asset"`)) {
		t.Move(tree.Root, "assets", "item_assets")
	}
	eachPart(t, "summaries", nil, func(s tree.Node) {
		if t.Get(s, "min") != tree.None && t.Get(s, "max") != tree.None {
			t.Move(s, "min", "minimum")
			t.Move(s, "max", "maximum")
		}
	})
}
