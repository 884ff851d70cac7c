package bulk

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/apache/arrow/go/v17/parquet"
	parquetfile "github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/schema"
)

// guard lets no page through that holds fewer levels than it says it has values: the library waits for the rest of
// them for ever.
type guard struct {
	parquetfile.PageReader
	column *schema.Column
	err    error
}

var errPage = errors.New("a page is shorter than it says")

// Next goes on to the next page.
func (g *guard) Next() bool {
	if g.err != nil || !g.PageReader.Next() {
		return false
	}
	if page := g.Page(); page != nil && !g.sound(page) {
		g.err = errPage
		return false
	}
	return true
}

// Err says why there is no next page.
func (g *guard) Err() error {
	if g.err != nil {
		return g.err
	}
	return g.PageReader.Err()
}

func (g *guard) sound(page parquetfile.Page) bool {
	n, rest, ok := int(page.NumValues()), page.Data(), page.NumValues() >= 0
	rep, def := int(g.column.MaxRepetitionLevel()), int(g.column.MaxDefinitionLevel())
	switch p := page.(type) {
	case *parquetfile.DataPageV1:
		if rep > 0 && ok {
			rest, ok = levels(rest, p.RepetitionLevelEncoding(), rep, n)
		}
		if def > 0 && ok {
			rest, ok = levels(rest, p.DefinitionLevelEncoding(), def, n)
		}
	case *parquetfile.DataPageV2:
		reps, defs := int(p.RepetitionLevelByteLen()), int(p.DefinitionLevelByteLen())
		if ok = ok && reps >= 0 && defs >= 0 && reps+defs <= len(rest); !ok {
			return false
		}
		ok = (rep == 0 || enough(rest[:reps], rep, n)) && (def == 0 || enough(rest[reps:reps+defs], def, n))
		rest = rest[reps+defs:]
	default:
		return ok
	}
	encoding := parquet.Encoding(page.Encoding())
	if ok && def == 0 && n > 0 && (encoding == parquet.Encodings.PlainDict || encoding == parquet.Encodings.RLEDict) {
		return len(rest) > 0 && rest[0] <= 32 && runs(rest[1:], int(rest[0]), n)
	}
	return ok
}

// levels passes the levels at the beginning of a page's data.
func levels(data []byte, encoding parquet.Encoding, highest, n int) (rest []byte, ok bool) {
	if encoding == parquet.Encodings.BitPacked {
		size := (n*bits.Len(uint(highest)) + 7) / 8
		if size > len(data) {
			return nil, false
		}
		return data[size:], true
	}
	if len(data) < 4 {
		return nil, false
	}
	size := int64(binary.LittleEndian.Uint32(data))
	if data = data[4:]; size > int64(len(data)) {
		return nil, false
	}
	return data[size:], enough(data[:size], highest, n)
}

// enough reports whether data hold n levels.
func enough(data []byte, highest, n int) bool { return runs(data, bits.Len(uint(highest)), n) }

// runs reports whether data, in runs and packed groups of eight, hold n numbers of so many bits.
func runs(data []byte, width, n int) bool {
	for have := 0; have < n; {
		head, used := binary.Uvarint(data)
		if used <= 0 || head>>1 > 1<<31 {
			return false
		}
		data = data[used:]
		count, size := int(head>>1), (width+7)/8
		if head&1 == 1 {
			count, size = count*8, count*width
		}
		if size > len(data) {
			return false
		}
		data = data[size:]
		have += count
	}
	return true
}
