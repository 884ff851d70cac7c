package catalogtest

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/catalog/words"
)

// Collections returns a page of collections.
func (m *Memory) Collections(ctx context.Context, s catalog.Scope, q catalog.Query) (catalog.Result, error) {
	return m.page(ctx, s, q, "collections", func(now state) []record { return slices.Collect(maps.Values(now.collections)) })
}

// Search returns a page of items.
func (m *Memory) Search(ctx context.Context, s catalog.Scope, q catalog.Query) (catalog.Result, error) {
	return m.page(ctx, s, q, "items", func(now state) []record { return slices.Collect(maps.Values(now.items)) })
}

func (m *Memory) page(ctx context.Context, s catalog.Scope, q catalog.Query, kind string, of func(state) []record) (catalog.Result, error) {
	if err := q.Check(); err != nil {
		return catalog.Result{}, err
	}
	now, err := m.look(ctx)
	if err != nil {
		return catalog.Result{}, err
	}
	var at position
	if q.Token != "" {
		if at, err = m.open(kind+q.Ask(), q.Token); err != nil {
			return catalog.Result{}, err
		}
	}
	hits := m.find(s, q, of(now))
	places, sorted := m.sort(q, hits)
	var out catalog.Result
	if q.Count {
		out.Matched = ptr(len(hits))
	}
	from, to := 0, min(q.Size(), len(sorted))
	if q.Token != "" {
		// before is the number of documents that come before the token's place; the one at the place is on neither side.
		before, _ := slices.BinarySearchFunc(sorted, at, func(i int, p position) int { return m.compare(q, places[i], p) })
		after := before
		if after < len(sorted) && m.compare(q, places[sorted[after]], at) == 0 {
			after++
		}
		if from, to = after, min(after+q.Size(), len(sorted)); at.Back {
			from, to = max(0, before-q.Size()), before
		}
	}
	from, to = m.wrong.window(at.Back, q.Token != "", from, to)
	for _, i := range sorted[from:to] {
		out.Documents = append(out.Documents, slices.Clone(hits[i].document))
	}
	if m.wrong == pageMatched && q.Count {
		out.Matched = ptr(to - from)
	}
	if from < to && to < len(sorted) {
		out.Next = m.seal(kind+q.Ask(), places[sorted[to-1]], false)
	}
	if from < to && from > 0 {
		out.Prev = m.seal(kind+q.Ask(), places[sorted[from]], true)
	}
	return out, nil
}

// sort gives the places of what was found, and which of them comes when.
func (m *Memory) sort(q catalog.Query, hits []record) (places []position, sorted []int) {
	for i, r := range hits {
		places, sorted = append(places, place(q, r)), append(sorted, i)
	}
	slices.SortFunc(sorted, func(i, j int) int { return m.compare(q, places[i], places[j]) })
	return places, sorted
}

// names are all the items that a query finds, as collection/id.
func (m *Memory) names(q catalog.Query) []string {
	hits := m.find(all, q, slices.Collect(maps.Values(m.state.items)))
	_, sorted := m.sort(q, hits)
	out := []string{}
	for _, i := range sorted {
		out = append(out, hits[i].ref.Collection+"/"+hits[i].ref.ID)
	}
	return out
}

// find returns what a query finds, in no order.
func (m *Memory) find(s catalog.Scope, q catalog.Query, of []record) []record {
	if !s.SeesAll() {
		return nil
	}
	shape := m.wrong.place(q)
	return slices.DeleteFunc(of, func(r record) bool { return !m.matches(q, shape, r) })
}

func (m *Memory) matches(q catalog.Query, shape *geo.Shape, r record) bool {
	id := r.ref.ID
	if id == "" {
		id = r.ref.Collection
	}
	return (q.Collections == nil || slices.Contains(q.Collections, r.ref.Collection)) &&
		(q.IDs == nil || slices.Contains(q.IDs, id)) &&
		(shape == nil || r.shape != nil && m.wrong.meets(r.shape, shape)) &&
		(r.overlaps(q.Time) && (m.wrong != openIsNever || q.Time.Open() || r.start != nil && r.end != nil)) &&
		(q.Filter == nil || holds(m.wrong.truth(q.Filter, r))) &&
		(q.Words == nil || words.Match(m.wrong.question(q.Words), r.words)) &&
		(q.Origin == nil || *q.Origin == r.origin || m.wrong == anyOrigin)
}

// holds reports whether an answer is true, and not false or unknown.
func holds(truth *bool) bool { return truth != nil && *truth }

// overlaps reports whether the record's time and the interval share a moment.
func (r record) overlaps(i catalog.Interval) bool {
	if i.Open() {
		return true
	}
	return r.timed && (r.start == nil || i.End == nil || *r.start <= i.End.UnixMicro()) &&
		(r.end == nil || i.Start == nil || *r.end >= i.Start.UnixMicro())
}

// position is a place in an order of results.
type position struct {
	Keys           []sortValue
	Collection, ID string
	// Back says that the page before the place is wanted and not the one after.
	Back bool
}

// sortValue is what one key orders by: Rank first (number, then text, then nothing), then its value.
type sortValue struct {
	Rank   int
	Number float64
	Time   int64
	Text   string
}

// The ranks of values in an order; they are the same in both directions.
const (
	rankNumber = iota
	rankText
	rankNull
)

// place is where a record stands in the order of a query.
func place(q catalog.Query, r record) position {
	p := position{Collection: r.ref.Collection, ID: r.ref.ID}
	if len(q.Sort) == 0 {
		p.Keys = []sortValue{{Time: r.sort}}
	}
	for _, key := range q.Sort {
		p.Keys = append(p.Keys, r.sortValue(key.Property))
	}
	return p
}

func (r record) sortValue(property string) sortValue {
	if from, _, ok := r.Moment(property); ok {
		return sortValue{Number: float64(from)}
	}
	switch v := r.Value(property); v.Type {
	case gjson.Number:
		return sortValue{Number: v.Num}
	case gjson.True:
		return sortValue{Number: 1}
	case gjson.False:
		return sortValue{}
	case gjson.String:
		return sortValue{Rank: rankText, Text: v.Str}
	}
	return sortValue{Rank: rankNull}
}

// compare is the order of results.
func (m *Memory) compare(q catalog.Query, a, b position) int {
	for i := range a.Keys {
		x, y := a.Keys[i], b.Keys[i]
		descending := len(q.Sort) == 0 || q.Sort[i].Descending
		if c := cmp.Compare(m.wrong.rank(x.Rank, descending), m.wrong.rank(y.Rank, descending)); c != 0 {
			return c
		}
		c := cmp.Or(cmp.Compare(x.Number, y.Number), cmp.Compare(x.Time, y.Time), cmp.Compare(x.Text, y.Text))
		if descending {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	if m.wrong.turned(q) {
		a, b = b, a
	}
	return cmp.Or(cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.ID, b.ID))
}

func (m *Memory) seal(ask string, p position, back bool) string {
	p.Back = back
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // numbers and strings always marshal
	}
	return m.signer.Token(ask, catalog.Position{Values: []any{string(text)}})
}

func (m *Memory) open(ask, token string) (position, error) {
	sealed, err := m.signer.Open(ask, token)
	if err != nil {
		return position{}, err
	}
	var p position
	text, err := sealed.Of([]catalog.ValueKind{catalog.TextValue})
	if err != nil {
		return position{}, err
	}
	return p, json.Unmarshal([]byte(text[0].(string)), &p)
}
