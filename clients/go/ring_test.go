package terrapin_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	terrapin "github.com/terrapin-eo/terrapin/clients/go"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/frame"
	"github.com/terrapin-eo/terrapin/serve/ring"
	"github.com/terrapin-eo/terrapin/serve/servetest"
	"github.com/terrapin-eo/terrapin/stream"
)

// house is a server whose rings come and go while its HTTP stays.
type house struct {
	engine *stream.Engine
	url    string
	at     atomic.Value // the ring's address; "" is none
	rings  *ring.Server
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{engine: servetest.Engine(t)}
	h.at.Store("")
	mux := http.NewServeMux()
	mux.Handle(frame.Prefix, frame.Handler(frame.Config{Engine: h.engine}))
	mux.HandleFunc("/v1/server", func(w http.ResponseWriter, r *http.Request) {
		doc := map[string]string{"batches": "http://" + r.Host + frame.Prefix}
		if at := h.at.Load().(string); at != "" {
			doc["ring"] = at
		}
		_ = json.NewEncoder(w).Encode(doc)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// open lets in rings of so many bytes together.
func (h *house) open(t *testing.T, bytes int64) {
	t.Helper()
	l, err := ring.Listen()
	require.NoError(t, err)
	h.rings = ring.New(ring.Config{Engine: h.engine, Key: key, Bytes: bytes})
	go func(s *ring.Server) { _ = s.Serve(l) }(h.rings)
	h.at.Store(ring.URL(l, key))
	t.Cleanup(h.shut)
}

// shut breaks all rings.
func (h *house) shut() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	h.rings.Shutdown(ended)
}

// hangUp announces a ring that takes clients and says nothing to them.
func (h *house) hangUp(t *testing.T) {
	t.Helper()
	l, err := ring.Listen()
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			var conn net.Conn
			if conn, err = l.Accept(); err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	h.at.Store(ring.URL(l, key))
}

// A ring that does not work is passed over for HTTP, at the beginning and wherever it breaks; one that is there again is used.
func TestAnotherTransport(t *testing.T) {
	h := newHouse(t)
	l, err := connect(t, h.url, terrapin.Options{}).OpenWindows(t.Context(), windows(9, 4))
	require.NoError(t, err)
	require.Equal(t, terrapin.HTTP, l.Transport())
	want := drain(t, l)
	require.NoError(t, l.Close())
	for name, c := range map[string]struct {
		change func(t *testing.T, h *house)
		then   string
	}{
		"none":            {func(_ *testing.T, h *house) { h.at.Store("") }, terrapin.HTTP},
		"no memory left":  {func(t *testing.T, h *house) { h.open(t, 1) }, terrapin.HTTP},
		"hanging up":      {func(t *testing.T, h *house) { h.hangUp(t) }, terrapin.HTTP},
		"nobody there":    {func(t *testing.T, h *house) { h.open(t, 1); h.shut() }, terrapin.HTTP},
		"somewhere else":  {func(t *testing.T, h *house) { h.open(t, 0) }, terrapin.Ring},
		"no ring's place": {func(_ *testing.T, h *house) { h.at.Store("tcp:1") }, terrapin.HTTP},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			c.change(t, h)
			l, err := connect(t, h.url, terrapin.Options{Patience: -1}).OpenWindows(t.Context(), windows(9, 4))
			require.NoError(t, err)
			require.Equal(t, c.then, l.Transport())
			require.Equal(t, want, drain(t, l))
			require.NoError(t, l.Close())

			h = newHouse(t)
			h.open(t, 0)
			l, err = connect(t, h.url, terrapin.Options{Slots: 2, Patience: 2 * time.Second}).OpenWindows(t.Context(), windows(9, 4))
			require.NoError(t, err)
			require.Equal(t, terrapin.Ring, l.Transport())
			b := l.NewBatch()
			require.NoError(t, l.Next(b))
			got := []message{copied(t, b)}
			h.shut()
			c.change(t, h)
			require.Equal(t, want, append(got, drain(t, l)...))
			require.Equal(t, c.then, l.Transport())
			require.NoError(t, l.Close())
		})
	}
}

// Who asked for a ring gets no other transport, and waits for memory that others have.
func TestARingAndNoOther(t *testing.T) {
	h := newHouse(t)
	_, err := connect(t, h.url, terrapin.Options{Transport: terrapin.Ring}).OpenWindows(t.Context(), windows(9, 4))
	require.Equal(t, fault.Unsupported, fault.KindOf(err))
	h.open(t, 1)
	_, err = connect(t, h.url, terrapin.Options{Transport: terrapin.Ring}).OpenWindows(t.Context(), windows(9, 4))
	require.Equal(t, fault.TooLarge, fault.KindOf(err))
	h.shut()
	h.open(t, 0)
	two := connect(t, h.url, terrapin.Options{Transport: terrapin.Ring, Slots: 2})
	l, err := two.OpenWindows(t.Context(), windows(9, 4))
	require.NoError(t, err)
	require.NoError(t, l.Next(l.NewBatch()))
	page := os.Getpagesize()
	h.shut()
	h.open(t, 2*int64((l.Bytes()+page-1)/page*page)) // for one client
	other, err := connect(t, h.url, terrapin.Options{Transport: terrapin.Ring, Slots: 2}).OpenWindows(t.Context(), windows(9, 4))
	require.NoError(t, err)
	gone := make(chan error, 1)
	time.AfterFunc(300*time.Millisecond, func() { gone <- other.Close() })
	drain(t, l)
	require.NoError(t, <-gone)
	require.Equal(t, terrapin.Ring, l.Transport())
	require.NoError(t, l.Close())
}

