package catalog

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/catalog/tree"
	"github.com/terrapin-eo/terrapin/catalog/words"
	"github.com/terrapin-eo/terrapin/fault"
)

// Timeless is the Sort of an item without a time: it comes last.
const Timeless = math.MinInt64

// Entry is an item's document and what a back end indexes of it. Times are microseconds since 1970.
type Entry struct {
	Ref ItemRef
	// Document is in the form of form.go.
	Document json.RawMessage
	// Properties is the document's properties object.
	Properties json.RawMessage
	// Moments are the properties that are RFC 3339 times or dates, read.
	Moments map[string]Moment
	// Words are those of title, description and each of keywords.
	Words [][]string
	// Shape is nil for an item without a location.
	Shape *geo.Shape
	// Start and End span the item's time: start_datetime to end_datetime, or else datetime; nil is
	// open, and Timed false means that the item has no time at all.
	Start, End *int64
	Timed      bool
	// Sort is the time to order by: datetime, else the start, else the end, else Timeless. Dated says that it is datetime.
	Sort  int64
	Dated bool
	// Likeness is equal for entries with the same Traits, and all but never else; it holds in this process.
	Likeness uint64
	// Staged is what a Stager made of the entry, for itself; nil before.
	Staged any
}

// Moment is a point in time (From equal to To) or a whole day, in microseconds since 1970, both included.
type Moment struct{ From, To int64 }

// ParseItem reads and checks an item's document.
func ParseItem(doc json.RawMessage) (Entry, error) {
	t := &tree.Tree{}
	if err := parse(t, doc); err != nil {
		return Entry{}, fault.New(fault.Invalid, "item: %w", err).WithCure(noItem)
	}
	return ReadItem(t)
}

const noItem = "send a STAC item: a GeoJSON Feature with id, collection and properties"

// ReadItem is ParseItem of a document that was read already, and has no space between its parts. It changes the tree.
func ReadItem(t *tree.Tree) (Entry, error) {
	e := Entry{Sort: Timeless}
	if err := checkNames(t); err != nil {
		return Entry{}, fault.New(fault.Invalid, "item: %w", err).WithCure(noItem)
	}
	text := func(name string) string { return string(t.Text(t.Get(tree.Root, name))) }
	e.Ref.ID, e.Ref.Collection = text("id"), text("collection")
	refuse := func(format string, args ...any) (Entry, error) {
		err := fault.New(fault.Invalid, format, args...)
		return Entry{}, fault.New(fault.Invalid, "item %q of collection %q: %w", e.Ref.ID, e.Ref.Collection, err).
			WithCure("make it a valid STAC item; the specification is item-spec of STAC %s", "1.1.0")
	}
	properties := t.Get(tree.Root, "properties")
	switch {
	case text("type") != "Feature":
		return refuse("type is %q, not Feature", text("type"))
	case e.Ref.ID == "":
		return refuse("it has no id")
	case e.Ref.Collection == "":
		return refuse("it names no collection")
	case t.Kind(properties) != tree.Object:
		return refuse("it has no properties")
	}
	if err := e.readProperties(t, properties); err != nil {
		return refuse("properties: %w", err)
	}
	if g := t.Get(tree.Root, "geometry"); g != tree.None && t.Kind(g) != tree.Null {
		bbox, err := numbers(result(t, t.Get(tree.Root, "bbox")))
		if err != nil {
			return refuse("bbox: %w", err)
		}
		if e.Shape, err = geo.ParseValid(t.Raw(g), bbox); err != nil {
			return refuse("%w", err)
		}
	}
	if err := e.readTimes(t, properties); err != nil {
		return refuse("%w", err)
	}
	var err error
	if e.Document, e.Properties, err = form(t, "Feature"); err != nil {
		return refuse("%w", err)
	}
	return e, nil
}

// result is a value as what knows no trees takes it.
func result(t *tree.Tree, n tree.Node) gjson.Result { return gjson.ParseBytes(t.Raw(n)) }

// readProperties finds moments and words.
func (e *Entry) readProperties(t *tree.Tree, properties tree.Node) error {
	if name, twice := twice(t, properties); twice {
		return fmt.Errorf("%q is given twice", name)
	}
	for n := t.First(properties); n != tree.None; n = t.Next(n) {
		m, moment := Moment{}, false
		if t.Kind(n) == tree.String {
			if m, moment = parseMoment(t.Text(n)); moment {
				if e.Moments == nil {
					e.Moments = map[string]Moment{}
				}
				e.Moments[string(t.Name(n))] = m
			}
		}
		kind, format := traitOf(t, n, m, moment)
		e.Likeness += likenessOf(t.Name(n), kind, format)
		if t.Vast() || t.Depth() > maxDepth {
			if err := sound(result(t, n), 0); err != nil {
				return err
			}
		}
	}
	e.Words = wordsIn(t, properties)
	return nil
}

// wordsIn are those of the members of an object that people search in.
func wordsIn(t *tree.Tree, in tree.Node) [][]string {
	title, description, keywords := t.Get(in, "title"), t.Get(in, "description"), t.Get(in, "keywords")
	if title == tree.None && description == tree.None && keywords == tree.None {
		return nil
	}
	return wordsOf(result(t, title), result(t, description), result(t, keywords))
}

func wordsOf(title, description, keywords gjson.Result) (out [][]string) {
	for _, text := range append([]gjson.Result{title, description}, keywords.Array()...) {
		if text.Type == gjson.String {
			if w := words.Of(text.Str); len(w) > 0 {
				out = append(out, w)
			}
		}
	}
	return out
}

