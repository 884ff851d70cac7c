package icechunk

import (
	"bytes"
	"slices"
	"strings"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/terrapin-eo/terrapin/fault"
)

// named is a branch or a tag.
type named struct {
	name string
	at   ID
}

// snapshotEntry is what the repo file keeps of one snapshot.
type snapshotEntry struct {
	id       ID
	parent   *ID
	flushed  uint64 // microseconds
	message  string
	metadata []metaItem
	pruned   []ID
}

// updateKind is a member of the UpdateType union.
type updateKind byte

const (
	repoInitialized    updateKind = 1
	repoMigrated       updateKind = 2
	configChanged      updateKind = 3
	metadataChanged    updateKind = 4
	tagCreated         updateKind = 5
	tagDeleted         updateKind = 6
	branchCreated      updateKind = 7
	branchDeleted      updateKind = 8
	branchReset        updateKind = 9
	newCommit          updateKind = 10
	commitAmended      updateKind = 11
	detachedSnapshot   updateKind = 12
	gcRan              updateKind = 13
	expirationRan      updateKind = 14
	featureFlagChanged updateKind = 15
	repoStatusChanged  updateKind = 16
)

// update is one entry of the operations log; which fields count depends on the kind.
type update struct {
	kind     updateKind
	name     string
	prev     ID
	next     ID
	from, to byte // versions of a migration; new value and is-set of a feature flag
	flag     uint16
	status   *repoStatus
	at       uint64 // microseconds
	backup   string // copy of the repo file this update replaced
	cut      bool   // when recorded, leaves all older entries to that copy
}

// repoInfo is the content of the one mutable file.
type repoInfo struct {
	tags, branches    []named
	deletedTags       []string
	snapshots         []snapshotEntry
	status            repoStatus
	metadata          []metaItem
	updates           []update // newest first
	before            string
	config            []byte
	enabled, disabled []uint16
	extra             []byte
}

// find returns the position of a snapshot in the sorted list.
func (r *repoInfo) find(id ID) (int, bool) {
	return slices.BinarySearchFunc(r.snapshots, id, func(s snapshotEntry, id ID) int { return bytes.Compare(s.id[:], id[:]) })
}

func lookup(list []named, name string) (ID, bool) {
	i, ok := slices.BinarySearchFunc(list, name, func(n named, name string) int { return strings.Compare(n.name, name) })
	if !ok {
		return ID{}, false
	}
	return list[i].at, true
}

func decodeRepo(flat []byte) (r *repoInfo, err error) {
	defer guard("repo", &err)
	t := rootTable(flat)
	if v := t.u8(0, 0); v != specVersion {
		return nil, fault.New(fault.Unsupported, "decode repo: spec version %d; this release knows version %d", v, specVersion)
	}
	r = &repoInfo{
		metadata: metaItems(t.vec(6, 4)), before: t.str(8), config: t.bytes(9),
		enabled: flags(t.vec(10, 2)), disabled: flags(t.vec(11, 2)), extra: t.bytes(12),
	}
	r.status = decodeStatus(t.mustChild(5))
	entries := t.mustVec(4, 4)
	r.snapshots = make([]snapshotEntry, entries.n)
	for i := range r.snapshots {
		e := entries.table(i)
		r.snapshots[i] = snapshotEntry{id: e.mustID(0), flushed: e.u64(2), message: e.mustStr(3), metadata: metaItems(e.vec(4, 4)), pruned: ids(e.vec(5, 12))}
		if i > 0 && bytes.Compare(r.snapshots[i-1].id[:], r.snapshots[i].id[:]) >= 0 {
			broken("snapshots out of order at %d", i)
		}
	}
	for i := range r.snapshots {
		switch parent := int32(entries.table(i).u32(1)); {
		case parent == -1:
		case parent < 0 || int(parent) >= len(r.snapshots):
			broken("parent %d of snapshot %d does not exist", parent, i)
		default:
			r.snapshots[i].parent = &r.snapshots[parent].id
		}
	}
	r.tags, r.branches = r.refs(t.mustVec(1, 4)), r.refs(t.mustVec(2, 4))
	if _, ok := lookup(r.branches, "main"); !ok {
		broken("no branch main")
	}
	deleted := t.mustVec(3, 4)
	for i := range deleted.n {
		r.deletedTags = append(r.deletedTags, deleted.str(i))
	}
	updates := t.mustVec(7, 4)
	if updates.n == 0 {
		broken("no update recorded")
	}
	for i := range updates.n {
		r.updates = append(r.updates, decodeUpdate(updates.table(i)))
	}
	return r, nil
}

func (r *repoInfo) refs(v vector) []named {
	list := make([]named, v.n)
	for i := range list {
		t := v.table(i)
		at := int(t.u32(1))
		if at >= len(r.snapshots) {
			broken("ref %q points to snapshot %d of %d", t.mustStr(0), at, len(r.snapshots))
		}
		list[i] = named{t.mustStr(0), r.snapshots[at].id}
		if i > 0 && list[i-1].name >= list[i].name {
			broken("refs out of order at %q", list[i].name)
		}
	}
	return list
}

func metaItems(v vector) []metaItem {
	items := make([]metaItem, v.n)
	for i := range items {
		t := v.table(i)
		t.mustVec(1, 1)
		items[i] = metaItem{t.mustStr(0), t.bytes(1)}
	}
	return items
}

func flags(v vector) []uint16 {
	if !v.present {
		return nil
	}
	list := make([]uint16, v.n)
	for i := range list {
		list[i] = v.u16(i)
	}
	return list
}

func ids(v vector) []ID {
	list := make([]ID, v.n)
	for i := range list {
		copy(list[i][:], v.buf[v.start+12*i:])
	}
	return list
}

func decodeStatus(t table) repoStatus {
	return repoStatus{availability: t.u8(0, 0), setAt: t.u64(1), reason: t.str(2)}
}

func decodeUpdate(t table) update {
	u := update{kind: updateKind(t.u8(0, 0)), at: t.u64(2), backup: t.str(3)}
	d := t.mustChild(1)
	switch u.kind {
	case repoInitialized, configChanged, metadataChanged, gcRan, expirationRan:
	case repoMigrated:
		u.from, u.to = d.u8(0, 0), d.u8(1, 0)
	case tagCreated, branchCreated:
		u.name = d.mustStr(0)
	case tagDeleted, branchDeleted, branchReset:
		u.name, u.prev = d.mustStr(0), d.mustID(1)
	case newCommit:
		u.name, u.next = d.mustStr(0), d.mustID(1)
	case commitAmended:
		u.name, u.prev, u.next = d.mustStr(0), d.mustID(1), d.mustID(2)
	case detachedSnapshot:
		u.next = d.mustID(0)
	case featureFlagChanged:
		u.flag, u.from, u.to = d.u16(0), d.u8(1, 0), d.u8(2, 0)
	case repoStatusChanged:
		if s, ok := d.child(0); ok {
			status := decodeStatus(s)
			u.status = &status
		}
	}
	return u
}

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
