package store

import (
	"context"
	"runtime"
)

// Mapping is the content of an object that is read here and there. Where the back end is a directory it is
// mapped into memory and takes none of the heap; elsewhere it was read whole. It is released when nothing
// refers to the Mapping any more: whoever uses Data keeps the Mapping alive meanwhile.
type Mapping struct {
	data   []byte
	mapped bool
}

// Mapper is a Driver that can map objects. An object that is replaced or deleted meanwhile keeps its mapping; one
// whose file somebody cuts off makes reads beyond its end fault.
type Mapper interface {
	// Map maps a whole object.
	Map(ctx context.Context, key string) (*Mapping, Info, error)
}

// Mapped makes a Mapping of mapped bytes; release is called with them when the Mapping is not used any more.
func Mapped(data []byte, release func([]byte)) *Mapping {
	m := &Mapping{data: data, mapped: true}
	if len(data) > 0 {
		runtime.AddCleanup(m, release, data)
	}
	return m
}

// Held makes a Mapping of bytes on the heap.
func Held(data []byte) *Mapping { return &Mapping{data: data} }

// Data is the content; it is not to be changed.
func (m *Mapping) Data() []byte { return m.data }

// HeapBytes is what the content takes of the heap.
func (m *Mapping) HeapBytes() int {
	if m.mapped {
		return 0
	}
	return len(m.data)
}

// Map maps an object where the back end can, and reads it whole where it cannot.
func (b *Bucket) Map(ctx context.Context, key string) (*Mapping, Info, error) {
	m, ok := b.driver.(Mapper)
	if !ok {
		data, info, err := b.Read(ctx, key, Range{})
		if err != nil {
			return nil, Info{}, err
		}
		return Held(data), info, nil
	}
	if err := checkKey(key); err != nil {
		return nil, Info{}, err
	}
	mapping, info, err := m.Map(ctx, b.prefix+key)
	if err != nil {
		return nil, Info{}, wrap("map", b.name(key), err)
	}
	info.Key = key
	return mapping, info, nil
}
