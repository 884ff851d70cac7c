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
	doc, err := Upgrade(raw)
	if err != nil {
		return p, err
	}
	top := gjson.ParseBytes(doc)
	switch kind := top.Get("type"); kind.Str {
	case "Collection":
		if doc, err = whole(doc, top, base); err != nil {
			return p, err
		}
		if err := CheckCollectionID(top.Get("id").Str); err != nil {
			return p, err
		}
		p.collection, err = catalog.ParseCollection(doc)
		return p, err
	case "Feature":
	default:
		return p, fault.New(fault.Invalid, "its type is %.40s, neither Feature nor Collection", orNothing(kind.Raw)).WithCure("leave out what is no STAC item or collection")
	}
	p.isItem = true
	if doc, err = whole(doc, top, base); err != nil {
		return p, err
	}
	if doc, err = complete(doc, top, collection); err != nil {
		return p, err
	}
	p.item, err = catalog.ParseItem(doc)
	return p, err
}

func orNothing(raw string) string {
	if raw == "" {
		return "not given"
	}
	return raw
}

// complete puts in what an item may leave out.
func complete(doc json.RawMessage, top gjson.Result, collection string) (json.RawMessage, error) {
	var more []byte
	put := func(name string, value []byte) {
		more = append(append(append(append(more, ',', '"'), name...), `":`...), value...)
	}
	if given := top.Get("collection"); !given.Exists() && collection != "" {
		put("collection", quoted(collection))
	} else if (given.Type == gjson.Null || given.Type == gjson.String && given.Str == "") && collection != "" {
		o, _ := parseObject(doc)
		o.set("collection", quoted(collection))
		doc = o.json()
	} else if !given.Exists() {
		return nil, fault.New(fault.Invalid, "it names no collection").WithCure("say which by --collection")
	}
	if !top.Get("assets").Exists() {
		put("assets", []byte("{}"))
	}
	switch g := top.Get("geometry"); {
	case !g.Exists():
		put("geometry", []byte("null"))
	case g.IsObject() && !top.Get("bbox").Exists():
		shape, err := geo.Parse(json.RawMessage(g.Raw), nil)
		if err != nil {
			return nil, err
		}
		put("bbox", AppendBox(nil, shape))
	}
	if len(more) == 0 {
		return doc, nil
	}
	end := strings.LastIndexByte(string(doc), '}')
	out := append(make([]byte, 0, len(doc)+len(more)), doc[:end]...)
	return append(append(out, more...), '}'), nil
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

// CheckCollectionID refuses the names of collections that are made of what the bucket holds.
func CheckCollectionID(id string) error {
	for _, prefix := range []string{"labels-", "dataset-", "predictions-"} {
		if strings.HasPrefix(id, prefix) {
			return fault.New(fault.Conflict, "collection %q: names that begin with %s belong to what Terrapin makes itself", id, prefix).WithCure("choose another name")
		}
	}
	if id == "models" {
		return fault.New(fault.Conflict, "collection %q: the name belongs to the models that are registered", id).WithCure("choose another name")
	}
	return nil
}

// whole makes the relative hrefs of a document's links and assets whole: they are relative to the document's own address,
// which its link to itself says, or where it was found.
func whole(doc json.RawMessage, top gjson.Result, base *url.URL) (json.RawMessage, error) {
	if !anyRelative(top) {
		return doc, nil
	}
	for _, l := range top.Get("links").Array() {
		if l.Get("rel").Str == "self" {
			if u, err := url.Parse(l.Get("href").Str); err == nil && u.IsAbs() {
				base = u
			}
		}
	}
	if base == nil {
		return doc, nil
	}
	o, ok := parseObject(doc)
	if !ok {
		return doc, nil
	}
	resolve := func(o *object) {
		if href := o.text("href"); isRelative(href) {
			if ref, err := url.Parse(href); err == nil {
				o.set("href", quoted(base.ResolveReference(ref).String()))
			}
		}
	}
	o.each("assets", resolve)
	if links, ok := parseList(o.get("links")); ok {
		for i := range links {
			if l, ok := parseObject(links[i]); ok {
				resolve(&l)
				links[i] = l.json()
			}
		}
		o.set("links", listJSON(links))
	}
	return o.json(), nil
}

func anyRelative(top gjson.Result) (yes bool) {
	look := func(_, v gjson.Result) bool {
		yes = isRelative(v.Get("href").Str)
		return !yes
	}
	if top.Get("assets").ForEach(look); !yes {
		top.Get("links").ForEach(look)
	}
	return yes
}

// isRelative reports whether an href is relative to its document. One that begins with a slash is a place of the machine
// that serves it, such as an export of a catalog has, or one of GDAL's; it is left to the catalog, and so is one with
// a mark of the catalog's own.
func isRelative(href string) bool {
	if href == "" || href[0] == '/' || href[0] == '#' || href[0] == 0 {
		return false
	}
	u, err := url.Parse(href)
	return err == nil && !u.IsAbs()
}
