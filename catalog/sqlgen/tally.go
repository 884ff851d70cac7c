package sqlgen

import (
	"math"
	"time"
)

// Step is how fine a tally counts.
type Step int64

// The steps of the tally.
const (
	Whole Step = iota
	Month
	Day
)

const dayMicros = 86_400_000_000

// Start is the tally's number of the step that a time lies in.
func (s Step) Start(micros int64) int64 {
	switch s {
	case Month:
		t := time.UnixMicro(micros).UTC()
		return int64(t.Year())*12 + int64(t.Month()) - 1
	case Day:
		day := micros / dayMicros
		if micros%dayMicros < 0 {
			day--
		}
		return day
	}
	return 0
}

// Begin is the first microsecond of the step with a number.
func (s Step) Begin(start int64) int64 {
	switch s {
	case Month:
		return time.Date(0, time.Month(start+1), 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	case Day:
		return start * dayMicros
	}
	return math.MinInt64
}

// ofCollections is the condition for a tally t of the wanted collections.
func (w wanted) ofCollections(st *statement) string {
	switch {
	case w.collections == nil:
		return ""
	case len(w.collections) == 1:
		return " AND t.collection = " + st.arg(Text, w.collections[0])
	}
	return " AND " + st.Among("t.collection", st.arg(Texts, w.collections))
}

// total is how many items the wanted collections have.
func (l lookup) total() (n int, err error) {
	st := &statement{Dialect: l.Dialect}
	text := "SELECT CAST(coalesce(sum(t.n), 0) AS bigint) FROM tally t WHERE t.step = " + st.arg(Integer, int64(Whole)) + l.w.ofCollections(st)
	err = l.one(text, st.args, &n)
	return n, err
}

// undated reports whether items of the wanted collections have no datetime.
func (l lookup) undated() (bool, error) {
	st := &statement{Dialect: l.Dialect}
	text := "SELECT CAST(coalesce(sum(t.n), 0) AS bigint) FROM tally t WHERE t.step = " + st.arg(Integer, int64(Whole)) + " AND t.dated = 0" + l.w.ofCollections(st)
	var n int
	err := l.one(text, st.args, &n)
	return n > 0, err
}

// tallied counts the items with a datetime by the months or days of the tally.
func (l lookup) tallied(step Step) (map[int64]int, error) {
	st := &statement{Dialect: l.Dialect}
	text := "SELECT t.start, CAST(sum(t.n) AS bigint) FROM tally t WHERE t.step = " + st.arg(Integer, int64(step)) + " AND t.dated = 1" +
		l.w.ofCollections(st) + " GROUP BY t.start"
	out := map[int64]int{}
	err := l.r.Query(l.ctx, text, st.args, func(row Row) error {
		var start, n int64
		if err := row.Scan(&start, &n); err != nil {
			return err
		}
		if n != 0 {
			out[step.Begin(start)] = int(n)
		}
		return nil
	})
	return out, err
}
