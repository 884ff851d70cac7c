package sqlgen

import (
	"math"

	"github.com/terrapin-eo/terrapin/catalog/cql2"
)

// span is a time: its first and last microsecond, both "" for none. Where one is NULL the other is.
type span struct{ from, to string }

func (s *statement) span(e cql2.Expr) span {
	switch e := e.(type) {
	case cql2.Timestamp:
		at := s.arg(From, e.Value.UnixMicro())
		return span{at, at}
	case cql2.Date:
		from, to := cql2.Day(e)
		return span{s.arg(From, from), s.arg(To, to)}
	case cql2.Property:
		return span{s.property(From, e.Name), s.property(To, e.Name)}
	case cql2.Interval:
		out := span{}
		if out.from = s.end(e.Start, math.MinInt64).from; out.from == "" {
			return span{}
		}
		if out.to = s.end(e.End, math.MaxInt64).to; out.to == "" {
			return span{}
		}
		// An interval is known where both of its ends are.
		from, to := out.from, out.to
		if varies(e.End) {
			out.from = "(CASE WHEN " + to + " IS NOT NULL THEN " + from + " END)"
		}
		if varies(e.Start) {
			out.to = "(CASE WHEN " + from + " IS NOT NULL THEN " + to + " END)"
		}
		return out
	}
	return span{}
}

// end is an end of an interval.
func (s *statement) end(e cql2.Expr, open int64) span {
	if e == nil {
		at := s.arg(From, open)
		return span{at, at}
	}
	return s.span(e)
}

func varies(e cql2.Expr) bool {
	_, ok := e.(cql2.Property)
	return ok
}

// compareSpans is how moments compare.
func compareSpans(op string, a, b span) string {
	switch op {
	case "<":
		return "(" + a.to + " < " + b.from + ")"
	case ">":
		return "(" + a.from + " > " + b.to + ")"
	case "<=":
		return "(" + a.from + " <= " + b.to + ")"
	case ">=":
		return "(" + a.to + " >= " + b.from + ")"
	case "=":
		return "(" + a.from + " <= " + b.to + " AND " + a.to + " >= " + b.from + ")"
	case "<>":
		return "(" + a.from + " > " + b.to + " OR " + a.to + " < " + b.from + ")"
	}
	return unknown
}

// relate is a temporal predicate.
func relate(op string, a, b span) string {
	is := func(left, op, right string) string { return left + " " + op + " " + right }
	var c []string
	switch op {
	case "t_after":
		return compareSpans(">", a, b)
	case "t_before":
		return compareSpans("<", a, b)
	case "t_disjoint":
		return compareSpans("<>", a, b)
	case "t_intersects":
		return compareSpans("=", a, b)
	case "t_equals":
		c = []string{is(a.from, "=", b.from), is(a.to, "=", b.to)}
	case "t_contains":
		c = []string{is(a.from, "<", b.from), is(a.to, ">", b.to)}
	case "t_during":
		c = []string{is(a.from, ">", b.from), is(a.to, "<", b.to)}
	case "t_finishedby":
		c = []string{is(a.from, "<", b.from), is(a.to, "=", b.to)}
	case "t_finishes":
		c = []string{is(a.from, ">", b.from), is(a.to, "=", b.to)}
	case "t_meets":
		return "(" + is(a.to, "=", b.from) + ")"
	case "t_metby":
		return "(" + is(a.from, "=", b.to) + ")"
	case "t_overlappedby":
		c = []string{is(a.from, ">", b.from), is(a.from, "<", b.to), is(a.to, ">", b.to)}
	case "t_overlaps":
		c = []string{is(a.from, "<", b.from), is(a.to, ">", b.from), is(a.to, "<", b.to)}
	case "t_startedby":
		c = []string{is(a.from, "=", b.from), is(a.to, ">", b.to)}
	case "t_starts":
		c = []string{is(a.from, "=", b.from), is(a.to, "<", b.to)}
	default:
		return unknown
	}
	return all(c)
}
