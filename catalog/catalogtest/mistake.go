package catalogtest

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
	"github.com/terrapin-eo/terrapin/catalog/words"
)

// mistake is a way in which a Memory can be told to be wrong, such as databases and programs easily are. A comparison that does not
// notice one compares nothing: the test of Compare plants each.
type mistake string

const (
	right            mistake = ""
	unequalUnknown   mistake = "<> of unknown is true"
	notUnknown       mistake = "not of unknown is true"
	betweenExclusive mistake = "between without its ends"
	likeUnescaped    mistake = "like without escapes"
	likeFolded       mistake = "like without case"
	textAsNumber     mistake = "text that looks like a number is one"
	disjointNowhere  mistake = "what lies nowhere is disjoint"
	touchesIsMeets   mistake = "touching is intersecting"
	meetsIsBefore    mistake = "t_meets is t_before"
	dayIsMidnight    mistake = "a day is its midnight"
	duringIncluded   mistake = "t_during includes the ends"
	withinTouches    mistake = "what touches from outside is within"
	notInNull        mistake = "in, of a list with null, is false and not unknown"
	caseIsLower      mistake = "casei is lower"
	accentsStay      mistake = "accenti does nothing"
	divDown          mistake = "div rounds down"
	remainderSign    mistake = "a remainder has the sign of the divisor"
	wholeExact       mistake = "whole numbers are more exact than doubles"
	emptyIsNull      mistake = "empty text is null"
	nullFirst        mistake = "null comes first, descending"
	tiesBackwards    mistake = "a descending key turns the names round too"
	pageSkips        mistake = "a page begins one too late"
	prevSlips        mistake = "the page before lies one too far before"
	pageMatched      mistake = "matched is of the page"
	antimeridian     mistake = "a box over the antimeridian is the rest of the world"
	boxesOnly        mistake = "boxes are compared and not shapes"
	openIsNever      mistake = "an open time is no time"
	looseQuotes      mistake = "a phrase is its words"
	anyOrigin        mistake = "origins are not kept apart"
	termsTwice       mistake = "a list counts a term twice"
	edgeIncluded     mistake = "a range holds its end"
	otherZone        mistake = "days are those of another time zone"
)

var mistakes = []mistake{unequalUnknown, notUnknown, betweenExclusive, likeUnescaped, likeFolded, textAsNumber, disjointNowhere, touchesIsMeets, meetsIsBefore, dayIsMidnight, duringIncluded, withinTouches, notInNull, caseIsLower, accentsStay,
	divDown, remainderSign, wholeExact, emptyIsNull, nullFirst, tiesBackwards,
	pageSkips, prevSlips, pageMatched, antimeridian, boxesOnly, openIsNever, looseQuotes, anyOrigin, termsTwice, edgeIncluded, otherZone}

// truth is a filter's answer for a record, nil for unknown.
func (w mistake) truth(e cql2.Expr, r record) *bool {
	if w == right {
		return cql2.Eval(e, r)
	}
	switch e := e.(type) {
	case cql2.And:
		return w.first(e.Args, r, false)
	case cql2.Or:
		return w.first(e.Args, r, true)
	case cql2.Not:
		switch t := w.truth(e.Arg, r); {
		case t != nil:
			return ptr(!*t)
		case w == notUnknown:
			return ptr(true)
		}
		return nil
	}
	t := cql2.Eval(w.filter(e), w.document(r))
	switch e := e.(type) {
	case cql2.In:
		if t == nil && w == notInNull {
			return ptr(false)
		}
	case cql2.Compare:
		if t == nil && e.Op == "<>" && w == unequalUnknown {
			return ptr(true)
		}
	case cql2.Spatial:
		if t == nil && e.Op == "s_disjoint" && w == disjointNowhere {
			return ptr(true)
		}
	}
	return t
}

// first is the value that decides, if an argument has it, else unknown if one is, else the other value.
func (w mistake) first(args []cql2.Expr, r record, decides bool) *bool {
	out := ptr(!decides)
	for _, a := range args {
		switch t := w.truth(a, r); {
		case t == nil:
			out = nil
		case *t == decides:
			return t
		}
	}
	return out
}

