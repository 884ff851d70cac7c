package flight

import (
	"encoding/binary"
	"sync/atomic"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// codec encodes what the stock codec for Protocol Buffers does, and a *message, a FlightData whose body stays where it
// is: gRPC writes it from there. The stock codec copies a body twice and clears the room for it first, two thirds of
// what a server that only sends does. The wire is the same.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }

// Marshal is part of encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if m, ok := v.(*message); ok {
		return m.wire(), nil
	}
	return c.CodecV2.Marshal(v)
}

// message is a FlightData whose body is sent by reference, also after SendMsg has returned: nothing of it may change
// until its batch is released, once gRPC has written it. After a lost connection gRPC forgets to.
type message struct {
	header, metadata []byte
	body             [][]byte
	size             int // of the body
	batch            owner
}

// owner is the batch that a body is of; nil where there is none.
type owner interface {
	// Pieces are where the bytes of a part lie.
	Pieces(part []byte) [][]byte
	// Moves is told that the client takes something.
	Moves()
	Release()
}

// Write puts a part at the end of the body. It keeps the part itself, unlike other writers: Arrow hands over the buffers of
// a record, one after the other, with what fills them up. Of what the batch was lent it keeps the lender's memory.
func (m *message) Write(part []byte) (int, error) {
	if m.batch == nil {
		m.body = append(m.body, part)
	} else {
		m.body = append(m.body, m.batch.Pieces(part)...)
	}
	m.size += len(part)
	return len(part), nil
}

// The keys of a FlightData's fields in the encoding of Protocol Buffers, and how long that of the body is.
const (
	headerField   = 2<<3 | 2
	metadataField = 3<<3 | 2
	bodyField     = 1000<<3 | 2
)

// written is about how much of a body is let go of at once, once it is written.
const written = 1 << 20

// byReference is from what length on parts of a body stay where they are; smaller ones are copied.
const byReference = 4096

// wire is the encoding: one buffer for all that comes before the body, then the body's parts.
func (m *message) wire() mem.BufferSlice {
	head := make([]byte, 0, len(m.header)+len(m.metadata)+32)
	head = field(head, headerField, len(m.header))
	head = append(head, m.header...)
	if len(m.metadata) > 0 {
		head = field(head, metadataField, len(m.metadata))
		head = append(head, m.metadata...)
	}
	if m.size > 0 {
		head = field(head, bodyField, m.size)
	}
	out := append(make(mem.BufferSlice, 0, 1+len(m.body)), mem.SliceBuffer(head))
	held := &lease{batch: m.batch}
	held.parts.Store(1) // until all are there
	for _, part := range m.body {
		if len(part) < byReference {
			out = append(out, mem.SliceBuffer(append([]byte(nil), part...)))
			continue
		}
		for len(part) > 0 {
			n := min(len(part), written)
			if len(part)-n < byReference {
				n = len(part)
			}
			one := part[:n:n]
			held.parts.Add(1)
			out = append(out, mem.NewBuffer(&one, held))
			part = part[n:]
		}
	}
	if held.parts.Add(-1) == 0 && held.batch != nil {
		held.batch.Release()
	}
	return out
}

// lease releases a message when gRPC has let go of the last part of its body.
type lease struct {
	parts atomic.Int32
	batch owner
}

// Get is part of mem.BufferPool; nobody takes from a lease.
func (l *lease) Get(length int) *[]byte {
	b := make([]byte, length)
	return &b
}

// Put is part of mem.BufferPool: gRPC has written a part.
func (l *lease) Put(*[]byte) {
	left := l.parts.Add(-1)
	switch {
	case l.batch == nil:
	case left == 0:
		l.batch.Release()
	default:
		l.batch.Moves()
	}
}

func field(out []byte, key uint64, size int) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(out, key), uint64(size))
}
