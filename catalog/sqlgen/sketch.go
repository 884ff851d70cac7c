package sqlgen

import (
	"cmp"
	"math"
	"slices"
	"strconv"
)

// candidate is an item that an index found: its row, a bound of its sort, and whether it is sure to be near.
type candidate struct {
	row   int64
	bound float64
	sure  bool
}

// sketch finds the candidates of a path by place, perhaps twice and as many as asked; ok is false where the dialect knows only items.
func (l lookup) sketch(p Path, most int) (out []candidate, ok bool, err error) {
	if l.w.q.BBox != nil || l.w.near == nil {
		if p.Within = &always; l.w.timed() {
			p.Within = &l.w.time
		}
	}
	st := &statement{Dialect: l.Dialect}
	text := st.Sketch(p, st.arg)
	if text == "" {
		return nil, false, nil
	}
	if most < math.MaxInt32 {
		text += " LIMIT " + strconv.Itoa(most)
	}
	err = l.r.Query(l.ctx, text, st.args, func(row Row) error {
		var c candidate
		var twice int64
		err := row.Scan(&twice, &c.bound)
		c.row, c.sure = twice>>1, twice&1 == 1
		out = append(out, c)
		return err
	})
	return out, true, err
}

// best adds the candidates in their order, beginning with those whose bounds come first, and ends when the page is full
// and no other can come before its last.
func (s *search) best(all []candidate, band Window) error {
	way := -1.0
	if s.ascending() {
		way = 1
	}
	slices.SortFunc(all, func(a, b candidate) int {
		if a.bound != b.bound {
			return cmp.Compare(way*a.bound, way*b.bound)
		}
		return cmp.Compare(a.row, b.row)
	})
	if all = once(all); len(all) == 0 {
		return nil
	}
	before := len(s.hits)
	missing := s.need - before
	for n := missing + missing/2 + 20; ; {
		n = min(n, len(all))
		s.hits = s.hits[:before]
		if err := s.run(Path{Kind: ByRows, Rows: rows(all[:n])}, numbers, band); err != nil || n == len(all) {
			return err
		}
		found := len(s.hits) - before
		if !s.full() {
			n = max(2*n, min(8*n, n*(missing+missing/4)/max(found, 1)))
			continue
		}
		last := s.Dialect.At(s.hits[len(s.hits)-1].values[0].(int64))
		end, _ := slices.BinarySearchFunc(all, way*last, func(c candidate, at float64) int {
			if way*c.bound <= at {
				return -1
			}
			return 1
		})
		if end <= n {
			return nil
		}
		n = end
	}
}

// once leaves each row once in a list where those of a row lie side by side; it is sure if one of them is.
func once(all []candidate) []candidate {
	kept := all[:0]
	for _, c := range all {
		if n := len(kept); n > 0 && kept[n-1].row == c.row {
			kept[n-1].sure = kept[n-1].sure || c.sure
			continue
		}
		kept = append(kept, c)
	}
	return kept
}

func rows(of []candidate) []int64 {
	out := make([]int64, len(of))
	for i, c := range of {
		if out[i] = 2 * c.row; c.sure {
			out[i]++
		}
	}
	return out
}
