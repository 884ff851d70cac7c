package sqlgen

import (
	"encoding/json"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/fault"
)

// manyTerms is how many different values are counted at most.
const manyTerms = 200_000

// terms counts by a property's value, and by each value of lists once.
func (g *aggregation) terms(a catalog.Aggregation) (buckets []catalog.Bucket, rest int, err error) {
	counts := map[string]int{}
	if !g.w.nothing() {
		if err := g.scalars(a, counts); err != nil {
			return nil, 0, err
		}
		if !named(a.Property) {
			if err := g.elements(a, counts); err != nil {
				return nil, 0, err
			}
		}
	}
	buckets, rest = catalog.TermBuckets(counts, a.Most)
	return buckets, rest, nil
}

func (g *aggregation) scalars(a catalog.Aggregation, counts map[string]int) error {
	st := &statement{Dialect: g.Dialect}
	text := st.property(Text, a.Property)
	if text == "" {
		return nil // the location
	}
	columns := text + " AS t"
	if number, flag := st.property(Number, a.Property), st.property(Bool, a.Property); number != "" {
		columns += ", " + number + " AS n, " + flag + " AS f"
	} else {
		columns += ", CAST(NULL AS double precision) AS n, " + unknown + " AS f"
	}
	return g.countTerms(a, st, "SELECT "+columns+" FROM "+g.source(st, g.path, ""), counts)
}

func (g *aggregation) elements(a catalog.Aggregation, counts map[string]int) error {
	st := &statement{Dialect: g.Dialect}
	from, text := st.Elements(a.Property, st.arg)
	return g.countTerms(a, st, "SELECT DISTINCT i.row, "+text+" AS t, CAST(NULL AS double precision) AS n, "+unknown+" AS f FROM "+
		g.source(st, g.path, " CROSS JOIN "+from), counts)
}

// countTerms counts what a statement gives as text, number or boolean.
func (g *aggregation) countTerms(a catalog.Aggregation, st *statement, text string, counts map[string]int) error {
	text = "SELECT a.t, a.n, a.f, count(*) FROM (" + text + ") AS a WHERE a.t IS NOT NULL OR a.n IS NOT NULL OR a.f IS NOT NULL GROUP BY a.t, a.n, a.f"
	return g.r.Query(g.ctx, text, st.args, func(row Row) error {
		var t, v, f any
		var n int64
		if err := row.Scan(&t, &v, &f, &n); err != nil {
			return err
		}
		counts[term(t, v, f)] += int(n)
		if len(counts) > manyTerms {
			return fault.New(fault.Unsupported, "aggregation %q: property %q has more than %d different values", a.Name, a.Property, manyTerms).
				WithCure("filter the items, or aggregate another property")
		}
		return nil
	})
}

// term is a value as text.
func term(text, value, flag any) string {
	switch {
	case text != nil:
		return text.(string)
	case value != nil:
		return number(value.(float64))
	case flag == true || flag == int64(1):
		return "true"
	}
	return "false"
}

// number is the shortest text of a number, as JSON has it.
func number(v float64) string {
	out, err := json.Marshal(v + 0) // no -0
	if err != nil {
		return ""
	}
	return string(out)
}
