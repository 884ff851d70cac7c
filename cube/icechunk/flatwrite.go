package icechunk

import flatbuffers "github.com/google/flatbuffers/go"

// builder adds to the FlatBuffers builder what Icechunk's structs need.
type builder struct{ *flatbuffers.Builder }

func newBuilder(size int) builder { return builder{flatbuffers.NewBuilder(size)} }

func (b builder) finish(root flatbuffers.UOffsetT) []byte {
	b.FinishWithFileIdentifier(root, []byte("Ichk"))
	return b.FinishedBytes()
}

// idSlot writes the bytes of an id, an inline struct, into a slot.
func (b builder) idSlot(slot int, id []byte) {
	b.structBytes(id)
	b.PrependStructSlot(slot, b.Offset(), 0)
}

func (b builder) structBytes(id []byte) {
	b.Prep(1, len(id))
	for i := len(id) - 1; i >= 0; i-- {
		b.PlaceByte(id[i])
	}
}

// offsetSlot writes an offset unless it is 0, which stands for absent.
func (b builder) offsetSlot(slot int, off flatbuffers.UOffsetT) { b.PrependUOffsetTSlot(slot, off, 0) }

// optional writes a byte vector unless it is nil.
func (b builder) optional(data []byte) flatbuffers.UOffsetT {
	if data == nil {
		return 0
	}
	return b.CreateByteVector(data)
}

// optionalString writes a string unless it is empty.
func (b builder) optionalString(s string) flatbuffers.UOffsetT {
	if s == "" {
		return 0
	}
	return b.CreateString(s)
}

func (b builder) empty(size int) flatbuffers.UOffsetT {
	b.StartVector(size, 0, min(size, 8))
	return b.EndVector(0)
}

func (b builder) indexVector(index []uint32) flatbuffers.UOffsetT {
	b.StartVector(4, len(index), 4)
	for i := len(index) - 1; i >= 0; i-- {
		b.PrependUint32(index[i])
	}
	return b.EndVector(len(index))
}

func (b builder) tables(offsets []flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	return b.CreateVectorOfTables(offsets)
}

// each builds one table per element and the vector of them.
func each[T any](b builder, list []T, build func(T) flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	offsets := make([]flatbuffers.UOffsetT, len(list))
	for i, v := range list {
		offsets[i] = build(v)
	}
	return b.tables(offsets)
}
