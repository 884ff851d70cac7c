package sqlgen

import (
	"strings"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
)

// The ranks of what a key orders by; they come in this order whichever way the key goes.
const (
	numbers = iota
	texts
	nothing
)

// key is a sort key in SQL. The key newest is the sort column itself.
type key struct {
	property   string
	descending bool
	newest     bool
}

// order is that of a search, important keys first. Every order ends with collection and id.
type order []key

func newOrder(sort []catalog.SortKey) order {
	if len(sort) == 0 {
		return order{{descending: true, newest: true}}
	}
	var out order
	for _, k := range sort {
		out = append(out, key{property: k.Property, descending: k.Descending})
	}
	return out
}

// byTime reports whether the first key follows the sort column.
func (o order) byTime() bool { return o[0].newest || o[0].property == Datetime }

// ranks are those that the first key's values can have among what is wanted.
func (o order) ranks(w wanted) []int {
	if o[0].newest {
		return []int{numbers}
	}
	switch o[0].property {
	case Datetime:
		return []int{numbers, nothing}
	case cql2.ID, cql2.Collection:
		return []int{texts}
	case cql2.Location:
		return []int{nothing}
	}
	if b := w.bounds[o[0].property]; len(b) > 0 && b[0].kind == Number {
		return []int{numbers}
	} else if len(b) > 0 {
		return []int{texts}
	}
	return []int{numbers, texts, nothing}
}

// part is one of the values that items of one rank of the first key are ordered by; it is never NULL among them. A
// silent part is NULL for all of them, and only there because the index that is walked has it.
type part struct {
	sql        string
	kind       Kind
	descending bool
	silent     bool
}

// stretch writes the condition for the items of one rank of the first key, "" for none, and what orders them. Ranked says
// that the index over the first key is walked.
func (o order) stretch(st *statement, rank int, ranked bool) (where string, parts []part) {
	where, parts = o[0].first(st, rank, ranked)
	for _, k := range o[1:] {
		parts = append(parts, k.further(st)...)
	}
	return where, append(parts, part{sql: "i.collection", kind: Text}, part{sql: "i.id", kind: Text})
}

// first is the stretch of one rank where the key is the first.
func (k key) first(st *statement, rank int, ranked bool) (string, []part) {
	if k.newest {
		return "", []part{{sql: "i.sort", kind: Integer, descending: k.descending}}
	}
	switch k.property {
	case Datetime:
		if rank == nothing {
			return "i.dated = 0", nil
		}
		return "i.dated = 1", []part{{sql: "i.sort", kind: Integer, descending: k.descending}}
	case cql2.ID, cql2.Collection:
		return "", []part{{sql: "i." + k.property, kind: Text, descending: k.descending}}
	case cql2.Location:
		return "", nil
	}
	number, text := st.Rank(k.property, st.arg)
	switch rank {
	case numbers:
		parts := []part{{sql: number, kind: Number, descending: k.descending}}
		if ranked {
			parts = append(parts, part{sql: text, kind: Text, descending: k.descending, silent: true})
		}
		return number + " IS NOT NULL", parts
	case texts:
		return number + " IS NULL AND " + text + " IS NOT NULL", []part{{sql: text, kind: Text, descending: k.descending}}
	}
	return number + " IS NULL AND " + text + " IS NULL", nil
}

// further is the key where others come before it: its rank and its value, with something in place of NULL.
func (k key) further(st *statement) []part {
	switch k.property {
	case Datetime:
		return []part{
			{sql: "(1 - i.dated)", kind: Integer},
			{sql: "(CASE WHEN i.dated = 1 THEN i.sort ELSE 0 END)", kind: Integer, descending: k.descending},
		}
	case cql2.ID, cql2.Collection:
		return []part{{sql: "i." + k.property, kind: Text, descending: k.descending}}
	case cql2.Location:
		return nil
	}
	number, text := st.Rank(k.property, st.arg)
	return []part{
		{sql: "(CASE WHEN " + number + " IS NOT NULL THEN 0 WHEN " + text + " IS NOT NULL THEN 1 ELSE 2 END)", kind: Integer},
		{sql: "coalesce(" + number + ", 0)", kind: Number, descending: k.descending},
		{sql: "(CASE WHEN " + number + " IS NULL THEN coalesce(" + text + ", '') ELSE '' END)", kind: Text, descending: k.descending},
	}
}

// orderBy is the ORDER BY of parts named as they are selected, backwards if asked.
func orderBy(parts []part, back bool) string {
	terms := make([]string, len(parts))
	for i, p := range parts {
		terms[i] = p.sql
		if p.descending != back {
			terms[i] += " DESC"
		}
	}
	return strings.Join(terms, ", ")
}

// behind is the condition for what comes behind a position, or before it; none of the parts is silent.
func (st *statement) behind(parts []part, values []any, back bool) string {
	out := ""
	for i := len(parts) - 1; i >= 0; i-- {
		p := parts[i]
		at := st.arg(p.kind, values[i])
		beyond := ">"
		if p.descending != back {
			beyond = "<"
		}
		if out == "" {
			out = "(" + p.sql + " " + beyond + " " + at + ")"
			continue
		}
		// The first condition is one that an index can begin at.
		out = "(" + p.sql + " " + beyond + "= " + at + " AND (" + p.sql + " " + beyond + " " + at + " OR " + out + "))"
	}
	return out
}
