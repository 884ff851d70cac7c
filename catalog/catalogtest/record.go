package catalogtest

import (
	"encoding/json"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// record is a document and what questions ask of it. That of a collection has no Ref.ID and no sort.
type record struct {
	ref      catalog.ItemRef
	origin   catalog.Origin
	document json.RawMessage
	// members are an item's properties, or what stands at the top of a collection.
	members    map[string]gjson.Result
	moments    map[string]catalog.Moment
	words      [][]string
	shape      *geo.Shape
	start, end *int64
	timed      bool
	sort       int64
}

func itemRecord(doc json.RawMessage, from catalog.Origin) (record, error) {
	e, err := catalog.ParseItem(doc)
	if err != nil {
		return record{}, err
	}
	r := record{ref: e.Ref, origin: from, document: e.Document, moments: e.Moments, words: e.Words, shape: e.Shape,
		start: e.Start, end: e.End, timed: e.Timed, sort: e.Sort}
	r.members = membersOf(e.Properties)
	return r, nil
}

func collectionRecord(doc json.RawMessage, from catalog.Origin) (record, error) {
	c, err := catalog.ParseCollection(doc)
	if err != nil {
		return record{}, err
	}
	r := record{ref: catalog.ItemRef{Collection: c.ID}, origin: from, document: c.Document, words: c.Words, shape: c.Shape, timed: true}
	if c.Time.Start != nil {
		us := c.Time.Start.UnixMicro()
		r.start = &us
	}
	if c.Time.End != nil {
		us := c.Time.End.UnixMicro()
		r.end = &us
	}
	r.members = membersOf(c.Document)
	r.moments = map[string]catalog.Moment{}
	for name, v := range r.members {
		if at, ok := catalog.ParseMoment(v.Str); ok && v.Type == gjson.String {
			r.moments[name] = at
		}
	}
	return r, nil
}

func membersOf(object json.RawMessage) map[string]gjson.Result {
	out := map[string]gjson.Result{}
	gjson.ParseBytes(object).ForEach(func(name, v gjson.Result) bool {
		out[name.String()] = v
		return true
	})
	return out
}

// Value is a property as filters and orders name it.
func (r record) Value(name string) gjson.Result {
	own := func(s string) gjson.Result { return gjson.Result{Type: gjson.String, Str: s, Raw: text(s)} }
	switch {
	case name == cql2.ID && r.ref.ID != "":
		return own(r.ref.ID)
	case name == cql2.ID:
		return own(r.ref.Collection)
	case name == cql2.Collection && r.ref.ID != "":
		return own(r.ref.Collection)
	case name == cql2.Collection, name == cql2.Location:
		return gjson.Result{}
	}
	return r.members[name]
}

// Moment is a property that is a time or a date.
func (r record) Moment(name string) (from, to int64, ok bool) {
	if name == cql2.ID || name == cql2.Collection || name == cql2.Location {
		return 0, 0, false
	}
	at, ok := r.moments[name]
	return at.From, at.To, ok
}

// Shape is where the document lies.
func (r record) Shape() *geo.Shape { return r.shape }

var _ cql2.Document = record{}
