package icechunk

import (
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/terrapin-eo/terrapin/fault"
)

// encode writes the FlatBuffer. It refuses a file that holds updates it cannot repeat.
func (r *repoInfo) encode() ([]byte, error) {
	for _, u := range r.updates {
		if u.kind < repoInitialized || u.kind > repoStatusChanged {
			return nil, fault.New(fault.Unsupported, "encode repo: its operations log holds an update of unknown kind %d", u.kind).
				WithCure("write this repository with a newer release; reading still works")
		}
	}
	b := newBuilder(4096)
	tags, branches := r.encodeRefs(b, r.tags), r.encodeRefs(b, r.branches)
	deleted := each(b, r.deletedTags, func(s string) flatbuffers.UOffsetT { return b.CreateString(s) })
	snapshots := each(b, r.snapshots, func(s snapshotEntry) flatbuffers.UOffsetT { return r.encodeEntry(b, s) })
	status, metadata := r.status.encode(b), b.metaItems(r.metadata)
	updates := each(b, r.updates, func(u update) flatbuffers.UOffsetT { return u.encode(b) })
	before, config := b.optionalString(r.before), b.optional(r.config)
	enabled, disabled, extra := b.flags(r.enabled), b.flags(r.disabled), b.optional(r.extra)
	b.StartObject(13)
	b.PrependByteSlot(0, specVersion, 0)
	for i, off := range []flatbuffers.UOffsetT{tags, branches, deleted, snapshots, status, metadata, updates, before, config, enabled, disabled, extra} {
		b.offsetSlot(i+1, off)
	}
	return b.finish(b.EndObject()), nil
}

func (r *repoInfo) encodeRefs(b builder, list []named) flatbuffers.UOffsetT {
	return each(b, list, func(n named) flatbuffers.UOffsetT {
		name := b.CreateString(n.name)
		at, _ := r.find(n.at)
		b.StartObject(2)
		b.offsetSlot(0, name)
		b.PrependUint32Slot(1, uint32(at), 0)
		return b.EndObject()
	})
}

func (r *repoInfo) encodeEntry(b builder, s snapshotEntry) flatbuffers.UOffsetT {
	message, metadata := b.CreateString(s.message), b.metaItems(s.metadata)
	var pruned flatbuffers.UOffsetT
	if len(s.pruned) > 0 { // absent, never empty
		b.StartVector(12, len(s.pruned), 1)
		for _, id := range slices.Backward(s.pruned) {
			b.structBytes(id[:])
		}
		pruned = b.EndVector(len(s.pruned))
	}
	parent := -1
	if s.parent != nil {
		parent, _ = r.find(*s.parent)
	}
	b.StartObject(6)
	b.idSlot(0, s.id[:])
	b.PrependInt32Slot(1, int32(parent), 0)
	b.PrependUint64Slot(2, s.flushed, 0)
	b.offsetSlot(3, message)
	b.offsetSlot(4, metadata)
	b.offsetSlot(5, pruned)
	return b.EndObject()
}

func (b builder) metaItems(items []metaItem) flatbuffers.UOffsetT {
	return each(b, items, func(it metaItem) flatbuffers.UOffsetT {
		name, value := b.CreateString(it.name), b.CreateByteVector(it.value)
		b.StartObject(2)
		b.offsetSlot(0, name)
		b.offsetSlot(1, value)
		return b.EndObject()
	})
}

func (b builder) flags(list []uint16) flatbuffers.UOffsetT {
	if list == nil {
		return 0
	}
	b.StartVector(2, len(list), 2)
	for _, f := range slices.Backward(list) {
		b.PrependUint16(f)
	}
	return b.EndVector(len(list))
}

func (s repoStatus) encode(b builder) flatbuffers.UOffsetT {
	reason := b.optionalString(s.reason)
	b.StartObject(3)
	b.PrependByteSlot(0, s.availability, 0)
	b.PrependUint64Slot(1, s.setAt, 0)
	b.offsetSlot(2, reason)
	return b.EndObject()
}

func (u update) encode(b builder) flatbuffers.UOffsetT {
	backup, name := b.optionalString(u.backup), b.optionalString(u.name)
	var status flatbuffers.UOffsetT
	if u.status != nil {
		status = u.status.encode(b)
	}
	b.StartObject(3)
	switch u.kind {
	case repoMigrated:
		b.PrependByteSlot(0, u.from, 0)
		b.PrependByteSlot(1, u.to, 0)
	case tagCreated, branchCreated:
		b.offsetSlot(0, name)
	case tagDeleted, branchDeleted, branchReset:
		b.offsetSlot(0, name)
		b.idSlot(1, u.prev[:])
	case newCommit:
		b.offsetSlot(0, name)
		b.idSlot(1, u.next[:])
	case commitAmended:
		b.offsetSlot(0, name)
		b.idSlot(1, u.prev[:])
		b.idSlot(2, u.next[:])
	case detachedSnapshot:
		b.idSlot(0, u.next[:])
	case featureFlagChanged:
		b.PrependUint16Slot(0, u.flag, 0)
		b.PrependByteSlot(1, u.from, 0)
		b.PrependByteSlot(2, u.to, 0)
	case repoStatusChanged:
		b.offsetSlot(0, status)
	}
	detail := b.EndObject()
	b.StartObject(4)
	b.PrependByteSlot(0, byte(u.kind), 0)
	b.offsetSlot(1, detail)
	b.PrependUint64Slot(2, u.at, 0)
	b.offsetSlot(3, backup)
	return b.EndObject()
}
