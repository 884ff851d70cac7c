package zarr

import "sync"

// overrun is how many bytes behind its place a decoder may spoil, and so what every scratch buffer has
// behind its end.
const overrun = 32

var scratch = sync.Pool{New: func() any { return new([]byte) }}

// borrow takes a buffer of n bytes of any content; scratch.Put gives it back.
func borrow(n int) *[]byte {
	b := scratch.Get().(*[]byte)
	if cap(*b) < n+overrun {
		*b = make([]byte, n+overrun)
	}
	*b = (*b)[:n]
	return b
}
