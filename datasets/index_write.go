package datasets

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"

	"github.com/terrapin-eo/terrapin/fault"
)

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
	head, err := indexHead(table, rows)
	return append(head, rows...), err
}

// indexHead is what stands in front of the rows: header, table and the digests of blocks, with room for the rows
// behind it.
func indexHead(table indexTable, rows []byte) ([]byte, error) {
	up := func(n int) int { return (n + 7) / 8 * 8 }
	blocks := (len(rows)/indexRow + indexBlock - 1) / indexBlock
	table.Blocks = &indexBlocks{Rows: indexBlock}
	text, err := json.Marshal(table)
	for err == nil && int(table.Blocks.At) != up(indexHeader+len(text)) { // the number is part of the text
		table.Blocks.At = uint64(up(indexHeader + len(text)))
		text, err = json.Marshal(table)
	}
	if err != nil {
		return nil, fault.New(fault.Internal, "write samples.idx: %w", err)
	}
	begin := int(table.Blocks.At) + blocks*sha256.Size
	out := make([]byte, begin, begin+len(rows))
	copy(out, indexMagic)
	binary.LittleEndian.PutUint32(out[8:], uint32(begin))
	binary.LittleEndian.PutUint32(out[12:], indexRow)
	binary.LittleEndian.PutUint64(out[16:], uint64(len(rows)/indexRow))
	sum := sha256.Sum256(rows)
	copy(out[24:], sum[:])
	binary.LittleEndian.PutUint32(out[56:], uint32(len(text)))
	copy(out[indexHeader:], text)
	for b := range blocks {
		sum := sha256.Sum256(rows[b*indexBlock*indexRow : min(len(rows), (b+1)*indexBlock*indexRow)])
		copy(out[int(table.Blocks.At)+b*sha256.Size:], sum[:])
	}
	return out, nil
}
