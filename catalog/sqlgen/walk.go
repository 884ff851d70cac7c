package sqlgen

import (
	"math"
	"slices"
)

// Newest first (or oldest first) is answered by walking along the sort column from one end. Where the index over it serves,
// one statement does. Where place counts, the index over place and time serves, but in no order: so it is asked for one
// band of time after the other, each sorted, until the page is full. The first band holds a few times as many items of everywhere as
// the page, as the tally says; what a band yields tells how large the next has to be.
// growth is how many times as large as the one before a band may be at most.
const growth = 8

// walk adds the items with a sort in its order.
func (s *search) walk() error {
	whole := s.w.sort
	if s.at != nil && s.at.Rank == numbers {
		at, err := s.at.First()
		if err != nil {
			return err
		}
		if s.ascending() {
			whole.From = max(whole.From, at)
		} else {
			whole.To = min(whole.To, at)
		}
	}
	for _, p := range s.pieces(whole) {
		var err error
		switch {
		case p.beyond:
			err = s.gather(p.Window, true)
		case s.w.placed():
			err = s.gather(p.Window, false)
		default:
			err = s.run(Path{Kind: Newest}, numbers, p.Window)
		}
		if err != nil || s.full() {
			return err
		}
	}
	return nil
}

// ascending reports whether the walk goes from the oldest to the newest.
func (s *search) ascending() bool { return s.order[0].descending == s.back }

// piece is a part of the walk. What has its sort beyond the time that is wanted is wanted only if it lasts long enough to reach into
// that time: as a rule these are few, and the index over place and time finds them at once.
type piece struct {
	Window
	beyond bool
}

// pieces cut a window at the ends of the time that is wanted.
func (s *search) pieces(whole Window) (out []piece) {
	if s.w.placed() && s.Dialect.InOrder("") != "" {
		return []piece{{whole, false}}
	}
	t := s.w.time
	if t.To < math.MaxInt64 {
		out = append(out, piece{whole.and(Window{t.To + 1, math.MaxInt64}), true})
	}
	out = append(out, piece{whole.and(t), false})
	if t.From > math.MinInt64 {
		out = append(out, piece{whole.and(Window{math.MinInt64, t.From - 1}), true})
	}
	if s.ascending() {
		slices.Reverse(out)
	}
	return slices.DeleteFunc(out, func(p piece) bool { return p.From > p.To })
}

// gather adds what lies near and in a window of the sort column, band by band. Where little is expected (little says so, or what the
// first band held), what remains is added at once instead.
func (s *search) gather(whole Window, little bool) error {
	if s.Dialect.InOrder("") != "" {
		path := s.path(whole)
		path.Sorted = &whole
		return s.run(path, numbers, whole)
	}
	if little {
		if done, err := s.atOnce(whole); err != nil || done {
			return err
		}
	}
	first := 6*s.need + 200
	for target := first; whole.From <= whole.To; {
		band, size, err := s.band(whole, target)
		if err != nil {
			return err
		}
		before := len(s.hits)
		if err := s.near(band); err != nil || s.full() {
			return err
		}
		if s.ascending() {
			if band.To == math.MaxInt64 {
				return nil
			}
			whole.From = band.To + 1
		} else {
			if band.From == math.MinInt64 {
				return nil
			}
			whole.To = band.From - 1
		}
		found := len(s.hits) - before
		if target == first && !little {
			if many, err := s.many(found, size); err != nil {
				return err
			} else if !many {
				if done, err := s.atOnce(whole); err != nil || done {
					return err
				}
			}
		}
		target = max(first+1, next(max(size, target), found, s.need-len(s.hits)))
	}
	return nil
}

// many reports whether there is likely too much left to be added at once, where a band of size items held so many that were found.
func (s *search) many(found, size int) (bool, error) {
	if found == 0 || size == 0 {
		return false, nil
	}
	n, err := s.total()
	return found*(n-size)/size > 2*countable, err
}

// atOnce adds what lies near and in a window, if there are few candidates.
func (s *search) atOnce(whole Window) (done bool, err error) {
	path := s.path(whole)
	if rows, ok, err := s.sketch(path, countable+1); err != nil || ok && len(rows) > countable {
		return false, err
	} else if ok {
		return true, s.best(rows, whole)
	}
	if n, err := s.probe(path, countable+1); err != nil || n > countable {
		return false, err
	}
	return true, s.run(path, numbers, whole)
}

// near adds what lies near and in a window.
func (s *search) near(band Window) error {
	path := s.path(band)
	rows, ok, err := s.sketch(path, math.MaxInt32)
	if err != nil {
		return err
	}
	if ok {
		return s.best(rows, band)
	}
	return s.run(path, numbers, band)
}

// path is that by place and time to what has its sort in a window: an item's hull holds its sort, and meets the time
// that is wanted.
func (s *search) path(band Window) Path {
	p := s.w.place(Window{max(band.From, s.w.time.From), min(band.To, s.w.time.To)})
	p.Downward = !s.ascending()
	return p
}

// next is how many items the next band should hold if one of size items had found some and more are missing.
func next(size, found, missing int) int {
	if found == 0 {
		return size * growth
	}
	return min(size*growth, size*(missing+missing/4)/found+200)
}

// manyDays is how many days of the tally are looked at before months are.
const manyDays = 100

// band takes a part off the beginning of a window that holds about so many items, or the whole of it.
func (s *search) band(whole Window, target int) (Window, int, error) {
	found := 0
	for _, step := range []Step{Day, Month} {
		edge, rows, err := s.edge(whole, step, target, &found)
		if err != nil {
			return whole, 0, err
		}
		if found >= target {
			if s.ascending() {
				whole.To = min(whole.To, edge)
			} else {
				whole.From = max(whole.From, edge)
			}
			return whole, found, nil
		}
		if rows < manyDays {
			break // there are no more
		}
	}
	return whole, found, nil
}

// edge adds up the tally of a step from the beginning of a window until it has found enough; then it says where
// the step ends: its last microsecond, or going back its first.
func (s *search) edge(whole Window, step Step, target int, found *int) (edge int64, rows int, err error) {
	st := &statement{Dialect: s.Dialect}
	begin, beyond, way := whole.To, " <= ", " DESC"
	if s.ascending() {
		begin, beyond, way = whole.From, " >= ", ""
	}
	text := "SELECT t.start, CAST(sum(t.n) AS bigint) FROM tally t WHERE t.step = " + st.arg(Integer, int64(step)) +
		" AND t.start" + beyond + st.arg(Integer, step.Start(begin)) + s.w.ofCollections(st) +
		" GROUP BY t.start ORDER BY t.start" + way
	*found = 0
	err = s.r.Query(s.ctx, text, st.args, func(row Row) error {
		var start, n int64
		if err := row.Scan(&start, &n); err != nil {
			return err
		}
		*found += int(n)
		rows++
		if *found < target && (step == Month || rows < manyDays) {
			return nil
		}
		edge = step.Begin(start)
		if s.ascending() {
			edge = step.Begin(start+1) - 1
		}
		return errEnough
	})
	return edge, rows, stopped(err)
}
