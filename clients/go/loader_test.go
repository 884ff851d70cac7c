package terrapin_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	terrapin "github.com/terrapin-eo/terrapin/clients/go"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/frame"
	"github.com/terrapin-eo/terrapin/serve/servetest"
	"github.com/terrapin-eo/terrapin/stream"
)

var transports = []string{terrapin.Ring, terrapin.HTTP}

// The address may name the transport, as it may in Python.
func TestTheAddressNamesTheTransport(t *testing.T) {
	url, _ := serve(t, nil)
	for _, transport := range transports {
		l, err := connect(t, url+"#"+transport, terrapin.Options{}).OpenWindows(t.Context(), windows(9, 4))
		require.NoError(t, err)
		require.Equal(t, transport, l.Transport())
		require.NoError(t, l.Close())
	}
	l, err := connect(t, url+"/#http", terrapin.Options{Transport: terrapin.Ring}).OpenWindows(t.Context(), windows(9, 4))
	require.NoError(t, err)
	require.Equal(t, terrapin.Ring, l.Transport(), "what the program says comes first")
	require.NoError(t, l.Close())
	_, err = terrapin.Connect(t.Context(), url+"#pigeon", terrapin.Options{})
	require.Equal(t, fault.Invalid, fault.KindOf(err))
}

// Over either transport come the very blocks that the engine makes.
func TestEveryByteArrives(t *testing.T) {
	url, e := serve(t, nil)
	want := servetest.Messages(t, e, servetest.Ticket(t, 9, 4))
	for _, transport := range transports {
		l, err := connect(t, url, terrapin.Options{Transport: transport}).OpenWindows(t.Context(), windows(9, 4))
		require.NoError(t, err)
		require.Equal(t, transport, l.Transport())
		require.EqualValues(t, len(want), l.Steps())
		b := l.NewBatch()
		if transport == terrapin.HTTP {
			_, err = l.BatchIn(make([]byte, l.Bytes()-1))
			require.Equal(t, fault.Invalid, fault.KindOf(err))
			b, err = l.BatchIn(make([]byte, l.Bytes()))
			require.NoError(t, err)
		}
		for i, w := range want {
			require.NoError(t, l.Next(b))
			require.Equal(t, w.Step, b.Step)
			require.Equal(t, w.Rows, b.Rows)
			at := 0
			for _, c := range l.Columns() {
				raw, _ := b.Column(c.Name)
				require.Equal(t, w.Block[at:at+len(raw)], raw, "%s of step %d over %s", c.Name, i, transport)
				at = (at + len(raw) + 63) / 64 * 64
			}
			require.Equal(t, len(w.Block), at)
			require.EqualValues(t, 4*i, b.Position(0))
		}
		require.ErrorIs(t, l.Next(b), io.EOF)
		require.ErrorIs(t, l.Next(b), io.EOF)
		require.Positive(t, l.Chunks().Kept+l.Chunks().Decoded)
		require.NoError(t, l.Close())
		require.NoError(t, l.Close())
	}
	l, err := connect(t, url, terrapin.Options{}).OpenWindows(t.Context(), windows(9, 4))
	require.NoError(t, err)
	require.Equal(t, terrapin.Ring, l.Transport(), "the best there is")
	require.NoError(t, l.Close())
}

