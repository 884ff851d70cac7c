package ring

import (
	"encoding/binary"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/frame"
)

// slotBytes is the room of a slot for messages of up to size bytes: whole pages.
func slotBytes(size int) int {
	page := unix.Getpagesize()
	return (size + page - 1) / page * page
}

// What a client says: two numbers of eight bytes, little-endian: one of these, and what it is about.
const (
	sayBytes    = 16
	giveBack    = 1 // the number of a slot
	acknowledge = 2 // how many steps of the run the client has taken
	ask         = 3 // the length of the request that follows
)

// listen hears one thing that the client says.
func (l *link) listen() error {
	var said [sayBytes]byte
	if _, err := io.ReadFull(l.conn, said[:]); err != nil {
		return err
	}
	what, about := binary.LittleEndian.Uint64(said[:]), binary.LittleEndian.Uint64(said[8:])
	switch what {
	case giveBack:
		return l.back(about)
	case acknowledge:
		return l.acknowledge(about)
	case ask:
		return l.asked(about)
	}
	return fault.New(fault.Invalid, "a client said %d", what)
}

// asked reads a request. There is one at a time: the next comes after the end of what the last one gave.
func (l *link) asked(length uint64) error {
	if length > maxRequest {
		return fault.New(fault.TooLarge, "a request of %d bytes", length)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(l.conn, text); err != nil {
		return err
	}
	if !l.busy.CompareAndSwap(false, true) {
		return fault.New(fault.Invalid, "a client asked before it was answered")
	}
	l.requests <- text // has room, as there is one at a time
	return nil
}

// send says what comes; the file, unless it is negative, goes with the first byte.
func (l *link) send(hello frame.HelloDocument, file int) error {
	text, err := hello.Append(nil)
	if err != nil {
		return err
	}
	var rights []byte
	if file >= 0 {
		rights = unix.UnixRights(file)
	}
	l.within(l.server.cfg.Idle)
	n, _, err := l.conn.WriteMsgUnix(text, rights, nil)
	if err == nil && n < len(text) {
		_, err = l.conn.Write(text[n:])
	}
	if err != nil {
		return fault.New(fault.Canceled, "send the hello: %w", err)
	}
	return nil
}

// within bounds how long a client may take to hear what is said next; one that the server waits for while it ends has less.
func (l *link) within(d time.Duration) {
	if l.server.ctx.Err() == nil {
		_ = l.conn.SetWriteDeadline(time.Now().Add(d)) // fails with the connection, as what follows does
	}
	if l.server.ctx.Err() != nil { // it may have come in between
		_ = l.conn.SetWriteDeadline(time.Now().Add(time.Second))
	}
}
