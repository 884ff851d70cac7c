package cql2

import (
	"math"
	"time"
)

// span is a time in microseconds since 1970, both ends included.
type span struct{ from, to int64 }

// The ends of an interval that is open. No moment is that early or that late.
const (
	ever  = math.MinInt64
	never = math.MaxInt64
)

// Day gives the first and the last microsecond of a date.
func Day(d Date) (from, to int64) {
	from = d.Value.UnixMicro()
	return from, from + (24 * time.Hour).Microseconds() - 1
}

// spanOf is the time of a moment or an interval. An interval reaches from the first microsecond of its start to
// the last of its end, even if that lies before; an open end is earlier, or later, than all others and equal to
// itself; an end that is no moment makes the interval unknown.
func spanOf(e Expr, doc Document) (span, bool) {
	switch e := e.(type) {
	case Timestamp:
		us := e.Value.UnixMicro()
		return span{us, us}, true
	case Date:
		from, to := Day(e)
		return span{from, to}, true
	case Property:
		from, to, ok := doc.Moment(e.Name)
		return span{from, to}, ok
	case Interval:
		out, first, last := span{ever, never}, true, true
		if e.Start != nil {
			var s span
			s, first = spanOf(e.Start, doc)
			out.from = s.from
		}
		if e.End != nil {
			var s span
			s, last = spanOf(e.End, doc)
			out.to = s.to
		}
		return out, first && last
	}
	return span{}, false
}

func temporal(e Temporal, doc Document) truth {
	a, ok := spanOf(e.Left, doc)
	b, also := spanOf(e.Right, doc)
	if !ok || !also {
		return unknown
	}
	return relate(e.Op, a, b)
}

// relate is the meaning of temporal predicates. A point in time is an interval of no length, a date one of
// its day; predicates that the standard has for intervals alone take them as such.
func relate(op string, a, b span) truth {
	switch op {
	case "t_after":
		return truthOf(a.from > b.to)
	case "t_before":
		return truthOf(a.to < b.from)
	case "t_disjoint":
		return truthOf(a.from > b.to || a.to < b.from)
	case "t_intersects":
		return truthOf(a.from <= b.to && a.to >= b.from)
	case "t_equals":
		return truthOf(a.from == b.from && a.to == b.to)
	case "t_contains":
		return truthOf(a.from < b.from && a.to > b.to)
	case "t_during":
		return truthOf(a.from > b.from && a.to < b.to)
	case "t_finishedby":
		return truthOf(a.from < b.from && a.to == b.to)
	case "t_finishes":
		return truthOf(a.from > b.from && a.to == b.to)
	case "t_meets":
		return truthOf(a.to == b.from)
	case "t_metby":
		return truthOf(a.from == b.to)
	case "t_overlappedby":
		return truthOf(a.from > b.from && a.from < b.to && a.to > b.to)
	case "t_overlaps":
		return truthOf(a.from < b.from && a.to > b.from && a.to < b.to)
	case "t_startedby":
		return truthOf(a.from == b.from && a.to > b.to)
	case "t_starts":
		return truthOf(a.from == b.from && a.to < b.to)
	}
	return unknown
}
