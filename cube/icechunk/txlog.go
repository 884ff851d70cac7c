package icechunk

import (
	"bytes"
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"
)

// transactionLog is what one commit changed; the official library makes diffs and rebases of it.
type transactionLog struct {
	id                           ID
	newGroups, newArrays         []NodeID
	deletedGroups, deletedArrays []NodeID
	updatedArrays, updatedGroups []NodeID
	chunks                       []updatedChunks
	moved                        []movedNode // in order of the new paths, by segment
	extra                        []byte
}

// movedNode is a node that got another path; below a moved group each node has its own entry.
type movedNode struct {
	from, to string
	node     NodeID
	array    bool
}

// updatedChunks lists the chunks of one array whose reference was set, moved or dropped.
type updatedChunks struct {
	node    NodeID
	indexes [][]uint32
}

func decodeTransactionLog(flat []byte) (l *transactionLog, err error) {
	defer guard("transaction log", &err)
	t := rootTable(flat)
	l = &transactionLog{id: t.mustID(0)}
	for slot, list := range map[int]*[]NodeID{
		1: &l.newGroups, 2: &l.newArrays, 3: &l.deletedGroups, 4: &l.deletedArrays, 5: &l.updatedArrays, 6: &l.updatedGroups,
	} {
		v := t.mustVec(slot, len(NodeID{}))
		*list = make([]NodeID, v.n)
		for i := range v.n {
			copy((*list)[i][:], v.buf[v.start+8*i:])
		}
	}
	arrays := t.mustVec(7, 4)
	for i := range arrays.n {
		a := arrays.table(i)
		u := updatedChunks{node: a.mustNodeID(0)}
		chunks := a.mustVec(1, 4)
		for j := range chunks.n {
			u.indexes = append(u.indexes, chunks.table(j).mustVec(0, 4).appendTo(nil))
		}
		l.chunks = append(l.chunks, u)
	}
	moved := t.vec(8, 4)
	for i := range moved.n {
		m := moved.table(i)
		l.moved = append(l.moved, movedNode{from: m.mustStr(0), to: m.mustStr(1), node: m.mustNodeID(2), array: m.u8(3, 0) == 1})
	}
	l.extra = t.bytes(9)
	return l, nil
}

func (l *transactionLog) encode() []byte {
	b := newBuilder(1024)
	slices.SortFunc(l.chunks, func(x, y updatedChunks) int { return bytes.Compare(x.node[:], y.node[:]) })
	chunks := each(b, l.chunks, func(u updatedChunks) flatbuffers.UOffsetT {
		indexes := each(b, u.indexes, func(index []uint32) flatbuffers.UOffsetT {
			coords := b.indexVector(index)
			b.StartObject(1)
			b.offsetSlot(0, coords)
			return b.EndObject()
		})
		b.StartObject(2)
		b.idSlot(0, u.node[:])
		b.offsetSlot(1, indexes)
		return b.EndObject()
	})
	var lists [6]flatbuffers.UOffsetT
	for i, list := range [][]NodeID{l.newGroups, l.newArrays, l.deletedGroups, l.deletedArrays, l.updatedArrays, l.updatedGroups} {
		slices.SortFunc(list, func(x, y NodeID) int { return bytes.Compare(x[:], y[:]) })
		b.StartVector(8, len(list), 1)
		for _, id := range slices.Backward(list) {
			b.structBytes(id[:])
		}
		lists[i] = b.EndVector(len(list))
	}
	moved := each(b, l.moved, func(m movedNode) flatbuffers.UOffsetT {
		from, to := b.CreateString(m.from), b.CreateString(m.to)
		b.StartObject(4)
		b.offsetSlot(0, from)
		b.offsetSlot(1, to)
		b.idSlot(2, m.node[:])
		if m.array {
			b.PrependByteSlot(3, 1, 0)
		}
		return b.EndObject()
	})
	extra := b.optional(l.extra)
	b.StartObject(10)
	b.idSlot(0, l.id[:])
	for i, list := range lists {
		b.offsetSlot(i+1, list)
	}
	b.offsetSlot(7, chunks)
	b.offsetSlot(8, moved)
	b.offsetSlot(9, extra)
	return b.finish(b.EndObject())
}
