package stac

import (
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/bulk"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/fault"
)

const (
	// maxDocuments bounds the documents of one request, and maxDocumentBytes each of them; Config.MaxPosted bounds the body.
	maxDocuments     = 10_000
	maxDocumentBytes = 16 << 20
	// maxNesting bounds lists and objects within each other in what is posted.
	maxNesting = 64
)

// postedItem reads an item that a client sent for a place: its collection, and its id unless that is "". What an item
// may leave out because the place or the geometry says it is put in; older versions of STAC are brought to 1.1.
func postedItem(raw json.RawMessage, at catalog.ItemRef) (catalog.Entry, error) {
	refuse := func(err error) (catalog.Entry, error) {
		name := nameIn(raw)
		if name == "" {
			name = at.ID
		}
		cure := fault.CureOf(err)
		if cure == "" {
			cure = "make it a valid STAC item; the specification is item-spec of STAC 1.1.0"
		}
		return catalog.Entry{}, fault.New(fault.Invalid, "item %q: %w", name, err).WithCure("%s", cure)
	}
	doc, err := upgraded(raw, "Feature")
	if err != nil {
		return refuse(err)
	}
	top := gjson.ParseBytes(doc)
	var more []byte
	if more, err = named(more, top, "id", at.ID); err != nil {
		return refuse(err)
	}
	if more, err = named(more, top, "collection", at.Collection); err != nil {
		return refuse(err)
	}
	if err := bulk.CheckDocument(doc); err != nil {
		return refuse(err)
	}
	if !top.Get("assets").Exists() {
		more = append(more, `"assets":{},`...)
	}
	if g := top.Get("geometry"); !g.Exists() {
		more = append(more, `"geometry":null,`...)
	} else if g.IsObject() && !top.Get("bbox").Exists() {
		shape, err := geo.Parse(json.RawMessage(g.Raw), nil)
		if err != nil {
			return refuse(err)
		}
		more = append(bulk.AppendBox(append(more, `"bbox":`...), shape), ',')
	}
	e, err := catalog.ParseItem(joined(more, doc))
	if err != nil {
		return catalog.Entry{}, err
	}
	return e, nil
}

// nameIn is the id that a document gives itself, as much of it as a message can hold.
func nameIn(raw json.RawMessage) string {
	name := gjson.GetBytes(raw, "id").String()
	return strings.ToValidUTF8(name[:min(len(name), 100)], "")
}

// upgraded checks that a document is JSON of a type, and brings it to STAC 1.1.
func upgraded(raw json.RawMessage, kind string) (json.RawMessage, error) {
	if len(raw) > maxDocumentBytes {
		return nil, fault.New(fault.Invalid, "it has %d bytes", len(raw)).WithCure("send documents of up to %d", maxDocumentBytes)
	}
	if !gjson.ParseBytes(raw).IsObject() {
		return nil, fault.New(fault.Invalid, "it is no JSON object")
	}
	if given := gjson.GetBytes(raw, "type").String(); given != kind {
		return nil, fault.New(fault.Invalid, "type is %q, not %s", given, kind)
	}
	if v := gjson.GetBytes(raw, "stac_version"); v.Type != gjson.String {
		return nil, fault.New(fault.Invalid, "it has no stac_version that is a string").WithCure("send a document of STAC 1.0 or 1.1")
	}
	doc, err := bulk.Upgrade(raw)
	if err != nil {
		return nil, err
	}
	if v := gjson.GetBytes(doc, "stac_version").String(); !strings.HasPrefix(v, "1.") {
		return nil, fault.New(fault.Invalid, "stac_version is %q", v).WithCure("send a document of STAC 1.0 or 1.1")
	}
	return doc, nil
}

// elements are the documents of a list, up to maxDocuments: a list may hold more of nothing than there is memory for.
func elements(list gjson.Result) ([]json.RawMessage, error) {
	var out []json.RawMessage
	list.ForEach(func(_, one gjson.Result) bool {
		out = append(out, json.RawMessage(one.Raw))
		return len(out) <= maxDocuments
	})
	if len(out) > maxDocuments {
		return nil, fault.New(fault.TooLarge, "there are more than %d documents", maxDocuments).WithCure("send them in parts, or load items with terrapin catalog load")
	}
	return out, nil
}

// named sees that a member that names the document says what the place says; where it is left out, the place's is
// put to those to add.
func named(more []byte, top gjson.Result, member, want string) ([]byte, error) {
	given := top.Get(member)
	switch {
	case !given.Exists() && want != "":
		return append(gjson.AppendJSONString(append(more, `"`+member+`":`...), want), ','), nil
	case given.Type != gjson.String || given.Str == "":
		return nil, fault.New(fault.Invalid, "it has no %s that is a string", member)
	case want != "" && given.Str != want:
		return nil, fault.New(fault.Invalid, "its %s is %q, and it was sent to %q", member, given.Str, want).WithCure("send it to where it belongs, or leave %s out", member)
	}
	return more, nil
}

// joined puts members, each with a comma after it, in front of those of an object that has some.
func joined(more []byte, object json.RawMessage) json.RawMessage {
	if len(more) == 0 {
		return object
	}
	rest := object[strings.IndexByte(string(object), '{')+1:]
	return append(append([]byte{'{'}, more...), rest...)
}

// postedCollection reads a collection that a client sent, for a place if id is not "".
func postedCollection(raw json.RawMessage, id string) (catalog.CollectionEntry, error) {
	refuse := func(err error) (catalog.CollectionEntry, error) {
		cure := fault.CureOf(err)
		if cure == "" {
			cure = "make it a valid STAC collection; the specification is collection-spec of STAC 1.1.0"
		}
		return catalog.CollectionEntry{}, fault.New(fault.Invalid, "collection %q: %w", nameIn(raw), err).WithCure("%s", cure)
	}
	doc, err := upgraded(raw, "Collection")
	if err != nil {
		return refuse(err)
	}
	top := gjson.ParseBytes(doc)
	more, err := named(nil, top, "id", id)
	if err != nil {
		return refuse(err)
	}
	switch err := bulk.CheckDocument(doc); {
	case fault.Is(err, fault.Conflict): // with what the bucket decides
		return catalog.CollectionEntry{}, err
	case err != nil:
		return refuse(err)
	}
	return catalog.ParseCollection(joined(more, doc))
}