// Steps that are cut into messages, and states, go on exactly, whatever the batch size.
func TestResume(t *testing.T) {
	url, _ := serve(t, nil)
	for _, transport := range transports {
		c := connect(t, url, terrapin.Options{Transport: transport})
		l, err := c.OpenWindows(t.Context(), windows(9, 4))
		require.NoError(t, err)
		whole := drain(t, l)
		require.NoError(t, l.Close())
		var positions []int64
		var ids []string
		for _, m := range whole {
			positions, ids = append(positions, m.positions...), append(ids, m.ids...)
		}

		cut := windows(9, 4)
		cut.MessageBytes = 5000
		l, err = c.OpenWindows(t.Context(), cut)
		require.NoError(t, err)
		parts := drain(t, l)
		require.NoError(t, l.Close())
		require.Greater(t, len(parts), len(whole))

		l, err = c.OpenWindows(t.Context(), windows(9, 4))
		require.NoError(t, err)
		b := l.NewBatch()
		for range 2 {
			require.NoError(t, l.Next(b))
		}
		require.EqualValues(t, 8, l.Position())
		state, err := l.State()
		require.NoError(t, err)
		require.NoError(t, l.Close())
		var ticket map[string]any
		require.NoError(t, json.Unmarshal(state, &ticket))
		ticket["batch_size"] = 3
		state, err = json.Marshal(ticket)
		require.NoError(t, err)
		l, err = c.Resume(t.Context(), state)
		require.NoError(t, err)
		var rest []int64
		var restIDs []string
		for _, m := range drain(t, l) {
			rest, restIDs = append(rest, m.positions...), append(restIDs, m.ids...)
		}
		require.NoError(t, l.Close())
		require.Equal(t, positions[8:], rest)
		require.Equal(t, ids[8:], restIDs)
	}
}

// Batches that are kept hold a slot each; when all are held that is said, and not waited for.
func TestBatchesMayBeKept(t *testing.T) {
	url, _ := serve(t, nil)
	c := connect(t, url, terrapin.Options{Transport: terrapin.Ring, Slots: 3})
	l, err := c.OpenWindows(t.Context(), windows(9, 4))
	require.NoError(t, err)
	defer l.Close()
	var kept []*terrapin.Batch
	var was []message
	for range 3 {
		b := l.NewBatch()
		require.NoError(t, l.Next(b))
		kept, was = append(kept, b), append(was, copied(t, b))
	}
	for i, b := range kept {
		require.Equal(t, was[i], copied(t, b))
	}
	state, err := l.State()
	require.NoError(t, err)
	require.Equal(t, fault.Precondition, fault.KindOf(l.Next(l.NewBatch())))

	l, err = c.Resume(t.Context(), state)
	require.NoError(t, err)
	defer l.Close()
	a, b := l.NewBatch(), l.NewBatch()
	for {
		if err = l.Next(a); err == nil {
			err = l.Next(b)
		}
		if err != nil {
			break
		}
		a.Release()
		require.Zero(t, a.Rows)
	}
	require.ErrorIs(t, err, io.EOF)
}

// cutter serves batches, and breaks the connection after so many bytes of each answer, more each time.
type cutter struct {
	frames http.Handler
	after  atomic.Int64
	step   int64
	broke  atomic.Int64
}

func (c *cutter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.frames.ServeHTTP(&cut{ResponseWriter: w, left: c.after.Add(c.step), broke: &c.broke}, r)
}

type cut struct {
	http.ResponseWriter
	left  int64
	broke *atomic.Int64
}

func (c *cut) Write(b []byte) (int, error) {
	if int64(len(b)) <= c.left {
		c.left -= int64(len(b))
		return c.ResponseWriter.Write(b)
	}
	_, _ = c.ResponseWriter.Write(b[:c.left])
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	c.broke.Add(1)
	panic(http.ErrAbortHandler)
}

