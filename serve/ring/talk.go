package ring

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/frame"
	"github.com/terrapin-eo/terrapin/stream"
)

// readRequest reads the bytes of the request, which must come soon.
func readRequest(conn *net.UnixConn) ([]byte, error) {
	if err := conn.SetReadDeadline(time.Now().Add(helloWithin)); err != nil {
		return nil, err
	}
	var length [4]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n > maxRequest {
		return nil, fault.New(fault.TooLarge, "a request of %d bytes", n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(conn, text); err != nil {
		return nil, err
	}
	return text, conn.SetReadDeadline(time.Time{})
}

// send says what comes; the file, unless it is negative, goes with the first byte.
func send(conn *net.UnixConn, hello frame.HelloDocument, file int) error {
	text, err := hello.Append(nil)
	if err != nil {
		return err
	}
	var rights []byte
	if file >= 0 {
		rights = unix.UnixRights(file)
	}
	n, _, err := conn.WriteMsgUnix(text, rights, nil)
	if err == nil && n < len(text) {
		_, err = conn.Write(text[n:])
	}
	if err != nil {
		return fault.New(fault.Canceled, "send the hello: %w", err)
	}
	return nil
}

// What a client says: two numbers of eight bytes, little-endian: one of these, and what it is about.
const (
	sayBytes    = 16
	giveBack    = 1 // the number of a slot
	acknowledge = 2 // how many steps of the run the client has taken
)

// holding are the batches that the client has, by slot.
type holding struct {
	acknowledge func(steps uint64) error

	mu    sync.Mutex
	slots []*stream.Batch
}

// give notes that the client is about to have a batch.
func (h *holding) give(b *stream.Batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.slots[b.Block().Slot] = b
}

// listen hears one thing that the client says.
func (h *holding) listen(conn *net.UnixConn) error {
	var said [sayBytes]byte
	if _, err := io.ReadFull(conn, said[:]); err != nil {
		return err
	}
	what, about := binary.LittleEndian.Uint64(said[:]), binary.LittleEndian.Uint64(said[8:])
	switch what {
	case giveBack:
		return h.back(about)
	case acknowledge:
		return h.acknowledge(about)
	}
	return fault.New(fault.Invalid, "a client said %d", what)
}

// back takes a slot back.
func (h *holding) back(slot uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if slot >= uint64(len(h.slots)) || h.slots[slot] == nil {
		return fault.New(fault.Invalid, "a client gave back slot %d, which it does not have", slot)
	}
	h.slots[slot].Release()
	h.slots[slot] = nil
	return nil
}