// filter is a predicate as it is taken.
func (w mistake) filter(e cql2.Expr) cql2.Expr {
	switch e := e.(type) {
	case cql2.Between:
		if w == betweenExclusive {
			return cql2.And{Args: []cql2.Expr{cql2.Compare{Op: ">", Left: e.Value, Right: e.Low}, cql2.Compare{Op: "<", Left: e.Value, Right: e.High}}}
		}
	case cql2.Like:
		if s, ok := e.Pattern.(cql2.String); ok && w == likeUnescaped {
			return cql2.Like{Value: e.Value, Pattern: literal(strings.ReplaceAll(s.Value, `\`, ""))}
		}
		if w == likeFolded {
			fold := func(e cql2.Expr) cql2.Expr { return cql2.Func{Name: "casei", Args: []cql2.Expr{e}} }
			return cql2.Like{Value: fold(e.Value), Pattern: fold(e.Pattern)}
		}
	case cql2.Spatial:
		if w == touchesIsMeets && e.Op == "s_touches" {
			e.Op = "s_intersects"
		}
		if w == withinTouches && e.Op == "s_within" {
			return cql2.Or{Args: []cql2.Expr{e, cql2.Spatial{Op: "s_touches", Left: e.Left, Right: e.Right}}}
		}
		return e
	case cql2.Temporal:
		if w == meetsIsBefore && e.Op == "t_meets" {
			e.Op = "t_before"
		}
		if w == duringIncluded && e.Op == "t_during" {
			other := func(op string) cql2.Expr { return cql2.Temporal{Op: op, Left: e.Left, Right: e.Right} }
			return cql2.Or{Args: []cql2.Expr{e, other("t_starts"), other("t_finishes"), other("t_equals")}}
		}
		return e
	}
	return w.value(e)
}

// value is a node whose values are taken for others.
func (w mistake) value(e cql2.Expr) cql2.Expr {
	e = with(e, w.value)
	switch e := e.(type) {
	case cql2.Func:
		if w == accentsStay && e.Name == "accenti" {
			return e.Args[0]
		}
		if w == caseIsLower && e.Name == "casei" {
			return cql2.Func{Name: "lower", Args: e.Args}
		}
	case cql2.Arith:
		down := func(a, b cql2.Expr) cql2.Expr {
			return cql2.Func{Name: "floor", Args: []cql2.Expr{cql2.Arith{Op: "/", Left: a, Right: b}}}
		}
		if w == divDown && e.Op == "div" {
			return down(e.Left, e.Right)
		}
		if w == remainderSign && e.Op == "%" {
			return cql2.Arith{Op: "-", Left: e.Left, Right: cql2.Arith{Op: "*", Left: e.Right, Right: down(e.Left, e.Right)}}
		}
	}
	return e
}

// misread is a record whose values are taken for others.
type misread struct {
	record
	mistake
}

func (w mistake) document(r record) cql2.Document { return misread{r, w} }

func (m misread) Value(name string) gjson.Result {
	v := m.record.Value(name)
	if n := gjson.Parse(v.Str); m.mistake == textAsNumber && v.Type == gjson.String && n.Type == gjson.Number {
		return n
	}
	switch {
	case m.mistake == wholeExact && v.Type == gjson.Number && v.Num >= 1<<53:
		v.Num = math.Nextafter(v.Num, math.Inf(1))
	case m.mistake == emptyIsNull && v.Type == gjson.String && v.Str == "":
		return gjson.Result{}
	}
	return v
}

func (m misread) Moment(name string) (from, to int64, ok bool) {
	if from, to, ok = m.record.Moment(name); m.mistake == dayIsMidnight {
		to = from
	}
	return from, to, ok
}

// place is what a query's box or shape is taken for, and meets whether a record's is there.
func (w mistake) place(q catalog.Query) *geo.Shape {
	if w == antimeridian && len(q.BBox) == 4 && q.BBox[0] > q.BBox[2] {
		return geo.Box(q.BBox[2], q.BBox[1], q.BBox[0], q.BBox[3])
	}
	return q.Shape()
}

func (w mistake) meets(a, b *geo.Shape) bool {
	if w != boxesOnly {
		return a.Intersects(b)
	}
	for _, x := range a.Bounds() {
		for _, y := range b.Bounds() {
			if x.Intersects(y) {
				return true
			}
		}
	}
	return false
}

// question is free text as it is taken.
func (w mistake) question(q words.Question) words.Question {
	list := func(in []words.Question) []words.Question {
		out := []words.Question{}
		for _, a := range in {
			out = append(out, w.question(a))
		}
		return out
	}
	switch q := q.(type) {
	case words.All:
		return words.All{Args: list(q.Args)}
	case words.Any:
		return words.Any{Args: list(q.Args)}
	case words.Not:
		return words.Not{Arg: w.question(q.Arg)}
	case words.Phrase:
		if w == looseQuotes {
			out := words.All{}
			for _, one := range q.Words {
				out.Args = append(out.Args, words.Word{Text: one})
			}
			return out
		}
	}
	return q
}

// window moves the part of a list that a page shows.
func (w mistake) window(back, token bool, from, to int) (int, int) {
	switch {
	case w == pageSkips && token && !back && from < to:
		from++
	case w == prevSlips && back && from > 0:
		return from - 1, to - 1
	}
	return from, to
}

// zone is that of days.
func (w mistake) zone() *time.Location {
	if w == otherZone {
		return time.FixedZone("", 3600)
	}
	return time.UTC
}

// rank is that of a value under a key.
func (w mistake) rank(rank int, descending bool) int {
	if w == nullFirst && descending && rank == rankNull {
		return -1
	}
	return rank
}

// turned reports whether a descending key turns the names round.
func (w mistake) turned(q catalog.Query) bool {
	return w == tiesBackwards && len(q.Sort) > 0 && slices.ContainsFunc(q.Sort, func(k catalog.SortKey) bool { return k.Descending })
}
