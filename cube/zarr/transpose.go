package zarr

import (
	"slices"

	"github.com/terrapin-eo/terrapin/fault"
)

func checkOrder(order []int, dims int) error {
	seen := make([]bool, dims)
	for _, o := range order {
		if o < 0 || o >= dims || seen[o] {
			return fault.New(fault.Invalid, "zarr array: transpose in order %v for %d dimensions", order, dims)
		}
		seen[o] = true
	}
	if len(order) != dims {
		return fault.New(fault.Invalid, "zarr array: transpose in order %v for %d dimensions", order, dims)
	}
	return nil
}

// orders is one order that does what transpositions do one after another.
func orders(chain []Codec, dims int) []int {
	order := make([]int, dims)
	for i := range order {
		order[i] = i
	}
	for _, c := range chain {
		next := make([]int, dims)
		for i, o := range c.Order {
			next[i] = order[o]
		}
		order = next
	}
	return order
}

func inverse(order []int) []int {
	back := make([]int, len(order))
	for i, o := range order {
		back[o] = i
	}
	return back
}

// stored is the array as the serialiser sees it: transposed, and with the rest of the chain.
func (a *Array) stored() *Array {
	chain := a.chain()
	s := serialiser(chain)
	if s <= 0 {
		return a
	}
	b := *a
	b.Codecs = chain[s:]
	b.Chunks = make([]int, len(a.Chunks))
	for i, o := range orders(chain[:s], len(a.Chunks)) {
		b.Chunks[i] = a.Chunks[o]
	}
	b.Shape = b.Chunks
	return &b
}

// transpose writes src, of a shape, with its dimensions in another order: dimension i of dst is
// dimension order[i] of src.
func transpose(dst, src []byte, shape, order []int, size int) {
	dims := len(shape)
	strides := make([]int, dims) // of src, in the order of dst
	outer := make([]int, dims)
	for i, o := range order {
		strides[i] = size
		for _, n := range shape[o+1:] {
			strides[i] *= n
		}
		outer[i] = shape[o]
	}
	// Trailing dimensions that stay where they are move as one run.
	run := size
	for dims > 0 && order[dims-1] == dims-1 {
		dims--
		run *= shape[dims]
	}
	if slices.Contains(shape, 0) || dims == 0 {
		copy(dst, src)
		return
	}
	at := make([]int, dims)
	from, inner, step := 0, outer[dims-1], strides[dims-1]
	for to := 0; to < len(dst); {
		for j := range inner {
			copy(dst[to:to+run], src[from+j*step:from+j*step+run])
			to += run
		}
		for i := dims - 2; i >= 0; i-- {
			if at[i]++; at[i] < outer[i] {
				from += strides[i]
				break
			}
			from -= strides[i] * (outer[i] - 1)
			at[i] = 0
		}
	}
}
