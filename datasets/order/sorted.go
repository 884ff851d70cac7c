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

// survey is what is known of places before they are laid.
type survey struct {
	fields
	count     int
	bits      int  // of cell and chunk
	ascending bool // by index
}

func (b *blocks) survey(places iter.Seq[Place]) survey {
	var most, last Place
	s := survey{ascending: true}
	for p := range places {
		most = Place{max(most.Index, p.Index), max(most.Cell, p.Cell), max(most.Row, p.Row), max(most.Col, p.Col)}
		s.ascending = s.ascending && (s.count == 0 || p.Index > last.Index)
		last = p
		s.count++
	}
	s.fields = fields{index: bits.Len32(most.Index), chunk: 2 * bits.Len32(max(most.Row, most.Col)/b.edge)}
	s.bits = s.chunk + bits.Len32(most.Cell)
	return s
}

// counted lays places by counting those of each chunk, which takes 5 bytes for each chunk that there might be and the list.
// They come by ascending index.
func (b *blocks) counted(places iter.Seq[Place], f survey) Listed {
	next, far := make([]uint32, 1<<f.bits), make([]uint8, 1<<f.bits)
	for p := range places {
		s := b.spotOf(p)
		k := f.key(s)
		next[k]++
		far[k] |= 1 << s.way
	}
	at := uint32(0)
	for k, n := range next {
		if n > 0 {
			s := f.spot(uint64(k))
			b.chunks = append(b.chunks, begun{cell: s.cell, row: s.row, col: s.col, first: at, far: far[k]})
			next[k] = at
			at += n
		}
	}
	list := make(Listed, f.count)
	for p := range places {
		k := f.key(b.spotOf(p))
		list[next[k]] = p.Index
		next[k]++
	}
	return list
}

// sorted hands out places in the order of storage: by cell, by the bits of row and column in turns, that of the row first, by
// index. Places whose numbers fit into 64 bits together, as nearly all do, take 8 bytes each while they are sorted.
func (b *blocks) sorted(places iter.Seq[Place], f survey) iter.Seq[spot] {
	top := 2 + f.index + f.bits
	if top > 64 {
		spots := make([]spot, 0, f.count)
		for p := range places {
			spots = append(spots, b.spotOf(p))
		}
		slices.SortFunc(spots, spot.compare)
		return slices.Values(spots)
	}
	packed := make([]uint64, 0, f.count)
	for p := range places {
		packed = append(packed, f.pack(b.spotOf(p)))
	}
	sortBits(packed, top)
	return func(yield func(spot) bool) {
		var s spot
		chunk := ^uint64(0) // that of s, and none before the first
		for _, v := range packed {
			if in := v >> 2 >> f.index; in != chunk {
				chunk, s = in, f.spot(in)
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

// key is cell and chunk, in the order of storage.
func (f fields) key(s spot) uint64 {
	return uint64(s.cell)<<f.chunk | spread(s.row)<<1 | spread(s.col)
}

// spot is one of the chunk of a key.
func (f fields) spot(key uint64) spot {
	in := key & (1<<f.chunk - 1)
	return spot{cell: uint32(key >> f.chunk), row: gathered(in >> 1), col: gathered(in)}
}

func (f fields) pack(s spot) uint64 {
	return (f.key(s)<<f.index|uint64(s.index))<<2 | uint64(s.way)
}

// spread puts bit i of a number at bit 2i.
func spread(n uint32) uint64 {
	v := uint64(n)
	v = (v | v<<16) & halves
	v = (v | v<<8) & bytes
	v = (v | v<<4) & nibbles
	v = (v | v<<2) & pairs
	return (v | v<<1) & single
}

// gathered is what spread was given; it does not look at the odd bits.
func gathered(v uint64) uint32 {
	v &= single
	v = (v | v>>1) & pairs
	v = (v | v>>2) & nibbles
	v = (v | v>>4) & bytes
	v = (v | v>>8) & halves
	return uint32(v | v>>16)
}

// What leaves groups of 16, 8, 4, 2 and 1 bits, each with as many free ones above it.
const (
	halves  = 0x0000ffff0000ffff
	bytes   = 0x00ff00ff00ff00ff
	nibbles = 0x0f0f0f0f0f0f0f0f
	pairs   = 0x3333333333333333
	single  = 0x5555555555555555
)

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
