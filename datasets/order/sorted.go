package order

import (
	"cmp"
	"iter"
	"math/bits"
	"slices"
)

// spot is a place as the order of storage has it.
type spot struct {
	index          uint32
	cell, row, col uint32 // of the chunk in which the window begins
	// way is how many chunks more than all the window touches: 1 a column, 2 a row, 3 both.
	way uint8
}

func (b *blocks) spotOf(p Place) spot {
	s := spot{index: p.Index, cell: p.Cell, row: p.Row / b.edge, col: p.Col / b.edge}
	if p.Row-s.row*b.edge >= b.edge-b.rest {
		s.way = 2
	}
	if p.Col-s.col*b.edge >= b.edge-b.rest {
		s.way |= 1
	}
	return s
}

// sorted hands out places in the order of storage: by cell, by the bits of row and column in turns, that of the row first, by
// index. Places whose numbers fit into 64 bits together, as nearly all do, take 8 bytes each while they are sorted.
func (b *blocks) sorted(places iter.Seq[Place]) (count int, out iter.Seq[spot]) {
	var most Place
	for p := range places {
		most = Place{max(most.Index, p.Index), max(most.Cell, p.Cell), max(most.Row, p.Row), max(most.Col, p.Col)}
		count++
	}
	f := fields{index: bits.Len32(most.Index), chunk: 2 * bits.Len32(max(most.Row, most.Col)/b.edge)}
	top := 2 + f.index + f.chunk + bits.Len32(most.Cell)
	if top > 64 {
		spots := make([]spot, 0, count)
		for p := range places {
			spots = append(spots, b.spotOf(p))
		}
		slices.SortFunc(spots, spot.compare)
		return len(spots), slices.Values(spots)
	}
	packed := make([]uint64, 0, count)
	for p := range places {
		packed = append(packed, f.pack(b.spotOf(p)))
	}
	sortBits(packed, top)
	return len(packed), func(yield func(spot) bool) {
		var s spot
		chunk := ^uint64(0) // that of s, and none before the first
		for _, v := range packed {
			if in := v >> 2 >> f.index; in != chunk {
				chunk, s = in, f.unpack(v)
			}
			s.way, s.index = uint8(v&3), uint32(v>>2&(1<<f.index-1))
			if !yield(s) {
				return
			}
		}
	}
}

// compare is the order of storage.
func (s spot) compare(o spot) int {
	in := cmp.Compare(s.row, o.row)
	if rows, cols := s.row^o.row, s.col^o.col; bits.Len32(rows) < bits.Len32(cols) {
		in = cmp.Compare(s.col, o.col)
	}
	return cmp.Or(cmp.Compare(s.cell, o.cell), in, cmp.Compare(s.index, o.index))
}

// fields are the bits of a spot in one number: cell, chunk and index, the highest first, and the two of way.
type fields struct{ index, chunk int }

func (f fields) pack(s spot) uint64 {
	v := uint64(s.cell)<<f.chunk | spread(s.row)<<1 | spread(s.col)
	return (v<<f.index|uint64(s.index))<<2 | uint64(s.way)
}

func (f fields) unpack(v uint64) spot {
	s := spot{way: uint8(v & 3)}
	v >>= 2
	s.index = uint32(v & (1<<f.index - 1))
	v >>= f.index
	s.cell = uint32(v >> f.chunk)
	v &= 1<<f.chunk - 1
	s.row, s.col = gathered(v>>1), gathered(v)
	return s
}

// spread puts bit i of a number at bit 2i.
func spread(n uint32) uint64 {
	v := uint64(n)
	for k, mask := range masks {
		v = (v | v<<(16>>k)) & mask
	}
	return v
}

// gathered is what spread was given; it does not look at the odd bits.
func gathered(v uint64) uint32 {
	v &= masks[len(masks)-1]
	for k := len(masks) - 2; k >= 0; k-- {
		v = (v | v>>(8>>k)) & masks[k]
	}
	return uint32(v | v>>16)
}

// masks leave groups of 16, 8, 4, 2 and 1 bits, each with as many free ones behind it.
var masks = [...]uint64{0x0000ffff0000ffff, 0x00ff00ff00ff00ff, 0x0f0f0f0f0f0f0f0f, 0x3333333333333333, 0x5555555555555555}

// fewToSort is how many numbers are sorted by comparing them.
const fewToSort = 128

// sortBits sorts numbers of so many bits where they are: into buckets by the highest eight, then each bucket by those below.
func sortBits(v []uint64, top int) {
	if len(v) <= fewToSort || top <= 0 {
		slices.Sort(v)
		return
	}
	shift := max(0, top-8)
	var ends, next [256]int
	for _, n := range v {
		ends[n>>shift&0xff]++
	}
	at := 0
	for k, count := range ends {
		next[k] = at
		at += count
		ends[k] = at
	}
	for k := range next {
		for next[k] < ends[k] {
			n := v[next[k]]
			for to := n >> shift & 0xff; int(to) != k; to = n >> shift & 0xff {
				n, v[next[to]] = v[next[to]], n
				next[to]++
			}
			v[next[k]] = n
			next[k]++
		}
	}
	if shift == 0 {
		return
	}
	first := 0
	for _, end := range ends {
		if end-first > 1 {
			sortBits(v[first:end], shift)
		}
		first = end
	}
}
