package order

import (
	"iter"
	"math/bits"
	"slices"
)

// Place is where a sample's window begins.
type Place struct {
	// Index is that of the sample in the base order.
	Index uint32
	// Cell is the rank of the cell's path among those there are.
	Cell uint32
	// Row and Col are pixels of the cell's grid.
	Row, Col uint32
}

// Ranks are those of the paths of cells, for Place: paths that are the same have one.
func Ranks(cells []string) []uint32 {
	byPath, ranks := map[string]uint32{}, make([]uint32, len(cells))
	for rank, path := range slices.Compact(slices.Sorted(slices.Values(cells))) {
		byPath[path] = uint32(rank)
	}
	for i, path := range cells {
		ranks[i] = byPath[path]
	}
	return ranks
}

// Storage is how windows lie in chunks: their edges in pixels, and what a chunk decodes to in bytes.
type Storage struct {
	Edge, Window int
	Bytes        uint64
}

// The rule by which blocks grow.
const (
	// mostDoubled is how often the edge of a block is doubled at most.
	mostDoubled = 8
	// fewestGroups must fit into half a window.
	fewestGroups = 4
	// A doubling must leave no more chunks to read than leftOf of every leftFrom.
	leftOf, leftFrom = 4, 5
)

// Blocks lays samples in the order of storage and groups them by the blocks of chunks in which their windows begin, for
// a window of so many bytes. How large blocks are follows from what the samples touch: they grow while that saves
// reading and leaves enough of them in a window. Places are gone through several times, in any order; windows are of at
// least a pixel. The list takes 4 bytes for a sample; while it is made 8 more are taken where chunks are many, or places do not
// come by index, and 20 for a chunk.
func Blocks(places iter.Seq[Place], at Storage, window uint64) (Listed, Groups) {
	b := newBlocks(at)
	list := b.lay(places)
	g := Groups{Bytes: at.Bytes, Edge: 1}
	count, doubled := 0, 0
	for count, g.Chunks = b.count(0); doubled < mostDoubled; doubled++ {
		fewer, chunks := b.count(doubled + 1)
		room := whole(uint64(fewer))
		room.Mul(room, whole(window))
		need := g.twice(chunks)
		if leftFrom*chunks > leftOf*g.Chunks || room.Cmp(need.Mul(need, whole(fewestGroups))) < 0 {
			break
		}
		count, g.Chunks = fewer, chunks
	}
	g.Edge = 1 << doubled
	g.Starts = make([]uint32, 0, count+1)
	for i, c := range b.chunks {
		if i == 0 || !c.shares(b.chunks[i-1], doubled) {
			g.Starts = append(g.Starts, c.first)
		}
	}
	g.Starts = append(g.Starts, uint32(len(list)))
	return list, g
}

// begun is a chunk in which windows begin.
type begun struct {
	cell, row, col uint32
	first          uint32 // place in the list of the first of them
	// far has a bit for each way in which one of them reaches: 1 as far as all, 2 a column further, 4 a row, 8 both.
	far uint8
}

// shares reports whether two chunks lie in one block of an edge that was doubled so often.
func (a begun) shares(b begun, doubled int) bool {
	return a.cell == b.cell && (a.row^b.row)>>doubled == 0 && (a.col^b.col)>>doubled == 0
}

// blocks count what groups touch.
type blocks struct {
	edge uint32
	// reach is how many chunks every window touches at least along an edge, behind the one that it begins in. None
	// touches more than one more.
	reach uint32
	// rest is what the last pixel of a window is off its first, beyond reach: one that begins so near the end of its chunk
	// touches one more.
	rest   uint32
	chunks []begun // in the order of storage
	seen   []uint64
}

func newBlocks(at Storage) blocks {
	edge, last := uint32(at.Edge), uint32(at.Window-1)
	return blocks{edge: edge, reach: last / edge, rest: last % edge}
}

// lay lists samples in the order of storage and notes the chunks in which their windows begin.
func (b *blocks) lay(places iter.Seq[Place]) Listed {
	f := b.survey(places)
	if f.ascending && f.bits <= bits.Len(uint(f.count)) {
		return b.counted(places, f)
	}
	list := make(Listed, 0, f.count)
	for s := range b.sorted(places, f) {
		c := begun{cell: s.cell, row: s.row, col: s.col, first: uint32(len(list))}
		if n := len(b.chunks); n == 0 || !c.shares(b.chunks[n-1], 0) {
			b.chunks = append(b.chunks, c)
		}
		b.chunks[len(b.chunks)-1].far |= 1 << s.way
		list = append(list, s.index)
	}
	return list
}

// count gives the number of blocks of an edge that was doubled so often, and of the chunks that each of them touches.
func (b *blocks) count(doubled int) (groups int, chunks uint64) {
	side := int(1<<doubled + b.reach + 1)
	words := (side + 63) / 64
	b.seen = slices.Grow(b.seen[:0], side*words)[:side*words]
	for i, c := range b.chunks {
		if i == 0 || !c.shares(b.chunks[i-1], doubled) {
			groups++
			clear(b.seen)
		}
		row, col := int(c.row&(1<<doubled-1)), int(c.col&(1<<doubled-1))
		for way := range 4 {
			if c.far>>way&1 == 0 {
				continue
			}
			for y := row; y <= row+int(b.reach)+way>>1; y++ {
				chunks += mark(b.seen[y*words:(y+1)*words], col, col+int(b.reach)+way&1)
			}
		}
	}
	return groups, chunks
}

// mark sets the bits from first to last and says how many of them were not set.
func mark(line []uint64, first, last int) (fresh uint64) {
	for w := first / 64; w <= last/64; w++ {
		bit := ^uint64(0) << max(0, first-64*w) & (^uint64(0) >> max(0, 64*w+63-last))
		fresh += uint64(bits.OnesCount64(bit &^ line[w]))
		line[w] |= bit
	}
	return fresh
}
