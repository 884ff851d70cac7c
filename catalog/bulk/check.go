package bulk

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/fault"
)

// maxName bounds an id, in bytes.
const maxName = 512

// CheckDocument holds an item or a collection that somebody posts, by an API or in a load, to what clients take for
// granted of one: names that an address can have, a time, links and assets that lead somewhere, what a collection has to
// say of itself. get gives its members. What the catalog itself asks of documents is not looked at.
func CheckDocument(get func(member string) gjson.Result) error {
	for _, member := range []string{"id", "collection"} {
		if err := checkName(member, get(member)); err != nil {
			return err
		}
	}
	if err := checkParts(get); err != nil {
		return err
	}
	if get("type").Str == "Collection" {
		return checkCollection(get)
	}
	at := func(name string) gjson.Result { return get("properties").Get(name) }
	if p := get("properties"); p.IsObject() && (!at("datetime").Exists() || at("datetime").Type == gjson.Null && !(at("start_datetime").Exists() && at("end_datetime").Exists())) {
		return fault.New(fault.Invalid, "properties have no datetime").WithCure("give datetime, or null for it with start_datetime and end_datetime")
	}
	return nil
}

func checkName(member string, given gjson.Result) error {
	switch {
	case given.Type != gjson.String:
		return nil
	case len(given.Str) > maxName:
		return fault.New(fault.Invalid, "its %s has %d bytes", member, len(given.Str)).WithCure("choose one of up to %d", maxName)
	case given.Str == "." || given.Str == "..":
		return fault.New(fault.Invalid, "its %s is %q, which no address can end in", member, given.Str).WithCure("choose another")
	}
	return nil
}

// checkParts looks at links, assets and extensions, where there are some.
func checkParts(get func(string) gjson.Result) (err error) {
	links, assets, extensions := get("links"), get("assets"), get("stac_extensions")
	switch {
	case links.Exists() && !links.IsArray():
		return fault.New(fault.Invalid, "links is no list")
	case extensions.Exists() && !extensions.IsArray():
		return fault.New(fault.Invalid, "stac_extensions is no list")
	case assets.Exists() && !assets.IsObject():
		return fault.New(fault.Invalid, "assets is no object")
	}
	texts := func(what string, o gjson.Result, members ...string) bool {
		for _, m := range members {
			if v := o.Get(m); v.Type != gjson.String || v.Str == "" {
				err = fault.New(fault.Invalid, "%s has no %s that is a string", what, m)
				return false
			}
		}
		return true
	}
	if links.ForEach(func(_, l gjson.Result) bool { return texts("a link", l, "rel", "href") }); err == nil {
		assets.ForEach(func(name, asset gjson.Result) bool {
			return texts("asset "+strconv.Quote(name.String()), asset, "href")
		})
	}
	if err == nil {
		extensions.ForEach(func(_, one gjson.Result) bool {
			if one.Type != gjson.String {
				err = fault.New(fault.Invalid, "stac_extensions holds what is no string")
			}
			return err == nil
		})
	}
	return err
}

func checkCollection(get func(string) gjson.Result) error {
	for _, member := range []string{"description", "license"} {
		if v := get(member); v.Type != gjson.String || v.Str == "" {
			return fault.New(fault.Invalid, "it has no %s that is a string", member)
		}
	}
	if extent := get("extent"); !extent.Get("spatial.bbox.0").IsArray() || !extent.Get("temporal.interval.0").IsArray() {
		return fault.New(fault.Invalid, "extent has no spatial.bbox or no temporal.interval").
			WithCure(`give {"spatial": {"bbox": [[w, s, e, n]]}, "temporal": {"interval": [[from, to]]}}; an end of time may be null`)
	}
	return CheckCollectionID(get("id").Str)
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
