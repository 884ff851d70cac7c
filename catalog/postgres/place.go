package postgres

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/paulmach/orb"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
)

// The index over place and time knows boxes of four dimensions: degrees east, degrees north, and in microseconds since
// 1970 the hull of an item's sort, begins and ends, and its sort alone. It gives what meets a box in the order of any of them: so the
// newest near a place are found without looking at others. (PostGIS's own boxes of several dimensions neither have that order, nor
// are they safe: version 3.3 ends the server when its index splits a page of some.)

const (
	// ages is earlier, or with its sign turned later, than all but remote times, which are taken for it.
	ages = -1 << 55
	// nowhere is where items without a location are, anywhere a size that takes them in.
	nowhere  = 1000
	anywhere = 2000
	// sortUpward and sortDownward are the index's names of its orders by sort.
	sortUpward, sortDownward = "7", "-7"
)

// box is a box from its lower corner to its upper.
type box struct{ low, high [4]float64 }

func moment(us int64) float64 { return float64(max(ages, min(-ages, us))) }

// placeOf is an entry's box.
func placeOf(e *catalog.Entry) box {
	at := orb.Bound{Min: orb.Point{nowhere, nowhere}, Max: orb.Point{nowhere, nowhere}}
	if e.Shape != nil {
		bounds := e.Shape.Bounds()
		if at = bounds[0]; len(bounds) == 2 { // on both sides of the antimeridian: from the eastern one on past 180
			west, east := bounds[0], bounds[1]
			at = orb.Bound{Min: orb.Point{east.Min[0], min(west.Min[1], east.Min[1])}, Max: orb.Point{west.Max[0] + 360, max(west.Max[1], east.Max[1])}}
		}
	}
	begin, end := e.Sort, e.Sort
	if e.Timed {
		first, last := span(e)
		begin, end = min(begin, first), max(end, last)
	}
	return boxOf(at, begin, end, e.Sort, e.Sort)
}

func boxOf(at orb.Bound, begin, end, first, last int64) box {
	return box{
		[4]float64{at.Min[0], at.Min[1], moment(begin), moment(first)},
		[4]float64{at.Max[0], at.Max[1], moment(end), moment(last)},
	}
}

// boxesOf are the boxes of which an item's must meet one. Those past the antimeridian come second: few items are there.
func boxesOf(p sqlgen.Path) (out []box) {
	begin, end := min(p.Begin, p.End), max(p.Begin, p.End)
	sorted := sqlgen.Window{From: math.MinInt64, To: math.MaxInt64}
	if p.Sorted != nil {
		sorted = *p.Sorted
	}
	near := p.Near
	if near == nil {
		near = []orb.Bound{{Min: orb.Point{-anywhere, -anywhere}, Max: orb.Point{anywhere, anywhere}}}
	}
	for _, by := range []float64{0, 360} {
		for _, b := range near {
			at := orb.Bound{Min: orb.Point{b.Min[0] + by, b.Min[1]}, Max: orb.Point{b.Max[0] + by, b.Max[1]}}
			out = append(out, boxOf(at, begin, end, sorted.From, sorted.To))
		}
		if p.Near == nil {
			break
		}
	}
	return out
}

// String is the box as PostgreSQL reads it.
func (b box) String() string {
	var out []byte
	for i, corner := range [][4]float64{b.low, b.high} {
		if i > 0 {
			out = append(out, ',')
		}
		for k, v := range corner {
			out = strconv.AppendFloat(append(out, "(,,,"[k]), v, 'g', -1, 64)
		}
		out = append(out, ')')
	}
	return string(out)
}

// copied appends the box as COPY reads it: the number of dimensions and the corners.
func (b box) copied(out []byte) []byte {
	out = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(out, 4+8*8), 4)
	for _, corner := range [][4]float64{b.low, b.high} {
		for _, v := range corner {
			out = binary.BigEndian.AppendUint64(out, math.Float64bits(v))
		}
	}
	return out
}
