package catalogtest

import (
	"fmt"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/words"
)

// ask is a question put to a catalog: of items or of collections, with what is to be computed over them.
type ask struct {
	query       catalog.Query
	collections bool
	sums        []catalog.Aggregation
	// limit is that of the pages by which the answer is walked again, 0 for not.
	limit int
}

// ask draws a question with operators in its filter.
func (d draw) ask(m mood, ops, ids []string) ask {
	a := ask{query: d.query(m, ids), collections: m == alone && d.often(15)}
	a.query.Filter = d.filter(m, ops)
	if m == alone && d.often(25) {
		a.limit = 1 + d.IntN(20)
	}
	if !a.collections && d.often(20) {
		a.sums = d.sums()
	}
	return a
}

// query draws everything of a query but its filter.
func (d draw) query(m mood, ids []string) catalog.Query {
	q := catalog.Query{Count: d.often(50), Page: catalog.Page{Limit: catalog.MaxLimit}}
	rare := func(percent int) bool {
		return d.often(map[mood]int{alone: percent, loose: percent / 4, tight: percent}[m])
	}
	some := func(of []string) []string {
		out := []string{}
		for range d.IntN(6) {
			out = append(out, pick(d, of...))
		}
		return out
	}
	if rare(12) {
		q.Collections = some([]string{"a", "b", "c", "d", "none"})
	}
	if rare(6) {
		q.IDs = some(append(ids, "a", "b"))
	}
	switch {
	case rare(12):
		q.BBox = d.box()
	case rare(12):
		q.Intersects = d.shape()
	}
	if rare(12) {
		a, b := d.twoMoments()
		q.Time = pick(d, catalog.Interval{Start: &a}, catalog.Interval{End: &b}, catalog.Interval{Start: &a, End: &b}, catalog.Interval{Start: &a, End: &a})
	}
	if rare(12) {
		q.Words = d.question(2)
	}
	if rare(8) {
		q.Origin = pick(d, ptr(catalog.FromBucket), ptr(catalog.Posted))
	}
	// Every rank of values costs a back end a statement of its own, so long filters rather go with orders that have one.
	if m != alone && d.often(75) {
		q.Sort = pick(d, nil, nil, []catalog.SortKey{{Property: "datetime"}}, []catalog.SortKey{{Property: "collection", Descending: true}}, []catalog.SortKey{{Property: "geometry"}})
		return q
	}
	for range d.IntN(3) {
		q.Sort = append(q.Sort, catalog.SortKey{Descending: d.often(50),
			Property: pick(d, "n", "m", "s", "t", "b", "l", "mixed", "mixed", "datetime", "end_datetime", "collection", "none")})
	}
	if d.often(5) {
		q.Sort = append(q.Sort, catalog.SortKey{Property: pick(d, "id", "geometry", "n"), Descending: d.often(50)})
	}
	return q
}

// question is free text.
func (d draw) question(depth int) words.Question {
	kind := d.IntN(8)
	if depth == 0 {
		kind %= 3
	}
	vocabulary := []string{"green", "forest", "river", "ceren", "森林", "ice", "free", "a", "of", "and", "none"}
	switch kind {
	case 0, 1:
		return words.Word{Text: pick(d, vocabulary...)}
	case 2:
		return words.Phrase{Words: []string{pick(d, vocabulary...), pick(d, vocabulary...)}}
	case 3:
		return words.Not{Arg: d.question(depth - 1)}
	}
	args := []words.Question{d.question(depth - 1), d.question(depth - 1)}
	if kind < 6 {
		return words.All{Args: args}
	}
	return words.Any{Args: args}
}

// sums draws aggregations.
func (d draw) sums() []catalog.Aggregation {
	out := []catalog.Aggregation{}
	for i := range 1 + d.IntN(4) {
		a := catalog.Aggregation{Name: fmt.Sprint("sum ", i), Kind: catalog.AggregationKind(d.IntN(int(catalog.Ranges) + 1)),
			Property: pick(d, "n", "s", "t", "b", "l", "mixed", "datetime", "start_datetime", "none", "collection", "id")}
		switch a.Kind {
		case catalog.Dates:
			a.Step = pick(d, catalog.Steps...)
		case catalog.Ranges:
			a.Edges = pick(d, []float64{-1, 0, 0.5, 2}, []float64{0, 10}, []float64{2, 3, 1e299, 1e301}, nil)
		case catalog.Terms:
			a.Most = pick(d, 0, 1, 3)
		}
		out = append(out, a)
	}
	return out
}
