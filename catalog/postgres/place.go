package postgres

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/paulmach/orb"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
)

// The index over place and time knows boxes of five dimensions: cosine and sine of the longitude, so that the antimeridian is a
// place like any other; latitude; and in microseconds since 1970 the hull of an item's sort, begins and ends, and its sort
// alone. It gives what meets a box in the order of any of them: so the newest near a place are found without looking at others.
// (PostGIS's own boxes of several dimensions neither have that order, nor are they safe: version 3.3 ends the server when its
// index splits some pages.)

const (
	// ages is earlier, or with its sign turned later, than all but remote times, which are taken for it.
	ages = -1 << 55
	// nowhere is the cosine and sine of items without a location, anywhere a size that takes them in.
	nowhere  = 2
	anywhere = 3
	// blur is far more than cosines and sines are rounded by, and less than a micrometre.
	blur = 1e-13
	// sortUpward and sortDownward are the index's names of its orders by sort.
	sortUpward, sortDownward = "9", "-9"
)

// box is a box from its lower corner to its upper.
type box struct{ low, high [5]float64 }

func moment(us int64) float64 { return float64(max(ages, min(-ages, us))) }

func (b *box) between(i int, low, high float64) { b.low[i], b.high[i] = low, high }

// at puts the box around bounds of a shape: one, or two on both sides of the antimeridian, western longitudes first.
func (b *box) at(bounds []orb.Bound, blur float64) {
	all := bounds[0]
	if len(bounds) == 2 { // from the eastern one on past 180
		west, east := bounds[0], bounds[1]
		all = orb.Bound{Min: orb.Point{east.Min[0], min(west.Min[1], east.Min[1])}, Max: orb.Point{west.Max[0] + 360, max(west.Max[1], east.Max[1])}}
	}
	for i, turn := range []float64{0, 90} { // the sine is the cosine a quarter of a circle before
		low, high := cosines(all.Min[0]-turn, all.Max[0]-turn)
		b.between(i, low-blur, high+blur)
	}
	b.between(2, all.Min[1], all.Max[1])
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

// placeOf is an entry's box.
func placeOf(e *catalog.Entry) (b box) {
	if e.Shape != nil {
		b.at(e.Shape.Bounds(), 0)
	} else {
		b.between(0, nowhere, nowhere)
		b.between(1, nowhere, nowhere)
	}
	begin, end := e.Sort, e.Sort
	if e.Timed {
		first, last := span(e)
		begin, end = min(begin, first), max(end, last)
	}
	b.between(3, moment(begin), moment(end))
	b.between(4, moment(e.Sort), moment(e.Sort))
	return b
}

// boxOf is the box that an item of a path by place meets.
func boxOf(p sqlgen.Path) (b box) {
	if p.Near != nil {
		b.at(p.Near, blur)
	} else {
		b.between(0, -anywhere, anywhere)
		b.between(1, -anywhere, anywhere)
		b.between(2, -anywhere*90, anywhere*90)
	}
	b.between(3, moment(min(p.Begin, p.End)), moment(max(p.Begin, p.End)))
	b.between(4, ages, -ages)
	if p.Sorted != nil {
		b.between(4, moment(p.Sorted.From), moment(p.Sorted.To))
	}
	return b
}

// String is the box as PostgreSQL reads it.
func (b box) String() string {
	var out []byte
	for i, corner := range [][5]float64{b.low, b.high} {
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
	out = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(out, 4+10*8), 5)
	for _, corner := range [][5]float64{b.low, b.high} {
		for _, v := range corner {
			out = binary.BigEndian.AppendUint64(out, math.Float64bits(v))
		}
	}
	return out
}
