// Package frame is the form in which batches leave without Arrow: a hello that says what comes, then each message as
// 32 bytes of header and one block of memory, then an end (docs/spec/frames.md). It owns that form, and the HTTP/1.1
// data plane that speaks it; the shared memory of serve/ring speaks it without the blocks. It knows nothing of what is
// read. The invariant: a stream that does not close with an end, or with an error that says why, was cut off.
package frame

import (
	"encoding/binary"
	"encoding/json"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/stream"
)

// Kind says what a header is followed by.
type Kind uint32

// The kinds of headers.
const (
	// Hello is the first: Length bytes of JSON, a HelloDocument.
	Hello Kind = 1
	// Batch is a message of Rows rows: Length bytes, its block and then stream.Chunks; in a ring these alone, as the block
	// lies in Slot.
	Batch Kind = 2
	// End is the last of a whole stream.
	End Kind = 3
	// Failed is the last of a stream that cannot go on: Length bytes of JSON, a Failure.
	Failed Kind = 4
)

// HeaderBytes is the length of a header.
const HeaderBytes = 32

// Header comes before everything that is sent: its fields in this order, little-endian, without gaps.
type Header struct {
	Kind   Kind
	Length uint32
	// Step, Part and Parts are those of stream.Batch.
	Step              uint64
	Part, Parts, Rows uint32
	Slot              uint32
}

// Append writes the header at the end of b.
func (h Header) Append(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, uint32(h.Kind))
	b = le.AppendUint32(b, h.Length)
	b = le.AppendUint64(b, h.Step)
	for _, v := range []uint32{h.Part, h.Parts, h.Rows, h.Slot} {
		b = le.AppendUint32(b, v)
	}
	return b
}

// Of is the header of a batch whose block of length bytes comes after it, and then its counts.
func Of(b *stream.Batch, length, slot int) Header {
	return Header{Kind: Batch, Length: uint32(length + stream.ChunksBytes), Step: b.Step, Part: uint32(b.Part), Parts: uint32(b.Parts), Rows: uint32(b.Rows), Slot: uint32(slot)}
}

// Format is that of frames: 1 had no counts of chunks.
const Format = 2

// HelloDocument says what a stream is.
type HelloDocument struct {
	Format int `json:"format"`
	// Facts are those of the stream's schema over Arrow Flight.
	Facts json.RawMessage `json:"terrapin"`
	// Columns are the arrays of a block, one after the other, each at the first multiple of Align.
	Columns []stream.Column `json:"columns"`
	Align   int             `json:"align"`
	// Rows are the most of one message.
	Rows int `json:"rows"`
	// Slots and SlotBytes are those of a ring.
	Slots     int `json:"slots,omitempty"`
	SlotBytes int `json:"slot_bytes,omitempty"`
	// Ticket is the one that gives the same again, whatever is committed meanwhile.
	Ticket json.RawMessage `json:"ticket"`
}

// HelloOf describes a run.
func HelloOf(r *stream.Run) HelloDocument {
	info := r.Info()
	return HelloDocument{
		Format: Format, Facts: info.Facts, Columns: info.Shape.Columns(), Align: stream.Align, Rows: r.MessageRows(), Ticket: info.Ticket.JSON(),
	}
}

// Append writes the hello with its header at the end of b.
func (d HelloDocument) Append(b []byte) ([]byte, error) { return appendJSON(b, Hello, d) }

// Failure says why a stream cannot go on.
type Failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Cure    string `json:"cure,omitempty"`
}

// Append writes the failure with its header at the end of b.
func (f Failure) Append(b []byte) ([]byte, error) { return appendJSON(b, Failed, f) }

func appendJSON(b []byte, kind Kind, doc any) ([]byte, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fault.New(fault.Internal, "write the document of a stream: %w", err)
	}
	return append(Header{Kind: kind, Length: uint32(len(text))}.Append(b), text...), nil
}
