package sqlgen

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
)

// lookup is a question being answered in one read.
type lookup struct {
	Engine
	ctx context.Context
	r   Reader
	w   wanted
}

const (
	// countable is how many items are looked at to count them.
	countable = 1000
	// sortable is how many candidates are sorted before an index in the order that is wanted is walked instead.
	sortable = 4000
)

// few is the path of an index that leads to no more candidates than most, if there is one. The index over the property ranked is
// not asked, nor, where walks is true, that over place and time: the search would walk along them anyway.
func (l lookup) few(most int, ranked string, walks bool) (Path, bool, error) {
	if l.w.ids != nil {
		return Path{Kind: ByID, IDs: l.w.ids}, true, nil
	}
	for _, p := range l.lookups() {
		if p.Kind == Ranked && p.Property == ranked || p.Kind == ByPlace && walks {
			continue
		}
		if n, err := l.probe(p, most+1); err != nil || n <= most {
			return p, err == nil, err
		}
	}
	if l.w.collections == nil {
		return Path{}, false, nil
	}
	n, err := l.total()
	return Path{Kind: Newest}, err == nil && n <= most, err
}

// lookups are the paths that know something of what is wanted.
func (l lookup) lookups() (out []Path) {
	if l.w.q.Words != nil {
		out = append(out, Path{Kind: ByWords, Question: l.w.q.Words})
	}
	if l.w.placed() || l.w.timed() {
		out = append(out, l.w.place(l.w.time.and(l.w.sort)))
	}
	for _, property := range slices.Sorted(maps.Keys(l.w.bounds)) {
		if l.r.Indexed(property) {
			out = append(out, Path{Kind: Ranked, Property: property})
		}
	}
	return out
}

// place is the path to what is near and whose time meets a span.
func (w wanted) place(at Window) Path {
	return Path{Kind: ByPlace, Near: w.near, Begin: at.To, End: at.From}
}

// probe counts candidates, up to a number, or guesses how many there are.
func (l lookup) probe(p Path, most int) (n int, err error) {
	st := &statement{Dialect: l.Dialect}
	candidates := ""
	if p.Kind == Ranked {
		from, _ := st.Candidates(p, st.arg)
		candidates = "SELECT 1 FROM " + from + " WHERE " + all(l.w.within(st, p.Property))
	} else if candidates = st.Some(p, st.arg); candidates == "" {
		return most, nil
	}
	if g, ok := l.r.(Guesser); ok && p.Kind != ByPlace {
		return g.Guess(l.ctx, candidates, st.args)
	}
	err = l.one("SELECT count(*) FROM (SELECT 1 FROM ("+candidates+") AS c LIMIT "+strconv.Itoa(most)+") AS s", st.args, &n)
	return n, err
}

// one reads a single number.
func (l lookup) one(text string, args []any, n *int) error {
	var v int64
	err := l.r.Query(l.ctx, text, args, func(row Row) error { return row.Scan(&v) })
	*n = int(v)
	return err
}

// choose is the path of a search in an order.
func (l lookup) choose(o order) (Path, error) {
	ranked := !o.byTime() && l.r.Indexed(o[0].property)
	most, but := countable, ""
	if ranked {
		most, but = sortable, o[0].property
	}
	if p, ok, err := l.few(most, but, o.byTime()); err != nil || ok {
		return p, err
	}
	switch {
	case o.byTime():
		return Path{Kind: Newest}, nil
	case ranked:
		return Path{Kind: Ranked, Property: o[0].property}, nil
	case o[0].property == cql2.ID:
		return Path{Kind: Named}, nil
	case l.w.placed():
		return l.w.place(l.w.time.and(l.w.sort)), nil
	}
	return Path{Kind: Any}, nil
}

// branches are a path to each collection in place of one to all, where few collections are wanted: so each is read in order.
func (l lookup) branches(p Path) []Path {
	const few = 24
	if p.Collection != "" || l.w.collections == nil || len(l.w.collections) > few {
		return []Path{p}
	}
	var out []Path
	for _, c := range l.w.collections {
		p.Collection = c
		out = append(out, p)
	}
	return out
}

// matched is the number of items wanted, or nil where that is dear to find out.
func (l lookup) matched() (*int, error) {
	if l.w.nothing() {
		return new(int), nil
	}
	if l.w.plain() {
		n, err := l.total()
		return &n, err
	}
	p, ok, err := l.few(countable, "", false)
	if err != nil {
		return nil, err
	}
	if !ok && l.w.collections == nil {
		n, err := l.total()
		if err != nil {
			return nil, err
		}
		ok = n <= countable
	}
	if !ok {
		return nil, nil
	}
	if p.Kind == ByID && len(p.IDs) > countable {
		return nil, nil
	}
	if p.Kind == ByPlace {
		if n, ok, err := l.countNear(p); err != nil || ok {
			return &n, err
		}
	}
	n, err := l.count(p)
	return &n, err
}

// countNear counts the few items of a path by place. Those that are sure to be near are only looked at if more is wanted.
func (l lookup) countNear(p Path) (int, bool, error) {
	all, ok, err := l.sketch(p, math.MaxInt32)
	if err != nil || !ok {
		return 0, false, err
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Compare(a.row, b.row) })
	all = once(all)
	sure := 0
	if l.w.scope.SeesAll() && l.w.collections == nil && l.w.q.Filter == nil && l.w.q.Words == nil && l.w.q.Origin == nil && l.w.sort == always {
		all = slices.DeleteFunc(all, func(c candidate) bool {
			if c.sure {
				sure++
			}
			return c.sure
		})
	}
	if len(all) == 0 {
		return sure, true, nil
	}
	n, err := l.count(Path{Kind: ByRows, Rows: rows(all)})
	return sure + n, true, err
}

// count counts the items of a path that are wanted.
func (l lookup) count(p Path) (n int, err error) {
	st := &statement{Dialect: l.Dialect}
	err = l.one("SELECT count(*) FROM "+l.source(st, anywhere(p), ""), st.args, &n)
	return n, err
}

// anywhere leaves the collections of a path without one to the database: what is computed over all needs no order.
func anywhere(p Path) Path {
	if p.Kind == Newest && p.Collection == "" {
		return Path{Kind: Any}
	}
	return p
}

// source is the FROM clause, with what it is joined to, and the WHERE clause for what is wanted, and further conditions.
func (l lookup) source(st *statement, p Path, join string, further ...string) string {
	from, where := st.Candidates(p, st.arg)
	from += join
	conditions := append(l.w.conditions(st, p), further...)
	if where != "" {
		conditions = append(conditions, where)
	}
	if l.w.sort != always {
		conditions = append(conditions, "i.sort >= "+st.arg(Integer, l.w.sort.From), "i.sort <= "+st.arg(Integer, l.w.sort.To))
	}
	if len(conditions) == 0 {
		return from
	}
	return from + " WHERE " + all(conditions)
}

// stopped forgets that a visitor had enough.
func stopped(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}
