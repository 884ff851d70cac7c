package datasets

import (
	"math"

	"github.com/terrapin-eo/terrapin/cube"
)

// physical converts a stored number as physical values have it: float32(dn)*scale + offset. Every step
// is rounded to float32 by itself, so that no processor fuses two of them and the bits are NumPy's.
func physical(dn float64, c cube.Contract) float32 {
	scaled := float32(float32(dn) * float32(c.Scale))
	return float32(scaled + float32(c.Offset))
}

// CheckRaw refuses raw values of a version whose slices have several radiometric contracts, as a commit does.
func (v *Version) CheckRaw() error {
	slices := make([]cube.Slice, len(v.Slices))
	for i, s := range v.Slices {
		slices[i] = cube.Slice{Item: s.Item, Contract: s.Contract}
	}
	return oneContract(slices)
}

// moments gathers count, mean and the sum of squared deviations. Products are rounded by explicit
// conversions, as above, so that the result is the same on every processor.
type moments struct {
	n         uint64
	mean, m2  float64
	low, high float64
}

// ofValues is the moments of some values: two passes, in the order given.
func ofValues(values []float64) moments {
	m := moments{n: uint64(len(values)), low: math.Inf(1), high: math.Inf(-1)}
	if m.n == 0 {
		return m
	}
	sum := 0.0
	for _, v := range values {
		sum += v
		m.low, m.high = min(m.low, v), max(m.high, v)
	}
	m.mean = sum / float64(m.n)
	for _, v := range values {
		d := v - m.mean
		m.m2 += float64(d * d)
	}
	return m
}

// add merges the moments of further values (Chan, Golub and LeVeque).
func (m moments) add(o moments) moments {
	if o.n == 0 {
		return m
	}
	if m.n == 0 {
		return o
	}
	n := float64(m.n + o.n)
	d := o.mean - m.mean
	return moments{
		n:    m.n + o.n,
		mean: m.mean + float64(d*(float64(o.n)/n)),
		m2:   m.m2 + o.m2 + float64(float64(d*d)*(float64(float64(m.n)*float64(o.n))/n)),
		low:  min(m.low, o.low),
		high: max(m.high, o.high),
	}
}

func (m moments) stats(band string) BandStats {
	s := BandStats{Band: band, Count: m.n}
	if m.n > 0 {
		s.Mean, s.Std, s.Min, s.Max = m.mean, math.Sqrt(m.m2/float64(m.n)), m.low, m.high
	}
	return s
}
