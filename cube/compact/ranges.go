package compact

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
)

// The limits of cube/read: chunks of an object fewer than gapBytes apart come in one range, of at
// most rangeBytes.
const (
	gapBytes   = 256 << 10
	rangeBytes = 16 << 20
)

// extent is where a stored chunk lies.
type extent struct {
	object   icechunk.ID
	from, to uint64
}

func extentOf(r icechunk.Ref) extent { return extent{r.Object, r.Offset, r.Offset + r.Length} }

// stored reports whether a chunk lies in an object of the repository.
func stored(f icechunk.Found) bool {
	return f.OK && f.Ref.Inline == nil && f.Ref.Location == "" && f.Ref.Length > 0
}

// follows reports whether b is read together with a when both are wanted, and comes after it.
func (b extent) follows(a extent) bool {
	return b.object == a.object && b.from >= a.to && b.from-a.to < gapBytes
}

// stretch is a part of an object and the chunks in it, by their number in the sorted list.
type stretch struct {
	extent
	first, last int // last is not included
}

// coalesce sorts chunks by place and merges neighbours into ranges.
func coalesce[T any](list []T, where func(T) extent, most uint64) []stretch {
	slices.SortFunc(list, func(a, b T) int {
		x, y := where(a), where(b)
		return cmp.Or(bytes.Compare(x.object[:], y.object[:]), cmp.Compare(x.from, y.from), cmp.Compare(x.to, y.to))
	})
	var out []stretch
	for i, c := range list {
		e := where(c)
		if n := len(out) - 1; n >= 0 {
			r := &out[n]
			apart := int64(e.from) - int64(r.to)
			if e.object == r.object && (apart <= 0 || apart < gapBytes) && max(r.to, e.to)-r.from <= most {
				r.to, r.last = max(r.to, e.to), i+1
				continue
			}
		}
		out = append(out, stretch{e, i, i + 1})
	}
	return out
}

// tally sums up ranges of series.
type tally struct{ series, ranges, most int }

// count adds a series.
func (t *tally) count(list []extent) {
	if len(list) == 0 {
		return
	}
	n := len(coalesce(list, func(e extent) extent { return e }, rangeBytes))
	t.series, t.ranges, t.most = t.series+1, t.ranges+n, max(t.most, n)
}

func (t *tally) add(o tally) {
	t.series, t.ranges, t.most = t.series+o.series, t.ranges+o.ranges, max(t.most, o.most)
}

func (t tally) estimate() Estimate {
	if t.series == 0 {
		return Estimate{}
	}
	return Estimate{Mean: float64(t.ranges) / float64(t.series), Most: t.most}
}
