package sqlgen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
)

// Engine answers the questions of catalog.Reader and catalog.Summary through a Reader.
type Engine struct {
	Dialect Dialect
	Signer  catalog.Signer
}

// Search returns a page of items.
func (e Engine) Search(ctx context.Context, r Reader, s catalog.Scope, q catalog.Query) (catalog.Result, error) {
	if err := q.Check(); err != nil {
		return catalog.Result{}, err
	}
	se := &search{lookup: lookup{Engine: e, ctx: ctx, r: r, w: newWanted(s, q)}, order: newOrder(q.Sort), need: q.Size() + 1}
	if q.Token != "" {
		at, err := e.Signer.Open(q.Ask(), q.Token)
		if err != nil {
			return catalog.Result{}, err
		}
		se.at, se.back = &at, at.Back
	}
	if se.w.nothing() {
		return catalog.Result{Matched: counted(q, 0)}, nil
	}
	if err := se.page(); err != nil {
		return catalog.Result{}, err
	}
	out := se.result()
	if q.Count {
		if q.Token == "" && out.Next == "" {
			out.Matched = counted(q, len(out.Documents))
			return out, nil
		}
		n, err := se.matched()
		if err != nil {
			return catalog.Result{}, err
		}
		out.Matched = n
	}
	return out, nil
}

func counted(q catalog.Query, n int) *int {
	if !q.Count {
		return nil
	}
	return &n
}

// search is one search under way.
type search struct {
	lookup
	order order
	// at is where the page begins, nil at the beginning; back says that the page before is wanted.
	at   *catalog.Position
	back bool
	// need is how many items end the search: one more than the page holds.
	need int
	hits []hit
}

// hit is an item that was found. The values are those of its stretch's parts that are not silent: a page may be found by one index
// and the next by another, so what a token holds depends on the order alone.
type hit struct {
	rank     int
	values   []any
	document []byte
}

func (s *search) full() bool { return len(s.hits) >= s.need }

// page finds the hits.
func (s *search) page() error {
	path, err := s.choose(s.order)
	if err != nil {
		return err
	}
	ranks := s.order.ranks(s.w)
	if s.back {
		slices.Reverse(ranks)
	}
	if s.at != nil {
		from, err := s.at.Among(ranks)
		if err != nil {
			return err
		}
		ranks = ranks[from:]
	}
	for _, rank := range ranks {
		if rank == nothing && s.order.byTime() {
			if some, err := s.undated(); err != nil {
				return err
			} else if !some {
				continue
			}
		}
		if path.Kind == Newest && s.order.byTime() && rank == numbers {
			err = s.walk()
		} else {
			err = s.run(path, rank, always)
		}
		if err != nil || s.full() {
			return err
		}
	}
	return nil
}

// result makes a page of the hits.
func (s *search) result() catalog.Result {
	var out catalog.Result
	more := s.full()
	hits := s.hits[:min(len(s.hits), s.need-1)]
	if s.back {
		slices.Reverse(hits)
	}
	if len(hits) == 0 {
		return out
	}
	out.Documents = make([]json.RawMessage, len(hits))
	for i, h := range hits {
		out.Documents[i] = h.document
	}
	if more || s.back {
		out.Next = s.token(hits[len(hits)-1], false)
	}
	if more && s.back || !s.back && s.at != nil {
		out.Prev = s.token(hits[0], true)
	}
	return out
}

func (s *search) token(h hit, back bool) string {
	return s.Signer.Token(s.w.q.Ask(), catalog.Position{Rank: h.rank, Values: h.values, Back: back})
}

// run adds the items of one rank whose sort lies in a window, as far as the page needs them.
func (s *search) run(p Path, rank int, sorted Window) error {
	paths := []Path{p}
	if p.Kind == Newest {
		paths = s.branches(p)
	}
	st := &statement{Dialect: s.Dialect}
	var selects []string
	var parts []part
	for _, branch := range paths {
		text, of, err := s.selects(st, branch, rank, sorted)
		if err != nil {
			return err
		}
		selects, parts = append(selects, text), of
	}
	return s.collect(st, s.together(st, selects, parts), rank, parts)
}

