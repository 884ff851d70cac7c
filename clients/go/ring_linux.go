package terrapin

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/terrapin-eo/terrapin/fault"
)

// What a client says to a ring: two numbers of eight bytes.
const (
	giveBack = 1
	ask      = 3

	defaultSlots = 4
)

// ringStream is one run in memory that the server shares.
type ringStream struct {
	ctx    context.Context
	stop   func() bool // of closing when the context ends
	conn   *net.UnixConn
	hello  *hello
	free   func(slot uint32)
	head   [headerBytes]byte
	counts [chunksBytes]byte // as they come
	wanted Chunks            // of the last batch that came whole

	mu      sync.Mutex // batches are released by whoever has them
	memory  []byte
	held    []bool // slots that batches lie in
	holds   int
	retired bool
	say     [16]byte
}

// overRing begins a stream in shared memory. errNoRing says that there is none to be had.
func (c *Client) overRing(ctx context.Context, ticket any) (source, error) {
	_, ring := c.places()
	if ring == "" {
		return nil, noRing("the server has none")
	}
	at, err := url.Parse(ring)
	if err != nil || at.Scheme != "shm+unix" {
		return nil, noRing("%q is no address of a ring", ring)
	}
	socket := at.Opaque + at.Path // one of them
	dialer := net.Dialer{Timeout: dialWithin}
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, noRing("no server of this machine listens at %s: %v", socket, err)
	}
	s := &ringStream{ctx: ctx, conn: conn.(*net.UnixConn)}
	s.free = s.back
	s.stop = context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	slots := c.opts.Slots
	if slots == 0 {
		slots = defaultSlots
	}
	request, err := json.Marshal(map[string]any{"key": at.Query().Get("key"), "ticket": ticket, "slots": slots, "actor": c.opts.Actor})
	if err != nil {
		s.close()
		return nil, fault.New(fault.Invalid, "write a request: %w", err)
	}
	if err := s.begin(request); err != nil {
		s.close()
		s.forget()
		return nil, err
	}
	return s, nil
}

// begin asks for the run, and maps the memory that comes with the hello.
func (s *ringStream) begin(request []byte) error {
	_ = s.conn.SetDeadline(time.Now().Add(ringWithin)) // fails with the connection, as what follows does
	said := binary.LittleEndian.AppendUint64(nil, ask)
	said = append(binary.LittleEndian.AppendUint64(said, uint64(len(request))), request...)
	if _, err := s.conn.Write(said); err != nil {
		return broken(s.ctx, "ask for a ring", err)
	}
	file, err := s.first()
	if file >= 0 {
		defer unix.Close(file)
	}
	if err != nil {
		return err
	}
	h, err := s.parse()
	if err != nil {
		return err
	}
	if h.kind != helloKind || h.length > maxHello {
		return fault.New(fault.Corrupt, "the ring does not begin with a hello")
	}
	text := make([]byte, h.length)
	if err := s.read(text); err != nil {
		return err
	}
	if s.hello, err = parseHello(text); err != nil {
		return err
	}
	_ = s.conn.SetDeadline(time.Time{})
	return s.open(file)
}

// first reads a header, with whose first byte the file comes.
func (s *ringStream) first() (file int, err error) {
	rights := make([]byte, unix.CmsgSpace(4))
	n, k, _, _, err := s.conn.ReadMsgUnix(s.head[:], rights)
	if err != nil || n == 0 {
		return -1, broken(s.ctx, "ask for a ring", endless(err))
	}
	file = -1
	if messages, err := unix.ParseSocketControlMessage(rights[:k]); err == nil {
		for _, m := range messages {
			files, err := unix.ParseUnixRights(&m)
			for i := range files {
				if err == nil && file < 0 {
					file = files[i]
					continue
				}
				_ = unix.Close(files[i]) // nobody asked for it
			}
		}
	}
	return file, s.read(s.head[n:])
}

