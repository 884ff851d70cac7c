package datasets

import (
	"fmt"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// timeline is which slices the samples of a version use.
type timeline struct {
	slices []cube.Slice // in time order
	slots  int          // the version's number of time slots, at least len(slices)
	report TimeReport
}

func noScenes() error {
	return fault.New(fault.Precondition, "the cube has no scenes yet").WithCure("ingest scenes first")
}

// choose applies a time rule to the slices of a cube, which are in time order.
func choose(all []cube.Slice, r TimeRule) (timeline, error) {
	if len(all) == 0 {
		return timeline{}, noScenes()
	}
	t, cut := reference(all, r)
	line := lookBack(all, r, t, cut)
	if len(line.slices) == 0 {
		return line, noSliceInTime(all, line.report.Reference)
	}
	return line, line.cut(r)
}

// lookBack is which of some slices count at a reference time.
func lookBack(all []cube.Slice, r TimeRule, t time.Time, cut bool) timeline {
	line := timeline{report: TimeReport{Cutoff: "no cut-off", Reference: stamp(t), Availability: "ignore"}}
	if cut {
		line.report.Cutoff = stamp(t)
	}
	if r.Strict {
		line.report.Availability = "strict"
	}
	for _, s := range all {
		switch {
		case s.Time.After(t):
		case r.Range != nil && (s.Time.Before(r.Range[0]) || s.Time.After(r.Range[1])):
		case r.Strict && s.Available.After(t):
			line.report.Unavailable++
		default:
			line.slices = append(line.slices, s)
		}
	}
	return line
}

func noSliceInTime(all []cube.Slice, reference string) error {
	err := fault.New(fault.Precondition, "no slice was acquired and available by the reference time %s (the cube has %d, from %s to %s)",
		reference, len(all), stamp(all[0].Time), stamp(all[len(all)-1].Time))
	return err.WithCure("move time.at or time.range, or set time.availability to ignore if availability was not known")
}

// cut applies the number of slots.
func (l *timeline) cut(r TimeRule) error {
	n := len(l.slices)
	l.slots = r.Slots
	switch {
	case r.Policy == Latest:
		l.slots = max(1, r.Slots)
		l.slices = l.slices[max(0, n-l.slots):]
	case r.Slots == 0:
		l.slots = n
	case n > r.Slots:
		return fault.New(fault.Invalid, "%d slices do not fit time.slots %d", n, r.Slots).
			WithCure("set time.slots to %d or more, narrow time.range, or use policy: latest for the newest %d", n, r.Slots)
	}
	l.report.Slices = len(l.slices)
	return nil
}

// reference is the moment samples look back from, and whether the recipe gives it. Without a cut-off
// it is the moment at which the newest slice had been acquired and everything was available: no
// slice is left out.
func reference(all []cube.Slice, r TimeRule) (t time.Time, cut bool) {
	if r.At != nil {
		return *r.At, true
	}
	if r.Range != nil {
		return r.Range[1], true
	}
	for _, s := range all {
		if s.Time.After(t) {
			t = s.Time
		}
		if r.Strict && s.Available.After(t) {
			t = s.Available
		}
	}
	return t, false
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// oneContract refuses raw values of slices whose numbers mean different things.
func oneContract(slices []cube.Slice) error {
	groups, order := map[cube.Contract][]string{}, []cube.Contract{}
	for _, s := range slices {
		if groups[s.Contract] == nil {
			order = append(order, s.Contract)
		}
		groups[s.Contract] = append(groups[s.Contract], s.Item)
	}
	if len(order) < 2 {
		return nil
	}
	var parts []string
	for _, c := range order {
		items, more := groups[c], ""
		if len(items) > 3 {
			items, more = items[:3], fmt.Sprintf(" and %d more", len(groups[c])-3)
		}
		parts = append(parts, fmt.Sprintf("scale %g offset %g baseline %q (%s%s)", c.Scale, c.Offset, c.Baseline, strings.Join(items, ", "), more))
	}
	return fault.New(fault.Precondition, "values: raw, but the pinned slices have %d radiometric contracts: %s", len(order), strings.Join(parts, "; ")).
		WithCure("set values: physical, which applies each slice's own scale and offset")
}
