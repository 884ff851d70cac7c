package catalog

import (
	"bytes"
	"encoding/json"
	"math"
	"time"

	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/fault"
)

// Timeless is the Sort of an item without a time: it comes last.
const Timeless = math.MinInt64

// Entry is an item's document and what a back end indexes of it. Times are microseconds since 1970.
type Entry struct {
	Ref      ItemRef
	Document json.RawMessage
	// Shape is nil for an item without a location.
	Shape *geo.Shape
	// Start and End span the item's time: start_datetime to end_datetime, or else datetime; nil is
	// open, and Timed false means that the item has no time at all.
	Start, End *int64
	Timed      bool
	// Sort is the time to order by: datetime, else the start, else the end, else Timeless.
	Sort int64
}

// ParseItem reads and checks an item's document.
func ParseItem(doc json.RawMessage) (Entry, error) {
	var in struct {
		Type       string          `json:"type"`
		ID         string          `json:"id"`
		Collection string          `json:"collection"`
		Geometry   json.RawMessage `json:"geometry"`
		BBox       []float64       `json:"bbox"`
		Properties *struct {
			Datetime *string `json:"datetime"`
			Start    *string `json:"start_datetime"`
			End      *string `json:"end_datetime"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(doc, &in); err != nil {
		return Entry{}, fault.New(fault.Invalid, "item: %w", err).WithCure("send a STAC item: a GeoJSON Feature with id, collection and properties")
	}
	refuse := func(format string, args ...any) (Entry, error) {
		err := fault.New(fault.Invalid, format, args...)
		return Entry{}, fault.New(fault.Invalid, "item %q of collection %q: %w", in.ID, in.Collection, err).
			WithCure("make it a valid STAC item; the specification is item-spec of STAC %s", "1.1.0")
	}
	switch {
	case in.Type != "Feature":
		return refuse("type is %q, not Feature", in.Type)
	case in.ID == "":
		return refuse("it has no id")
	case in.Collection == "":
		return refuse("it names no collection")
	case in.Properties == nil:
		return refuse("it has no properties")
	}
	e := Entry{Ref: ItemRef{Collection: in.Collection, ID: in.ID}, Document: compact(doc), Sort: Timeless}
	if len(in.Geometry) > 0 && string(in.Geometry) != "null" {
		shape, err := geo.Parse(in.Geometry, in.BBox)
		if err != nil {
			return refuse("%w", err)
		}
		e.Shape = shape
	}
	at, err := micros(in.Properties.Datetime)
	if err != nil {
		return refuse("datetime: %w", err)
	}
	if e.Start, err = micros(in.Properties.Start); err != nil {
		return refuse("start_datetime: %w", err)
	}
	if e.End, err = micros(in.Properties.End); err != nil {
		return refuse("end_datetime: %w", err)
	}
	if e.Start == nil && e.End == nil {
		e.Start, e.End = at, at
	}
	if e.Start != nil && e.End != nil && *e.Start > *e.End {
		return refuse("start_datetime is after end_datetime")
	}
	for _, t := range []*int64{at, e.Start, e.End} {
		if t != nil {
			e.Timed = true
			if e.Sort == Timeless {
				e.Sort = *t
			}
		}
	}
	return e, nil
}

// ParseCollection reads and checks a collection's document.
func ParseCollection(doc json.RawMessage) (id string, out json.RawMessage, err error) {
	var in struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	}
	if err := json.Unmarshal(doc, &in); err != nil {
		return "", nil, fault.New(fault.Invalid, "collection: %w", err).WithCure("send a STAC collection")
	}
	if in.Type != "Collection" || in.ID == "" {
		return "", nil, fault.New(fault.Invalid, "collection %q: type is %q and must be Collection, and it needs an id", in.ID, in.Type).
			WithCure("make it a valid STAC collection")
	}
	return in.ID, compact(doc), nil
}

// Overlaps reports whether the item's time and the interval share a moment.
func (e Entry) Overlaps(i Interval) bool {
	if i.Open() {
		return true
	}
	return e.Timed && (e.Start == nil || i.End == nil || *e.Start <= i.End.UnixMicro()) &&
		(e.End == nil || i.Start == nil || *e.End >= i.Start.UnixMicro())
}

// Before is the order of results: newest first, then by collection and id, bytewise.
func (e Entry) Before(o Entry) bool {
	if e.Sort != o.Sort {
		return e.Sort > o.Sort
	}
	if e.Ref.Collection != o.Ref.Collection {
		return e.Ref.Collection < o.Ref.Collection
	}
	return e.Ref.ID < o.Ref.ID
}

func micros(s *string) (*int64, error) {
	if s == nil {
		return nil, nil
	}
	t, err := ParseTime(*s)
	if err != nil {
		return nil, err
	}
	us := t.UTC().Truncate(time.Microsecond).UnixMicro()
	return &us, nil
}

func compact(doc json.RawMessage) json.RawMessage {
	var out bytes.Buffer
	if json.Compact(&out, doc) != nil { // it was decoded before, so it is JSON
		return doc
	}
	return out.Bytes()
}
