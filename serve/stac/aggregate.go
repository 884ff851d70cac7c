package stac

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/reply"
)

// The types of what is counted, as the extension names them.
const (
	integer  = "integer"
	numeric  = "numeric"
	text     = "string"
	datetime = "datetime"
)

// measure is one thing that can be counted.
type measure struct {
	catalog.Aggregation
	// of is the type of a value, or of the keys of buckets.
	of string
}

func (m measure) buckets() bool {
	return m.Kind == catalog.Terms || m.Kind == catalog.Dates || m.Kind == catalog.Ranges
}

// maxMeasures bounds what is counted in one question, and mostTerms the buckets of each.
const (
	maxMeasures = 20
	mostTerms   = 1000
)

// standing are the measures that have names of their own; the first five make sense of any items.
func standing() []measure {
	cover := "eo:cloud_cover"
	return []measure{
		{catalog.Aggregation{Name: "total_count", Kind: catalog.Count}, integer},
		{catalog.Aggregation{Name: "datetime_min", Kind: catalog.Least, Property: "datetime"}, datetime},
		{catalog.Aggregation{Name: "datetime_max", Kind: catalog.Greatest, Property: "datetime"}, datetime},
		{catalog.Aggregation{Name: "datetime_frequency", Kind: catalog.Dates, Property: "datetime"}, datetime},
		{catalog.Aggregation{Name: "collection_frequency", Kind: catalog.Terms, Property: "collection", Most: mostTerms}, text},
		{catalog.Aggregation{Name: "cloud_cover_frequency", Kind: catalog.Ranges, Property: cover, Edges: cloudEdges}, numeric},
		{catalog.Aggregation{Name: "cloud_cover_min", Kind: catalog.Least, Property: cover}, numeric},
		{catalog.Aggregation{Name: "cloud_cover_max", Kind: catalog.Greatest, Property: cover}, numeric},
		{catalog.Aggregation{Name: "platform_frequency", Kind: catalog.Terms, Property: "platform", Most: mostTerms}, text},
		{catalog.Aggregation{Name: "grid_code_frequency", Kind: catalog.Terms, Property: "grid:code", Most: mostTerms}, text},
	}
}

// cloudEdges part percentages of cloud; the last bucket holds 100 too.
var cloudEdges = []float64{0, 5, 15, 40, math.Nextafter(100, 101)}

// ofProperty are the measures of a property: how often each value is there, and the ends of what has an order.
func ofProperty(q catalog.Queryable) []measure {
	number := slices.Contains(q.Types, "number") || slices.Contains(q.Types, "integer")
	terms := measure{catalog.Aggregation{Name: q.Name + "_frequency", Kind: catalog.Terms, Property: q.Name, Most: mostTerms}, text}
	ends := func(of string) []measure {
		return []measure{
			{catalog.Aggregation{Name: q.Name + "_min", Kind: catalog.Least, Property: q.Name}, of},
			{catalog.Aggregation{Name: q.Name + "_max", Kind: catalog.Greatest, Property: q.Name}, of},
		}
	}
	switch {
	case slices.Equal(q.Types, []string{"object"}):
		return nil
	case q.Format != "" && slices.Equal(q.Types, []string{"string"}):
		dates := measure{catalog.Aggregation{Name: q.Name + "_frequency", Kind: catalog.Dates, Property: q.Name}, datetime}
		return append(ends(datetime), dates)
	case number:
		if len(q.Types) == 1 {
			terms.of = numeric
		}
		return append(ends(numeric), terms)
	}
	return []measure{terms}
}

// measures are those that apply to the request's collection, or to any.
func (a *api) measures(r *request) ([]measure, error) {
	have, err := a.properties(r)
	if err != nil {
		return nil, err
	}
	out := standing()
	if r.collection != "" {
		out = slices.DeleteFunc(out, func(m measure) bool {
			return m.Property != "" && m.Property != "datetime" && m.Property != "collection" &&
				!slices.ContainsFunc(have, func(q catalog.Queryable) bool { return q.Name == m.Property })
		})
	}
	for _, q := range have {
		for _, m := range ofProperty(q) {
			if !slices.ContainsFunc(out, func(o measure) bool { return o.Name == m.Name }) {
				out = append(out, m)
			}
		}
	}
	return out, nil
}

func (a *api) aggregations(w http.ResponseWriter, r *request) error {
	all, err := a.measures(r)
	if err != nil {
		return err
	}
	list := []object{}
	for _, m := range all {
		one := object{"name": m.Name, "data_type": m.of}
		if m.buckets() {
			one["frequency_distribution_data_type"] = m.of
		}
		list = append(list, one)
	}
	a.Document(w, r.Request, http.StatusOK, reply.JSON, object{"type": "AggregationCollection", "aggregations": list, "links": sumLinks(r)})
	return nil
}

