package catalog

import (
	"math"
	"slices"
	"time"

	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/fault"
)

// Query says which items are wanted. Conditions that are set must all hold; the zero Query wants
// every item. An item without a geometry fulfils neither BBox nor Intersects, one without a time
// does not fulfil Time.
type Query struct {
	// Collections and IDs, where not nil, list what an item's collection and id must be among.
	Collections, IDs []string
	// BBox is west, south, east, north in degrees, or with heights (which are not compared) west,
	// south, low, east, north, high. West greater than east crosses the antimeridian.
	BBox []float64
	// Intersects is a geometry in degrees that must share a point with the item's.
	Intersects *geo.Shape
	// Time must overlap the item's time: from start_datetime to end_datetime, or else datetime.
	Time Interval
	// Count asks for Result.Matched.
	Count bool
	Page
}

// Interval is a span of time, both ends included; nil is open. Times count in whole microseconds.
type Interval struct{ Start, End *time.Time }

// Open reports whether the interval excludes no time.
func (i Interval) Open() bool { return i.Start == nil && i.End == nil }

// Check refuses a query that has no meaning.
func (q Query) Check() error {
	if q.BBox != nil {
		if q.Intersects != nil {
			return fault.New(fault.Invalid, "bbox and intersects exclude each other").WithCure("send only one of them")
		}
		if err := CheckBBox(q.BBox); err != nil {
			return err
		}
	}
	if q.Time.Start != nil && q.Time.End != nil && q.Time.Start.After(*q.Time.End) {
		return fault.New(fault.Invalid, "the time interval begins after its end").WithCure("swap its ends")
	}
	return nil
}

// CheckBBox refuses what is not a bounding box of 4 or 6 numbers.
func CheckBBox(b []float64) error {
	cure := "give west,south,east,north or west,south,low,east,north,high in degrees"
	if len(b) != 4 && len(b) != 6 {
		return fault.New(fault.Invalid, "bbox has %d numbers", len(b)).WithCure("%s", cure)
	}
	if slices.ContainsFunc(b, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) {
		return fault.New(fault.Invalid, "bbox holds a number that is not finite").WithCure("%s", cure)
	}
	half := len(b) / 2
	if b[1] > b[half+1] {
		return fault.New(fault.Invalid, "bbox: south %g is greater than north %g", b[1], b[half+1]).WithCure("%s", cure)
	}
	if half == 3 && b[2] > b[5] {
		return fault.New(fault.Invalid, "bbox: low %g is greater than high %g", b[2], b[5]).WithCure("%s", cure)
	}
	return nil
}

// Shape is the geometry an item must meet, from Intersects or BBox; nil means none is asked for.
func (q Query) Shape() *geo.Shape {
	if q.BBox != nil {
		half := len(q.BBox) / 2
		return geo.Box(q.BBox[0], q.BBox[1], q.BBox[half], q.BBox[half+1])
	}
	return q.Intersects
}