// A full ring is no end: it goes on when a batch is released, and the end comes even so.
func TestAFullRing(t *testing.T) {
	url, _ := serve(t, nil)
	l, err := connect(t, url, terrapin.Options{Transport: terrapin.HTTP}).OpenWindows(t.Context(), windows(9, 4))
	require.NoError(t, err)
	want := drain(t, l)
	require.NoError(t, l.Close())
	require.Greater(t, len(want), 3)

	l, err = connect(t, url, terrapin.Options{Transport: terrapin.Ring, Slots: len(want)}).OpenWindows(t.Context(), windows(9, 4))
	require.NoError(t, err)
	defer l.Close()
	for range want {
		require.NoError(t, l.Next(l.NewBatch()))
	}
	require.ErrorIs(t, l.Next(l.NewBatch()), io.EOF, "though every slot is held")

	l, err = connect(t, url, terrapin.Options{Transport: terrapin.Ring, Slots: 2}).OpenWindows(t.Context(), windows(9, 4))
	require.NoError(t, err)
	defer l.Close()
	kept := []*terrapin.Batch{l.NewBatch(), l.NewBatch()}
	for i, b := range kept {
		require.NoError(t, l.Next(b))
		require.Equal(t, want[i], copied(t, b))
	}
	for range 2 {
		require.Equal(t, fault.Precondition, fault.KindOf(l.Next(l.NewBatch())))
	}
	kept[0].Release()
	require.Equal(t, want[2:], drain(t, l))
	require.Equal(t, want[1], copied(t, kept[1]))
}

// rings is how many rings this process has mapped, as client or server.
func rings(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	return strings.Count(string(maps), "memfd:terrapin-ring")
}

// The memory of a ring that broke goes with the last batch that lies in it, and not only with the loader.
func TestOldRingsAreForgotten(t *testing.T) {
	require.Eventually(t, func() bool { return rings(t) == 0 }, 5*time.Second, 10*time.Millisecond)
	h := newHouse(t)
	h.open(t, 0)
	l, err := connect(t, h.url, terrapin.Options{Slots: 3}).OpenWindows(t.Context(), windows(3, 1))
	require.NoError(t, err)
	defer l.Close()
	a, b := l.NewBatch(), l.NewBatch()
	require.NoError(t, l.Next(a))
	was := copied(t, a)
	h.shut()
	h.open(t, 0)
	require.Equal(t, 1, rings(t))
	for rings(t) < 3 { // what was on its way comes first
		require.NoError(t, l.Next(b))
	}
	require.Equal(t, was, copied(t, a), "kept beyond its ring's end")
	h.shut()
	h.at.Store("")
	drain(t, l)
	b.Release()
	require.Equal(t, terrapin.HTTP, l.Transport())
	require.Equal(t, was, copied(t, a))
	require.Equal(t, 1, rings(t), "only the one that a lies in")
	a.Release()
	require.Zero(t, rings(t))
	a.Release()
}

// Batches may be released by whoever works with them, while the next is read.
func TestReleasedElsewhere(t *testing.T) {
	url, _ := serve(t, nil)
	const slots, workers = 8, 3
	l, err := connect(t, url, terrapin.Options{Transport: terrapin.Ring, Slots: slots}).OpenWindows(t.Context(), windows(3, 1))
	require.NoError(t, err)
	free, full := make(chan *terrapin.Batch, slots), make(chan *terrapin.Batch, slots)
	for range slots - 1 {
		free <- l.NewBatch()
	}
	var sum atomic.Int64
	var work sync.WaitGroup
	for range workers {
		work.Go(func() {
			for b := range full {
				sum.Add(b.Position(0))
				b.Release()
				free <- b
			}
		})
	}
	for err == nil {
		b := <-free
		if err = l.Next(b); err == nil {
			full <- b
		}
	}
	close(full)
	work.Wait()
	require.True(t, errors.Is(err, io.EOF), "%v", err)
	n := int64(l.Steps())
	require.Equal(t, n*(n-1)/2, sum.Load())
	require.NoError(t, l.Close())
}

// Memory in which numbers would not lie where processors want them is refused.
func TestBatchInAligned(t *testing.T) {
	url, _ := serve(t, nil)
	l, err := connect(t, url, terrapin.Options{Transport: terrapin.HTTP}).OpenWindows(t.Context(), windows(9, 4))
	require.NoError(t, err)
	defer l.Close()
	memory := placed(l.Bytes() + 64)
	for _, off := range []int{1, 2, 8, 63} {
		_, err = l.BatchIn(memory[off:])
		require.Equal(t, fault.Invalid, fault.KindOf(err), "%d bytes off", off)
		require.NotEmpty(t, fault.CureOf(err))
	}
	b, err := l.BatchIn(memory[64:])
	require.NoError(t, err)
	require.NoError(t, l.Next(b))
}

// placed is memory at a multiple of 64.
func placed(size int) []byte {
	raw := make([]byte, size+63)
	skip := -int(uintptr(unsafe.Pointer(&raw[0]))) & 63
	return raw[skip : skip+size]
}