// readTimes finds the item's span.
func (e *Entry) readTimes(t *tree.Tree, properties tree.Node) error {
	var ends [3]*int64
	for i, name := range []string{"datetime", "start_datetime", "end_datetime"} {
		switch n := t.Get(properties, name); t.Kind(n) {
		case tree.Missing, tree.Null:
		case tree.String:
			at, err := ParseTime(string(t.Text(n)))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if at.Year() < 1 {
				return fmt.Errorf("%s is in the year %d, which most programs do not know", name, at.Year())
			}
			us := at.UnixMicro()
			ends[i] = &us
		default:
			return fmt.Errorf("%s is no string", name)
		}
	}
	at := ends[0]
	e.Dated = at != nil
	e.Start, e.End = ends[1], ends[2]
	if e.Start == nil && e.End == nil {
		e.Start, e.End = at, at
	}
	if e.Start != nil && e.End != nil && *e.Start > *e.End {
		return fmt.Errorf("start_datetime is after end_datetime")
	}
	for _, end := range []*int64{at, e.Start, e.End} {
		if end != nil {
			e.Timed = true
			if e.Sort == Timeless {
				e.Sort = *end
			}
		}
	}
	return nil
}

// ParseMoment reads an RFC 3339 time or a date, YYYY-MM-DD.
func ParseMoment(s string) (Moment, bool) { return parseMoment([]byte(s)) }

func parseMoment(text []byte) (Moment, bool) {
	if len(text) < len(time.DateOnly) || text[4] != '-' {
		return Moment{}, false
	}
	switch s := string(text); {
	case len(s) == len(time.DateOnly):
		t, err := time.Parse(time.DateOnly, s)
		return Moment{t.UnixMicro(), t.AddDate(0, 0, 1).UnixMicro() - 1}, err == nil
	case len(s) >= len("2006-01-02T15:04:05Z") && (s[10] == 'T' || s[10] == 't'):
		t, ok := cql2.ParseTime(s)
		return Moment{t.UnixMicro(), t.UnixMicro()}, ok
	}
	return Moment{}, false
}

// CollectionEntry is a collection's document and what is asked of it.
type CollectionEntry struct {
	ID string
	// Document is in the form of form.go.
	Document json.RawMessage
	// Shape and Time are the overall extent, the first of each list; nil and open where it says nothing.
	Shape *geo.Shape
	Time  Interval
	// Words are those of title, description and each of keywords.
	Words [][]string
}

// ParseCollection reads and checks a collection's document.
func ParseCollection(doc json.RawMessage) (CollectionEntry, error) {
	t := &tree.Tree{}
	err := parse(t, doc)
	if err == nil {
		err = checkNames(t)
	}
	if err != nil {
		return CollectionEntry{}, fault.New(fault.Invalid, "collection: %w", err).WithCure("send a STAC collection")
	}
	text := func(name string) string { return string(t.Text(t.Get(tree.Root, name))) }
	c := CollectionEntry{ID: text("id")}
	refuse := func(format string, args ...any) (CollectionEntry, error) {
		err := fault.New(fault.Invalid, format, args...)
		return CollectionEntry{}, fault.New(fault.Invalid, "collection %q: %w", c.ID, err).WithCure("make it a valid STAC collection")
	}
	if text("type") != "Collection" || c.ID == "" {
		return refuse("type is %q and must be Collection, and it needs an id", text("type"))
	}
	if err := c.readExtent(result(t, t.Get(tree.Root, "extent"))); err != nil {
		return refuse("extent: %w", err)
	}
	c.Words = wordsIn(t, tree.Root)
	if c.Document, _, err = form(t, "Collection"); err != nil {
		return refuse("%w", err)
	}
	return c, nil
}

func (c *CollectionEntry) readExtent(extent gjson.Result) error {
	if box := extent.Get("spatial.bbox.0"); box.IsArray() {
		b, err := numbers(box)
		if err == nil {
			err = CheckBBox(b)
		}
		if err != nil {
			return fmt.Errorf("spatial: %w", err)
		}
		half := len(b) / 2
		c.Shape = geo.Box(b[0], b[1], b[half], b[half+1])
	}
	for i, end := range extent.Get("temporal.interval.0").Array() {
		if end.Type != gjson.String || i > 1 {
			continue
		}
		t, err := ParseTime(end.Str)
		if err != nil {
			return fmt.Errorf("temporal: %w", err)
		}
		if i == 0 {
			c.Time.Start = &t
		} else {
			c.Time.End = &t
		}
	}
	return nil
}

// Overlaps reports whether the item's time and the interval share a moment.
func (e Entry) Overlaps(i Interval) bool {
	if i.Open() {
		return true
	}
	return e.Timed && (e.Start == nil || i.End == nil || *e.Start <= i.End.UnixMicro()) &&
		(e.End == nil || i.Start == nil || *e.End >= i.Start.UnixMicro())
}

// Before is the order of results where no other is asked: newest first, then by collection and id, bytewise.
func (e Entry) Before(o Entry) bool {
	if e.Sort != o.Sort {
		return e.Sort > o.Sort
	}
	if c := strings.Compare(e.Ref.Collection, o.Ref.Collection); c != 0 {
		return c < 0
	}
	return e.Ref.ID < o.Ref.ID
}

func numbers(list gjson.Result) (out []float64, err error) {
	if !list.Exists() || list.Type == gjson.Null {
		return nil, nil
	}
	good := list.IsArray()
	list.ForEach(func(_, v gjson.Result) bool {
		good = good && (v.Type == gjson.Number && !math.IsInf(v.Num, 0) || v.Type == gjson.Null)
		out = append(out, v.Num)
		return good
	})
	if !good {
		return nil, fmt.Errorf("it is no list of numbers")
	}
	return out, nil
}
