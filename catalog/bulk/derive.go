package bulk

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
)

// derivedMember marks a collection that was made of its items, because they came without one.
const derivedMember = "terrapin:derived"

// extent is the place and time of a collection that is made of its items. It only grows.
type extent struct {
	box        []float64 // west, south, east, north
	start, end *int64    // microseconds since 1970
	// any is whether there is a document already.
	any bool
}

// derivedExtent reads the extent of a collection that was made of its items; nil where it was not.
func derivedExtent(doc json.RawMessage) *extent {
	whole := gjson.ParseBytes(doc)
	if !whole.Get(derivedMember).Bool() {
		return nil
	}
	e := &extent{any: true}
	if whole.Get("extent.spatial.bbox.0.#").Int() == 4 {
		for _, v := range whole.Get("extent.spatial.bbox.0").Array() {
			e.box = append(e.box, v.Num)
		}
	}
	for i, at := range whole.Get("extent.temporal.interval.0").Array() {
		if t, err := catalog.ParseTime(at.Str); err == nil {
			us := t.UnixMicro()
			if i == 0 {
				e.start = &us
			} else {
				e.end = &us
			}
		}
	}
	return e
}

// add widens the extent by an item, and reports whether it is another one now.
func (e *extent) add(item catalog.Entry) bool {
	grown := !e.any
	e.any = true
	if item.Shape != nil {
		for _, b := range item.Shape.Bounds() {
			if e.box == nil {
				e.box = []float64{b.Min[0], b.Min[1], b.Max[0], b.Max[1]}
				grown = true
			}
			for i, v := range []float64{b.Min[0], b.Min[1], b.Max[0], b.Max[1]} {
				if i < 2 && v < e.box[i] || i >= 2 && v > e.box[i] {
					e.box[i], grown = v, true
				}
			}
		}
	}
	for _, t := range []*int64{item.Start, item.End} {
		if t == nil {
			continue
		}
		if e.start == nil || *t < *e.start {
			e.start, grown = t, true
		}
		if e.end == nil || *t > *e.end {
			e.end, grown = t, true
		}
	}
	return grown
}

// collection is the least document that says what is known.
func (e *extent) collection(id string) json.RawMessage {
	box := e.box
	if box == nil {
		box = []float64{-180, -90, 180, 90}
	}
	at := func(us *int64) any {
		if us == nil {
			return nil
		}
		return time.UnixMicro(*us).UTC().Format(time.RFC3339Nano)
	}
	doc := map[string]any{
		"type": "Collection", "stac_version": stacVersion, "id": id, "title": id,
		"description": fmt.Sprintf("Made by terrapin catalog load of the items that name the collection %q, as it came without a document of its own.", id),
		"license":     "other", "links": []any{}, derivedMember: true,
		"extent": map[string]any{"spatial": map[string]any{"bbox": [][]float64{box}}, "temporal": map[string]any{"interval": [][]any{{at(e.start), at(e.end)}}}},
	}
	raw, err := json.Marshal(doc)
	if err != nil { // of finite numbers and strings
		panic(err)
	}
	return raw
}
