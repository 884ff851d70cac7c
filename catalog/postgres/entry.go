package postgres

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/terrapin-eo/terrapin/catalog"
	"github.com/terrapin-eo/terrapin/catalog/pack"
	"github.com/terrapin-eo/terrapin/catalog/sqlgen"
)

// columns are those of the item table that are written, in the order of a record's fields.
const columns = "collection, id, origin, sort, dated, begins, ends, etag, packed, properties, moments, shape, odd, place, texts, words"

// record is an item as its row has it.
type record struct {
	*catalog.Entry
	origin       catalog.Origin
	dated        int16
	begins, ends int64
	etag         []byte
	packed       []byte // the document
	properties   []byte
	moments      []byte
	shape        []byte // well-known binary; nil for nowhere
	place        box
	odd          bool
	texts        string
	words        []string
}

func newRecord(e *catalog.Entry, from catalog.Origin) *record {
	r := &record{
		Entry: e, origin: from, etag: etagOf(e.Document), packed: pack.Bytes(e.Document),
		properties: doubles(e.Properties), moments: momentsOf(e.Moments),
	}
	r.place, r.odd = placeOf(e)
	if e.Dated {
		r.dated = 1
	}
	r.begins, r.ends = sqlgen.Span(e)
	if e.Shape != nil {
		r.shape = e.Shape.WKB()
	}
	lines := make([]string, len(e.Words))
	for i, words := range e.Words {
		lines[i] = " " + strings.Join(words, " ") + " "
		for _, w := range words {
			r.words = append(r.words, cut(w))
		}
	}
	slices.Sort(r.words)
	r.texts, r.words = strings.Join(lines, "\n"), slices.Compact(r.words)
	return r
}

// newRecords makes records on every core, by their names; of several with a name the last one counts.
func newRecords(entries []catalog.Entry, from catalog.Origin) map[catalog.ItemRef]*record {
	records := make([]*record, len(entries))
	_ = catalog.OnEveryCore(len(entries), func(i int) error { // none fails
		if staged, ready := entries[i].Staged.(record); ready {
			staged.Entry, records[i] = &entries[i], &staged
		} else {
			records[i] = newRecord(&entries[i], from)
		}
		return nil
	})
	out := make(map[catalog.ItemRef]*record, len(records))
	for _, r := range records {
		out[r.Ref] = r
	}
	return out
}

// Stage makes the record of an entry and forgets its document, which takes four times as much.
func (c *Catalog) Stage(e *catalog.Entry, from catalog.Origin) (bytes int) {
	properties := slices.Clone(e.Properties) // the record may keep them
	e.Properties = properties
	r := newRecord(e, from)
	e.Forget()
	e.Properties = properties
	r.Entry, e.Staged = nil, *r // as the entry is going to be copied
	return len(r.packed) + 2*len(properties) + len(r.shape) + len(r.texts) + 1000
}

// Abreast: while one set is at the server, another one may be at its end, on the disk.
func (c *Catalog) Abreast() (sets, items int) {
	return min(3, max(2, runtime.GOMAXPROCS(0)-1), int(c.write.Config().MaxConns)), 1000
}

// etagOf is a document's ETag as it is stored: equal documents have equal ones.
func etagOf(document json.RawMessage) []byte {
	raw, err := hex.DecodeString(catalog.ETag(document))
	if err != nil {
		panic(err) // an ETag is hexadecimal
	}
	return raw
}

func momentsOf(moments map[string]catalog.Moment) []byte {
	out := append(make([]byte, 0, 2+64*len(moments)), '{')
	for name, m := range moments {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(gjson.AppendJSONString(out, name), ":["...)
		out = append(strconv.AppendInt(out, m.From, 10), ',')
		out = append(strconv.AppendInt(out, m.To, 10), ']')
	}
	return append(out, '}')
}

// doubles writes every number of a JSON text that is long or has an exponent as the double that it is read as everywhere
// else. PostgreSQL keeps decimals, which would make equal numbers different, and refuses very small ones.
func doubles(text []byte) []byte {
	const short = 15 // digits and signs, which a double holds as they are
	var out []byte
	kept := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '"' {
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			continue
		}
		if c != '-' && (c < '0' || c > '9') {
			continue
		}
		end := i
		for end < len(text) && bytes.IndexByte([]byte("+-.0123456789eE"), text[end]) >= 0 {
			end++
		}
		number := text[i:end]
		if len(number) > short || bytes.ContainsAny(number, "eE") {
			if v, err := strconv.ParseFloat(string(number), 64); err == nil {
				out = strconv.AppendFloat(append(out, text[kept:i]...), v, 'g', -1, 64)
				kept = end
			}
		}
		i = end - 1
	}
	if out == nil {
		return text
	}
	return append(out, text[kept:]...)
}

// The encoding of COPY … (FORMAT binary).

var (
	copyHead = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	copyTail = []byte{0xff, 0xff}
)

// copied appends the record as COPY reads it.
func (r *record) copied(out []byte) []byte {
	out = binary.BigEndian.AppendUint16(out, 16)
	out = field(field(out, r.Ref.Collection), r.Ref.ID)
	out = small(out, int16(r.origin))
	out = small(large(out, r.Sort), r.dated)
	out = large(large(out, r.begins), r.ends)
	out = field(field(out, r.etag), r.packed)
	out = object(object(out, r.properties), r.moments)
	if r.shape == nil {
		out = binary.BigEndian.AppendUint32(out, math.MaxUint32)
	} else {
		out = field(out, located(r.shape))
	}
	out = binary.BigEndian.AppendUint32(out, 1)
	if r.odd {
		out = append(out, 1)
	} else {
		out = append(out, 0)
	}
	return list(field(r.place.copied(out), r.texts), r.words)
}

func field[T ~string | ~[]byte](out []byte, v T) []byte {
	return append(binary.BigEndian.AppendUint32(out, uint32(len(v))), v...)
}

func small(out []byte, v int16) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(out, 2), uint16(v))
}

func large(out []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(out, 8), uint64(v))
}

// object is a jsonb: a version and the text.
func object(out, text []byte) []byte {
	return append(append(binary.BigEndian.AppendUint32(out, uint32(len(text)+1)), 1), text...)
}

// list is a text[].
func list(out []byte, texts []string) []byte {
	const text = 25 // the type's number
	at := len(out)
	out = append(out, 0, 0, 0, 0)
	if len(texts) == 0 {
		out = append(out, 0, 0, 0, 0, 0, 0, 0, 0)
		out = binary.BigEndian.AppendUint32(out, text)
	} else {
		for _, v := range []uint32{1, 0, text, uint32(len(texts)), 1} {
			out = binary.BigEndian.AppendUint32(out, v)
		}
		for _, t := range texts {
			out = field(out, t)
		}
	}
	binary.BigEndian.PutUint32(out[at:], uint32(len(out)-at-4))
	return out
}

// located names the reference system in well-known binary that has none.
func located(wkb []byte) []byte {
	const flag, wgs84 = 0x20000000, 4326
	kind := binary.LittleEndian.Uint32(wkb[1:])
	out := binary.LittleEndian.AppendUint32(append(make([]byte, 0, len(wkb)+4), wkb[0]), kind|flag)
	return append(binary.LittleEndian.AppendUint32(out, wgs84), wkb[5:]...)
}
