package sqlgen

import "math"

// Newest first (or oldest first) is answered by walking along the sort column from one end. Where the index over it serves,
// one statement does. Where place counts, the index over place and time serves, but in no order: so it is asked for one
// band of time after the other, each sorted, until the page is full. The first band holds a thousand or two of all items, as the
// tally says; what a band yields tells how large the next has to be.
const (
	firstBand = 2000
	// growth is the most that a band may hold in place of the one before.
	growth = 8
)

// walk adds the items with a sort in its order.
func (s *search) walk() error {
	whole := s.w.sort
	if s.at != nil && s.at.Rank == numbers {
		at, err := s.at.First()
		if err != nil {
			return err
		}
		if s.ascending() {
			whole.from = max(whole.from, at)
		} else {
			whole.to = min(whole.to, at)
		}
	}
	if s.w.placed() {
		return s.bands(whole)
	}
	for _, piece := range s.pieces(whole) {
		var err error
		if piece.inside {
			err = s.run(Path{Kind: Newest}, numbers, piece.window)
		} else {
			err = s.bands(piece.window)
		}
		if err != nil || s.full() {
			return err
		}
	}
	return nil
}

// ascending reports whether the walk goes from the oldest to the newest.
func (s *search) ascending() bool { return s.order[0].descending == s.back }

type piece struct {
	window
	inside bool
}

// pieces cut a window at the ends of the time that is wanted: inside nearly every item has that time, beyond only
// those do that last, which the index over time finds.
func (s *search) pieces(whole window) (out []piece) {
	t := s.w.time
	if t.to < math.MaxInt64 {
		out = append(out, piece{whole.and(window{t.to + 1, math.MaxInt64}), false})
	}
	out = append(out, piece{whole.and(t), true})
	if t.from > math.MinInt64 {
		out = append(out, piece{whole.and(window{math.MinInt64, t.from - 1}), false})
	}
	if s.ascending() {
		for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
			out[i], out[j] = out[j], out[i]
		}
	}
	kept := out[:0]
	for _, p := range out {
		if p.from <= p.to {
			kept = append(kept, p)
		}
	}
	return kept
}

// bands walks through a window of the sort column by place and time.
func (s *search) bands(whole window) error {
	target := firstBand
	for whole.from <= whole.to {
		band, size, err := s.band(whole, target)
		if err != nil {
			return err
		}
		before := len(s.hits)
		// An item's hull holds its sort and meets the time that is wanted.
		path := s.w.place(window{max(band.from, s.w.time.from), min(band.to, s.w.time.to)})
		if err := s.run(path, numbers, band); err != nil || s.full() {
			return err
		}
		target = next(size, len(s.hits)-before, s.need-len(s.hits))
		if s.ascending() {
			if band.to == math.MaxInt64 {
				return nil
			}
			whole.from = band.to + 1
		} else {
			if band.from == math.MinInt64 {
				return nil
			}
			whole.to = band.from - 1
		}
	}
	return nil
}

// next is how many items the next band should hold if one of size items had found some and more are missing.
func next(size, found, missing int) int {
	if size = max(size, firstBand); found == 0 {
		return size * growth
	}
	return min(size*growth, max(firstBand, size*(missing+missing/4)/found+1))
}

// manyDays is how many days of the tally are looked at before months are.
const manyDays = 100

// band takes a part off the beginning of a window that holds about so many items, or the whole of it.
func (s *search) band(whole window, target int) (window, int, error) {
	found := 0
	for _, step := range []Step{Day, Month} {
		edge, rows, err := s.edge(whole, step, target, &found)
		if err != nil {
			return whole, 0, err
		}
		if found >= target {
			if s.ascending() {
				whole.to = min(whole.to, edge)
			} else {
				whole.from = max(whole.from, edge)
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
func (s *search) edge(whole window, step Step, target int, found *int) (edge int64, rows int, err error) {
	st := &statement{Dialect: s.Dialect}
	begin, beyond, way := whole.to, " <= ", " DESC"
	if s.ascending() {
		begin, beyond, way = whole.from, " >= ", ""
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
