package bulk

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog/tree"
	"github.com/terrapin-eo/terrapin/fault"
)

// maxName bounds an id, in bytes.
const maxName = 512

// CheckDocument holds an item or a collection that somebody posts, by an API or in a load, to what clients take for
// granted of one: names that an address can have, a time, links and assets that lead somewhere, what a collection has to
// say of itself. What the catalog itself asks of documents is not looked at.
func CheckDocument(doc json.RawMessage) error {
	t := &tree.Tree{}
	if err := t.Read(doc, maxNesting); err != nil {
		return unread(err)
	}
	return check(t)
}

// check is CheckDocument of a document that was read.
func check(t *tree.Tree) error {
	for _, member := range []string{"id", "collection"} {
		if err := checkName(member, t.Text(t.Get(tree.Root, member))); err != nil {
			return err
		}
	}
	if err := checkParts(t); err != nil {
		return err
	}
	if string(t.Text(t.Get(tree.Root, "type"))) == "Collection" {
		return checkCollection(t)
	}
	p := t.Get(tree.Root, "properties")
	kind := func(name string) tree.Kind { return t.Kind(t.Get(p, name)) }
	if at := kind("datetime"); t.Kind(p) == tree.Object && (at == tree.Missing ||
		at == tree.Null && (kind("start_datetime") == tree.Missing || kind("end_datetime") == tree.Missing)) {
		return fault.New(fault.Invalid, "properties have no datetime").WithCure("give datetime, or null for it with start_datetime and end_datetime")
	}
	return nil
}

func checkName(member string, given []byte) error {
	switch {
	case len(given) > maxName:
		return fault.New(fault.Invalid, "its %s has %d bytes", member, len(given)).WithCure("choose one of up to %d", maxName)
	case string(given) == "." || string(given) == "..":
		return fault.New(fault.Invalid, "its %s is %q, which no address can end in", member, given).WithCure("choose another")
	}
	return nil
}

// checkParts looks at links, assets and extensions, where there are some.
func checkParts(t *tree.Tree) error {
	links, assets, extensions := t.Get(tree.Root, "links"), t.Get(tree.Root, "assets"), t.Get(tree.Root, "stac_extensions")
	is := func(n tree.Node, kind tree.Kind) bool { return n == tree.None || t.Kind(n) == kind }
	switch {
	case !is(links, tree.List):
		return fault.New(fault.Invalid, "links is no list")
	case !is(extensions, tree.List):
		return fault.New(fault.Invalid, "stac_extensions is no list")
	case !is(assets, tree.Object):
		return fault.New(fault.Invalid, "assets is no object")
	}
	for link := t.First(links); link != tree.None; link = t.Next(link) {
		for _, member := range []string{"rel", "href"} {
			if len(t.Text(t.Get(link, member))) == 0 {
				return fault.New(fault.Invalid, "a link has no %s that is a string", member)
			}
		}
	}
	for asset := t.First(assets); asset != tree.None; asset = t.Next(asset) {
		if len(t.Text(t.Get(asset, "href"))) == 0 {
			return fault.New(fault.Invalid, "asset %s has no href that is a string", strconv.Quote(string(t.Name(asset))))
		}
	}
	for one := t.First(extensions); one != tree.None; one = t.Next(one) {
		if t.Kind(one) != tree.String {
			return fault.New(fault.Invalid, "stac_extensions holds what is no string")
		}
	}
	return nil
}

func checkCollection(t *tree.Tree) error {
	for _, member := range []string{"description", "license"} {
		if len(t.Text(t.Get(tree.Root, member))) == 0 {
			return fault.New(fault.Invalid, "it has no %s that is a string", member)
		}
	}
	if extent := gjson.ParseBytes(t.Raw(t.Get(tree.Root, "extent"))); !extent.Get("spatial.bbox.0").IsArray() || !extent.Get("temporal.interval.0").IsArray() {
		return fault.New(fault.Invalid, "extent has no spatial.bbox or no temporal.interval").
			WithCure(`give {"spatial": {"bbox": [[w, s, e, n]]}, "temporal": {"interval": [[from, to]]}}; an end of time may be null`)
	}
	return CheckCollectionID(string(t.Text(t.Get(tree.Root, "id"))))
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

// maxNesting bounds lists and objects within each other, as the catalog does.
const maxNesting = 64

// TooDeep reports whether more than so many lists and objects of a JSON text are within each other. It takes no stack, and
// so comes before whatever reads the text by calling itself.
func TooDeep(text []byte, most int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > most {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

var errDeep = fault.New(fault.Invalid, "more than %d lists and objects are within each other", maxNesting).WithCure("make it flatter")
