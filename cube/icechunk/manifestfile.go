package icechunk

import (
	"bytes"
	"slices"
	"sort"

	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/klauspost/compress/zstd"

	"github.com/terrapin-eo/terrapin/fault"
)

// manifest is a decoded manifest file. The references stay in the FlatBuffer: 60 bytes each, where
// a Go object would cost several times that.
type manifest struct {
	id        ID
	arrays    []manifestArray // in byte order of the node ids
	size      int
	locations *zstd.Decoder // nil where locations are not compressed
}

type manifestArray struct {
	node NodeID
	refs vector
}

// decodeManifest checks every reference once, so that later look-ups cannot leave the buffer and a
// disordered manifest is an error, not a missing chunk.
func decodeManifest(flat []byte) (m *manifest, err error) {
	defer guard("manifest", &err)
	t := rootTable(flat)
	m = &manifest{id: t.mustID(0), size: len(flat)}
	if dict := t.bytes(2); len(dict) > 0 && t.u8(3, 1) == 1 {
		m.locations, err = zstd.NewReader(nil, zstd.WithDecoderDicts(dict), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<20))
		if err != nil {
			return nil, fault.New(fault.Corrupt, "decode manifest: location dictionary: %w", err)
		}
	}
	arrays := t.mustVec(1, 4)
	m.arrays = make([]manifestArray, arrays.n)
	for i := range m.arrays {
		a := arrays.table(i)
		m.arrays[i] = manifestArray{a.mustNodeID(0), a.mustVec(1, 4)}
		if i > 0 && bytes.Compare(m.arrays[i-1].node[:], m.arrays[i].node[:]) >= 0 {
			broken("arrays out of order at %d", i)
		}
		m.arrays[i].check()
		m.arrays[i].refs.left = nil
	}
	return m, nil
}

func (a manifestArray) check() {
	var last []uint32
	for i := range a.refs.n {
		t := a.refs.table(i)
		index := t.mustVec(0, 4)
		if index.n > maxRank {
			broken("a reference of array %s has %d coordinates", a.node, index.n)
		}
		if i > 0 && (index.n != len(last) || index.compare(last) <= 0) {
			broken("references out of order at %d of array %s", i, a.node)
		}
		last = index.appendTo(last[:0])
		for _, slot := range []int{1, 5, 6, 8, 9} {
			t.vec(slot, 1)
		}
		t.id(4)
		t.u64(2)
		t.u64(3)
		t.u32(7)
	}
}

func (v vector) appendTo(index []uint32) []uint32 {
	for i := range v.n {
		index = append(index, v.u32(i))
	}
	return index
}

// refs returns the references of an array; none is an empty vector.
func (m *manifest) refs(node NodeID) vector {
	i, ok := slices.BinarySearchFunc(m.arrays, node, func(a manifestArray, n NodeID) int { return bytes.Compare(a.node[:], n[:]) })
	if !ok {
		return vector{}
	}
	return m.arrays[i].refs
}

// find looks a chunk up by binary search in place.
func (m *manifest) find(node NodeID, index []uint32) (ref Ref, ok bool, err error) {
	defer guard("manifest", &err)
	refs := m.refs(node)
	i := sort.Search(refs.n, func(i int) bool { return refs.table(i).mustVec(0, 4).compare(index) >= 0 })
	if i == refs.n || refs.table(i).mustVec(0, 4).compare(index) != 0 {
		return Ref{}, false, nil
	}
	return m.decodeRef(refs.table(i)), true, nil
}

// at decodes the i-th reference of an array's vector.
func (m *manifest) at(refs vector, i int) (c ChunkAt, err error) {
	defer guard("manifest", &err)
	t := refs.table(i)
	index := t.mustVec(0, 4)
	return ChunkAt{Index: index.appendTo(make([]uint32, 0, index.n)), Ref: m.decodeRef(t)}, nil
}

func (m *manifest) decodeRef(t table) Ref {
	r := Ref{Inline: t.bytes(1), Offset: t.u64(2), Length: t.u64(3), Location: t.str(5), ETag: t.str(6), LastModified: t.u32(7), extra: t.bytes(9)}
	var native bool
	r.Object, native = t.id(4)
	if packed := t.bytes(8); packed != nil && r.Location == "" {
		r.Location = m.location(packed)
	}
	kinds := 0
	for _, is := range []bool{r.Inline != nil, native, r.Location != ""} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		broken("a reference is of %d kinds at once", kinds)
	}
	return r
}

func (m *manifest) location(packed []byte) string {
	if m.locations == nil {
		broken("a location is compressed and the manifest has no dictionary")
	}
	text, err := m.locations.DecodeAll(packed, nil)
	if err != nil || len(text) == 0 {
		broken("a compressed location does not decode: %v", err)
	}
	return string(text)
}

// encodeManifest writes the references of one array, given in order of their indexes.
func encodeManifest(id ID, node NodeID, chunks []ChunkAt) []byte {
	b := newBuilder(64 * (len(chunks) + 4))
	refs := each(b, chunks, func(c ChunkAt) flatbuffers.UOffsetT { return c.encode(b) })
	b.StartObject(3)
	b.idSlot(0, node[:])
	b.offsetSlot(1, refs)
	array := b.EndObject()
	arrays := b.tables([]flatbuffers.UOffsetT{array})
	b.StartObject(5)
	b.idSlot(0, id[:])
	b.offsetSlot(1, arrays)
	b.PrependByteSlot(3, 0, 1) // the schema's default says "compressed with a dictionary"
	return b.finish(b.EndObject())
}

func (c ChunkAt) encode(b builder) flatbuffers.UOffsetT {
	index, inline, extra := b.indexVector(c.Index), b.optional(c.Ref.Inline), b.optional(c.Ref.extra)
	location, etag := b.optionalString(c.Ref.Location), b.optionalString(c.Ref.ETag)
	b.StartObject(10)
	b.offsetSlot(0, index)
	b.offsetSlot(1, inline)
	b.PrependUint64Slot(2, c.Ref.Offset, 0)
	b.PrependUint64Slot(3, c.Ref.Length, 0)
	if !c.Ref.Object.IsZero() {
		b.idSlot(4, c.Ref.Object[:])
	}
	b.offsetSlot(5, location)
	b.offsetSlot(6, etag)
	b.PrependUint32Slot(7, c.Ref.LastModified, 0)
	b.offsetSlot(9, extra)
	return b.EndObject()
}
