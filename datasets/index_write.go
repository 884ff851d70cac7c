package datasets

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"io"

	"github.com/terrapin-eo/terrapin/fault"
)

// mostCells is how many cells a row can tell apart.
const mostCells = 1 << 16

// writeIndex writes samples.idx of samples that are sorted by id. Their digests stand in front of the rows, which are made
// twice and held a block at a time.
func writeIndex(out io.Writer, samples []sample, at *homes) error {
	table, cellOf, slotsOf := at.tables(samples)
	if len(table.Cells) > mostCells {
		return fault.New(fault.TooLarge, "the samples lie in %d cells, %d fit", len(table.Cells), mostCells).WithCure("make larger cells, or several datasets")
	}
	first := 0
	for split, count := range bySplit(samples) {
		table.Splits = append(table.Splits, indexSplit{Name: Splits()[split], First: first, Count: count})
		first += count
	}
	// blocks hands the rows to each, block by block.
	blocks := func(each func(rows []byte) error) error {
		rows := make([]byte, 0, indexBlock*indexRow)
		for split := range table.Splits {
			for i := range samples {
				s := &samples[i]
				if int(s.split) != split {
					continue
				}
				rows = append(rows, s.id[:]...)
				w := at.of(s).window(s)
				for _, v := range [4]int{w.Row, w.Col, w.Height, w.Width} {
					rows = binary.LittleEndian.AppendUint32(rows, uint32(int32(v)))
				}
				rows = binary.LittleEndian.AppendUint16(rows, uint16(cellOf[s.home]))
				rows = binary.LittleEndian.AppendUint16(rows, 0)
				rows = binary.LittleEndian.AppendUint32(rows, uint32(slotsOf[s.home]))
				if len(rows) == cap(rows) {
					if err := each(rows); err != nil {
						return err
					}
					rows = rows[:0]
				}
			}
		}
		if len(rows) == 0 {
			return nil
		}
		return each(rows)
	}
	var digests []byte
	whole := sha256.New()
	if err := blocks(func(rows []byte) error {
		sum := sha256.Sum256(rows)
		digests = append(digests, sum[:]...)
		whole.Write(rows)
		return nil
	}); err != nil {
		return err
	}
	head, err := indexHead(table, len(samples), whole.Sum(nil), digests)
	if err != nil {
		return err
	}
	if _, err := out.Write(head); err != nil {
		return err
	}
	return blocks(func(rows []byte) error {
		_, err := out.Write(rows)
		return err
	})
}

// indexHead is what stands in front of so many rows: header, table and the digests of blocks.
func indexHead(table indexTable, rows int, whole, digests []byte) ([]byte, error) {
	up := func(n int) int { return (n + 7) / 8 * 8 }
	table.Blocks = &indexBlocks{Rows: indexBlock}
	text, err := json.Marshal(table)
	for err == nil && int(table.Blocks.At) != up(indexHeader+len(text)) { // the number is part of the text
		table.Blocks.At = uint64(up(indexHeader + len(text)))
		text, err = json.Marshal(table)
	}
	if err != nil {
		return nil, fault.New(fault.Internal, "write samples.idx: %w", err)
	}
	begin := int(table.Blocks.At) + len(digests)
	out := make([]byte, begin)
	copy(out, indexMagic)
	binary.LittleEndian.PutUint32(out[8:], uint32(begin))
	binary.LittleEndian.PutUint32(out[12:], indexRow)
	binary.LittleEndian.PutUint64(out[16:], uint64(rows))
	copy(out[24:], whole)
	binary.LittleEndian.PutUint32(out[56:], uint32(len(text)))
	copy(out[indexHeader:], text)
	copy(out[table.Blocks.At:], digests)
	return out, nil
}
