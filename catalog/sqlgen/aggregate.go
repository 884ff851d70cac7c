package sqlgen

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/fault"
)

// Aggregate computes over the items that a query finds.
func (e Engine) Aggregate(ctx context.Context, r Reader, s catalog.Scope, q catalog.Query, ask []catalog.Aggregation) ([]catalog.Aggregate, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	g := aggregation{lookup: lookup{Engine: e, ctx: ctx, r: r, w: newWanted(s, q)}}
	if err := g.plan(); err != nil {
		return nil, err
	}
	out := make([]catalog.Aggregate, len(ask))
	for i, a := range ask {
		if err := check(a); err != nil {
			return nil, err
		}
		var err error
		if out[i], err = g.one(a); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// check refuses an aggregation that has no meaning.
func check(a catalog.Aggregation) error {
	switch a.Kind {
	case catalog.Count, catalog.Least, catalog.Greatest, catalog.Terms:
		return nil
	case catalog.Dates:
		if !slices.Contains(catalog.Steps, a.Step) {
			return fault.New(fault.Invalid, "aggregation %q: the step %q is unknown", a.Name, a.Step).WithCure("use one of %s", strings.Join(catalog.Steps, ", "))
		}
		return nil
	case catalog.Ranges:
		for i, e := range a.Edges {
			if math.IsNaN(e) || math.IsInf(e, 0) || i > 0 && e <= a.Edges[i-1] {
				return fault.New(fault.Invalid, "aggregation %q: the edges do not ascend", a.Name).WithCure("give numbers, each greater than the one before")
			}
		}
		return nil
	}
	return fault.New(fault.Invalid, "aggregation %q is of no known kind", a.Name)
}

// aggregation computes over the items of a path.
type aggregation struct {
	lookup
	path Path
}

func (g *aggregation) plan() error {
	if g.w.nothing() || g.w.plain() {
		return nil
	}
	p, ok, err := g.few(sortable, "", false)
	if !ok && g.w.placed() {
		p = g.w.place(g.w.time.and(g.w.sort))
	}
	g.path = anywhere(p)
	return err
}

func (g *aggregation) one(a catalog.Aggregation) (catalog.Aggregate, error) {
	out := catalog.Aggregate{Name: a.Name}
	var err error
	switch a.Kind {
	case catalog.Count:
		out.Value, err = g.number()
	case catalog.Least, catalog.Greatest:
		out.Value, err = g.extreme(a)
	case catalog.Terms:
		out.Buckets, out.Rest, err = g.terms(a)
	case catalog.Dates:
		out.Buckets, err = g.dates(a)
	case catalog.Ranges:
		out.Buckets, err = g.ranges(a)
	}
	return out, err
}

func (g *aggregation) number() (any, error) {
	switch {
	case g.w.nothing():
		return 0, nil
	case g.w.plain():
		n, err := g.total()
		return n, err
	}
	n, err := g.count(g.path)
	return n, err
}

// extreme is the least or the greatest number, or where there is none, moment.
func (g *aggregation) extreme(a catalog.Aggregation) (any, error) {
	least := a.Kind == catalog.Least
	if g.w.nothing() {
		return nil, nil
	}
	if a.Property == Datetime && g.path.Kind == Any {
		return g.end(least)
	}
	st := &statement{Dialect: g.Dialect}
	number, from := st.property(Number, a.Property), st.property(From, a.Property)
	if number == "" {
		return nil, nil
	}
	which := "max"
	if least {
		which = "min"
	}
	var value, moment any
	err := g.r.Query(g.ctx, fmt.Sprintf("SELECT %s(%s), %s(%s) FROM %s", which, number, which, from, g.source(st, g.path, "")), st.args,
		func(row Row) error { return row.Scan(&value, &moment) })
	if us, ok := moment.(int64); ok && value == nil {
		value = time.UnixMicro(us).UTC()
	}
	return value, err
}

// end is the first or the last datetime, from the end of the index.
func (g *aggregation) end(first bool) (value any, err error) {
	var found []int64
	for _, p := range g.branches(Path{Kind: Newest}) {
		st := &statement{Dialect: g.Dialect}
		way := " DESC"
		if first {
			way = ""
		}
		text := "SELECT i.sort FROM " + g.source(st, p, "", "i.dated = 1") + " ORDER BY i.sort" + way + " LIMIT 1"
		if err := g.r.Query(g.ctx, text, st.args, func(row Row) error {
			var us int64
			if err := row.Scan(&us); err != nil {
				return err
			}
			found = append(found, us)
			return nil
		}); err != nil {
			return nil, err
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	if first {
		return time.UnixMicro(slices.Min(found)).UTC(), nil
	}
	return time.UnixMicro(slices.Max(found)).UTC(), nil
}

// dates counts by hours or days in the database, and by longer steps here.
func (g *aggregation) dates(a catalog.Aggregation) ([]catalog.Bucket, error) {
	counts, err := g.datesBy(a)
	if err != nil {
		return nil, err
	}
	begins := map[int64]int{}
	for us, n := range counts {
		begins[catalog.BeginOfStep(a.Step, time.UnixMicro(us)).UnixMicro()] += n
	}
	var out []catalog.Bucket
	for _, us := range sorted(begins) {
		out = append(out, catalog.Bucket{Key: time.UnixMicro(us).UTC().Format(time.RFC3339), Count: begins[us]})
	}
	return out, nil
}

func sorted(counts map[int64]int) []int64 {
	out := make([]int64, 0, len(counts))
	for us := range counts {
		out = append(out, us)
	}
	slices.Sort(out)
	return out
}

// datesBy counts by the first microsecond of a span that divides the step.
func (g *aggregation) datesBy(a catalog.Aggregation) (map[int64]int, error) {
	if g.w.nothing() {
		return nil, nil
	}
	if a.Property == Datetime && a.Step != "hour" && g.w.plain() {
		if a.Step == "day" || a.Step == "week" {
			return g.tallied(Day)
		}
		return g.tallied(Month)
	}
	unit := int64(dayMicros)
	if a.Step == "hour" {
		unit = dayMicros / 24
	}
	st := &statement{Dialect: g.Dialect}
	from := st.property(From, a.Property)
	if from == "" {
		return nil, nil
	}
	// Division is toward zero in some databases and down in others; that of a multiple is the same.
	text := fmt.Sprintf("SELECT a.m - ((a.m %% %d) + %d) %% %d, count(*) FROM (SELECT %s AS m FROM %s) AS a WHERE a.m IS NOT NULL GROUP BY 1",
		unit, unit, unit, from, g.source(st, g.path, ""))
	counts := map[int64]int{}
	err := g.r.Query(g.ctx, text, st.args, func(row Row) error {
		var us, n int64
		if err := row.Scan(&us, &n); err != nil {
			return err
		}
		counts[us] += int(n)
		return nil
	})
	return counts, err
}

// ranges counts by intervals, many of them in several statements.
func (g *aggregation) ranges(a catalog.Aggregation) ([]catalog.Bucket, error) {
	var out []catalog.Bucket
	for i := 1; i < len(a.Edges); i++ {
		from, to := a.Edges[i-1], a.Edges[i]
		out = append(out, catalog.Bucket{Key: number(from) + "-" + number(to), From: &from, To: &to})
	}
	if g.w.nothing() {
		return out, nil
	}
	const most = 200
	for i := 0; i < len(out); i += most {
		if err := g.rangesOf(a.Property, out[i:min(i+most, len(out))]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (g *aggregation) rangesOf(property string, buckets []catalog.Bucket) error {
	st := &statement{Dialect: g.Dialect}
	value := st.property(Number, property)
	if value == "" {
		return nil
	}
	sums := make([]string, len(buckets))
	counts, into := make([]int64, len(buckets)), make([]any, len(buckets))
	for i, b := range buckets {
		sums[i] = "CAST(coalesce(sum(CASE WHEN a.v >= " + st.arg(Number, *b.From) + " AND a.v < " + st.arg(Number, *b.To) + " THEN 1 ELSE 0 END), 0) AS bigint)"
		into[i] = &counts[i]
	}
	text := "SELECT " + strings.Join(sums, ", ") + " FROM (SELECT " + value + " AS v FROM " + g.source(st, g.path, "") + ") AS a"
	err := g.r.Query(g.ctx, text, st.args, func(row Row) error { return row.Scan(into...) })
	for i := range buckets {
		buckets[i].Count = int(counts[i])
	}
	return err
}

// named reports whether a property is not a member of the properties.
func named(property string) bool {
	return property == cql2.ID || property == cql2.Collection || property == cql2.Location
}
