package bulk

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/fault"
)

// prepared is a document as a catalog takes it: an item that was read, or a collection.
type prepared struct {
	item       catalog.Entry
	collection catalog.CollectionEntry
	isItem     bool
}

// prepare brings a document to STAC 1.1, makes its hrefs whole, puts in what it may leave out, and reads it. An item
// that names no collection is of the one that is given.
func prepare(raw json.RawMessage, base *url.URL, collection string) (p prepared, err error) {
	doc, err := finished(raw, base, collection)
	if err != nil {
		return p, err
	}
	if p.isItem = gjson.GetBytes(doc, "type").Str == "Feature"; p.isItem {
		p.item, err = catalog.ParseItem(doc)
		return p, err
	}
	p.collection, err = catalog.ParseCollection(doc)
	return p, err
}

// finished is a document as it is to be read. One that needs nothing is the one that came, which its reader looks at closely;
// what changes one, or refuses it, relies on its being JSON.
func finished(raw json.RawMessage, base *url.URL, collection string) (json.RawMessage, error) {
	if TooDeep(raw, maxNesting) {
		return nil, errDeep
	}
	o, _ := parseObject(string(raw))
	changed, err := finish(&o, base, collection)
	if (changed || err != nil) && !gjson.ValidBytes(raw) {
		return nil, fault.New(fault.Invalid, "it is no JSON document").WithCure("write one STAC item or collection as JSON")
	}
	if err != nil || !changed {
		return raw, err
	}
	return o.json(), nil
}

func finish(o *object, base *url.URL, collection string) (bool, error) {
	changed, err := upgrade(o)
	if err != nil {
		return false, err
	}
	switch kind := o.text("type"); kind {
	case "Collection":
	case "Feature":
		more, err := complete(o, collection)
		if err != nil {
			return false, err
		}
		changed = changed || more
	default:
		return false, fault.New(fault.Invalid, "its type is %.40q, neither Feature nor Collection", kind).WithCure("leave out what is no STAC item or collection")
	}
	if err := CheckDocument(func(member string) gjson.Result { return gjson.Parse(o.get(member)) }); err != nil {
		return false, err
	}
	return whole(o, base) || changed, nil
}

// complete puts in what an item may leave out, and reports whether there was something.
func complete(o *object, collection string) (bool, error) {
	before := len(*o)
	given := o.get("collection")
	named := given != "" && given != "null" && given != `""`
	switch {
	case named:
	case collection == "":
		return false, fault.New(fault.Invalid, "it names no collection").WithCure("say which by --collection")
	default:
		o.set("collection", quoted(collection))
	}
	if !o.has("assets") {
		o.set("assets", "{}")
	}
	switch g := gjson.Parse(o.get("geometry")); {
	case !o.has("geometry"):
		o.set("geometry", "null")
	case g.IsObject() && !o.has("bbox"):
		shape, err := geo.Parse(json.RawMessage(g.Raw), nil)
		if err != nil {
			return false, err
		}
		o.set("bbox", string(AppendBox(nil, shape)))
	}
	return !named || len(*o) > before, nil
}

// AppendBox writes the bounding box of a shape as STAC has it: west is greater than east where it crosses the antimeridian.
func AppendBox(out []byte, shape *geo.Shape) []byte {
	bounds := shape.Bounds()
	all := bounds[0]
	for _, b := range bounds[1:] {
		all = all.Union(b)
	}
	west, east := all.Min[0], all.Max[0]
	if len(bounds) == 2 && west == -180 && east == 180 {
		if west, east = bounds[0].Min[0], bounds[1].Max[0]; west == -180 {
			west, east = bounds[1].Min[0], bounds[0].Max[0]
		}
	}
	for i, v := range []float64{west, all.Min[1], east, all.Max[1]} {
		out = append(out, "[,,,"[i])
		out = strconv.AppendFloat(out, v, 'f', -1, 64)
	}
	return append(out, ']')
}

// whole makes the relative hrefs of a document's links and assets whole, and reports whether there was one: they are
// relative to the document's own address, which its link to itself says, or where it was found.
func whole(o *object, base *url.URL) (changed bool) {
	links, assets := gjson.Parse(o.get("links")), gjson.Parse(o.get("assets"))
	if !anyRelative(links) && !anyRelative(assets) {
		return false
	}
	for _, l := range links.Array() {
		if l.Get("rel").Str == "self" {
			if u, err := url.Parse(l.Get("href").Str); err == nil && u.IsAbs() {
				base = u
			}
		}
	}
	if base == nil {
		return false
	}
	resolve := func(o *object) {
		if href := o.text("href"); isRelative(href) {
			if ref, err := url.Parse(href); err == nil {
				o.set("href", quoted(base.ResolveReference(ref).String()))
			}
		}
	}
	if anyRelative(assets) {
		o.each("assets", resolve)
	}
	if list, ok := parseList(links.Raw); ok && anyRelative(links) {
		for i := range list {
			if l, ok := parseObject(list[i]); ok {
				resolve(&l)
				list[i] = l.string()
			}
		}
		o.set("links", listOf(list))
	}
	return true
}

// anyRelative reports whether one of some links or assets has a relative href.
func anyRelative(all gjson.Result) (yes bool) {
	all.ForEach(func(_, v gjson.Result) bool {
		yes = isRelative(v.Get("href").Str)
		return !yes
	})
	return yes
}

// isRelative reports whether an href is relative to its document. One that begins with a slash is a place of the machine
// that serves it, such as an export of a catalog has, or one of GDAL's; it is left to the catalog, and so is one with
// a mark of the catalog's own.
func isRelative(href string) bool {
	if href == "" || href[0] == '/' || href[0] == '#' || href[0] == 0 || strings.HasPrefix(href, "http://") || strings.HasPrefix(href, "https://") || strings.HasPrefix(href, "s3://") {
		return false
	}
	u, err := url.Parse(href)
	return err == nil && !u.IsAbs()
}