func endless(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

// open maps the ring, whose file nobody can make smaller.
func (s *ringStream) open(file int) error {
	h := s.hello
	if file < 0 || h.Slots < 1 || h.Slots > 64 || h.SlotBytes < h.blockBytes(h.Rows) || h.SlotBytes > 2*maxMessage {
		return fault.New(fault.Corrupt, "a ring of %d slots of %d bytes for messages of %d", h.Slots, h.SlotBytes, h.blockBytes(h.Rows))
	}
	var is unix.Stat_t
	size := h.Slots * h.SlotBytes
	seals, err := unix.FcntlInt(uintptr(file), unix.F_GET_SEALS, 0)
	if err == nil {
		err = unix.Fstat(file, &is)
	}
	if err != nil || seals&unix.F_SEAL_SHRINK == 0 || is.Size < int64(size) {
		return fault.New(fault.Corrupt, "the memory of the ring is not sealed, or too small: %d bytes of %d, %v", is.Size, size, err)
	}
	if s.memory, err = unix.Mmap(file, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return noRing("map it: %v", err)
	}
	s.held = make([]bool, h.Slots)
	return nil
}

func (s *ringStream) says() *hello { return s.hello }

func (s *ringStream) read(into []byte) error {
	if _, err := io.ReadFull(s.conn, into); err != nil {
		return broken(s.ctx, "the stream broke off", err)
	}
	return nil
}

// parse takes the header that was read; that of a failure is the failure.
func (s *ringStream) parse() (header, error) {
	h, err := parseHeader(&s.head)
	if err == nil && h.kind == failedKind {
		return h, failed(h, s.read)
	}
	return h, err
}

// full is part of source.
func (s *ringStream) full() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holds < len(s.held) {
		return nil
	}
	return fault.New(fault.Precondition, "all %d slots of the ring are held by batches", s.holds).
		WithCure("release a batch before the next one is read, or open the client with more Slots")
}

// next is part of source: the batch is lent the slot.
func (s *ringStream) next(b *Batch) (header, error) {
	if err := s.read(s.head[:]); err != nil {
		return header{}, err
	}
	h, err := s.parse()
	if err != nil {
		return h, err
	}
	if h.kind == endKind {
		return h, io.EOF
	}
	if h.kind != batchKind || h.length != chunksBytes || int64(h.rows) > int64(s.hello.Rows) {
		return h, fault.New(fault.Corrupt, "the server says what the ring cannot hold: kind %d, %d rows, %d bytes", h.kind, h.rows, h.length)
	}
	if err := s.read(s.counts[:]); err != nil {
		return h, err
	}
	if !s.lend(h.slot) {
		return h, fault.New(fault.Corrupt, "the server says what the ring cannot hold: %d rows in slot %d", h.rows, h.slot)
	}
	s.wanted = parseChunks(&s.counts)
	b.Rows, b.columns, b.slot, b.back = int(h.rows), s.hello.Columns, h.slot, s.free
	b.block = s.memory[int(h.slot)*s.hello.SlotBytes:][:s.hello.blockBytes(int(h.rows))] // stays while the slot is held
	return h, nil
}

// chunks is part of source.
func (s *ringStream) chunks() Chunks { return s.wanted }

// lend notes that a batch lies in a slot, unless there is no such slot or one lies there already.
func (s *ringStream) lend(slot uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int64(slot) >= int64(len(s.held)) || s.held[slot] {
		return false
	}
	s.held[slot], s.holds = true, s.holds+1
	return true
}

// back gives a slot back. A server that is gone needs none.
func (s *ringStream) back(slot uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.held[slot] {
		return
	}
	s.held[slot], s.holds = false, s.holds-1
	binary.LittleEndian.PutUint64(s.say[:], giveBack)
	binary.LittleEndian.PutUint64(s.say[8:], uint64(slot))
	_, _ = s.conn.Write(s.say[:])
	if s.retired && s.holds == 0 {
		s.unmap()
	}
}

func (s *ringStream) close() {
	s.stop()
	_ = s.conn.Close()
}

func (s *ringStream) retire() bool {
	s.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retired = true; s.holds == 0 {
		s.unmap()
	}
	return s.memory == nil
}

func (s *ringStream) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unmap()
}

// unmap is called with the lock held.
func (s *ringStream) unmap() {
	if s.memory != nil {
		_ = unix.Munmap(s.memory) // fails only for what is no mapping
		s.memory = nil
	}
}
