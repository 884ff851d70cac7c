package sqlgen

import (
	"math"
	"slices"

	"github.com/paulmach/orb"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/cql2"
	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// wanted is what a query and a scope ask for, as far as an index can find it, and what has to be checked of each item.
type wanted struct {
	q     catalog.Query
	scope catalog.Scope
	shape *geo.Shape
	// collections and ids, where not nil, are sets of which the item's are; sorted.
	collections, ids []string
	// near are boxes that the item's box must meet, where not nil.
	near []orb.Bound
	// sort is where the item's sort lies, both ends included, as far as the filter says.
	sort Window
	// time must overlap the item's own.
	time Window
	// bounds are what properties must be at least, at most or equal to.
	bounds map[string][]bound
}

// bound is a comparison of a property with a Number, or with a Text that is no moment.
type bound struct {
	op    string
	kind  Kind
	value any
}

var always = Window{math.MinInt64, math.MaxInt64}

func (w Window) and(o Window) Window { return Window{max(w.From, o.From), min(w.To, o.To)} }

// nothing reports that no item can be wanted.
func (w wanted) nothing() bool {
	return !w.scope.SeesAll() || w.sort.From > w.sort.To ||
		w.collections != nil && len(w.collections) == 0 || w.ids != nil && len(w.ids) == 0
}

// placed reports that items without a place are not wanted.
func (w wanted) placed() bool { return w.near != nil }

// timed reports that items without a time are not wanted.
func (w wanted) timed() bool { return w.time != always }

// plain reports that the collection, if anything, decides what is wanted.
func (w wanted) plain() bool {
	return w.scope.SeesAll() && w.ids == nil && w.shape == nil && !w.timed() && w.q.Filter == nil && w.q.Words == nil && w.q.Origin == nil
}

func newWanted(s catalog.Scope, q catalog.Query) wanted {
	w := wanted{q: q, scope: s, shape: q.Shape(), sort: always, time: always, collections: set(q.Collections), ids: set(q.IDs)}
	if w.shape != nil {
		w.near = w.shape.Bounds()
	}
	if q.Time.Start != nil {
		w.time.From = q.Time.Start.UnixMicro()
	}
	if q.Time.End != nil {
		w.time.To = q.Time.End.UnixMicro()
	}
	w.learn(q.Filter)
	return w
}

// set sorts; nil stays nil.
func set(in []string) []string {
	if in == nil {
		return nil
	}
	out := append([]string{}, in...)
	slices.Sort(out)
	return slices.Compact(out)
}

// learn finds in a filter what indexes know. The filter is checked of each item all the same.
func (w *wanted) learn(e cql2.Expr) {
	switch e := e.(type) {
	case cql2.And:
		for _, arg := range e.Args {
			w.learn(arg)
		}
	case cql2.Or:
		if shapes, others := places(e.Args); len(others) == 0 && len(shapes) > 0 && w.near == nil {
			w.near = geo.Any(shapes...).Bounds()
		}
	case cql2.Compare:
		w.learnCompare(e.Op, e.Left, e.Right)
		w.learnCompare(turned[e.Op], e.Right, e.Left)
	case cql2.Between:
		w.learnCompare(">=", e.Value, e.Low)
		w.learnCompare("<=", e.Value, e.High)
	case cql2.In:
		var texts []string
		for _, item := range e.List {
			text, ok := constantText(item)
			if !ok {
				return
			}
			texts = append(texts, text)
		}
		w.learnTexts(e.Value, texts)
	case cql2.Temporal:
		w.learnTemporal(e.Op, e.Left, e.Right)
		w.learnTemporal(inverse[e.Op], e.Right, e.Left)
	case cql2.Spatial:
		if e.Op != "s_disjoint" && w.near == nil {
			w.learnPlace(e.Left, e.Right)
			w.learnPlace(e.Right, e.Left)
		}
	}
}

var turned = map[string]string{"=": "=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}

// inverse are the temporal predicates that bound a time, and what they are with their sides exchanged.
var inverse = map[string]string{
	"t_after": "t_before", "t_before": "t_after", "t_intersects": "t_intersects", "t_equals": "t_equals", "t_during": "t_contains",
	"t_contains": "t_during", "t_starts": "t_startedby", "t_startedby": "t_starts", "t_finishes": "t_finishedby", "t_finishedby": "t_finishes",
	"t_meets": "t_metby", "t_metby": "t_meets",
}

func (w *wanted) learnCompare(op string, left, right cql2.Expr) {
	if text, ok := constantText(right); ok && op == "=" {
		w.learnTexts(left, []string{text})
	}
	if p, ok := left.(cql2.Property); ok && turned[op] != "" && cql2.TypeOf(p) == cql2.AnyType {
		w.learnBound(op, p.Name, right)
	}
	if at, ok := fixed(right); ok && isDatetime(left) {
		switch op {
		case "=":
			w.sort = w.sort.and(at)
		case "<", "<=":
			w.sort.To = min(w.sort.To, at.To)
		case ">", ">=":
			w.sort.From = max(w.sort.From, at.From)
		}
	}
}

func (w *wanted) learnBound(op, property string, value cql2.Expr) {
	b := bound{op: op}
	if n, ok := value.(cql2.Number); ok {
		b.kind, b.value = Number, n.Value
	} else if text, ok := constantText(value); ok && op == "=" {
		if _, moment := catalog.ParseMoment(text); moment {
			return
		}
		b.kind, b.value = Text, text
	} else {
		return
	}
	if w.bounds == nil {
		w.bounds = map[string][]bound{}
	}
	w.bounds[property] = append(w.bounds[property], b)
}

// within are the bounds of a property as an index over it knows them.
func (w wanted) within(st *statement, property string) (out []string) {
	for _, b := range w.bounds[property] {
		number, text := st.Rank(property, st.arg)
		if b.kind == Number {
			out = append(out, number+" "+b.op+" "+st.arg(Number, b.value))
		} else {
			out = append(out, number+" IS NULL", text+" = "+st.arg(Text, b.value))
		}
	}
	return out
}

func (w *wanted) learnTemporal(op string, left, right cql2.Expr) {
	at, ok := fixed(right)
	if !ok || !isDatetime(left) || at.From > at.To {
		return
	}
	switch op {
	case "t_before":
		w.sort.To = min(w.sort.To, at.From)
	case "t_after":
		w.sort.From = max(w.sort.From, at.To)
	case "t_intersects", "t_equals", "t_during", "t_starts", "t_finishes", "t_meets", "t_metby":
		w.sort = w.sort.and(at)
	}
}

func (w *wanted) learnTexts(e cql2.Expr, texts []string) {
	p, ok := e.(cql2.Property)
	if !ok {
		return
	}
	switch p.Name {
	case cql2.ID:
		w.ids = both(w.ids, texts)
	case cql2.Collection:
		w.collections = both(w.collections, texts)
	}
}

// both are what is in two sets.
func both(a, texts []string) []string {
	b := set(texts)
	if a == nil {
		return b
	}
	return slices.DeleteFunc(slices.Clone(a), func(t string) bool {
		_, found := slices.BinarySearch(b, t)
		return !found
	})
}

func (w *wanted) learnPlace(here, there cql2.Expr) {
	p, ok := here.(cql2.Property)
	g, also := there.(cql2.Geometry)
	if ok && also && p.Name == cql2.Location {
		w.near = g.Shape.Bounds()
	}
}

func isDatetime(e cql2.Expr) bool {
	p, ok := e.(cql2.Property)
	return ok && p.Name == Datetime
}

// fixed is a time that no document has a part in.
func fixed(e cql2.Expr) (Window, bool) {
	switch e := e.(type) {
	case cql2.Timestamp:
		us := e.Value.UnixMicro()
		return Window{us, us}, true
	case cql2.Date:
		from, to := cql2.Day(e)
		return Window{from, to}, true
	case cql2.Interval:
		out := always
		if e.Start != nil {
			at, ok := fixed(e.Start)
			if !ok {
				return always, false
			}
			out.From = at.From
		}
		if e.End != nil {
			at, ok := fixed(e.End)
			if !ok {
				return always, false
			}
			out.To = at.To
		}
		return out, true
	}
	return always, false
}

// conditions are all that an item has to fulfil, where its path does not see to it: ids and words are left out where the path looks up
// by them, and place and time need not hold of what the path is sure of.
func (w wanted) conditions(st *statement, p Path) []string {
	var out []string
	add := func(c string) { out = append(out, c) }
	if !w.scope.SeesAll() {
		add("FALSE")
	}
	switch {
	case p.Collection != "":
		add("i.collection = " + st.arg(Text, p.Collection))
	case len(w.collections) == 1:
		add("i.collection = " + st.arg(Text, w.collections[0]))
	case w.collections != nil:
		add(st.Among("i.collection", st.arg(Texts, w.collections)))
	}
	if w.ids != nil && p.Kind != ByID {
		add(st.Among("i.id", st.arg(Texts, w.ids)))
	}
	unless := ""
	if p.Kind == ByRows {
		unless = "c.sure = 1 OR "
	}
	if w.timed() && unless != "" {
		add("(" + unless + "i.begins <= " + st.arg(Integer, w.time.To) + " AND i.ends >= " + st.arg(Integer, w.time.From) + " AND i.begins <= i.ends)")
	} else if w.timed() {
		add("i.begins <= " + st.arg(Integer, w.time.To))
		add("i.ends >= " + st.arg(Integer, w.time.From))
		add("i.begins <= i.ends")
	}
	if w.q.Origin != nil {
		add("i.origin = " + st.arg(Integer, int64(*w.q.Origin)))
	}
	if w.q.Words != nil && p.Kind != ByWords {
		add(st.Answers(w.q.Words, st.arg))
	}
	if w.shape != nil {
		meets := st.Spatial("s_intersects", st.Location(), st.arg(Shape, w.shape))
		if unless != "" {
			meets = "(" + unless + meets + ")"
		}
		add(meets)
	}
	if p.Kind == Ranked {
		out = append(out, w.within(st, p.Property)...)
	}
	if w.q.Filter != nil {
		add(st.test(w.q.Filter))
	}
	return out
}
