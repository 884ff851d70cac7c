package geo

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/paulmach/orb"
)

// A shape with many corners that is compared with many others gets two indexes: of each outline, rows of latitude, each with the pieces
// that reach into it, for points within; and one of all pieces of its lines and outlines, for what meets them. They are made at the third
// question, or before one that is long, so that shapes read from rows of a table do without.
const (
	indexFrom   = 64 // corners
	piecesInRow = 4  // about
	mostRows    = 4096
	mostInRows  = 8 // rows that a piece reaches into, on average: else there are fewer rows
)

const (
	questions    = 3
	longQuestion = 64 // of points or pieces
)

type prepared struct {
	asked, askedPieces atomic.Int32
	once, oncePieces   sync.Once
	areas              []*rows
	index              *index
}

// index are all pieces, those of lines first.
type index struct {
	pieces [][2]orb.Point
	lines  int
	tree   *boxTree
}

// due counts questions.
func due(asked *atomic.Int32, times int) bool {
	if times < longQuestion && asked.Load() < questions {
		asked.Add(1)
		return false
	}
	return true
}

// index is that of all pieces, if it is to be used for a question about so many points or pieces.
func (s *Shape) index(times int) *index {
	p := s.prepared
	if p == nil || !due(&p.askedPieces, times) {
		return nil
	}
	p.oncePieces.Do(func() {
		x := &index{pieces: make([][2]orb.Point, 0, s.pieces)}
		s.eachPiece(func(a, b orb.Point) bool {
			x.pieces = append(x.pieces, [2]orb.Point{a, b})
			return false
		})
		for _, l := range s.lines {
			x.lines += len(l) - 1
		}
		x.tree = newBoxTree(len(x.pieces), func(i int) orb.Bound { return segmentBound(x.pieces[i][0], x.pieces[i][1]) })
		p.index = x
	})
	return p.index
}

// rows are those of an area's rings; nil where there are none.
type rows []*ringRows

func (r *rows) of(ring int) *ringRows {
	if r == nil {
		return nil
	}
	return (*r)[ring]
}

// ringRows divides a ring between two latitudes. Pieces are named by the index of their first corner.
type ringRows struct {
	south, step float64
	pieces      [][]int32
	first       []int32 // the first row of each piece
}

// rows are those of an area, if they are to be used for a question about so many points.
func (s *Shape) rows(area, times int) *rows {
	p := s.prepared
	if p == nil || !due(&p.asked, times) {
		return nil
	}
	p.once.Do(func() {
		p.areas = make([]*rows, len(s.areas))
		for i, a := range s.areas {
			all := make(rows, len(a))
			for j, r := range a {
				all[j] = newRows(r)
			}
			p.areas[i] = &all
		}
	})
	return p.areas[area]
}

func newRows(r orb.Ring) *ringRows {
	if len(r) < indexFrom {
		return nil
	}
	b := r.Bound()
	out := &ringRows{south: b.Min[1], first: make([]int32, len(r)-1)}
	reach := func(i int) (low, high int) {
		return out.row(min(r[i][1], r[i+1][1])), out.row(max(r[i][1], r[i+1][1]))
	}
	for n := min(len(r)/piecesInRow, mostRows); ; n /= 2 {
		out.step, out.pieces = (b.Max[1]-b.Min[1])/float64(n), make([][]int32, n)
		total := 0
		for i := range out.first {
			low, high := reach(i)
			total += high - low + 1
		}
		if n == 1 || total <= mostInRows*len(r) {
			break
		}
	}
	for i := range out.first {
		low, high := reach(i)
		out.first[i] = int32(low)
		for k := low; k <= high; k++ {
			out.pieces[k] = append(out.pieces[k], int32(i))
		}
	}
	return out
}

// row never decreases as the latitude grows, so what shares a latitude shares a row.
func (r *ringRows) row(latitude float64) int {
	at := (latitude - r.south) / r.step
	if !(at > 0) { // also without any height
		return 0
	}
	return int(math.Min(at, float64(len(r.pieces)-1)))
}

// any asks each piece that reaches into the rows between two latitudes, once, until one says yes.
func (r *ringRows) any(south, north float64, ask func(piece int) bool) bool {
	low, high := r.row(south), r.row(north)
	for k := low; k <= high; k++ {
		for _, i := range r.pieces[k] {
			if k > low && int(r.first[i]) < k {
				continue // it was in the row before
			}
			if ask(int(i)) {
				return true
			}
		}
	}
	return false
}
