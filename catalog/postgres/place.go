package postgres

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/paulmach/orb"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
)

// Two indexes know where and when items are, as boxes. That over usual items, which have one moment and one side of the
// antimeridian, has three dimensions: longitude, latitude, and sort. The small one over the others has five: cosine and
// sine of the longitude, so that the antimeridian is a place like any other; latitude; the hull of sort, begins and ends; and sort.
// Both give what meets a box in the order of any coordinate: so the newest near a place are found without looking at
// others. (PostGIS's own boxes of several dimensions neither have that order, nor are they safe: version 3.3 ends the
// server when its index splits some pages.)

const (
	// ages is earlier, or with its sign turned later, than all but remote times, which are taken for it.
	ages = -1 << 55
	// nowhere is every coordinate of items without a location, anywhere a size that takes them in.
	nowhere  = 1000
	anywhere = 2000
	// blur is far more than cosines and sines are rounded by, and less than a micrometre.
	blur = 1e-13
)

// box is a box, or what is asked of one: its lower corner and its upper.
type box struct{ low, high []float64 }

func (b *box) add(low, high float64) { b.low, b.high = append(b.low, low), append(b.high, high) }

// span adds a time, in microseconds since 1970.
func (b *box) span(from, to int64) { b.add(moment(from), moment(to)) }

func moment(us int64) float64 { return float64(max(ages, min(-ages, us))) }

// flat adds bounds as they are.
func (b *box) flat(at orb.Bound) {
	b.add(at.Min[0], at.Max[0])
	b.add(at.Min[1], at.Max[1])
}

// round adds bounds on the circle of longitudes: one, or two on both sides of the antimeridian, the western one first.
func (b *box) round(bounds []orb.Bound, blur float64) {
	all := bounds[0]
	if len(bounds) == 2 { // from the eastern one on past 180
		west, east := bounds[0], bounds[1]
		all = orb.Bound{Min: orb.Point{east.Min[0], min(west.Min[1], east.Min[1])}, Max: orb.Point{west.Max[0] + 360, max(west.Max[1], east.Max[1])}}
	}
	for _, turn := range []float64{0, 90} { // the sine is the cosine a quarter of a circle before
		low, high := cosines(all.Min[0]-turn, all.Max[0]-turn)
		b.add(low-blur, high+blur)
	}
	b.add(all.Min[1], all.Max[1])
}

// cosines are the least and the greatest between two angles in degrees.
func cosines(from, to float64) (low, high float64) {
	a, b := math.Cos(from*math.Pi/180), math.Cos(to*math.Pi/180)
	low, high = min(a, b), max(a, b)
	if 360*math.Ceil(from/360) <= to {
		high = 1
	}
	if 360*math.Ceil((from-180)/360)+180 <= to {
		low = -1
	}
	return low, high
}

// placeOf is an entry's box, and whether it is one of the unusual.
func placeOf(e *catalog.Entry) (b box, odd bool) {
	begins, ends := sqlgen.Span(e)
	var bounds []orb.Bound
	if e.Shape != nil {
		bounds = e.Shape.Bounds()
	}
	odd = e.Timed && (begins != e.Sort || ends != e.Sort) || len(bounds) == 2
	switch {
	case odd && bounds != nil:
		b.round(bounds, 0)
	case odd:
		b.add(nowhere, nowhere)
		b.add(nowhere, nowhere)
		b.add(nowhere, nowhere)
	case bounds != nil:
		b.flat(bounds[0])
	default:
		b.add(nowhere, nowhere)
		b.add(nowhere, nowhere)
	}
	if odd && e.Timed {
		b.span(min(begins, e.Sort), max(ends, e.Sort))
	} else if odd {
		b.span(e.Sort, e.Sort)
	}
	b.span(e.Sort, e.Sort)
	return b, odd
}

// looks are the boxes that an item of a path by place meets one of: some of usual items, and one of the others. Wanted is the window of
// their sort.
func looks(p sqlgen.Path) (usual []box, odd box) {
	sorted := sqlgen.Window{From: math.MinInt64, To: math.MaxInt64}
	if p.Sorted != nil {
		sorted = *p.Sorted
	}
	if from, to := max(p.End, sorted.From), min(p.Begin, sorted.To); from <= to { // the hull of a usual item is its sort
		near := p.Near
		if near == nil {
			near = []orb.Bound{{Min: orb.Point{-anywhere, -anywhere}, Max: orb.Point{anywhere, anywhere}}}
		}
		for _, at := range near {
			var b box
			b.flat(at)
			b.span(from, to)
			usual = append(usual, b)
		}
	}
	if p.Near != nil {
		odd.round(p.Near, blur)
	} else {
		for range 3 {
			odd.add(-anywhere, anywhere)
		}
	}
	odd.span(min(p.Begin, p.End), max(p.Begin, p.End))
	odd.span(sorted.From, sorted.To)
	return usual, odd
}

// String is the box as PostgreSQL reads it.
func (b box) String() string {
	var out []byte
	for i, corner := range [][]float64{b.low, b.high} {
		if i > 0 {
			out = append(out, ',')
		}
		for k, v := range corner {
			out = strconv.AppendFloat(append(out, "(,,,,"[k]), v, 'g', -1, 64)
		}
		out = append(out, ')')
	}
	return string(out)
}

// copied appends the box as COPY reads it: the number of dimensions and the corners.
func (b box) copied(out []byte) []byte {
	n := len(b.low)
	out = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(out, uint32(4+16*n)), uint32(n))
	for _, corner := range [][]float64{b.low, b.high} {
		for _, v := range corner {
			out = binary.BigEndian.AppendUint64(out, math.Float64bits(v))
		}
	}
	return out
}
