package bulk

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog/tree"
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
	if v, known := parseVersion(gjson.GetBytes(doc, "stac_version").Str); known && !v.before(version{1, 1, 0, ""}) {
		return doc, nil
	}
	t := &tree.Tree{}
	if err := t.Read(doc, maxNesting); err != nil {
		return nil, unread(err)
	}
	if t.Kind(tree.Root) != tree.Object {
		return doc, nil
	}
	changed, err := upgrade(t)
	if err != nil || !changed {
		return doc, err
	}
	return t.Append(make([]byte, 0, t.Size()), tree.Root), nil
}

// unread is why a document could not be read.
func unread(err error) error {
	if errors.Is(err, tree.ErrDeep) {
		return errDeep
	}
	return fault.New(fault.Invalid, "%w", err).WithCure("write one STAC item or collection as JSON")
}

// upgrade is Upgrade of a document that was read, and reports whether there was something to do.
func upgrade(t *tree.Tree) (bool, error) {
	given := t.Get(tree.Root, "stac_version")
	v, known := parseVersion(string(t.Text(given)))
	if known && !v.before(version{1, 1, 0, ""}) {
		return false, nil
	}
	if given != tree.None && !known || known && v.before(version{0, 8, 0, ""}) {
		return false, fault.New(fault.Unsupported, "stac_version %s is none that can be upgraded to %s", t.Raw(given), stacVersion).
			WithCure("bring it to 0.8 or later first; the version is three numbers such as %s", stacVersion)
	}
	has := func(name string) bool { return t.Get(tree.Root, name) != tree.None }
	kind := string(t.Text(t.Get(tree.Root, "type")))
	if kind == "" && known && has("description") && has("links") { // only items had a type before 1.0.0
		if kind = "Catalog"; has("extent") {
			kind = "Collection"
		}
		t.SetText(t.Member(tree.Root, "type"), kind)
	}
	if kind != "Feature" && kind != "Collection" && kind != "Catalog" {
		return false, nil
	}
	if known && v.before(version{1, 0, 0, ""}) {
		if err := upgradeOld(t, kind); err != nil {
			return false, err
		}
	}
	upgradeLicenses(t)
	upgradeBandsEverywhere(t, kind)
	upgradeExtensions(t)
	mendTimes(t)
	t.SetText(t.Member(tree.Root, "stac_version"), stacVersion)
	return true, nil
}

// part is a member that is an object, or None. Where one of the words stands in its text, or there are none, it is written
// without its spaces, whatever changes in it.
func part(t *tree.Tree, in tree.Node, name string, words ...string) tree.Node {
	n := t.Get(in, name)
	return opened(t, n, words)
}

func opened(t *tree.Tree, n tree.Node, words []string) tree.Node {
	if t.Kind(n) != tree.Object {
		return tree.None
	}
	if t.Spaced() && containsAny(t.Raw(n), words) {
		t.Touch(n)
	}
	return n
}

// eachPart visits the members of a member, such as assets, that are objects.
func eachPart(t *tree.Tree, name string, words []string, visit func(tree.Node)) {
	for n := t.First(part(t, tree.Root, name, words...)); n != tree.None; n = t.Next(n) {
		if one := opened(t, n, words); one != tree.None {
			visit(one)
		}
	}
}

// containsAny reports whether one of the words stands in a text; where there are no words, none needs to.
func containsAny(text []byte, words []string) bool {
	return len(words) == 0 || slices.ContainsFunc(words, func(w string) bool { return bytes.Contains(text, []byte(w)) })
}

// upgradeLicenses renames the licences that are no SPDX expressions.
func upgradeLicenses(t *tree.Tree) {
	for _, in := range []tree.Node{tree.Root, part(t, tree.Root, "properties", `"license"`)} {
		n := t.Get(in, "license")
		if l := string(t.Text(n)); l == "various" || l == "proprietary" {
			t.SetText(n, "other")
		}
	}
}

// movedFields are those that upgradeBandsEverywhere looks for.
var movedFields = []string{`"eo:bands"`, `"raster:bands"`}

// upgradeBandsEverywhere moves bands wherever they may stand.
func upgradeBandsEverywhere(t *tree.Tree, kind string) {
	for _, name := range []string{"properties", "summaries"} {
		upgradeBands(t, part(t, tree.Root, name, movedFields...), false)
	}
	for _, name := range []string{"assets", "item_assets"} {
		eachPart(t, name, movedFields, func(asset tree.Node) { upgradeBands(t, asset, true) })
	}
	if kind == "Collection" {
		upgradeBands(t, tree.Root, false)
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
func upgradeExtensions(t *tree.Tree) {
	list := t.Get(tree.Root, "stac_extensions")
	if t.Kind(list) != tree.List {
		return
	}
	var out []tree.Node
	seen := map[string]bool{}
	for n := t.First(list); n != tree.None; n = t.Next(n) {
		uri := string(t.Text(n))
		if t.Kind(n) != tree.String {
			uri = gjson.ParseBytes(t.Raw(n)).String()
		}
		for _, e := range movedExtensions {
			if !strings.HasPrefix(uri, e.from) {
				continue
			}
			if uri = e.to; e.to != "" && !hasFields(t, []byte(`"`+e.prefix)) {
				uri = ""
			}
		}
		if uri == "" || seen[uri] {
			continue
		}
		seen[uri] = true
		t.SetText(n, uri)
		out = append(out, n)
	}
	t.SetList(list, out)
}

// hasFields reports whether there are fields whose names begin in a way.
func hasFields(t *tree.Tree, prefix []byte) bool {
	for n := t.First(tree.Root); n != tree.None; n = t.Next(n) {
		if !t.Named(n, "stac_extensions") && t.Contains(n, prefix) {
			return true
		}
	}
	return false
}