func (c *cut) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// However often the connection breaks, and wherever, nothing is lost or comes twice.
func TestBrokenConnections(t *testing.T) {
	e := servetest.Engine(t)
	whole := &cutter{frames: frame.Handler(frame.Config{Engine: e}), step: 1 << 40}
	url, _ := serve(t, whole)
	l, err := connect(t, url, terrapin.Options{Transport: terrapin.HTTP}).OpenWindows(t.Context(), windows(9, 4))
	require.NoError(t, err)
	want := drain(t, l)
	require.NoError(t, l.Close())
	require.Zero(t, whole.broke.Load())
	for _, cutParts := range []int{0, 5000} {
		broken := &cutter{frames: whole.frames, step: 997}
		broken.after.Store(4000)
		url, _ = serve(t, broken)
		c := connect(t, url, terrapin.Options{Transport: terrapin.HTTP})
		ticket := windows(9, 4)
		ticket.MessageBytes = cutParts
		l, err = c.OpenWindows(t.Context(), ticket)
		require.NoError(t, err)
		var positions, wanted []int64
		for _, m := range drain(t, l) {
			positions = append(positions, m.positions...)
		}
		for _, m := range want {
			wanted = append(wanted, m.positions...)
		}
		require.NoError(t, l.Close())
		require.Equal(t, wanted, positions)
		require.Greater(t, broken.broke.Load(), int64(3))
	}
	gone := &cutter{frames: whole.frames}
	gone.after.Store(6000)
	url, _ = serve(t, gone) // never further than that
	l, err = connect(t, url, terrapin.Options{Transport: terrapin.HTTP, Patience: -1}).OpenWindows(t.Context(), windows(9, 4))
	require.NoError(t, err)
	b := l.NewBatch()
	for err == nil {
		err = l.Next(b)
	}
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	require.NoError(t, l.Close())
}

// forged answers with a stream of the server's that was changed.
func forged(t *testing.T, change func(messages [][]byte) [][]byte) http.Handler {
	t.Helper()
	e := servetest.Engine(t)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		record := httptest.NewRecorder()
		frame.Handler(frame.Config{Engine: e}).ServeHTTP(unlimited{record}, r)
		var messages [][]byte
		for all := record.Body.Bytes(); len(all) > 0; {
			n := 32 + int(binary.LittleEndian.Uint32(all[4:]))
			messages, all = append(messages, bytes.Clone(all[:n])), all[n:]
		}
		_, _ = w.Write(bytes.Join(change(messages), nil))
	})
}

// unlimited takes deadlines that it does not keep.
type unlimited struct{ *httptest.ResponseRecorder }

func (unlimited) SetWriteDeadline(time.Time) error { return nil }

// What is not the order, or not the form, is refused.
func TestForgedStreams(t *testing.T) {
	le := binary.LittleEndian
	for name, change := range map[string]func(m [][]byte) [][]byte{
		"dropped":          func(m [][]byte) [][]byte { return append(m[:2:2], m[3:]...) },
		"repeated":         func(m [][]byte) [][]byte { return append(m[:3:3], m[2:]...) },
		"ended early":      func(m [][]byte) [][]byte { return append(m[:3:3], m[len(m)-1]) },
		"another position": func(m [][]byte) [][]byte { le.PutUint64(m[2][len(m[2])-5*64-stream.ChunksBytes:], 77); return m },
		"a swapped step": func(m [][]byte) [][]byte {
			m[1], m[2] = m[2], m[1]
			le.PutUint64(m[1][8:], 0)
			le.PutUint64(m[2][8:], 1)
			return m
		},
		"too many rows":   func(m [][]byte) [][]byte { le.PutUint32(m[1][24:], 5); return m },
		"a shorter block": func(m [][]byte) [][]byte { le.PutUint32(m[1][4:], le.Uint32(m[1][4:])-64); return m },
		"no kind":         func(m [][]byte) [][]byte { le.PutUint32(m[1], 9); return m },
		"two hellos":      func(m [][]byte) [][]byte { return append([][]byte{m[0]}, m...) },
		"no hello":        func(m [][]byte) [][]byte { return m[1:] },
		"another format": func(m [][]byte) [][]byte {
			m[0] = bytes.Replace(m[0], []byte(`"format":2`), []byte(`"format":3`), 1)
			return m
		},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := serve(t, forged(t, change))
			l, err := connect(t, url, terrapin.Options{Transport: terrapin.HTTP, Patience: -1}).OpenWindows(t.Context(), windows(9, 4))
			if err == nil {
				defer l.Close()
				b := l.NewBatch()
				for err == nil {
					err = l.Next(b)
				}
			}
			require.Contains(t, []fault.Kind{fault.Corrupt, fault.Unsupported}, fault.KindOf(err), "%v", err)
		})
	}
}

