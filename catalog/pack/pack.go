// Package pack makes documents small where a database keeps them: a quarter of what they were, in a form (S2) that takes no longer to read
// than the pages it saves. It knows nothing of what a document says. The invariant: Document gives back what Bytes was given.
package pack

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"
)

// Bytes is a document as it is stored.
func Bytes(document []byte) []byte {
	room := rooms.Get().(*[]byte)
	defer rooms.Put(room)
	if most := s2.MaxEncodedLen(len(document)); cap(*room) < most {
		*room = make([]byte, most)
	}
	return bytes.Clone(s2.Encode(*room, document))
}

// rooms are to pack in: each has to be larger than what comes out of it.
var rooms = sync.Pool{New: func() any { return new([]byte) }}

// Document is the inverse of Bytes. The document is made in the room, where there is one: it is for several that go together.
func Document(stored []byte, room *[]byte) ([]byte, error) {
	size, err := s2.DecodedLen(stored)
	if err != nil {
		return nil, fmt.Errorf("a stored document: %w", err)
	}
	const chunk = 1 << 18
	var into []byte
	switch {
	case room == nil || size > chunk/4:
		into = make([]byte, size)
	case size > cap(*room)-len(*room):
		*room = make([]byte, size, chunk)
		into = (*room)[:size:size]
	default:
		from := len(*room)
		*room = (*room)[:from+size]
		into = (*room)[from : from+size : from+size]
	}
	document, err := s2.Decode(into, stored)
	if err != nil {
		return nil, fmt.Errorf("a stored document: %w", err)
	}
	return document, nil
}
