package terrapin

import (
	"encoding/binary"
	"encoding/json"

	"github.com/terrapin-eo/terrapin/fault"
)

// What a header is followed by.
const (
	helloKind  = 1
	batchKind  = 2
	endKind    = 3
	failedKind = 4

	headerBytes = 32
	chunksBytes = 32
	align       = 64
	format      = 2
	// maxMessage bounds a block, maxHello what a stream says of itself, and maxColumns its arrays.
	maxMessage = 1 << 30
	maxHello   = 256 << 20
	maxColumns = 64
)

// header comes before everything that a server sends.
type header struct {
	kind, length            uint32
	step                    uint64
	part, parts, rows, slot uint32
}

func parseHeader(b *[headerBytes]byte) (header, error) {
	le := binary.LittleEndian
	h := header{
		kind: le.Uint32(b[0:]), length: le.Uint32(b[4:]), step: le.Uint64(b[8:]),
		part: le.Uint32(b[16:]), parts: le.Uint32(b[20:]), rows: le.Uint32(b[24:]), slot: le.Uint32(b[28:]),
	}
	if h.kind < helloKind || h.kind > failedKind || h.length > maxMessage {
		return h, fault.New(fault.Corrupt, "the stream has no header where one must be: %x", b[:])
	}
	return h, nil
}

// Chunks counts the chunks that the server needed for a loader's batches, what it read ahead included.
type Chunks struct {
	// Kept were decoded in the server's cache, Joined on their way there for somebody else, and Decoded were read.
	Kept, Joined, Decoded int64
	// BytesRead came from objects.
	BytesRead int64
}

func parseChunks(b *[chunksBytes]byte) Chunks {
	n := func(i int) int64 { return int64(binary.LittleEndian.Uint64(b[8*i:])) }
	return Chunks{Kept: n(0), Joined: n(1), Decoded: n(2), BytesRead: n(3)}
}

func (c Chunks) plus(d Chunks) Chunks {
	return Chunks{c.Kept + d.Kept, c.Joined + d.Joined, c.Decoded + d.Decoded, c.BytesRead + d.BytesRead}
}

// Column is one array of a message: [rows, Shape...] in C order, little-endian.
type Column struct {
	Name string `json:"name"`
	// DType is that of a number by its Zarr name, or "ascii" for the 32 bytes of an id.
	DType string `json:"dtype"`
	// Shape is that of one row; empty for a single number.
	Shape []int `json:"shape"`

	rowBytes int
}

// sizes are the bytes of an element.
var sizes = map[string]int{
	"ascii": 1, "bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "float16": 2,
	"int32": 4, "uint32": 4, "float32": 4, "int64": 8, "uint64": 8, "float64": 8,
}

// hello says what a stream is.
type hello struct {
	Format    int             `json:"format"`
	Facts     json.RawMessage `json:"terrapin"`
	Columns   []Column        `json:"columns"`
	Align     int             `json:"align"`
	Rows      int             `json:"rows"`
	Slots     int             `json:"slots"`
	SlotBytes int             `json:"slot_bytes"`
	Ticket    json.RawMessage `json:"ticket"`
}

// parseHello reads a hello, and refuses one whose messages could not be.
func parseHello(text []byte) (*hello, error) {
	h := &hello{}
	if err := json.Unmarshal(text, h); err != nil {
		return nil, fault.New(fault.Corrupt, "the stream begins with no hello: %w", err).WithCure("is this a Terrapin server?")
	}
	if h.Format != format || h.Align != align {
		return nil, fault.New(fault.Unsupported, "a stream of format %d, aligned to %d", h.Format, h.Align).WithCure("use a client of the server's release")
	}
	if h.Rows < 0 || len(h.Columns) == 0 || len(h.Columns) > maxColumns {
		return nil, fault.New(fault.Corrupt, "a stream of %d columns and %d rows to a message", len(h.Columns), h.Rows)
	}
	position := false
	for i := range h.Columns {
		c := &h.Columns[i]
		c.rowBytes = sizes[c.DType]
		for _, n := range c.Shape {
			if n < 0 || n > 0 && c.rowBytes > maxMessage/n {
				return nil, fault.New(fault.Corrupt, "column %q of the stream has the shape %v", c.Name, c.Shape)
			}
			c.rowBytes *= n
		}
		if sizes[c.DType] == 0 {
			return nil, fault.New(fault.Unsupported, "column %q of the stream is of type %q", c.Name, c.DType).WithCure("use a client of the server's release")
		}
		position = position || c.Name == "position" && c.DType == "int64" && len(c.Shape) == 0
	}
	if !position || !fits(h.Columns, h.Rows) {
		return nil, fault.New(fault.Corrupt, "a stream without positions, or with messages beyond %d bytes", maxMessage)
	}
	return h, nil
}

// fits reports whether a message of some rows is within what a message may have.
func fits(columns []Column, rows int) bool {
	total := 0
	for _, c := range columns {
		if rows > 0 && c.rowBytes > maxMessage/rows {
			return false
		}
		if total = aligned(total) + rows*c.rowBytes; total > maxMessage {
			return false
		}
	}
	return true
}

// blockBytes is the length of the block of a message of some rows.
func (h *hello) blockBytes(rows int) int {
	size := 0
	for i := range h.Columns {
		size = aligned(size) + rows*h.Columns[i].rowBytes
	}
	return aligned(size)
}

func aligned(n int) int { return (n + align - 1) &^ (align - 1) }