func sumLinks(r *request) []link {
	out := []link{{Rel: "self", Href: reply.Self(r.Request), Type: reply.JSON}, rootLink(r.at)}
	if r.collection != "" {
		of := collectionURL(r.at, r.collection)
		out = append(out, link{Rel: "collection", Href: of, Type: reply.JSON}, link{Rel: "parent", Href: of, Type: reply.JSON})
	}
	return out
}

// aggregateBody is the body of POST /aggregate.
type aggregateBody struct {
	question
	Aggregations nameList `json:"aggregations"`
	Interval     string   `json:"datetime_frequency_interval"`
}

func (a *api) aggregateGet(w http.ResponseWriter, r *request) error {
	q, err := asked(r.given, itemFields)
	if err != nil {
		return err
	}
	return a.aggregate(w, r, q.Query, commas(r.given, "aggregations"), r.given.Get("datetime_frequency_interval"))
}

func (a *api) aggregatePost(w http.ResponseWriter, r *request) error {
	var in aggregateBody
	if _, err := decode(w, r.Request, &in); err != nil {
		return err
	}
	q, err := in.query()
	if err != nil {
		return err
	}
	return a.aggregate(w, r, q, in.Aggregations, in.Interval)
}

func (a *api) aggregate(w http.ResponseWriter, r *request, q catalog.Query, names []string, step string) error {
	if err := a.inCatalog(r); err != nil {
		return err
	}
	if r.collection != "" {
		q.Collections = within(q.Collections, r.collection)
	}
	wanted, err := a.wanted(r, names, step)
	if err != nil {
		return err
	}
	list := []object{}
	if len(wanted) > 0 {
		// The number of all items tells how many are in no bucket.
		ask := []catalog.Aggregation{{Kind: catalog.Count}}
		for _, m := range wanted {
			ask = append(ask, m.Aggregation)
		}
		got, err := a.Catalog.Aggregate(r.Context(), a.scope(r.Request), q, ask)
		if err != nil {
			return err
		}
		total, _ := got[0].Value.(int) // as a count is
		for i, m := range wanted {
			list = append(list, m.document(got[i+1], total))
		}
	}
	a.Document(w, r.Request, http.StatusOK, reply.JSON, object{"type": "AggregationCollection", "aggregations": list, "links": sumLinks(r)})
	return nil
}

// wanted finds measures by their names.
func (a *api) wanted(r *request, names []string, step string) (out []measure, err error) {
	if step == "" {
		step = "month"
	}
	if !slices.Contains(catalog.Steps, step) {
		return nil, fault.New(fault.Invalid, "datetime_frequency_interval %q is unknown", step).WithCure("use one of %s", strings.Join(catalog.Steps, ", "))
	}
	if len(names) > maxMeasures {
		return nil, fault.New(fault.TooLarge, "%d aggregations are asked for", len(names)).WithCure("ask for up to %d at once", maxMeasures)
	}
	all := standing()
	named := func(name string) int { return slices.IndexFunc(all, func(m measure) bool { return m.Name == name }) }
	if r.collection != "" || slices.ContainsFunc(names, func(name string) bool { return named(name) < 0 }) {
		if all, err = a.measures(r); err != nil { // what items have has to be looked at
			return nil, err
		}
	}
	for _, name := range names {
		i := named(name)
		if i < 0 {
			return nil, fault.New(fault.Invalid, "there is no aggregation %q", name).WithCure("%s lists those there are", strings.Replace(r.URL.Path, "/aggregate", "/aggregations", 1))
		}
		m := all[i]
		if m.Kind == catalog.Dates {
			m.Step = step
		}
		out = append(out, m)
	}
	return out, nil
}

// document is an aggregation as it is answered; total is how many items there are, in buckets or not.
func (m measure) document(got catalog.Aggregate, total int) object {
	out := object{"name": m.Name, "data_type": m.of}
	if !m.buckets() {
		if t, ok := got.Value.(time.Time); ok {
			got.Value = t.UTC().Format(time.RFC3339Nano)
		}
		out["value"] = got.Value
		return out
	}
	buckets, inside := []object{}, 0
	for _, b := range got.Buckets {
		one := object{"key": b.Key, "data_type": m.of, "frequency": b.Count}
		if b.From != nil && b.To != nil {
			from, to := *b.From, math.Round(*b.To*1e9)/1e9
			one["key"], one["from"], one["to"] = number(from)+"-"+number(to), from, to
		}
		inside += b.Count
		buckets = append(buckets, one)
	}
	out["buckets"], out["overflow"] = buckets, got.Rest
	if m.Kind != catalog.Terms {
		out["overflow"] = max(0, total-inside)
	}
	if m.Kind == catalog.Dates {
		out["interval"] = m.Step
	}
	return out
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
