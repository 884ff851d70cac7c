package bulk

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/catalog/tree"
	"github.com/terrapin-eo/terrapin/fault"
)

// prepared is a document as a catalog takes it: an item that was read, or a collection.
type prepared struct {
	item       catalog.Entry
	collection catalog.CollectionEntry
	isItem     bool
	// bytes are about what the item takes until it is put.
	bytes int
}

// prepare brings a document to STAC 1.1, makes its hrefs whole, puts in what it may leave out, and indexes it. An item
// that names no collection is of the one that is given. The document is read into a tree, which it needs no more after that.
func prepare(t *tree.Tree, raw json.RawMessage, base *url.URL, collection string) (p prepared, err error) {
	if err = t.Read(raw, maxNesting); err == nil {
		err = t.Compact()
	}
	if err != nil {
		return p, unread(err)
	}
	if p.isItem, err = finish(t, base, collection); err != nil {
		return p, err
	}
	if p.isItem {
		p.item, err = catalog.ReadItem(t)
		return p, err
	}
	p.collection, err = catalog.ParseCollection(t.Raw(tree.Root))
	return p, err
}

// finish changes a document to what is to be kept, and reports whether it is an item.
func finish(t *tree.Tree, base *url.URL, collection string) (isItem bool, err error) {
	if _, err := upgrade(t); err != nil {
		return false, err
	}
	mendTimes(t)
	switch kind := string(t.Text(t.Get(tree.Root, "type"))); kind {
	case "Collection":
	case "Feature":
		isItem = true
		if err := complete(t, collection); err != nil {
			return false, err
		}
	default:
		return false, fault.New(fault.Invalid, "its type is %.40q, neither Feature nor Collection", kind).WithCure("leave out what is no STAC item or collection")
	}
	if err := check(t); err != nil {
		return false, err
	}
	makeWhole(t, base)
	return isItem, nil
}

// complete puts in what an item may leave out.
func complete(t *tree.Tree, collection string) error {
	given := t.Get(tree.Root, "collection")
	switch kind := t.Kind(given); {
	case kind != tree.Missing && kind != tree.Null && string(t.Raw(given)) != `""`:
	case collection == "":
		return fault.New(fault.Invalid, "it names no collection").WithCure("say which by --collection")
	default:
		t.SetText(t.Member(tree.Root, "collection"), collection)
	}
	if t.Get(tree.Root, "assets") == tree.None {
		t.SetValue(t.Member(tree.Root, "assets"), "{}")
	}
	geometry := t.Get(tree.Root, "geometry")
	switch {
	case geometry == tree.None:
		t.SetValue(t.Member(tree.Root, "geometry"), "null")
	case t.Kind(geometry) == tree.Object && t.Get(tree.Root, "bbox") == tree.None:
		shape, err := geo.ParseValid(t.Raw(geometry), nil)
		if err != nil {
			return err
		}
		t.SetValue(t.Member(tree.Root, "bbox"), string(AppendBox(nil, shape)))
	}
	return nil
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

// makeWhole makes the relative hrefs of a document's links and assets whole: they are relative to the document's own address,
// which its link to itself says, or where it was found.
func makeWhole(t *tree.Tree, base *url.URL) {
	links := t.Get(tree.Root, "links")
	hrefs := relativeIn(t, relativeIn(t, nil, links), t.Get(tree.Root, "assets"))
	if len(hrefs) == 0 {
		return
	}
	for link := t.First(links); link != tree.None; link = t.Next(link) {
		if string(t.Text(t.Get(link, "rel"))) == "self" {
			if u, err := url.Parse(string(t.Text(t.Get(link, "href")))); err == nil && u.IsAbs() {
				base = u
			}
		}
	}
	if base == nil {
		return
	}
	for _, href := range hrefs {
		if ref, err := url.Parse(string(t.Text(href))); err == nil {
			t.SetText(href, base.ResolveReference(ref).String())
		}
	}
}

// relativeIn adds the relative hrefs of some links or assets.
func relativeIn(t *tree.Tree, out []tree.Node, all tree.Node) []tree.Node {
	for one := t.First(all); one != tree.None; one = t.Next(one) {
		if href := t.Get(one, "href"); isRelative(t.Text(href)) {
			out = append(out, href)
		}
	}
	return out
}

// elsewhere are the beginnings of hrefs that are not relative to their document. One that begins with a slash is a place of
// the machine that serves it, such as an export of a catalog has, or one of GDAL's; it is left to the catalog, and so is one with
// a mark of the catalog's own.
var elsewhere = [][]byte{[]byte("https://"), []byte("http://"), []byte("s3://"), []byte("/"), []byte("#"), {0}}

func isRelative(href []byte) bool {
	if len(href) == 0 || slices.ContainsFunc(elsewhere, func(begin []byte) bool { return bytes.HasPrefix(href, begin) }) {
		return false
	}
	u, err := url.Parse(string(href))
	return err == nil && !u.IsAbs()
}
