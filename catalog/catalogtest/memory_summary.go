package catalogtest

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// Aggregate computes over the items that a query finds.
func (m *Memory) Aggregate(ctx context.Context, s catalog.Scope, q catalog.Query, ask []catalog.Aggregation) ([]catalog.Aggregate, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	now, err := m.look(ctx)
	if err != nil {
		return nil, err
	}
	hits := m.find(s, q, slices.Collect(maps.Values(now.items)))
	out := make([]catalog.Aggregate, 0, len(ask))
	for _, a := range ask {
		one := catalog.Aggregate{Name: a.Name}
		switch a.Kind {
		case catalog.Count:
			one.Value = len(hits)
		case catalog.Least, catalog.Greatest:
			one.Value = extreme(hits, a)
		case catalog.Terms:
			one.Buckets, one.Rest = m.terms(hits, a)
		case catalog.Dates:
			one.Buckets, err = m.dates(hits, a)
		case catalog.Ranges:
			one.Buckets, err = m.ranges(hits, a)
		default:
			err = fault.New(fault.Invalid, "aggregation %q is of no known kind", a.Name)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// extreme is the least or greatest number, or moment where there are no numbers.
func extreme(hits []record, a catalog.Aggregation) any {
	var numbers []float64
	var moments []int64
	for _, r := range hits {
		if from, _, ok := r.Moment(a.Property); ok {
			moments = append(moments, from)
		} else if v := r.Value(a.Property); v.Type == gjson.Number {
			numbers = append(numbers, v.Num)
		}
	}
	least := a.Kind == catalog.Least
	switch {
	case len(numbers) > 0 && least:
		return slices.Min(numbers)
	case len(numbers) > 0:
		return slices.Max(numbers)
	case len(moments) > 0 && least:
		return time.UnixMicro(slices.Min(moments)).UTC()
	case len(moments) > 0:
		return time.UnixMicro(slices.Max(moments)).UTC()
	}
	return nil
}

// term is a scalar as text.
func term(v gjson.Result) (string, bool) {
	switch v.Type {
	case gjson.String:
		return v.Str, true
	case gjson.True, gjson.False:
		return v.Raw, true
	case gjson.Number:
		return number(v.Num), true
	}
	return "", false
}

// number is the shortest text of a number, as JSON has it.
func number(v float64) string {
	out, err := json.Marshal(v + 0) // no -0
	if err != nil {
		panic(err) // documents and checked edges hold finite numbers
	}
	return string(out)
}

func (m *Memory) terms(hits []record, a catalog.Aggregation) (buckets []catalog.Bucket, rest int) {
	counts := map[string]int{}
	for _, r := range hits {
		list := []gjson.Result{r.Value(a.Property)}
		if list[0].IsArray() {
			list = list[0].Array()
		}
		once := map[string]bool{}
		for _, v := range list {
			if key, ok := term(v); ok && (!once[key] || m.wrong == termsTwice) {
				once[key] = true
				counts[key]++
			}
		}
	}
	return catalog.TermBuckets(counts, a.Most)
}

func (m *Memory) dates(hits []record, a catalog.Aggregation) ([]catalog.Bucket, error) {
	counts := map[string]int{}
	for _, r := range hits {
		from, _, ok := r.Moment(a.Property)
		if !ok {
			continue
		}
		t := time.UnixMicro(from).In(m.wrong.zone())
		switch a.Step {
		case "year":
			t = time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
		case "month":
			t = time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
		case "week":
			for t = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC); t.Weekday() != time.Monday; {
				t = t.AddDate(0, 0, -1)
			}
		case "day":
			t = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
		case "hour":
			t = t.Truncate(time.Hour)
		}
		counts[t.Format(time.RFC3339)]++
	}
	if !slices.Contains(catalog.Steps, a.Step) {
		return nil, fault.New(fault.Invalid, "aggregation %q: the step %q is unknown", a.Name, a.Step).WithCure("use one of %v", catalog.Steps)
	}
	var out []catalog.Bucket
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, catalog.Bucket{Key: key, Count: counts[key]})
	}
	return out, nil
}

func (m *Memory) ranges(hits []record, a catalog.Aggregation) ([]catalog.Bucket, error) {
	for i, e := range a.Edges {
		if math.IsNaN(e) || math.IsInf(e, 0) || i > 0 && e <= a.Edges[i-1] {
			return nil, fault.New(fault.Invalid, "aggregation %q: the edges do not ascend", a.Name).WithCure("give numbers, each greater than the one before")
		}
	}
	var out []catalog.Bucket
	for i := 1; i < len(a.Edges); i++ {
		from, to := a.Edges[i-1], a.Edges[i]
		b := catalog.Bucket{Key: number(from) + "-" + number(to), From: &from, To: &to}
		for _, r := range hits {
			if v := r.Value(a.Property); v.Type == gjson.Number && from <= v.Num && (v.Num < to || m.wrong == edgeIncluded && v.Num == to) {
				b.Count++
			}
		}
		out = append(out, b)
	}
	return out, nil
}

// Queryables lists the properties that items have.
func (m *Memory) Queryables(ctx context.Context, s catalog.Scope, collections []string) ([]catalog.Queryable, error) {
	now, err := m.look(ctx)
	if err != nil {
		return nil, err
	}
	values := map[string][]gjson.Result{}
	for _, r := range m.find(s, catalog.Query{Collections: collections}, slices.Collect(maps.Values(now.items))) {
		for name, v := range r.members {
			values[name] = append(values[name], v)
		}
	}
	out := []catalog.Queryable{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if q := queryable(name, values[name]); len(q.Types) > 0 {
			out = append(out, q)
		}
	}
	return out, nil
}

func queryable(name string, values []gjson.Result) catalog.Queryable {
	types, formats := map[string]bool{}, map[string]bool{}
	for _, v := range values {
		switch {
		case v.Type == gjson.String:
			types["string"] = true
			at, ok := catalog.ParseMoment(v.Str)
			switch {
			case !ok:
				formats[""] = true
			case at.From < at.To:
				formats["date"] = true
			default:
				formats["date-time"] = true
			}
		case v.Type == gjson.Number && v.Num == math.Trunc(v.Num):
			types["integer"] = true
		case v.Type == gjson.Number:
			types["number"] = true
		case v.IsBool():
			types["boolean"] = true
		case v.IsArray():
			types["array"] = true
		case v.IsObject():
			types["object"] = true
		}
	}
	if types["number"] {
		delete(types, "integer")
	}
	q := catalog.Queryable{Name: name, Types: slices.Sorted(maps.Keys(types))}
	if len(formats) == 1 {
		q.Format = slices.Collect(maps.Keys(formats))[0]
	}
	return q
}