// selects is a SELECT of one path.
func (s *search) selects(st *statement, p Path, rank int, sorted Window) (string, []part, error) {
	from, pathWhere := st.Candidates(p, st.arg)
	where, parts := s.order.stretch(st, rank, p.Kind == Ranked)
	conditions := s.w.conditions(st, p)
	for _, c := range []string{pathWhere, where} {
		if c != "" {
			conditions = append(conditions, c)
		}
	}
	if sorted = sorted.and(s.w.sort); sorted.From != always.From {
		conditions = append(conditions, "i.sort >= "+st.arg(Integer, sorted.From))
	}
	if sorted.To != always.To {
		conditions = append(conditions, "i.sort <= "+st.arg(Integer, sorted.To))
	}
	if s.at != nil && s.at.Rank == rank {
		telling := slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return p.silent })
		values, err := s.at.Of(kinds(telling))
		if err != nil {
			return "", nil, err
		}
		conditions = append(conditions, st.behind(telling, values, s.back))
	}
	columns := []string{}
	named := slices.Clone(parts)
	for i, part := range parts {
		named[i].sql = fmt.Sprintf("p%d", i)
		columns = append(columns, part.sql+" AS "+named[i].sql)
	}
	if st.Late() {
		columns = append(columns, "i.row AS r")
	} else {
		columns = append(columns, st.Document())
	}
	if len(conditions) == 0 {
		conditions = []string{"TRUE"}
	}
	text, limit := "SELECT "+strings.Join(columns, ", ")+" FROM "+from+" WHERE "+strings.Join(conditions, " AND "), s.limit()
	if p.Sorted != nil {
		text = "SELECT * FROM (" + text + st.InOrder(limit) + ") AS o"
	}
	return text + " ORDER BY " + orderBy(named, s.back) + " LIMIT " + limit, named, nil
}

// limit is how many items a statement has to find at most, or more: it is a number in the text, as SQLite prepares a statement
// anew each time where it is a parameter, and one of few, so that statements are the same.
func (s *search) limit() string {
	missing := s.need - len(s.hits)
	for _, n := range []int{11, 21, 51, 101, 201, 501, 1001, 2001, 5001} {
		if missing <= n {
			return strconv.Itoa(n)
		}
	}
	return strconv.Itoa(catalog.MaxLimit + 1)
}

// kinds tells a position what its values are.
func kinds(parts []part) []catalog.ValueKind {
	out := make([]catalog.ValueKind, len(parts))
	for i, p := range parts {
		switch p.kind {
		case Number:
			out[i] = catalog.NumberValue
		case Integer:
			out[i] = catalog.IntegerValue
		default:
			out[i] = catalog.TextValue
		}
	}
	return out
}

// together is the statement that gives the first of all branches with their documents.
func (s *search) together(st *statement, selects []string, parts []part) string {
	text := selects[0]
	if len(selects) > 1 {
		for i := range selects {
			selects[i] = fmt.Sprintf("SELECT * FROM (%s) AS b%d", selects[i], i)
		}
		text = "SELECT * FROM (" + strings.Join(selects, " UNION ALL ") + ") AS u ORDER BY " + orderBy(parts, s.back) +
			" LIMIT " + s.limit()
	}
	if !s.Dialect.Late() {
		return text
	}
	columns := make([]string, len(parts))
	for i, p := range parts {
		columns[i] = "k." + p.sql
	}
	return "WITH k AS MATERIALIZED (" + text + ") SELECT " + strings.Join(columns, ", ") + ", " + s.Dialect.Document() + " FROM k CROSS JOIN item i ON i.row = k.r"
}

// collect runs the statement and keeps what it yields.
func (s *search) collect(st *statement, text string, rank int, parts []part) error {
	return stopped(s.r.Query(s.ctx, text, st.args, func(row Row) error {
		if s.full() {
			return errEnough
		}
		h := hit{rank: rank, values: make([]any, 0, len(parts))}
		into, silent := make([]any, len(parts)+1), any(nil)
		for i, p := range parts {
			if into[i] = &silent; !p.silent {
				h.values = append(h.values, nil)
				into[i] = &h.values[len(h.values)-1]
			}
		}
		into[len(parts)] = &h.document
		if err := row.Scan(into...); err != nil {
			return err
		}
		s.hits = append(s.hits, h)
		return nil
	}))
}

// errEnough ends a query early.
var errEnough = errors.New("enough")
