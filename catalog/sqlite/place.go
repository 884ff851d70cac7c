package sqlite

import (
	"time"

	"github.com/paulmach/orb"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
)

// nowhere is where an item without a place is in the table of boxes.
var nowhere = []orb.Bound{{Min: orb.Point{1000, 1000}, Max: orb.Point{1000, 1000}}}

// perYear is how many degrees a year is worth to the R*Tree, which likes its nodes to be cubes. Of 18, 36 and 72, tried with ten years
// of scenes, 36 was the best for small places and long times, and near it for large places and short times.
const perYear = 36

var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// year is a time in the table of boxes. It never decreases with the time, so no item is missed.
func year(micros int64) float64 {
	const us = 365.25 * 24 * 3600 * 1e6
	return min(max((float64(micros)-float64(epoch))/us*perYear, -1e6), 1e6)
}

// hull is an entry's time as the table of boxes has it.
func hull(e *catalog.Entry) (since, until float64) {
	if !e.Timed {
		return year(e.Sort), year(e.Sort)
	}
	begins, ends := sqlgen.Span(e)
	return year(min(begins, e.Sort)), year(max(ends, e.Sort))
}
