package datasets

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// The layout of samples.idx; docs/spec/samples-idx.md is its description.
const (
	indexMagic  = "TPINIDX1"
	indexHeader = 60
	indexRow    = 40
	// indexBlock is how many rows are checked together when one of them is wanted.
	indexBlock = 1024
)

// indexTable is what rows of samples.idx point to.
type indexTable struct {
	Splits []indexSplit     `json:"splits"`
	Cells  []string         `json:"cells"`
	Slots  [][]cube.SliceID `json:"slots"`
	// Blocks are the digests by which rows are checked when they are wanted; nil in files of older releases, whose
	// rows are checked when the file is opened.
	Blocks *indexBlocks `json:"blocks,omitempty"`
}

// indexBlocks say where the SHA-256 of every Rows rows stand, one after the other.
type indexBlocks struct {
	Rows uint64 `json:"rows"`
	At   uint64 `json:"at"`
}

type indexSplit struct {
	Name  string `json:"name"`
	First int    `json:"first"`
	Count int    `json:"count"`
}

// index is an open samples.idx. Its rows stay as bytes, 40 for each sample, in the file where it is mapped. They are
// checked block by block when one of a block is wanted first.
type index struct {
	table   indexTable
	content *store.Mapping
	rows    []byte
	digests []byte // of blocks
	checked []atomic.Uint64
}

// openIndex reads samples.idx and refuses one whose header or table is wrong. Its rows it leaves alone if the file
// has digests of blocks.
func openIndex(content *store.Mapping) (x *index, err error) {
	defer unreadable(&err, debug.SetPanicOnFault(true))
	defer runtime.KeepAlive(content)
	data := content.Data()
	if len(data) < indexHeader || string(data[:8]) != indexMagic {
		return nil, badIndex("not a sample index")
	}
	begin, row := uint64(binary.LittleEndian.Uint32(data[8:])), binary.LittleEndian.Uint32(data[12:])
	count, text := binary.LittleEndian.Uint64(data[16:]), uint64(binary.LittleEndian.Uint32(data[56:]))
	if row != indexRow || begin%8 != 0 || indexHeader+text > begin || begin > uint64(len(data)) {
		return nil, badIndex("the header contradicts itself")
	}
	if have := uint64(len(data)) - begin; have%indexRow != 0 || have/indexRow != count {
		return nil, badIndex("%d bytes of rows where %d rows are announced", have, count)
	}
	x = &index{content: content, rows: data[begin:]}
	if err := json.Unmarshal(data[indexHeader:indexHeader+text], &x.table); err != nil {
		return nil, badIndex("the table does not parse: %w", err)
	}
	if err := x.checkSplits(int(count)); err != nil {
		return nil, err
	}
	b := x.table.Blocks
	if b == nil {
		return x, x.check()
	}
	if b.Rows == 0 || b.Rows > math.MaxInt32 {
		return nil, badIndex("blocks of %d rows", b.Rows)
	}
	n := (count + b.Rows - 1) / b.Rows
	if b.At < indexHeader+text || b.At > begin || n*sha256.Size > begin-b.At {
		return nil, badIndex("the digests of %d blocks do not fit in front of the rows", n)
	}
	x.digests, x.checked = data[b.At:b.At+n*sha256.Size], make([]atomic.Uint64, (n+63)/64)
	return x, nil
}

func badIndex(what string, args ...any) error {
	return fault.New(fault.Corrupt, "samples.idx: "+what, args...).WithCure("restore the file from a backup, or commit the recipe again")
}

// unreadable turns a fault in a mapped file, whose end somebody has cut off or that a disk cannot read, into an
// error; before is what debug.SetPanicOnFault gave. It is for defer alone.
func unreadable(err *error, before bool) {
	debug.SetPanicOnFault(before)
	switch p := recover().(type) {
	case nil:
	case interface{ Addr() uintptr }:
		*err = badIndex("the file cannot be read any more where it was mapped")
	default:
		panic(p)
	}
}

func (x *index) checkSplits(count int) error {
	next := 0
	for _, s := range x.table.Splits {
		if s.First != next || s.Count < 0 || s.Count > count-next {
			return badIndex("split %s does not follow the one before it", s.Name)
		}
		next += s.Count
	}
	if next != count {
		return badIndex("%d of %d rows are in no split", count-next, count)
	}
	return nil
}

