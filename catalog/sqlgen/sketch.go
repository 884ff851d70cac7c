package sqlgen

import (
	"cmp"
	"slices"
)

// candidate is an item that an index found: its row, bounds of its sort, and whether it is sure to be near.
type candidate struct {
	row         int64
	early, late float64
	sure        bool
}

// sketch finds the candidates of a path by place, each once and as many as asked; ok is false where the dialect knows only items.
func (l lookup) sketch(p Path, most int) (out []candidate, ok bool, err error) {
	if l.w.q.BBox != nil && l.w.near != nil {
		p.Within = &always
	}
	if l.w.near == nil {
		p.Within = &always
	}
	if l.w.timed() && p.Within != nil {
		p.Within = &l.w.time
	}
	st := &statement{Dialect: l.Dialect}
	text := st.Sketch(p, st.arg)
	if text == "" {
		return nil, false, nil
	}
	text += " LIMIT " + st.arg(Integer, int64(most))
	err = l.r.Query(l.ctx, text, st.args, func(row Row) error {
		var c candidate
		var sure int64
		err := row.Scan(&c.row, &c.early, &c.late, &sure)
		c.sure = sure != 0
		out = append(out, c)
		return err
	})
	return out, true, err
}

// best adds the candidates in their order, beginning with those whose bounds come first, and ends when the page is full
// and no other can come before its last.
func (s *search) best(all []candidate, band Window) error {
	bound := func(c candidate) float64 { return -c.late }
	if s.ascending() {
		bound = func(c candidate) float64 { return c.early }
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(bound(a), bound(b)), cmp.Compare(a.row, b.row))
	})
	all = once(all)
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
		if !s.ascending() {
			last = -last
		}
		end, _ := slices.BinarySearchFunc(all, last, func(c candidate, at float64) int {
			if bound(c) <= at {
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
