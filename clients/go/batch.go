package terrapin

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"github.com/terrapin-eo/terrapin/fault"
)

// Batch is memory for one message, and where its arrays lie in it. Loader.NewBatch makes one; it is filled again and
// again by Loader.Next. What it holds is valid until it is passed to Next again, given back by Release, or the loader is
// closed: with a ring it is the server's memory that is lent.
type Batch struct {
	// Step counts from 0 at the ticket's start; a step is cut into Parts messages, of which this is Part.
	Step        uint64
	Part, Parts int
	// Rows are those of this message, padding included.
	Rows int

	columns []Column
	own     []byte // of the caller's, for transports that need it
	block   []byte // of this message
	back    func(slot uint32)
	slot    uint32
}

// Release gives lent memory back before the batch is filled again. Whoever has the batch may call it, while the loader
// reads others.
func (b *Batch) Release() {
	if b.back != nil {
		b.back(b.slot)
	}
	b.back, b.block, b.Rows = nil, nil, 0
}

// Column is the array of a name as bytes, and what it is; nil where there is none.
func (b *Batch) Column(name string) ([]byte, Column) {
	at := 0
	for _, c := range b.columns {
		at = aligned(at)
		end := at + b.Rows*c.rowBytes
		if c.Name == name && end <= len(b.block) {
			return b.block[at:end:end], c
		}
		at = end
	}
	return nil, Column{}
}

// Number is what an array can have.
type Number interface {
	int8 | uint8 | int16 | uint16 | int32 | uint32 | int64 | uint64 | float32 | float64
}

// Values are an array as numbers, without a copy. An array that is not there is fault.NotFound, one of another type
// fault.Invalid.
func Values[T Number](b *Batch, name string) ([]T, error) {
	raw, c := b.Column(name)
	var one T
	switch {
	case c.Name == "":
		return nil, fault.New(fault.NotFound, "the batch has no column %q", name).WithCure("Loader.Columns lists those it has")
	case typeName[T]() != c.DType:
		return nil, fault.New(fault.Invalid, "column %q is of %s, not of %s", name, c.DType, typeName[T]()).WithCure("ask for %s", c.DType)
	case len(raw) == 0:
		return nil, nil
	case binary.NativeEndian.Uint16([]byte{1, 0}) != 1 && unsafe.Sizeof(one) > 1:
		return nil, fault.New(fault.Unsupported, "this processor stores numbers the other way round").WithCure("take the bytes of Column and turn them")
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(raw))), len(raw)/int(unsafe.Sizeof(one))), nil
}

func typeName[T Number]() string {
	var one T
	switch any(one).(type) {
	case int8:
		return "int8"
	case uint8:
		return "uint8"
	case int16:
		return "int16"
	case uint16:
		return "uint16"
	case int32:
		return "int32"
	case uint32:
		return "uint32"
	case int64:
		return "int64"
	case uint64:
		return "uint64"
	case float32:
		return "float32"
	}
	return "float64"
}

// ID is that of a row; empty for padding. It lies in the batch.
func (b *Batch) ID(row int) []byte {
	raw, c := b.Column("id")
	if row < 0 || (row+1)*c.rowBytes > len(raw) {
		return nil
	}
	id := raw[row*c.rowBytes : (row+1)*c.rowBytes]
	if end := bytes.IndexByte(id, 0); end >= 0 {
		id = id[:end]
	}
	return id
}

// Position is that of a row in the epoch's order, or a window's number; -1 is padding.
func (b *Batch) Position(row int) int64 {
	raw, _ := b.Column("position")
	if row < 0 || 8*(row+1) > len(raw) {
		return -1
	}
	return int64(binary.LittleEndian.Uint64(raw[8*row:]))
}

// memory is a block of some bytes at a multiple of 64.
func memory(size int) []byte {
	raw := make([]byte, size+align)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(raw)))) & (align - 1)
	return raw[skip : skip+size : skip+size]
}
