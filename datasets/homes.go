package datasets

import (
	"slices"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
)

// home is where samples lie that have a cell and their slices in common.
type home struct {
	cell string
	// row and col are the cell's place in the frame.
	row, col int
	slices   []cube.Slice // in time order
	ids      []cube.SliceID
	// cellText and idsText are cell and ids as canonical JSON.
	cellText, idsText string
}

// window is a sample's in pixels of its cell.
func (h *home) window(s *sample) cube.Window {
	w := s.window()
	w.Row, w.Col = w.Row-h.row, w.Col-h.col
	return w
}

// homes are where the samples of a plan lie. In a cube of one cell all lie in one, and use the same
// slices; in a tiled one a sample uses those whose footprint reaches it.
type homes struct {
	plan  *plan
	all   []home
	known map[homeKey]int32
	reach map[layout.Span]bool
	// at is the time from which samples look back, and cut whether the recipe gives it.
	at  time.Time
	cut bool
}

type homeKey struct {
	cell, slots string
}

// of is a sample's home.
func (l *homes) of(s *sample) *home { return &l.all[s.home] }

// reached reports whether a slice stands in any cell of a span.
func (l *homes) reached(s layout.Span) bool {
	there, ok := l.reach[s]
	if !ok {
		there = len(l.plan.region.Standing(s)) > 0
		if l.reach == nil {
			l.reach = map[layout.Span]bool{}
		}
		l.reach[s] = there
	}
	return there
}

// put gives a sample its home; false means that it has none: no slice reaches it, or none in time, which
// is counted.
func (l *homes) put(s *sample) (bool, error) {
	p := l.plan
	w := s.window()
	spot := p.region.Spot(w)
	line := p.line.slices
	if p.region.Tiled() {
		there := p.region.Reaching(w)
		if len(there) == 0 {
			return false, nil
		}
		here := lookBack(there, p.recipe.Time, l.at, l.cut)
		if len(here.slices) == 0 {
			p.leftOut["no_scene_in_time"]++
			return false, nil
		}
		if err := here.cut(p.recipe.Time); err != nil {
			return false, err
		}
		line = here.slices
	}
	k := homeKey{cell: spot.Cell}
	if p.region.Tiled() {
		k.slots = joined(line)
	}
	at, ok := l.known[k]
	if !ok {
		var err error
		if at, err = l.add(k, home{cell: spot.Cell, row: w.Row - spot.Window.Row, col: w.Col - spot.Window.Col, slices: line}); err != nil {
			return false, err
		}
	}
	s.home = at
	return true, nil
}

// joined is the ids of slices as one text.
func joined(line []cube.Slice) string {
	var out strings.Builder
	for _, s := range line {
		out.WriteString(string(s.ID))
	}
	return out.String()
}

func (l *homes) add(k homeKey, at home) (int32, error) {
	at.ids = make([]cube.SliceID, 0, len(at.slices))
	for _, s := range at.slices {
		at.ids = append(at.ids, s.ID)
	}
	cell, err := cube.Canonical(at.cell)
	if err != nil {
		return 0, err
	}
	ids, err := cube.Canonical(at.ids)
	if err != nil {
		return 0, err
	}
	at.cellText, at.idsText = string(cell), string(ids)
	if l.known == nil {
		l.known = map[homeKey]int32{}
	}
	index := int32(len(l.all))
	l.all, l.known[k] = append(l.all, at), index
	return index, nil
}

// recall gives a sample of a committed version its home.
func (l *homes) recall(s Sample) (sample, error) {
	p := l.plan
	var out sample
	w, err := p.region.From(s.Cell, s.Window)
	if err != nil {
		return out, err
	}
	out.lay(w)
	if out.id, err = parsePlaceID(s.ID); err != nil {
		return out, err
	}
	ids := slices.DeleteFunc(s.Slots, func(id cube.SliceID) bool { return id == "" })
	text := make([]string, len(ids))
	for i, id := range ids {
		text[i] = string(id)
	}
	k := homeKey{cell: s.Cell, slots: strings.Join(text, " ")}
	at, ok := l.known[k]
	if !ok {
		fresh := home{cell: s.Cell, row: w.Row - s.Window.Row, col: w.Col - s.Window.Col}
		for _, id := range ids {
			sl, ok := p.view.Lookup(id)
			if !ok {
				return out, fault.New(fault.Corrupt, "slice %s of sample %s is not in the snapshot", id, s.ID)
			}
			fresh.slices = append(fresh.slices, sl)
		}
		if at, err = l.add(k, fresh); err != nil {
			return out, err
		}
	}
	out.home = at
	return out, nil
}

// used are the slices that some samples use, in time order.
func (l *homes) used(samples []sample) []cube.Slice {
	seen, known := make([]bool, len(l.all)), map[cube.SliceID]bool{}
	var out []cube.Slice
	for i := range samples {
		s := &samples[i]
		if seen[s.home] {
			continue
		}
		seen[s.home] = true
		for _, sl := range l.of(s).slices {
			if !known[sl.ID] {
				known[sl.ID] = true
				out = append(out, sl)
			}
		}
	}
	slices.SortFunc(out, func(a, b cube.Slice) int {
		if a.Less(b) {
			return -1
		}
		return 1
	})
	return out
}

// slots is the number of time slots that holds every one of some samples.
func (l *homes) slots(samples []sample) int {
	r := l.plan.recipe.Time
	if r.Policy == Latest {
		return max(1, r.Slots)
	}
	n := r.Slots
	for i := range samples {
		n = max(n, len(l.of(&samples[i]).ids))
	}
	return n
}

// longest is the greatest number of slices of a sample.
func (l *homes) longest() int {
	n := 0
	for _, p := range l.all {
		n = max(n, len(p.ids))
	}
	return n
}

// tables are the cells and sets of slots that samples have, and which ones each place has, in the order
// of the samples.
func (l *homes) tables(samples []sample) (table indexTable, cellOf, slotsOf []int) {
	cellOf, slotsOf = make([]int, len(l.all)), make([]int, len(l.all))
	seen, cells, slots := make([]bool, len(l.all)), map[string]int{}, map[string]int{}
	for i := range samples {
		s := &samples[i]
		if seen[s.home] {
			continue
		}
		seen[s.home] = true
		p := l.of(s)
		at, ok := cells[p.cell]
		if !ok {
			at = len(table.Cells)
			cells[p.cell] = at
			table.Cells = append(table.Cells, p.cell)
		}
		cellOf[s.home] = at
		key := strings.Join(ids(p.ids), " ")
		if at, ok = slots[key]; !ok {
			at = len(table.Slots)
			slots[key] = at
			table.Slots = append(table.Slots, p.ids)
		}
		slotsOf[s.home] = at
	}
	return table, cellOf, slotsOf
}
