package flight

import (
	"encoding/binary"

	"github.com/apache/arrow/go/v17/arrow/flight"

	"github.com/terrapin-eo/terrapin/fault"
)

// Kinds of Arrow messages, and slots of the tables read here, as Message.fbs of the format has them.
const (
	messageSchema      = 1
	messageRecordBatch = 3

	slotHeaderType  = 1
	slotHeader      = 2
	slotLength      = 0
	slotNodes       = 1
	slotBuffers     = 2
	slotCompression = 3
)

// check refuses a message whose header claims more than its body holds, before the Arrow reader, which
// believes it, makes room. A row has at least rowBytes bytes.
func check(d *flight.FlightData, rowBytes int64) error {
	f := flat{b: d.GetDataHeader()}
	message := f.follow(0)
	kind, header := f.field(message, slotHeaderType), f.field(message, slotHeader)
	switch k := f.byte(kind); {
	case f.bad:
		return f.damaged()
	case k == messageSchema:
		return nil
	case k != messageRecordBatch || header == 0:
		return fault.New(fault.Invalid, "predictions: an Arrow message of type %d", k).WithCure("send a schema, then record batches without dictionaries")
	}
	batch, body := f.follow(header), int64(len(d.GetDataBody()))
	if f.field(batch, slotCompression) != 0 && !f.bad {
		return fault.New(fault.Unsupported, "predictions: the record batch is compressed").WithCure("send without IPC compression")
	}
	rows := int64(0)
	if at := f.field(batch, slotLength); at != 0 {
		rows = f.int64(at)
	}
	tooMuch := rows < 0 || rows > body/rowBytes
	nodes, n := f.pairs(batch, slotNodes)
	for i := range n {
		length, nulls := f.int64(nodes+16*i), f.int64(nodes+16*i+8)
		tooMuch = tooMuch || length < 0 || length > body || nulls < 0 || nulls > length
	}
	left := body
	buffers, n := f.pairs(batch, slotBuffers)
	for i := range n {
		offset, length := f.int64(buffers+16*i), f.int64(buffers+16*i+8)
		if tooMuch = tooMuch || offset < 0 || length < 0 || length > left || offset > body-length; tooMuch {
			break
		}
		left -= length
	}
	if f.bad {
		return f.damaged()
	}
	if tooMuch {
		return fault.New(fault.Invalid, "predictions: a record batch of %d rows claims more than the %d bytes that came with it", rows, body).
			WithCure("send each record batch whole, in one message, as an Arrow library writes it")
	}
	return nil
}

// flat reads a flatbuffer that may be anything. After the first place outside of it everything reads
// as 0 and bad is set.
type flat struct {
	b   []byte
	bad bool
}

func (f *flat) damaged() error {
	return fault.New(fault.Invalid, "predictions: the header of an Arrow message is damaged").WithCure("send messages as an Arrow library writes them")
}

var zeros [8]byte

func (f *flat) at(pos, size int) []byte {
	if pos < 0 || pos > len(f.b)-size {
		f.bad = true
	}
	if f.bad {
		return zeros[:size]
	}
	return f.b[pos : pos+size]
}

func (f *flat) byte(pos int) byte    { return f.at(pos, 1)[0] }
func (f *flat) uint16(pos int) int   { return int(binary.LittleEndian.Uint16(f.at(pos, 2))) }
func (f *flat) uint32(pos int) int   { return int(binary.LittleEndian.Uint32(f.at(pos, 4))) }
func (f *flat) int64(pos int) int64  { return int64(binary.LittleEndian.Uint64(f.at(pos, 8))) }
func (f *flat) follow(pos int) int   { return pos + f.uint32(pos) }
func (f *flat) vtable(table int) int { return table - int(int32(f.uint32(table))) }

// field is where a table's field lies, or 0 if it has none.
func (f *flat) field(table, slot int) int {
	vtable, entry := f.vtable(table), 4+2*slot
	if entry >= f.uint16(vtable) {
		return 0
	}
	if offset := f.uint16(vtable + entry); offset != 0 {
		return table + offset
	}
	return 0
}

// pairs is where a vector of pairs of int64 begins, and how many it has.
func (f *flat) pairs(table, slot int) (start, n int) {
	at := f.field(table, slot)
	if at == 0 {
		return 0, 0
	}
	at = f.follow(at)
	start, n = at+4, f.uint32(at)
	if n > (len(f.b)-start)/16 {
		f.bad = true
	}
	if f.bad {
		return 0, 0
	}
	return start, n
}
