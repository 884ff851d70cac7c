package sqlgen

import (
	"math"

	"github.com/terrapin-eo/terrapin/catalog"
)

// Span is an item's time as the columns begins and ends have it.
func Span(e *catalog.Entry) (begins, ends int64) {
	if !e.Timed {
		return math.MaxInt64, math.MinInt64
	}
	begins, ends = math.MinInt64, math.MaxInt64
	if e.Start != nil {
		begins = *e.Start
	}
	if e.End != nil {
		ends = *e.End
	}
	return begins, ends
}
