package cube

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// Span is a span of acquisition times, both ends included, in microseconds since 1970, UTC.
type Span struct{ First, Last int64 }

// Always is the span that leaves nothing out.
func Always() Span { return Span{math.MinInt64, math.MaxInt64} }

// ParseSpan reads the ends of a span: RFC 3339 times, dates (the last of which means its whole day), or
// ".." or nothing for an open end.
func ParseSpan(first, last string) (Span, error) {
	span := Always()
	var err error
	if span.First, err = parseEnd(first, false, span.First); err != nil {
		return Span{}, err
	}
	if span.Last, err = parseEnd(last, true, span.Last); err != nil {
		return Span{}, err
	}
	if span.First > span.Last {
		return Span{}, fault.New(fault.Invalid, "%s is after %s", first, last).WithCure("give the first time first")
	}
	return span, nil
}

func parseEnd(s string, last bool, open int64) (int64, error) {
	if s == "" || s == ".." {
		return open, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UnixMicro(), nil
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fault.New(fault.Invalid, "%q is no time", s).
			WithCure(`write RFC 3339 such as "2021-03-01T00:00:00Z", a date such as "2021-03-01", or ".." for an open end`)
	}
	if last {
		t = t.AddDate(0, 0, 1).Add(-time.Microsecond)
	}
	return t.UnixMicro(), nil
}

// Holds reports whether a slice was acquired within the span.
func (s Span) Holds(slice Slice) bool { return slice.Micros() >= s.First && slice.Micros() <= s.Last }

// Snap is the window of whole pixels that covers bounds (min x, min y, max x, max y in the grid's CRS), cut
// to the grid.
func (g Grid) Snap(bounds [4]float64) (Window, error) {
	inverse, err := g.Transform.Invert()
	if err != nil {
		return Window{}, err
	}
	if !(bounds[0] < bounds[2]) || !(bounds[1] < bounds[3]) {
		return Window{}, fault.New(fault.Invalid, "bounds %v are empty", bounds).WithCure("give min x, min y, max x, max y, in this order")
	}
	const tolerance, far = 1e-6, 1e9 // a border met exactly is not crossed; what lies further fits no int
	clamp := func(v float64) float64 { return math.Max(-far, math.Min(far, v)) }
	col0, row0 := inverse.Apply(bounds[0], bounds[3])
	col1, row1 := inverse.Apply(bounds[2], bounds[1])
	w := Window{Row: int(math.Floor(clamp(row0 + tolerance))), Col: int(math.Floor(clamp(col0 + tolerance)))}
	w.Height, w.Width = int(math.Ceil(clamp(row1-tolerance)))-w.Row, int(math.Ceil(clamp(col1-tolerance)))-w.Col
	in := w.Intersect(g.All())
	if in.Empty() {
		x0, y0, x1, y1 := g.Bounds()
		return Window{}, fault.New(fault.Invalid, "bounds %s lie outside of the grid", plain(bounds)).WithCure("it covers %s in %s", plain([4]float64{x0, y0, x1, y1}), g.CRS)
	}
	return in, nil
}

// plain writes bounds with all their digits and no exponent, as they are given on the command line.
func plain(bounds [4]float64) string {
	var parts []string
	for _, v := range bounds {
		parts = append(parts, strconv.FormatFloat(v, 'f', -1, 64))
	}
	return strings.Join(parts, ",")
}
