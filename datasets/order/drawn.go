package order

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
)

// The names of the orders of epochs that are drawn from a Choice: those with a filter, weights or a window. All others
// are of Algorithm.
const (
	// DrawnAlgorithm is that of versions that are committed now: a group of a window is a block of chunks.
	DrawnAlgorithm = "terrapin-order-3"
	// DrawnByChunk is that of older versions: a group is one chunk.
	DrawnByChunk = "terrapin-order-2"
)

// DrawnAlgorithms lists the drawn orders that there are, the newest first.
func DrawnAlgorithms() []string { return []string{DrawnAlgorithm, DrawnByChunk} }

// Key is what a drawn order depends on besides its choice, which follows from it.
type Key struct {
	// Algorithm is one of DrawnAlgorithms.
	Algorithm     string
	Digest, Split string
	// Filter is its canonical text, Weights their canonical name; "" is none.
	Filter, Weights string
	Shuffle         Shuffle
	Seed, Epoch     uint64
}

// Drawn is the order of one epoch of a choice. It is not changed once it is made.
type Drawn struct {
	choice  *Choice
	n       uint64
	shuffle Shuffle
	// offset moves the points at which samples are drawn by weight.
	offset uint64

	round                keys // of the uniform shuffle
	group, first, second keys // of the shuffle by windows
	half                 uint64
	marks                []uint64 // positions before every 32nd group of the epoch
}

// every is how many groups share a mark: a lookup walks over that many at most.
const every = 32

// Draw makes the order of one epoch. It takes time and memory that grow with the groups of a windowed
// shuffle, a quarter of a byte for each, and with nothing else. A windowed shuffle of a choice without
// groups is a defect of the caller and panics, as is an algorithm that there is not.
func Draw(k Key, c *Choice) *Drawn {
	if !slices.Contains(DrawnAlgorithms(), k.Algorithm) {
		panic("order: no drawn order " + k.Algorithm)
	}
	d := &Drawn{choice: c, n: c.Len(), shuffle: k.Shuffle}
	key := epochKey(k.Seed, k.Epoch, k.Algorithm, k.Digest, k.Split, k.Filter, k.Weights, k.Shuffle.String())
	if c.sums != nil {
		sum := macOf(key, []byte("offset"))
		d.offset = scaled(binary.BigEndian.Uint64(sum), binary.BigEndian.Uint64(sum[8:]), c.total())
	}
	bytes, windowed := k.Shuffle.Windowed()
	switch {
	case windowed:
		if len(c.groups.Starts) == 0 && d.n > 0 {
			panic("order: a shuffle by windows of a choice without groups")
		}
		d.group, d.first, d.second = keysOf(key, "group"), keysOf(key, "first"), keysOf(key, "second")
		if d.half = c.groups.half(d.n, bytes); k.Algorithm == DrawnAlgorithm {
			d.half = c.groups.Half(d.n, bytes)
		}
		d.mark()
	case k.Shuffle == Uniform:
		d.round = keysOf(key, "round")
	}
	return d
}

// scaled is ⌊(high·2^64 + low)·n / 2^128⌋: a number below n, drawn from 128 bits.
func scaled(high, low, n uint64) uint64 {
	carry, _ := bits.Mul64(low, n)
	out, rest := bits.Mul64(high, n)
	_, more := bits.Add64(rest, carry, 0)
	return out + more
}

// Window is the groups of a shuffle by windows, and from how many places positions that lie close together come; not ok
// for another shuffle.
func (d *Drawn) Window() (g Groups, places uint64, ok bool) {
	_, ok = d.shuffle.Windowed()
	return d.choice.groups, min(d.n, 2*d.half), ok
}

// Len is the number of positions.
func (d *Drawn) Len() uint64 { return d.n }

// At returns the index, in the base order, of the sample at a position.
func (d *Drawn) At(position uint64) uint64 {
	if position >= d.n {
		panic("order: position out of range")
	}
	draw := position
	if _, windowed := d.shuffle.Windowed(); windowed {
		draw = d.spot(d.mixed(position))
	} else if d.shuffle == Uniform {
		draw = d.round.permute(d.n, position)
	}
	if d.choice.sums == nil {
		return d.choice.list.At(draw)
	}
	high, low := bits.Mul64(draw, d.choice.total())
	low, carry := bits.Add64(low, d.offset, 0)
	point, _ := bits.Div64(high+carry, low, d.n)
	sums := d.choice.sums
	return d.choice.list.At(uint64(sort.Search(len(sums), func(i int) bool { return sums[i] > point }) - 1))
}

// mixed moves a position by less than a window: it is permuted among its block of half a window, and
// what comes out among its block of a second row of blocks, which lie across the first ones.
func (d *Drawn) mixed(position uint64) uint64 {
	ahead := d.half - d.half/2
	b := (position + ahead) / d.half
	first, end := b*d.half-min(ahead, b*d.half), min(d.n, b*d.half+d.half-ahead)
	keys := d.second.block(b)
	x := first + keys.permute(end-first, position-first)
	b = x / d.half
	first, end = b*d.half, min(d.n, b*d.half+d.half)
	keys = d.first.block(b)
	return first + keys.permute(end-first, x-first)
}

// before is how many draws fall on the first samples of the list.
func (d *Drawn) before(samples uint32) uint64 {
	sums := d.choice.sums
	if sums == nil {
		return uint64(samples)
	}
	high, low := bits.Mul64(d.n, sums[samples])
	low, borrow := bits.Sub64(low, d.offset, 0)
	if high < borrow || (high-borrow == 0 && low == 0) {
		return 0
	}
	low, borrow2 := bits.Sub64(low, 1, 0)
	draws, _ := bits.Div64(high-borrow-borrow2, low, d.choice.total())
	return draws + 1
}

// place is the draws of the group that an epoch has j-th: the first, and how many.
func (d *Drawn) place(j int) (first, count uint64) {
	starts := d.choice.groups.Starts
	g := d.group.permute(uint64(len(starts)-1), uint64(j))
	first = d.before(starts[g])
	return first, d.before(starts[g+1]) - first
}

func (d *Drawn) mark() {
	groups := max(1, len(d.choice.groups.Starts)) - 1
	d.marks = make([]uint64, 0, groups/every+1)
	at := uint64(0)
	for j := range groups {
		if j%every == 0 {
			d.marks = append(d.marks, at)
		}
		_, count := d.place(j)
		at += count
	}
}

// spot is the draw at a place of the epoch's groups, one after the other.
func (d *Drawn) spot(x uint64) uint64 {
	k := sort.Search(len(d.marks), func(k int) bool { return d.marks[k] > x }) - 1
	left := x - d.marks[k]
	for j := k * every; ; j++ {
		first, count := d.place(j)
		if left < count {
			return first + left
		}
		left -= count
	}
}
