package bulk

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/fault"
)

// stacVersion is the version that documents are brought to.
const stacVersion = "1.1.0"

// The versions of extensions whose fields Upgrade moves.
const (
	eoSchema     = "https://stac-extensions.github.io/eo/v2.0.0/schema.json"
	rasterSchema = "https://stac-extensions.github.io/raster/v2.0.0/schema.json"
)

// Upgrade brings an item, collection or catalog of STAC 0.8 to 1.1.0-beta.1 to 1.1.0: eo:bands and raster:bands
// become bands, with what all bands have in common at their asset; licences that have other names get them; item_assets
// needs no extension. What 1.1.0 asks nothing of stays as it is, in its place, numbers with their digits: so does
// proj:epsg, which people filter by and older readers look for, with the version of its extension that has it. A document of 1.1.0 or later comes back unchanged, and so does one that is no STAC
// document; an upgraded one is not changed by another call. It refuses what is no JSON and versions before 0.8.
func Upgrade(doc json.RawMessage) (json.RawMessage, error) {
	if current(doc) {
		return doc, nil
	}
	if TooDeep(doc, maxNesting) {
		return nil, errDeep
	}
	if !gjson.ValidBytes(doc) {
		return nil, fault.New(fault.Invalid, "it is no JSON document").WithCure("send one STAC item or collection as JSON")
	}
	whole, ok := parseObject(string(doc))
	if !ok {
		return doc, nil
	}
	changed, err := upgrade(&whole)
	if err != nil || !changed {
		return doc, err
	}
	return whole.json(), nil
}

// current reports whether a document says that it is of 1.1.0 or later.
func current(doc []byte) bool {
	v, known := parseVersion(gjson.GetBytes(doc, "stac_version").Str)
	return known && !v.before(version{1, 1, 0, ""})
}

// upgrade is Upgrade of a document that was read, and reports whether there was something to do.
func upgrade(whole *object) (bool, error) {
	given := whole.get("stac_version")
	v, known := parseVersion(gjson.Parse(given).Str)
	if known && !v.before(version{1, 1, 0, ""}) {
		return false, nil
	}
	if given != "" && !known || known && v.before(version{0, 8, 0, ""}) {
		return false, fault.New(fault.Unsupported, "stac_version %s is none that can be upgraded to %s", given, stacVersion).
			WithCure("bring it to 0.8 or later first; the version is three numbers such as %s", stacVersion)
	}
	kind := whole.text("type")
	if kind == "" && known && whole.has("description") && whole.has("links") { // only items had a type before 1.0.0
		if kind = "Catalog"; whole.has("extent") {
			kind = "Collection"
		}
		whole.set("type", quoted(kind))
	}
	if kind != "Feature" && kind != "Collection" && kind != "Catalog" {
		return false, nil
	}
	if known && v.before(version{1, 0, 0, ""}) {
		upgradeOld(whole, kind)
	}
	upgradeLicenses(whole)
	upgradeBandsEverywhere(whole)
	upgradeExtensions(whole)
	whole.set("stac_version", quoted(stacVersion))
	return true, nil
}

// upgradeLicenses renames the licences that are no SPDX expressions.
func upgradeLicenses(whole *object) {
	rename := func(o *object) {
		if l := o.text("license"); l == "various" || l == "proprietary" {
			o.set("license", quoted("other"))
		}
	}
	rename(whole)
	whole.object("properties", rename, `"license"`)
}

// movedFields are those that upgradeBandsEverywhere looks for.
var movedFields = []string{`"eo:bands"`, `"raster:bands"`}

// upgradeBandsEverywhere moves bands wherever they may stand.
func upgradeBandsEverywhere(whole *object) {
	for _, part := range []string{"properties", "summaries"} {
		whole.object(part, func(o *object) { upgradeBands(o, false) }, movedFields...)
	}
	for _, part := range []string{"assets", "item_assets"} {
		whole.each(part, func(o *object) { upgradeBands(o, true) }, movedFields...)
	}
	if whole.text("type") == "Collection" {
		upgradeBands(whole, false)
	}
}

// movedExtensions are those whose fields Upgrade moves: the beginnings of the names of older versions, the
// version that has the fields now, and how those begin.
var movedExtensions = []struct{ from, to, prefix string }{
	{"https://stac-extensions.github.io/eo/v", eoSchema, "eo:"},
	{"https://stac-extensions.github.io/raster/v", rasterSchema, "raster:"},
	{"https://stac-extensions.github.io/item-assets/v", "", ""},
}

// upgradeExtensions names the versions that have the document's fields now. One none of whose fields is left
// goes, as its schema asks for one.
func upgradeExtensions(whole *object) {
	list, ok := parseList(whole.get("stac_extensions"))
	if !ok {
		return
	}
	out := []string{}
	for _, raw := range list {
		uri := gjson.Parse(raw).String()
		for _, e := range movedExtensions {
			if !strings.HasPrefix(uri, e.from) {
				continue
			}
			if uri = e.to; !slices.ContainsFunc(*whole, func(m member) bool { return m.name != "stac_extensions" && strings.Contains(m.value, `"`+e.prefix) }) {
				uri = ""
			}
		}
		if named := quoted(uri); uri != "" && !slices.Contains(out, named) {
			out = append(out, named)
		}
	}
	whole.set("stac_extensions", listOf(out))
}
