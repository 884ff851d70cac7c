package ring

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/terrapin-eo/terrapin/serve/frame"
	"github.com/terrapin-eo/terrapin/serve/servetest"
)

// client speaks to a ring server as any program could.
type client struct {
	t      *testing.T
	conn   *net.UnixConn
	hello  frame.HelloDocument
	memory []byte
}

func serving(t *testing.T, cfg Config) (*Server, string) {
	t.Helper()
	l, err := Listen()
	require.NoError(t, err)
	cfg.Key = "k"
	if cfg.Engine == nil {
		cfg.Engine = servetest.Engine(t)
	}
	s := New(cfg)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 0)
		defer cancel()
		s.Shutdown(ctx)
		require.NoError(t, <-served)
		require.Zero(t, s.used, "memory of rings that are gone")
	})
	return s, l.Addr().String()
}

func dial(t *testing.T, address, key string, ticket []byte, slots int) *client {
	t.Helper()
	conn, err := net.Dial("unix", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	text, err := json.Marshal(request{Key: key, Ticket: ticket, Slots: slots})
	require.NoError(t, err)
	c := &client{t: t, conn: conn.(*net.UnixConn)}
	c.say(ask, uint64(len(text)), 1)
	_, err = conn.Write(text)
	require.NoError(t, err)
	return c
}

// begin reads the hello and maps the memory that comes with it.
func (c *client) begin() {
	c.t.Helper()
	head, rights := make([]byte, frame.HeaderBytes), make([]byte, unix.CmsgSpace(4))
	n, oob, _, _, err := c.conn.ReadMsgUnix(head, rights)
	require.NoError(c.t, err)
	require.Equal(c.t, frame.HeaderBytes, n)
	text := make([]byte, binary.LittleEndian.Uint32(head[4:]))
	_, err = io.ReadFull(c.conn, text)
	require.NoError(c.t, err)
	require.EqualValues(c.t, frame.Hello, binary.LittleEndian.Uint32(head), "%s", text)
	require.NoError(c.t, json.Unmarshal(text, &c.hello))
	messages, err := unix.ParseSocketControlMessage(rights[:oob])
	require.NoError(c.t, err)
	files, err := unix.ParseUnixRights(&messages[0])
	require.NoError(c.t, err)
	defer unix.Close(files[0])
	require.Error(c.t, unix.Ftruncate(files[0], 0), "a client cannot take the memory away from the server")
	c.memory, err = unix.Mmap(files[0], 0, c.hello.Slots*c.hello.SlotBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(c.t, err)
	c.t.Cleanup(func() { require.NoError(c.t, unix.Munmap(c.memory)) })
}

// next reads a header, and the reason where it is a failure.
func (c *client) next() (head frame.Header, why frame.Failure, err error) {
	var raw [frame.HeaderBytes]byte
	if _, err = io.ReadFull(c.conn, raw[:]); err != nil {
		return head, why, err
	}
	le := binary.LittleEndian
	head = frame.Header{Kind: frame.Kind(le.Uint32(raw[:])), Length: le.Uint32(raw[4:]), Step: le.Uint64(raw[8:]), Rows: le.Uint32(raw[24:]), Slot: le.Uint32(raw[28:])}
	text := make([]byte, head.Length)
	if _, err = io.ReadFull(c.conn, text); err != nil {
		return head, why, err
	}
	if head.Kind == frame.Failed {
		require.NoError(c.t, json.Unmarshal(text, &why))
	}
	return head, why, nil
}

func (c *client) block(head frame.Header, size int) []byte {
	return c.memory[int(head.Slot)*c.hello.SlotBytes:][:size]
}

// say says something some times; a server that has said all it had does not hear it.
func (c *client) say(what, about uint64, times int) {
	le := binary.LittleEndian
	_, _ = c.conn.Write(bytes.Repeat(le.AppendUint64(le.AppendUint64(nil, what), about), times))
}

// A client that gives slots back at once, late, or in another order reads the very blocks that the engine makes.
func TestSlotsHoldTheBlocks(t *testing.T) {
	e := servetest.Engine(t)
	_, address := serving(t, Config{Engine: e})
	ticket := servetest.Ticket(t, 9, 3)
	want := servetest.Messages(t, e, ticket)
	require.Greater(t, len(want), 6)
	for slots := minSlots; slots <= 6; slots++ {
		for keeps := range slots {
			c := dial(t, address, "k", ticket, slots)
			c.begin()
			var held []frame.Header
			for i, w := range want {
				head, why, err := c.next()
				require.NoError(t, err)
				require.Equal(t, frame.Batch, head.Kind, why)
				require.Equal(t, w.Step, head.Step)
				held = append(held, head)
				for k, h := range held { // what is held is not written to
					of := want[i-len(held)+1+k]
					require.Equal(t, of.Block, c.block(h, len(of.Block)), "slots %d, keeps %d, message %d", slots, keeps, i)
				}
				if len(held) > keeps {
					clear(c.block(held[0], len(w.Block))) // a client may write to its slots
					c.say(giveBack, uint64(held[0].Slot), 1)
					held = held[1:]
				}
			}
			head, _, err := c.next()
			require.NoError(t, err)
			require.Equal(t, frame.End, head.Kind)
		}
	}
}

// A client that holds all slots stops the server; one that is gone, or says what makes no sense, ends its run.
func TestAClientThatHoldsEverything(t *testing.T) {
	s, address := serving(t, Config{})
	ticket := servetest.Ticket(t, 5, 1)
	for name, end := range map[string]func(c *client){
		"gone":                          func(c *client) { require.NoError(t, c.conn.Close()) },
		"a slot it does not have":       func(c *client) { c.say(giveBack, 7, 1) },
		"a slot it has given back":      func(c *client) { c.say(giveBack, 0, 500) },
		"something that nobody can say": func(c *client) { c.say(99, 0, 1) },
	} {
		c := dial(t, address, "k", ticket, 2)
		c.begin()
		for range 2 {
			head, _, err := c.next()
			require.NoError(t, err)
			require.Equal(t, frame.Batch, head.Kind)
		}
		require.NoError(t, c.conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
		_, _, err := c.next()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "both slots are held")
		require.NoError(t, c.conn.SetReadDeadline(time.Time{}))
		end(c)
		require.Eventually(t, func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.used == 0
		}, 10*time.Second, time.Millisecond, name)
	}
}

// What cannot be given is refused with its reason.
func TestRefusals(t *testing.T) {
	_, address := serving(t, Config{Bytes: 64 << 10})
	small := servetest.Ticket(t, 5, 1)
	for name, c := range map[string]*client{
		"invalid":      dial(t, address, "k", small, 1),
		"precondition": dial(t, address, "other", small, 2),
		"not_found":    dial(t, address, "k", []byte(`{"cube": "s2", "bands": ["B99"]}`), 2),
		"too_large":    dial(t, address, "k", servetest.Ticket(t, 37, 8), 8),
	} {
		head, why, err := c.next()
		require.NoError(t, err, name)
		require.Equal(t, frame.Failed, head.Kind, name)
		require.Equal(t, name, why.Kind)
		require.NotEmpty(t, why.Message)
		_, _, err = c.next()
		require.ErrorIs(t, err, io.EOF)
	}
}

// A run whose client takes nothing for long is ended and says so, so that idle ones hold no memory for ever.
func TestIdleRunsEnd(t *testing.T) {
	_, address := serving(t, Config{Idle: 20 * time.Millisecond})
	c := dial(t, address, "k", servetest.Ticket(t, 5, 1), 2)
	c.begin()
	for {
		head, why, err := c.next()
		require.NoError(t, err)
		if head.Kind == frame.Failed {
			require.Equal(t, "unavailable", why.Kind, why)
			break
		}
	}
}

// A server that shuts down ends its runs, and takes no new ones.
func TestShutdownEndsRuns(t *testing.T) {
	s, address := serving(t, Config{})
	c := dial(t, address, "k", servetest.Ticket(t, 5, 1), 2)
	c.begin()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Shutdown(ctx)
	_, err := net.Dial("unix", address)
	require.Error(t, err)
	for err = nil; err == nil; {
		var head frame.Header
		head, _, err = c.next()
		require.NotEqual(t, frame.End, head.Kind)
	}
	require.True(t, errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET), "%v", err)
}
