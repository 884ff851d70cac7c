package order

import (
	"math"
	"math/bits"

	"github.com/terrapin-eo/terrapin/fault"
)

// List is samples by their indices in the base order, each once.
type List interface {
	Len() uint64
	At(i uint64) uint64
}

// All is the whole split in the base order.
type All uint64

// Len is the number of samples.
func (n All) Len() uint64 { return uint64(n) }

// At is i itself.
func (n All) At(i uint64) uint64 { return i }

// Listed is a list in memory, for an order of its own such as that of storage.
type Listed []uint32

// Len is the number of samples.
func (l Listed) Len() uint64 { return uint64(len(l)) }

// At is the i-th sample.
func (l Listed) At(i uint64) uint64 { return uint64(l[i]) }

// Choice is what epochs are drawn from: the samples that are kept, in the base order or, with groups, in
// that of storage, and their weights. It is built once for all epochs, is not changed afterwards, and is
// safe for concurrent use.
type Choice struct {
	list   List
	sums   []uint64 // sums[i] is the weight of the first i samples; nil where all are drawn once
	groups Groups
}

// NewChoice makes a choice of a list. Weights are nil, or one for each sample of the list: finite, not
// negative and not all zero; anything else is fault.Invalid. Groups are those of a list in the order of
// storage, or the zero value.
func NewChoice(list List, weights []float64, groups Groups) (*Choice, error) {
	c := &Choice{list: list, groups: groups}
	if weights == nil {
		return c, nil
	}
	most := 0.0
	for i, w := range weights {
		if !(w >= 0) || math.IsInf(w, 1) {
			return nil, fault.New(fault.Invalid, "weight %g of sample %d is no finite number from 0 up", w, list.At(uint64(i))).
				WithCure("filter such samples away, or weight by another property")
		}
		most = max(most, w)
	}
	if most == 0 {
		return nil, fault.New(fault.Invalid, "all weights are 0").WithCure("weight by a property that is greater than 0 for some sample")
	}
	// Weights become whole numbers by a power of two that is the same for all, which rounds nothing away
	// from those that fit; their sum stays below 2^62.
	_, exponent := math.Frexp(most)
	shift := min(53, 62-bits.Len(uint(len(weights)))) - exponent
	c.sums = make([]uint64, len(weights)+1)
	for i, w := range weights {
		c.sums[i+1] = c.sums[i] + uint64(math.Ldexp(w, shift))
	}
	return c, nil
}

// Len is the number of samples that are kept, which is that of the positions of an epoch.
func (c *Choice) Len() uint64 { return c.list.Len() }

// Groups are those of its list.
func (c *Choice) Groups() Groups { return c.groups }

// Bytes is about what the choice holds in memory.
func (c *Choice) Bytes() int64 {
	n := 8*int64(len(c.sums)) + 4*int64(len(c.groups.Starts))
	switch l := c.list.(type) {
	case Listed:
		n += 4 * int64(len(l))
	case *Bitmap:
		n += l.Bytes()
	}
	return n
}

// total is the sum of all weights.
func (c *Choice) total() uint64 { return c.sums[len(c.sums)-1] }
