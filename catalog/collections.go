package catalog

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/catalog/words"
)

// Shelf answers what is asked of collections, for every back end: there are few of them beside the items, so all are
// kept in memory, read, until the back end has a newer revision of them.
type Shelf struct {
	signer   Signer
	revision func(context.Context) (int64, error)
	all      func(context.Context) ([]Shelved, int64, error)
	mu       sync.Mutex
	now      *shelf
}

// Shelved is a collection as a back end has it.
type Shelved struct {
	// Document is in the form of form.go.
	Document json.RawMessage
	Origin   Origin
}

// NewShelf takes the back end's signer and two functions: revision changes whenever a collection does, and all returns
// every collection with the revision that they are of.
func NewShelf(signer Signer, revision func(context.Context) (int64, error), all func(context.Context) ([]Shelved, int64, error)) *Shelf {
	return &Shelf{signer: signer, revision: revision, all: all}
}

// shelf is a state of all collections, by id. It never changes.
type shelf struct {
	revision int64
	entries  []*shelved
}

// look returns the state of this moment.
func (s *Shelf) look(ctx context.Context) (*shelf, error) {
	revision, err := s.revision(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now != nil && s.now.revision >= revision {
		return s.now, nil
	}
	all, revision, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	next := &shelf{revision: revision, entries: make([]*shelved, len(all))}
	for i, c := range all {
		e, err := ParseCollection(c.Document)
		if err != nil {
			// An earlier release took what this one refuses: it is listed by its name, and keeps no others from being.
			id := gjson.GetBytes(c.Document, "id").Str
			if id == "" || !gjson.ValidBytes(c.Document) {
				return nil, err
			}
			e = CollectionEntry{ID: id, Document: c.Document}
		}
		next.entries[i] = &shelved{CollectionEntry: e, origin: c.Origin}
	}
	slices.SortFunc(next.entries, func(a, b *shelved) int { return strings.Compare(a.ID, b.ID) })
	s.now = next
	return next, nil
}

// Search returns a page of collections.
func (s *Shelf) Search(ctx context.Context, scope Scope, q Query) (Result, error) {
	if err := q.Check(); err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	ask := "collections " + q.Ask()
	var at place
	if q.Token != "" {
		p, err := s.signer.Open(ask, q.Token)
		if err == nil {
			at, err = placeOf(p, len(q.Sort))
		}
		if err != nil {
			return Result{}, err
		}
	}
	now, err := s.look(ctx)
	if err != nil {
		return Result{}, err
	}
	found := now.find(scope, q)
	var out Result
	if q.Count {
		n := len(found)
		out.Matched = &n
	}
	from, to := 0, min(q.Size(), len(found))
	if q.Token != "" {
		first, exact := slices.BinarySearchFunc(found, at, func(e *shelved, p place) int { return compare(q.Sort, e.place(q.Sort), p) })
		if at.back {
			from, to = max(0, first-q.Size()), first
		} else {
			if exact {
				first++
			}
			from, to = first, min(first+q.Size(), len(found))
		}
	}
	for _, e := range found[from:to] {
		out.Documents = append(out.Documents, e.Document)
	}
	if from < to && to < len(found) {
		out.Next = s.signer.Token(ask, found[to-1].place(q.Sort).position(false))
	}
	if from < to && from > 0 {
		out.Prev = s.signer.Token(ask, found[from].place(q.Sort).position(true))
	}
	return out, nil
}

// find returns what the query finds, in its order.
func (s *shelf) find(scope Scope, q Query) []*shelved {
	if !scope.SeesAll() {
		return nil
	}
	shape := q.Shape()
	var found []*shelved
	for _, e := range s.entries {
		if e.answers(q, shape) {
			found = append(found, e)
		}
	}
	if q.Sort != nil {
		slices.SortStableFunc(found, func(a, b *shelved) int { return compare(q.Sort, a.place(q.Sort), b.place(q.Sort)) })
	}
	return found
}

// shelved is a collection as filters and orders see it: its properties are the members of its document.
type shelved struct {
	CollectionEntry
	origin  Origin
	once    sync.Once
	members map[string]gjson.Result
}

var _ cql2.Document = (*shelved)(nil)

func (e *shelved) answers(q Query, shape *geo.Shape) bool {
	return (q.Collections == nil || slices.Contains(q.Collections, e.ID)) &&
		(q.IDs == nil || slices.Contains(q.IDs, e.ID)) &&
		(q.Origin == nil || *q.Origin == e.origin) &&
		e.Time.overlaps(q.Time) &&
		(shape == nil || e.CollectionEntry.Shape != nil && e.CollectionEntry.Shape.Intersects(shape)) &&
		(q.Words == nil || words.Match(q.Words, e.Words)) &&
		(q.Filter == nil || isTrue(cql2.Eval(q.Filter, e)))
}

func isTrue(b *bool) bool { return b != nil && *b }

// overlaps reports whether two intervals share a moment.
func (i Interval) overlaps(o Interval) bool {
	return (i.Start == nil || o.End == nil || i.Start.UnixMicro() <= o.End.UnixMicro()) &&
		(i.End == nil || o.Start == nil || i.End.UnixMicro() >= o.Start.UnixMicro())
}

// Value is a member of the document.
func (e *shelved) Value(name string) gjson.Result {
	switch name {
	case cql2.ID:
		return gjson.Result{Type: gjson.String, Str: e.ID}
	case cql2.Collection, cql2.Location:
		return gjson.Result{}
	}
	e.once.Do(func() {
		e.members = map[string]gjson.Result{}
		gjson.ParseBytes(e.Document).ForEach(func(name, v gjson.Result) bool {
			e.members[name.String()] = v
			return true
		})
	})
	return e.members[name]
}

// Moment is a member that is a time or a date.
func (e *shelved) Moment(name string) (from, to int64, ok bool) {
	if name == cql2.ID {
		return 0, 0, false
	}
	v := e.Value(name)
	if v.Type != gjson.String {
		return 0, 0, false
	}
	m, ok := ParseMoment(v.Str)
	return m.From, m.To, ok
}

// Shape is where the collection lies.
func (e *shelved) Shape() *geo.Shape { return e.CollectionEntry.Shape }

// place is where a collection stands in an order.
type place struct {
	ranks  []int64
	values []any // float64 for rank 0, string for rank 1, nil for rank 2
	id     string
	back   bool
}

func (e *shelved) place(keys []SortKey) place {
	p := place{id: e.ID}
	for _, k := range keys {
		rank, value := int64(2), any(nil)
		if from, _, ok := e.Moment(k.Property); ok {
			rank, value = 0, float64(from)
		} else {
			switch v := e.Value(k.Property); v.Type {
			case gjson.Number:
				rank, value = 0, v.Num
			case gjson.True:
				rank, value = 0, 1.0
			case gjson.False:
				rank, value = 0, 0.0
			case gjson.String:
				rank, value = 1, v.Str
			}
		}
		p.ranks, p.values = append(p.ranks, rank), append(p.values, value)
	}
	return p
}

// compare is the order of two places.
func compare(keys []SortKey, a, b place) int {
	for i, k := range keys {
		if c := cmp.Compare(a.ranks[i], b.ranks[i]); c != 0 {
			return c
		}
		c := 0
		switch x := a.values[i].(type) {
		case float64:
			c = cmp.Compare(x, b.values[i].(float64))
		case string:
			c = strings.Compare(x, b.values[i].(string))
		}
		if k.Descending {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return strings.Compare(a.id, b.id)
}

// position is the place as a token holds it: each rank and value, and the id.
func (p place) position(back bool) Position {
	values := []any{}
	for i, rank := range p.ranks {
		values = append(values, rank, p.values[i])
	}
	return Position{Values: append(values, p.id), Back: back}
}

func placeOf(at Position, keys int) (place, error) {
	out := place{back: at.Back}
	var kinds []ValueKind
	for i := range keys {
		kind := NoValue // nil
		if 2*i+1 < len(at.Values) {
			switch at.Values[2*i+1].(type) {
			case json.Number:
				kind = NumberValue
			case string:
				kind = TextValue
			}
		}
		kinds = append(kinds, IntegerValue, kind)
	}
	values, err := at.Of(append(kinds, TextValue))
	if err != nil {
		return place{}, err
	}
	for i := range keys {
		out.ranks, out.values = append(out.ranks, values[2*i].(int64)), append(out.values, values[2*i+1])
	}
	out.id = values[2*keys].(string)
	return out, nil
}
