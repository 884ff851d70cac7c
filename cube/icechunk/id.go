package icechunk

import (
	"crypto/rand"
	"encoding/base32"

	"github.com/terrapin-eo/terrapin/fault"
)

// crockford is the alphabet of object names; the format pads neither with characters nor with case.
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// ID names an object of a repository: a snapshot, a manifest, a transaction log or a chunk object.
type ID [12]byte

// NodeID names a group or an array for as long as it lives; it is never part of a key.
type NodeID [8]byte

// InitialID is the snapshot every repository begins with, 1CECHNKREP0F1RSTCMT0.
var InitialID = ID{0x0b, 0x1c, 0xc8, 0xd6, 0x78, 0x75, 0x80, 0xf0, 0xe3, 0x3a, 0x65, 0x34}

// String is the id as it stands in keys: 20 characters of Crockford base32.
func (id ID) String() string { return crockford.EncodeToString(id[:]) }

// IsZero reports whether the id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// String is the id in Crockford base32, 13 characters.
func (id NodeID) String() string { return crockford.EncodeToString(id[:]) }

// ParseID is the inverse of String.
func ParseID(s string) (ID, error) {
	var id ID
	raw, err := crockford.DecodeString(s)
	if err != nil || len(raw) != len(id) {
		return ID{}, fault.New(fault.Invalid, "parse snapshot id %q: not 20 characters of Crockford base32", s)
	}
	copy(id[:], raw)
	if id.String() != s {
		return ID{}, fault.New(fault.Invalid, "parse snapshot id %q: stray bits at the end", s)
	}
	return id, nil
}

func newID() (id ID) {
	rand.Read(id[:]) // never fails since Go 1.24
	return id
}

func newNodeID() (id NodeID) {
	rand.Read(id[:])
	return id
}
