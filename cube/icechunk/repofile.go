package icechunk

import (
	"bytes"
	"slices"
	"strings"

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
