package catalogtest

import (
	"encoding/json"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// record is a document and what questions ask of it. That of a collection has no Ref.ID and no sort.
type record struct {
	ref      catalog.ItemRef
	origin   catalog.Origin
	document json.RawMessage
	// members are an item's properties, or what stands at the top of a collection.
	members    map[string]any
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
	return r, json.Unmarshal(e.Properties, &r.members)
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
	if err := json.Unmarshal(c.Document, &r.members); err != nil {
		return record{}, err
	}
	r.moments = map[string]catalog.Moment{}
	for name, v := range r.members {
		if text, ok := v.(string); ok {
			if at, ok := catalog.ParseMoment(text); ok {
				r.moments[name] = at
			}
		}
	}
	return r, nil
}

// get is the value of a property as encoding/json decodes it: nil, bool, float64, string, []any or map[string]any.
func (r record) get(name string) any {
	switch {
	case name == "id" && r.ref.ID != "":
		return r.ref.ID
	case name == "id":
		return r.ref.Collection
	case name == "collection" && r.ref.ID != "":
		return r.ref.Collection
	case name == "collection", name == "geometry":
		return nil
	}
	return r.members[name]
}

// moment is the value of a property that is a time or a date.
func (r record) moment(name string) (catalog.Moment, bool) {
	if _, ok := r.get(name).(string); !ok || name == "id" || name == "collection" {
		return catalog.Moment{}, false
	}
	at, ok := r.moments[name]
	return at, ok
}
