package icechunk

import (
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"
)

// extent is a range of chunk indexes along one axis, to exclusive.
type extent struct{ from, to uint32 }

// manifestRef says which part of an array's chunk grid a manifest holds.
type manifestRef struct {
	id      ID
	extents []extent
}

func (m manifestRef) holds(index []uint32) bool {
	for i, e := range m.extents {
		if index[i] < e.from || index[i] >= e.to {
			return false
		}
	}
	return true
}

// manifestInfo describes a manifest file a snapshot refers to.
type manifestInfo struct {
	id    ID
	size  uint64
	refs  uint32
	extra []byte
}

// snapshotNode is a node with what only the format needs.
type snapshotNode struct {
	Node
	manifests []manifestRef
	extra     []byte
}

// snapshotInfo is the content of a snapshot file.
type snapshotInfo struct {
	id        ID
	nodes     []snapshotNode // in byte order of their paths
	flushed   uint64
	message   string
	metadata  []metaItem
	manifests []manifestInfo // in byte order of their ids
	extra     []byte
}

const (
	arrayNode = 1
	groupNode = 2

	maxRank = 256 // more can only be meant to exhaust memory
)

func decodeSnapshot(flat []byte) (s *snapshotInfo, err error) {
	defer guard("snapshot", &err)
	t := rootTable(flat)
	s = &snapshotInfo{id: t.mustID(0), flushed: t.u64(3), message: t.mustStr(4), metadata: metaItems(t.mustVec(5, 4)), extra: t.bytes(8)}
	nodes := t.mustVec(2, 4)
	s.nodes = make([]snapshotNode, nodes.n)
	for i := range s.nodes {
		s.nodes[i] = decodeNode(nodes.table(i))
		if i > 0 && s.nodes[i-1].Path >= s.nodes[i].Path {
			broken("nodes out of order at %q", s.nodes[i].Path)
		}
	}
	files := t.vec(7, 4)
	s.manifests = make([]manifestInfo, files.n)
	for i := range s.manifests {
		f := files.table(i)
		s.manifests[i] = manifestInfo{id: f.mustID(0), size: f.u64(1), refs: f.u32(2), extra: f.bytes(3)}
	}
	if !files.present {
		s.manifests = decodeOldManifests(t)
	}
	return s, nil
}

func decodeNode(t table) snapshotNode {
	t.mustVec(2, 1)
	n := snapshotNode{Node: Node{ID: t.mustNodeID(0), Path: t.mustStr(1), Meta: t.bytes(2)}, extra: t.bytes(5)}
	data := t.mustChild(4)
	switch kind := t.u8(3, 0); kind {
	case groupNode:
		return n
	case arrayNode:
	default:
		broken("node %q is of unknown kind %d", n.Path, kind)
	}
	info := &ArrayInfo{}
	if shape := data.vec(3, 4); shape.present {
		info.allot(shape.n, n.Path)
		for i := range shape.n {
			d := shape.table(i)
			info.Shape[i], info.NumChunks[i] = d.u64(0), d.u32(1)
		}
	} else {
		decodeOldShape(data, info, n.Path)
	}
	rank := len(info.Shape)
	if names := data.vec(1, 4); names.present {
		if names.n != rank {
			broken("array %q has %d dimensions and %d names", n.Path, rank, names.n)
		}
		info.Dims = make([]string, names.n)
		for i := range info.Dims {
			info.Dims[i] = names.table(i).str(0)
		}
	}
	n.Array = info
	manifests := data.mustVec(2, 4)
	n.manifests = make([]manifestRef, manifests.n)
	for i := range n.manifests {
		n.manifests[i] = decodeManifestRef(manifests.table(i), n.Path, rank)
	}
	return n
}

func (a *ArrayInfo) allot(rank int, path string) {
	if rank > maxRank {
		broken("array %q has %d dimensions", path, rank)
	}
	a.Shape, a.NumChunks = make([]uint64, rank), make([]uint32, rank)
}