// check holds every row against the checksum and the table.
func (x *index) check() (err error) {
	defer unreadable(&err, debug.SetPanicOnFault(true))
	defer runtime.KeepAlive(x)
	if sum := sha256.Sum256(x.rows); !bytes.Equal(sum[:], x.content.Data()[24:56]) {
		return badIndex("the checksum of the rows is wrong")
	}
	for b := range uint64(len(x.digests) / sha256.Size) {
		if err := x.checkDigest(b); err != nil {
			return err
		}
	}
	return x.checkRows(0, len(x.rows)/indexRow)
}

// checkDigest holds a block of rows against its digest.
func (x *index) checkDigest(block uint64) error {
	size := x.table.Blocks.Rows * indexRow
	rows := x.rows[block*size : min(uint64(len(x.rows)), (block+1)*size)]
	if sum := sha256.Sum256(rows); !bytes.Equal(sum[:], x.digests[block*sha256.Size:(block+1)*sha256.Size]) {
		return badIndex("the checksum of rows %d to %d is wrong", block*x.table.Blocks.Rows, block*x.table.Blocks.Rows+uint64(len(rows)/indexRow)-1)
	}
	return nil
}

// checkRows holds some rows against the table, and each against the one before it.
func (x *index) checkRows(first, end int) error {
	for i := first; i < end; i++ {
		r := x.row(i)
		cell, slots := int(binary.LittleEndian.Uint16(r[32:])), binary.LittleEndian.Uint32(r[36:])
		if cell >= len(x.table.Cells) || uint64(slots) >= uint64(len(x.table.Slots)) {
			return badIndex("row %d points beyond the table", i)
		}
		if h, w := int32(binary.LittleEndian.Uint32(r[24:])), int32(binary.LittleEndian.Uint32(r[28:])); h <= 0 || w <= 0 {
			return badIndex("row %d has a window of %d×%d pixels", i, h, w)
		}
		if i > 0 && bytes.Compare(x.row(i - 1)[:16], r[:16]) >= 0 && !x.begins(i) {
			return badIndex("row %d is not in order", i)
		}
	}
	return nil
}

// begins reports whether a row is the first of a split.
func (x *index) begins(i int) bool {
	for _, s := range x.table.Splits {
		if s.First == i {
			return true
		}
	}
	return false
}

// touch checks the block of a row if nobody has.
func (x *index) touch(i int) error {
	if x.digests == nil {
		return nil // all rows were checked
	}
	per := x.table.Blocks.Rows
	block := uint64(i) / per
	word, bit := &x.checked[block/64], uint64(1)<<(block%64)
	if word.Load()&bit != 0 {
		return nil
	}
	if err := x.checkDigest(block); err != nil {
		return err
	}
	if err := x.checkRows(int(block*per), min(len(x.rows)/indexRow, int((block+1)*per))); err != nil {
		return err
	}
	word.Or(bit)
	return nil
}

func (x *index) row(i int) []byte { return x.rows[i*indexRow : (i+1)*indexRow] }

// at reads a row; slots are padded with "".
func (x *index) at(i, slots int) (s Sample, err error) {
	defer unreadable(&err, debug.SetPanicOnFault(true))
	defer runtime.KeepAlive(x)
	if err := x.touch(i); err != nil {
		return Sample{}, err
	}
	r := x.row(i)
	field := func(at int) int { return int(int32(binary.LittleEndian.Uint32(r[at:]))) }
	s = Sample{
		ID:     hex.EncodeToString(r[:16]),
		Cell:   x.table.Cells[binary.LittleEndian.Uint16(r[32:])],
		Window: cube.Window{Row: field(16), Col: field(20), Height: field(24), Width: field(28)},
		Slots:  make([]cube.SliceID, slots),
	}
	copy(s.Slots, x.table.Slots[binary.LittleEndian.Uint32(r[36:])])
	return s, nil
}

// places is what at says of where some samples begin, numbered from the first, without allocating.
func (x *index) places(first, count int, each func(i, cell, row, col int) bool) (err error) {
	defer unreadable(&err, debug.SetPanicOnFault(true))
	defer runtime.KeepAlive(x)
	per := count + 1
	if x.digests != nil {
		per = int(x.table.Blocks.Rows)
	}
	for i := range count {
		if i == 0 || (first+i)%per == 0 {
			if err := x.touch(first + i); err != nil {
				return err
			}
		}
		r := x.row(first + i)
		field := func(at int) int { return int(int32(binary.LittleEndian.Uint32(r[at:]))) }
		if !each(i, int(binary.LittleEndian.Uint16(r[32:])), field(16), field(20)) {
			return nil
		}
	}
	return nil
}
