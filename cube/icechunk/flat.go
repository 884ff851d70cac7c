package icechunk

import (
	"encoding/binary"
	"fmt"

	"github.com/terrapin-eo/terrapin/fault"
)

// malformed is what the reader below panics with; guard turns it into fault.Corrupt. Nothing else
// is recovered, so a defect stays a defect.
type malformed string

func broken(format string, args ...any) { panic(malformed(fmt.Sprintf(format, args...))) }

// guard is deferred around every decoding.
func guard(what string, err *error) {
	switch r := recover().(type) {
	case nil:
	case malformed:
		*err = fault.New(fault.Corrupt, "decode %s: %s", what, string(r))
	default:
		panic(r)
	}
}

// budget bounds what a decoding may take out of a file. Tables may point to one vector many times over;
// without a bound a small file could fill the memory. No writer shares vectors, so an honest file stays
// far below a few times its size.
type budget int

func (b *budget) spend(n int) {
	if b == nil {
		return
	}
	if *b -= budget(n); *b < 0 {
		broken("the file repeats itself beyond measure")
	}
}

// table reads one FlatBuffers table in place. Every access is bounds-checked: the buffer is foreign.
type table struct {
	buf    []byte
	pos    int
	vtable []byte
	left   *budget // nil = unbounded: the file has been checked
}

func rootTable(buf []byte) table {
	if len(buf) < 8 {
		broken("%d bytes are no FlatBuffer", len(buf))
	}
	left := budget(8*len(buf) + 4096)
	return tableAt(buf, uint64(binary.LittleEndian.Uint32(buf)), &left)
}

func tableAt(buf []byte, at uint64, left *budget) table {
	if at+4 > uint64(len(buf)) {
		broken("table at %d leaves the file", at)
	}
	pos := int(at)
	vt := int64(pos) - int64(int32(binary.LittleEndian.Uint32(buf[pos:])))
	if vt < 0 || vt+4 > int64(len(buf)) {
		broken("field table of the table at %d leaves the file", at)
	}
	size := int64(binary.LittleEndian.Uint16(buf[vt:]))
	if size < 4 || vt+size > int64(len(buf)) {
		broken("field table of the table at %d leaves the file", at)
	}
	return table{buf: buf, pos: pos, vtable: buf[vt : vt+size], left: left}
}

// field returns the position of a slot of size bytes, or 0 where it is absent.
func (t table) field(slot, size int) int {
	at := 4 + 2*slot
	if at+2 > len(t.vtable) {
		return 0
	}
	off := int(binary.LittleEndian.Uint16(t.vtable[at:]))
	if off == 0 {
		return 0
	}
	if t.pos+off+size > len(t.buf) {
		broken("slot %d leaves the file", slot)
	}
	return t.pos + off
}

func (t table) u8(slot int, absent uint8) uint8 {
	if p := t.field(slot, 1); p != 0 {
		return t.buf[p]
	}
	return absent
}

func (t table) u16(slot int) uint16 {
	if p := t.field(slot, 2); p != 0 {
		return binary.LittleEndian.Uint16(t.buf[p:])
	}
	return 0
}

func (t table) u32(slot int) uint32 {
	if p := t.field(slot, 4); p != 0 {
		return binary.LittleEndian.Uint32(t.buf[p:])
	}
	return 0
}

func (t table) u64(slot int) uint64 {
	if p := t.field(slot, 8); p != 0 {
		return binary.LittleEndian.Uint64(t.buf[p:])
	}
	return 0
}

func (t table) id(slot int) (id ID, ok bool) {
	if p := t.field(slot, len(id)); p != 0 {
		copy(id[:], t.buf[p:])
		return id, true
	}
	return id, false
}

func (t table) mustID(slot int) ID {
	id, ok := t.id(slot)
	if !ok {
		broken("required id in slot %d is absent", slot)
	}
	return id
}

func (t table) mustNodeID(slot int) (id NodeID) {
	p := t.field(slot, len(id))
	if p == 0 {
		broken("required node id in slot %d is absent", slot)
	}
	copy(id[:], t.buf[p:])
	return id
}

// follow returns where the offset in a slot points to, or false where it is absent.
func (t table) follow(slot int) (uint64, bool) {
	p := t.field(slot, 4)
	if p == 0 {
		return 0, false
	}
	return uint64(p) + uint64(binary.LittleEndian.Uint32(t.buf[p:])), true
}

func (t table) child(slot int) (table, bool) {
	at, ok := t.follow(slot)
	if !ok {
		return table{}, false
	}
	return tableAt(t.buf, at, t.left), true
}

func (t table) mustChild(slot int) table {
	c, ok := t.child(slot)
	if !ok {
		broken("required table in slot %d is absent", slot)
	}
	return c
}

// vector is a vector in place; present tells an empty one from an absent one.
type vector struct {
	buf     []byte
	start   int
	n       int
	present bool
	left    *budget
}

func (t table) vec(slot, size int) vector {
	at, ok := t.follow(slot)
	if !ok {
		return vector{}
	}
	return vectorAt(t.buf, at, size, t.left)
}

func vectorAt(buf []byte, at uint64, size int, left *budget) vector {
	if at+4 > uint64(len(buf)) {
		broken("vector at %d leaves the file", at)
	}
	n := uint64(binary.LittleEndian.Uint32(buf[at:]))
	if at+4+n*uint64(size) > uint64(len(buf)) {
		broken("vector of %d at %d leaves the file", n, at)
	}
	left.spend(int(n))
	return vector{buf: buf, start: int(at) + 4, n: int(n), present: true, left: left}
}

func (t table) mustVec(slot, size int) vector {
	v := t.vec(slot, size)
	if !v.present {
		broken("required vector in slot %d is absent", slot)
	}
	return v
}

// bytes returns a byte vector without copying; nil where it is absent.
func (t table) bytes(slot int) []byte {
	v := t.vec(slot, 1)
	if !v.present {
		return nil
	}
	return v.buf[v.start : v.start+v.n : v.start+v.n]
}

func (t table) str(slot int) string { return string(t.bytes(slot)) }

func (t table) mustStr(slot int) string {
	v := t.mustVec(slot, 1)
	return string(v.buf[v.start : v.start+v.n])
}

func (v vector) at(i int) uint64 {
	p := v.start + 4*i
	return uint64(p) + uint64(binary.LittleEndian.Uint32(v.buf[p:]))
}

func (v vector) table(i int) table { return tableAt(v.buf, v.at(i), v.left) }

func (v vector) str(i int) string {
	s := vectorAt(v.buf, v.at(i), 1, v.left)
	return string(s.buf[s.start : s.start+s.n])
}

func (v vector) u32(i int) uint32 { return binary.LittleEndian.Uint32(v.buf[v.start+4*i:]) }
func (v vector) u16(i int) uint16 { return binary.LittleEndian.Uint16(v.buf[v.start+2*i:]) }

// compare orders a vector of uint32 against an index, lexicographically.
func (v vector) compare(index []uint32) int {
	for i := range min(v.n, len(index)) {
		switch have := v.u32(i); {
		case have < index[i]:
			return -1
		case have > index[i]:
			return 1
		}
	}
	return v.n - len(index)
}
