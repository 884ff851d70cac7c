package read

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/terrapin-eo/terrapin/cube/layout"
)

// Loan is memory of a decoded chunk that holds what belongs at At in the image of a request, instead of the buffer there.
type Loan struct {
	Request, At int
	Bytes       []byte
}

// Loans are what a read left where it was decoded. Nothing of them may be written to, nor read after Release.
type Loans struct {
	out  *atomic.Int64 // of the reader's chunks
	mu   sync.Mutex
	all  []Loan
	held []*chunk
}

// All are the loans by request and place.
func (l *Loans) All() []Loan { return l.all }

// Release gives the chunks back; it is called once.
func (l *Loans) Release() {
	for _, c := range l.held {
		c.release()
	}
	l.out.Add(-int64(len(l.held)))
	l.all, l.held = nil, nil
}

// leastLoan is what is worth a piece of its own, in bytes; smaller planes are copied.
const leastLoan = 16 << 10

// ReadLending is ReadMany without the copy where windows are whole chunks: of these, planes of the image stay in the
// cache's memory and are lent, and image[i] holds anything there. The caller releases the loans, also after an error.
func (r *Reader) ReadLending(ctx context.Context, v *layout.View, qs []Request, image, valid [][]byte) (*Loans, Report, error) {
	loans := &Loans{out: &r.lent}
	report, err := r.readMany(ctx, v, qs, image, valid, loans)
	slices.SortFunc(loans.all, func(x, y Loan) int { return cmp.Or(x.Request-y.Request, x.At-y.At) })
	return loans, report, err
}

// lend lends the image of one slot of a window, if the chunk is exactly that slot.
func (b *batch) lend(p part, layer int, c *chunk) bool {
	w, place := &b.windows[p.window], &b.places[p.place]
	at, a := place.chunkWindow(p), w.arrays[layer]
	if b.loans == nil || layer != 0 || w.at != at || at.Intersect(place.Window) != at || a.planeBytes < b.reader.leastLoan {
		return false
	}
	l := b.loans
	l.mu.Lock()
	defer l.mu.Unlock()
	from := int(p.slot) * len(w.bands) * a.planeBytes
	for i := 0; i < len(w.bands); {
		first := c.index(w.bands[i])
		n := 1
		for i+n < len(w.bands) && c.index(w.bands[i+n]) == first+n {
			n++
		}
		l.all = append(l.all, Loan{int(p.window), from + i*a.planeBytes, c.buf.bytes[first*a.planeBytes : (first+n)*a.planeBytes]})
		i += n
	}
	c.holders.Add(1)
	l.out.Add(1)
	l.held = append(l.held, c)
	return true
}
