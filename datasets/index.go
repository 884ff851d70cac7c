package datasets

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// The layout of samples.idx; docs/spec/samples-idx.md is its description.
const (
	indexMagic  = "TPINIDX1"
	indexHeader = 60
	indexRow    = 40
)

// indexTable is what rows of samples.idx point to.
type indexTable struct {
	Splits []indexSplit     `json:"splits"`
	Cells  []string         `json:"cells"`
	Slots  [][]cube.SliceID `json:"slots"`
}

type indexSplit struct {
	Name  string `json:"name"`
	First int    `json:"first"`
	Count int    `json:"count"`
}

// index is an open samples.idx. Its rows stay as bytes, 40 for each sample, and were checked when it
// was opened.
type index struct {
	table indexTable
	rows  []byte
}

// mostCells is how many cells a row can tell apart.
const mostCells = 1 << 16

// writeIndex makes samples.idx of samples that are sorted by id.
func writeIndex(samples []sample, at *homes) ([]byte, error) {
	table, cellOf, slotsOf := at.tables(samples)
	if len(table.Cells) > mostCells {
		return nil, fault.New(fault.TooLarge, "the samples lie in %d cells, %d fit", len(table.Cells), mostCells).WithCure("make larger cells, or several datasets")
	}
	rows := make([]byte, 0, len(samples)*indexRow)
	for split, name := range Splits() {
		part := indexSplit{Name: name, First: len(rows) / indexRow}
		for _, s := range samples {
			if s.split != split {
				continue
			}
			id, err := hex.DecodeString(s.id)
			if err != nil || len(id) != 16 {
				return nil, fault.New(fault.Internal, "sample id %q is not 32 hex digits", s.id)
			}
			rows = append(rows, id...)
			w := at.of(s).window(s)
			for _, v := range []int{w.Row, w.Col, w.Height, w.Width} {
				rows = binary.LittleEndian.AppendUint32(rows, uint32(int32(v)))
			}
			rows = binary.LittleEndian.AppendUint16(rows, uint16(cellOf[s.home]))
			rows = binary.LittleEndian.AppendUint16(rows, 0)
			rows = binary.LittleEndian.AppendUint32(rows, uint32(slotsOf[s.home]))
			part.Count++
		}
		table.Splits = append(table.Splits, part)
	}
	text, err := json.Marshal(table)
	if err != nil {
		return nil, fault.New(fault.Internal, "write samples.idx: %w", err)
	}
	begin := (indexHeader + len(text) + 7) / 8 * 8
	out := make([]byte, begin, begin+len(rows))
	copy(out, indexMagic)
	binary.LittleEndian.PutUint32(out[8:], uint32(begin))
	binary.LittleEndian.PutUint32(out[12:], indexRow)
	binary.LittleEndian.PutUint64(out[16:], uint64(len(rows)/indexRow))
	sum := sha256.Sum256(rows)
	copy(out[24:], sum[:])
	binary.LittleEndian.PutUint32(out[56:], uint32(len(text)))
	copy(out[indexHeader:], text)
	return append(out, rows...), nil
}

// openIndex reads samples.idx and refuses one that does not hold what its header says.
func openIndex(data []byte) (*index, error) {
	bad := func(what string, args ...any) (*index, error) {
		return nil, fault.New(fault.Corrupt, "samples.idx: "+what, args...).
			WithCure("restore the file from a backup, or commit the recipe again")
	}
	if len(data) < indexHeader || string(data[:8]) != indexMagic {
		return bad("not a sample index")
	}
	begin, row := uint64(binary.LittleEndian.Uint32(data[8:])), binary.LittleEndian.Uint32(data[12:])
	count, text := binary.LittleEndian.Uint64(data[16:]), uint64(binary.LittleEndian.Uint32(data[56:]))
	if row != indexRow || begin%8 != 0 || indexHeader+text > begin || begin > uint64(len(data)) {
		return bad("the header contradicts itself")
	}
	if have := uint64(len(data)) - begin; have%indexRow != 0 || have/indexRow != count {
		return bad("%d bytes of rows where %d rows are announced", have, count)
	}
	x := &index{rows: data[begin:]}
	if sum := sha256.Sum256(x.rows); !bytes.Equal(sum[:], data[24:56]) {
		return bad("the checksum of the rows is wrong")
	}
	if err := json.Unmarshal(data[indexHeader:indexHeader+text], &x.table); err != nil {
		return bad("the table does not parse: %w", err)
	}
	if err := x.check(int(count)); err != nil {
		return bad("%w", err)
	}
	return x, nil
}

// check holds every row against the table.
func (x *index) check(count int) error {
	next := 0
	for _, s := range x.table.Splits {
		if s.First != next || s.Count < 0 || s.Count > count-next {
			return fault.New(fault.Corrupt, "split %s does not follow the one before it", s.Name)
		}
		next += s.Count
		for i := s.First; i < next; i++ {
			r := x.row(i)
			cell, slots := int(binary.LittleEndian.Uint16(r[32:])), binary.LittleEndian.Uint32(r[36:])
			if cell >= len(x.table.Cells) || uint64(slots) >= uint64(len(x.table.Slots)) {
				return fault.New(fault.Corrupt, "row %d points beyond the table", i)
			}
			if h, w := int32(binary.LittleEndian.Uint32(r[24:])), int32(binary.LittleEndian.Uint32(r[28:])); h <= 0 || w <= 0 {
				return fault.New(fault.Corrupt, "row %d has a window of %d×%d pixels", i, h, w)
			}
			if i > s.First && bytes.Compare(x.row(i - 1)[:16], r[:16]) >= 0 {
				return fault.New(fault.Corrupt, "row %d is not in order", i)
			}
		}
	}
	if next != count {
		return fault.New(fault.Corrupt, "%d of %d rows are in no split", count-next, count)
	}
	return nil
}

func (x *index) row(i int) []byte { return x.rows[i*indexRow : (i+1)*indexRow] }

// at reads a row; slots are padded with "".
func (x *index) at(i, slots int) Sample {
	r := x.row(i)
	field := func(at int) int { return int(int32(binary.LittleEndian.Uint32(r[at:]))) }
	s := Sample{
		ID:     hex.EncodeToString(r[:16]),
		Cell:   x.table.Cells[binary.LittleEndian.Uint16(r[32:])],
		Window: cube.Window{Row: field(16), Col: field(20), Height: field(24), Width: field(28)},
		Slots:  make([]cube.SliceID, slots),
	}
	copy(s.Slots, x.table.Slots[binary.LittleEndian.Uint32(r[36:])])
	return s
}
