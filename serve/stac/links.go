package stac

import (
	"bytes"
	"encoding/json"
	"net/url"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/serve/reply"
)

// link is a link of a document that is made here.
type link struct {
	Rel    string `json:"rel"`
	Href   string `json:"href"`
	Type   string `json:"type,omitempty"`
	Title  string `json:"title,omitempty"`
	Method string `json:"method,omitempty"`
	// Body is that of the whole request, so that clients that do not merge it find their way too.
	Body json.RawMessage `json:"body,omitempty"`
	Lang string          `json:"hreflang,omitempty"`
}

// The relations of OGC API.
const (
	relQueryables = "http://www.opengis.net/def/rel/ogc/1.0/queryables"
	relSortables  = "http://www.opengis.net/def/rel/ogc/1.0/sortables"
	relFunctions  = "http://www.opengis.net/def/rel/ogc/1.0/functions"
)

func rootLink(at string) link { return link{Rel: "root", Href: at + "/", Type: reply.JSON} }

func collectionURL(at, id string) string { return at + "/collections/" + url.PathEscape(id) }

func itemURL(at, collection, id string) string {
	return collectionURL(at, collection) + "/items/" + url.PathEscape(id)
}

// presenter puts documents into answers. It remembers what the links of one collection's items have in common.
type presenter struct {
	at     string
	fields *fields

	collection       string
	own, before, end []byte
	// whole is the document of which a part is wanted.
	whole []byte
}

func newPresenter(at string, f *fields) *presenter { return &presenter{at: at, fields: f} }

// item appends an item as it is served.
func (p *presenter) item(out []byte, doc json.RawMessage) []byte {
	id, collection := nameOf(doc)
	if p.before == nil || p.collection != collection {
		p.collection = collection
		of := collectionURL(p.at, collection)
		p.before = []byte(`{"rel":"self","href":"` + of + "/items/")
		p.end = []byte(`","type":"application/geo+json"},{"rel":"root","href":"` + p.at + `/","type":"application/json"},{"rel":"parent","href":"` +
			of + `","type":"application/json"},{"rel":"collection","href":"` + of + `","type":"application/json"}`)
	}
	p.own = append(append(append(p.own[:0], p.before...), url.PathEscape(id)...), p.end...)
	return p.document(out, doc)
}

// nameOf is an item's id and collection, which stand together behind its links.
func nameOf(doc json.RawMessage) (id, collection string) {
	first := gjson.GetBytes(doc, "id")
	if end := first.Index + len(first.Raw); first.Index > 0 && end < len(doc) {
		if rest, ok := bytes.CutPrefix(doc[end:], []byte(`,"collection":"`)); ok {
			if to := bytes.IndexByte(rest, '"'); bytes.IndexByte(rest[:max(to, 0)], '\\') < 0 {
				return first.Str, string(rest[:max(to, 0)])
			}
		}
	}
	return first.Str, gjson.GetBytes(doc, "collection").Str
}

// collectionDoc appends a collection as it is served.
func (p *presenter) collectionDoc(out []byte, doc json.RawMessage) []byte {
	at := collectionURL(p.at, gjson.GetBytes(doc, "id").Str)
	own, err := plainJSON([]link{
		{Rel: "self", Href: at, Type: reply.JSON, Title: "This collection"}, rootLink(p.at),
		{Rel: "parent", Href: p.at + "/", Type: reply.JSON, Title: "Everything there is"},
		{Rel: "items", Href: at + "/items", Type: reply.GeoJSON, Title: "Items"},
		{Rel: relQueryables, Href: at + "/queryables", Type: reply.Schema, Title: "Properties that filters may name"},
		{Rel: relSortables, Href: at + "/sortables", Type: reply.Schema, Title: "Properties to order by"},
		{Rel: "aggregate", Href: at + "/aggregate", Type: reply.JSON, Title: "Counts over items", Method: "GET"},
		{Rel: "aggregate", Href: at + "/aggregate", Type: reply.JSON, Title: "Counts over items", Method: "POST"},
		{Rel: "aggregations", Href: at + "/aggregations", Type: reply.JSON, Title: "What can be counted"},
		{Rel: "export", Href: at + "/items.ndjson", Type: mediaNDJSON, Title: "All items, one a line"},
		{Rel: "export", Href: at + "/items.parquet", Type: mediaParquet, Title: "All items, as STAC-GeoParquet"},
	})
	if err != nil {
		panic(err) // strings always marshal
	}
	p.own = append(p.own[:0], own[1:len(own)-1]...)
	if !bytes.Contains(doc, itemType) { // OGC API Features has it, STAC's collections do not
		doc = append(append([]byte{'{'}, `"itemType":"feature",`...), doc[1:]...)
	}
	return p.document(out, doc)
}

var itemType = []byte(`"itemType":`)

func (p *presenter) document(out []byte, doc json.RawMessage) []byte {
	if p.fields == nil {
		return catalog.AppendServed(out, doc, p.at, p.own)
	}
	p.whole = catalog.AppendServed(p.whole[:0], doc, p.at, p.own)
	return p.fields.appendPart(out, p.whole)
}
