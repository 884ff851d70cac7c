package postgres

import (
	"encoding/binary"
	"math"

	"github.com/paulmach/orb"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/geo"
)

// The index over place and time knows boxes in three dimensions: degrees east, degrees north, days since 1970. It
// keeps them as single floats, rounded outward, so what it finds is checked again.

const (
	day = 24 * 60 * 60 * 1e6 // in microseconds
	// beyond is earlier, or with its sign turned later, than every time there is.
	beyond = -5_000_000
	// nowhere is where items without a location are, anywhere a size that takes them in.
	nowhere  = 1000
	anywhere = 2000
)

// days is a time as a coordinate.
func days(us int64) float64 { return max(beyond, min(-beyond, float64(us)/day)) }

// placeOf is an item's box.
func placeOf(shape *geo.Shape, time [2]int64) []byte {
	b := orb.Bound{Min: orb.Point{nowhere, nowhere}, Max: orb.Point{nowhere, nowhere}}
	if shape != nil {
		bounds := shape.Bounds()
		if b = bounds[0]; len(bounds) == 2 { // on both sides of the antimeridian: from the eastern one on past 180
			west, east := bounds[0], bounds[1]
			b = orb.Bound{Min: orb.Point{east.Min[0], min(west.Min[1], east.Min[1])}, Max: orb.Point{west.Max[0] + 360, max(west.Max[1], east.Max[1])}}
		}
	}
	return boxWKB(b, days(time[0]), days(time[1]))
}

// hullOf is the span of an entry's sort, begin and end.
func hullOf(e catalog.Entry) [2]int64 {
	begin, end := e.Sort, e.Sort
	if !e.Timed {
		return [2]int64{begin, end}
	}
	if e.Start == nil {
		begin = math.MinInt64
	} else {
		begin = min(begin, *e.Start)
	}
	if e.End == nil {
		end = math.MaxInt64
	} else {
		end = max(end, *e.End)
	}
	return [2]int64{begin, end}
}

// boxesOf are the boxes of which an item's must meet one.
func boxesOf(near []orb.Bound, begin, end int64) [][]byte {
	from, to := days(min(begin, end)), days(max(begin, end))
	if near == nil {
		return [][]byte{boxWKB(orb.Bound{Min: orb.Point{-anywhere, -anywhere}, Max: orb.Point{anywhere, anywhere}}, from, to)}
	}
	var out [][]byte
	for _, b := range near {
		past := orb.Bound{Min: orb.Point{b.Min[0] + 360, b.Min[1]}, Max: orb.Point{b.Max[0] + 360, b.Max[1]}}
		out = append(out, boxWKB(b, from, to), boxWKB(past, from, to))
	}
	return out
}

// boxWKB is a box as a line between two of its corners, in well-known binary with a third dimension.
func boxWKB(b orb.Bound, from, to float64) []byte {
	out := binary.LittleEndian.AppendUint32([]byte{1}, 0x80000002)
	out = binary.LittleEndian.AppendUint32(out, 2)
	for _, v := range []float64{b.Min[0], b.Min[1], from, b.Max[0], b.Max[1], to} {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
	}
	return out
}