func TestRefusals(t *testing.T) {
	url, _ := serve(t, nil)
	for _, bad := range []string{"", "localhost:8080", "ftp://x", "http://"} {
		_, err := terrapin.Connect(t.Context(), bad, terrapin.Options{})
		require.Equal(t, fault.Invalid, fault.KindOf(err), bad)
	}
	_, err := terrapin.Connect(t.Context(), url, terrapin.Options{Transport: "pigeon"})
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	_, err = terrapin.Connect(t.Context(), "http://127.0.0.1:1", terrapin.Options{})
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	_, err = terrapin.Connect(t.Context(), other.URL, terrapin.Options{})
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	for _, transport := range transports {
		c := connect(t, url, terrapin.Options{Transport: transport})
		_, err = c.OpenWindows(t.Context(), terrapin.Windows{Cube: "nope", Bands: []string{"B99"}})
		require.Equal(t, fault.NotFound, fault.KindOf(err))
		require.NotEmpty(t, fault.CureOf(err))
		_, err = c.Resume(t.Context(), []byte(`{"cube": "s2", "sise": 3}`))
		require.Equal(t, fault.Invalid, fault.KindOf(err))
		require.ErrorContains(t, err, "sise")

		ctx, cancel := context.WithCancel(t.Context())
		l, err := c.OpenWindows(ctx, windows(3, 1))
		require.NoError(t, err)
		b := l.NewBatch()
		require.NoError(t, l.Next(b))
		_, err = terrapin.Values[float32](b, "image")
		require.Equal(t, fault.Invalid, fault.KindOf(err))
		_, err = terrapin.Values[int64](b, "label")
		require.Equal(t, fault.NotFound, fault.KindOf(err))
		cancel()
		for err = l.Next(b); err == nil; err = l.Next(b) {
			require.Less(t, b.Step, l.Steps())
		}
		if !errors.Is(err, io.EOF) { // all of it may have been on its way
			require.Equal(t, fault.Canceled, fault.KindOf(err), "%v", err)
		}
		require.NoError(t, l.Close())
	}
}

// Once a stream runs, a batch allocates nothing here.
func TestABatchAllocatesNothing(t *testing.T) {
	url := elsewhere(t)
	for _, transport := range transports {
		l, err := connect(t, url, terrapin.Options{Transport: transport}).OpenWindows(t.Context(), windows(3, 1))
		require.NoError(t, err)
		require.Greater(t, l.Steps(), uint64(150))
		b := l.NewBatch()
		for range 20 {
			require.NoError(t, l.Next(b))
		}
		sum := uint64(0)
		allocated := testing.AllocsPerRun(100, func() {
			if l.Next(b) != nil {
				panic("ended")
			}
			values, err := terrapin.Values[uint16](b, "image")
			if err != nil {
				panic(err)
			}
			sum += uint64(values[0]) + uint64(len(b.ID(0)))
		})
		require.Less(t, allocated, 0.5, transport)
		require.NoError(t, l.Close())
	}
}

// Reading windows of a cube, and going on where it stood.
func Example() {
	read := func(ctx context.Context, url string, state []byte) ([]byte, error) {
		client, err := terrapin.Connect(ctx, url, terrapin.Options{})
		if err != nil {
			return nil, err
		}
		defer client.Close()
		var loader *terrapin.Loader
		if state == nil {
			loader, err = client.Open(ctx, terrapin.Ticket{Dataset: "crops@v3", Seed: 1, BatchSize: 32, Run: "unet-7"})
		} else {
			loader, err = client.Resume(ctx, state)
		}
		if err != nil {
			return nil, err
		}
		defer loader.Close()
		batch := loader.NewBatch()
		for {
			if err := loader.Next(batch); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			image, err := terrapin.Values[uint16](batch, "image") // [rows, slot, band, y, x]
			if err != nil {
				return nil, err
			}
			fmt.Println(batch.Step, batch.Rows, len(image))
		}
		if err := loader.Acknowledge(ctx); err != nil { // before what was learnt is saved
			return nil, err
		}
		return loader.State()
	}
	_ = read
}