func decodeManifestRef(t table, path string, rank int) manifestRef {
	m := manifestRef{id: t.mustID(0)}
	v := t.mustVec(1, 8)
	if v.n != rank {
		broken("a manifest of array %q has %d extents for %d dimensions", path, v.n, rank)
	}
	m.extents = make([]extent, v.n)
	for i := range m.extents {
		m.extents[i] = extent{v.u32(2 * i), v.u32(2*i + 1)}
	}
	return m
}

func (s *snapshotInfo) encode() []byte {
	size := 4096 + 64*len(s.manifests)
	for _, n := range s.nodes {
		size += 320 + len(n.Path) + len(n.Meta) + 64*len(n.manifests)
	}
	b := newBuilder(size) // growing would copy a large snapshot several times
	nodes := each(b, s.nodes, func(n snapshotNode) flatbuffers.UOffsetT { return n.encode(b) })
	message, metadata, extra := b.CreateString(s.message), b.metaItems(s.metadata), b.optional(s.extra)
	old := b.empty(32)
	files := each(b, s.manifests, func(m manifestInfo) flatbuffers.UOffsetT {
		extra := b.optional(m.extra)
		b.StartObject(4)
		b.idSlot(0, m.id[:])
		b.PrependUint64Slot(1, m.size, 0)
		b.PrependUint32Slot(2, m.refs, 0)
		b.offsetSlot(3, extra)
		return b.EndObject()
	})
	b.StartObject(9)
	b.idSlot(0, s.id[:])
	b.offsetSlot(2, nodes)
	b.PrependUint64Slot(3, s.flushed, 0)
	b.offsetSlot(4, message)
	b.offsetSlot(5, metadata)
	b.offsetSlot(6, old)
	b.offsetSlot(7, files)
	b.offsetSlot(8, extra)
	return b.finish(b.EndObject())
}

func (n snapshotNode) encode(b builder) flatbuffers.UOffsetT {
	path, meta, extra := b.CreateString(n.Path), b.CreateByteVector(n.Meta), b.optional(n.extra)
	kind, data := byte(groupNode), flatbuffers.UOffsetT(0)
	if n.Array != nil {
		kind, data = arrayNode, n.encodeArray(b)
	} else {
		b.StartObject(0)
		data = b.EndObject()
	}
	b.StartObject(6)
	b.idSlot(0, n.ID[:])
	b.offsetSlot(1, path)
	b.offsetSlot(2, meta)
	b.PrependByteSlot(3, kind, 0)
	b.offsetSlot(4, data)
	b.offsetSlot(5, extra)
	return b.EndObject()
}

func (n snapshotNode) encodeArray(b builder) flatbuffers.UOffsetT {
	old := b.empty(16)
	var dims flatbuffers.UOffsetT
	if n.Array.Dims != nil {
		dims = each(b, n.Array.Dims, func(name string) flatbuffers.UOffsetT {
			s := b.optionalString(name)
			b.StartObject(1)
			b.offsetSlot(0, s)
			return b.EndObject()
		})
	}
	manifests := each(b, n.manifests, func(m manifestRef) flatbuffers.UOffsetT {
		b.StartVector(8, len(m.extents), 4)
		for _, e := range slices.Backward(m.extents) {
			b.PrependUint32(e.to)
			b.PrependUint32(e.from)
		}
		extents := b.EndVector(len(m.extents))
		b.StartObject(2)
		b.idSlot(0, m.id[:])
		b.offsetSlot(1, extents)
		return b.EndObject()
	})
	axes := make([]int, len(n.Array.Shape))
	for i := range axes {
		axes[i] = i
	}
	shape := each(b, axes, func(i int) flatbuffers.UOffsetT {
		b.StartObject(2)
		b.PrependUint64Slot(0, n.Array.Shape[i], 0)
		b.PrependUint32Slot(1, n.Array.NumChunks[i], 0)
		return b.EndObject()
	})
	b.StartObject(4)
	b.offsetSlot(0, old)
	b.offsetSlot(1, dims)
	b.offsetSlot(2, manifests)
	b.offsetSlot(3, shape)
	return b.EndObject()
}
