package catalog

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/catalog/words"
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
	// Filter has to be true of the item; nil is no filter.
	Filter cql2.Expr
	// Words is free text over title, description and keywords; nil asks for none.
	Words words.Question
	// Sort is the order, most important first; nil is newest first. Equal items come by collection and id.
	Sort []SortKey
	// Origin, where not nil, is where an item or collection came from.
	Origin *Origin
	// Count asks for Result.Matched.
	Count bool
	Page
}

// SortKey orders by a property, named as in cql2.Property. Numbers, moments (strings that are RFC 3339
// times or dates, and so compare as times) and booleans (false, true, as 0 and 1) come by value and before other
// strings, which come bytewise; items without the property, or with null, a list or an object, come last, in
// both directions.
type SortKey struct {
	Property   string
	Descending bool
}

// Aggregation is one thing to compute over items.
type Aggregation struct {
	Name string
	Kind AggregationKind
	// Property is what it is computed of; Count needs none.
	Property string
	// Step of Dates is one of Steps.
	Step string
	// Edges of Ranges are the ends of its half-open buckets [e0, e1), [e1, e2) …; what lies outside of them is not counted.
	Edges []float64
	// Most bounds the buckets of Terms; the most frequent come first, equal ones by key (see TermBuckets). 0 means 100.
	Most int
}

// Steps are those of Dates, in UTC. A week begins on Monday.
var Steps = []string{"year", "month", "week", "day", "hour"}

// BeginOfStep is the first moment of the step that a time lies in.
func BeginOfStep(step string, t time.Time) time.Time {
	t = t.UTC()
	switch step {
	case "year":
		return time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	case "month":
		return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	case "week":
		return time.Date(t.Year(), t.Month(), t.Day()-(int(t.Weekday())+6)%7, 0, 0, 0, 0, time.UTC)
	case "day":
		return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	}
	return t.Truncate(time.Hour)
}

// AggregationKind is what an aggregation computes.
type AggregationKind int

const (
	// Count is the number of items.
	Count AggregationKind = iota
	// Least and Greatest are of numbers, or of moments (a day's beginning) where no item has a number; items without one are passed over.
	Least
	Greatest
	// Terms counts items by a scalar property's value; a list counts for each of its scalars once. What reads the same is the same term.
	Terms
	// Dates counts items by the step that a moment lies in.
	Dates
	// Ranges counts items by intervals of a number.
	Ranges
)

// Aggregate is the answer to an Aggregation.
type Aggregate struct {
	Name string
	// Value is an int (Count), a float64 (Least and Greatest of numbers), a time.Time (of moments), or nil where there is none.
	Value any
	// Buckets of Terms, Dates (ascending, none empty) and Ranges (all, empty ones too).
	Buckets []Bucket
	// Rest counts what Terms left out of its buckets.
	Rest int
}

// Bucket counts items with something in common.
type Bucket struct {
	// Key is the term (numbers as Go's JSON writes them), the beginning of the time as RFC 3339, or the range as "from-to".
	Key      string
	From, To *float64
	Count    int
}

// Queryable is a property that items have.
type Queryable struct {
	Name string
	// Types are JSON Schema's: string, number, integer, boolean, array, object; sorted. A number that has only been whole
	// so far is integer alone.
	Types []string
	// Format is "date-time" or "date" where every string so far was one, else "".
	Format string
}

// Interval is a span of time, both ends included; nil is open. Times count in whole microseconds.
type Interval struct{ Start, End *time.Time }

// Open reports whether the interval excludes no time.
func (i Interval) Open() bool { return i.Start == nil && i.End == nil }

// Check refuses a query that has no meaning.
func (q Query) Check() error {
	for _, names := range [][]string{q.Collections, q.IDs} {
		for _, name := range names {
			if err := CheckName(name); err != nil {
				return err
			}
		}
	}
	for _, key := range q.Sort {
		if err := CheckName(key.Property); err != nil {
			return err
		}
	}
	if q.BBox != nil {
		if q.Intersects != nil {
			return fault.New(fault.Invalid, "bbox and intersects exclude each other").WithCure("send only one of them")
		}
		if err := CheckBBox(q.BBox); err != nil {
			return err
		}
	}
	if n := q.corners(); n > MaxCorners {
		return fault.New(fault.Invalid, "the geometries of the query have %d positions", n).WithCure("simplify them, or send several queries: %d positions are the most", MaxCorners)
	}
	if q.Time.Start != nil && q.Time.End != nil && q.Time.Start.After(*q.Time.End) {
		return fault.New(fault.Invalid, "the time interval begins after its end").WithCure("swap its ends")
	}
	return nil
}

// MaxCorners is how many positions the geometries of a query may have, all together.
const MaxCorners = 100_000

func (q Query) corners() (n int) {
	if q.Intersects != nil {
		n = q.Intersects.Corners()
	}
	for _, s := range cql2.Shapes(q.Filter) {
		n += s.Corners()
	}
	return n
}

// CheckName refuses what nothing in a catalog can be called: what is not UTF-8, or holds U+0000.
func CheckName(name string) error {
	if !utf8.ValidString(name) || strings.IndexByte(name, 0) >= 0 {
		return fault.New(fault.Invalid, "%.80q is no name: it is not UTF-8, or holds U+0000", name).WithCure("send it as UTF-8, without U+0000")
	}
	return nil
}

// CheckBBox refuses what is not a bounding box of 4 or 6 numbers.
func CheckBBox(b []float64) error {
	_, err := geo.ParseBox(b)
	return err
}

// Shape is the geometry an item must meet, from Intersects or BBox; nil means none is asked for.
func (q Query) Shape() *geo.Shape {
	if q.BBox != nil {
		half := len(q.BBox) / 2
		return geo.Box(q.BBox[0], q.BBox[1], q.BBox[half], q.BBox[half+1])
	}
	return q.Intersects
}
