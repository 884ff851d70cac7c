package frame_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/serve/frame"
	"github.com/terrapin-eo/terrapin/serve/servetest"
	"github.com/terrapin-eo/terrapin/stream"
)

// next reads a header and what follows it.
func next(t *testing.T, r io.Reader) (kind frame.Kind, step uint64, rows int, body []byte) {
	t.Helper()
	var head [frame.HeaderBytes]byte
	_, err := io.ReadFull(r, head[:])
	require.NoError(t, err)
	le := binary.LittleEndian
	body = make([]byte, le.Uint32(head[4:]))
	_, err = io.ReadFull(r, body)
	require.NoError(t, err)
	return frame.Kind(le.Uint32(head[:])), le.Uint64(head[8:]), int(le.Uint32(head[24:])), body
}

// Over HTTP come a hello, the very blocks that the engine makes, and an end; by POST and by GET.
func TestHTTPCarriesTheBlocks(t *testing.T) {
	e := servetest.Engine(t)
	server := httptest.NewServer(frame.Handler(frame.Config{Engine: e}))
	defer server.Close()
	ticket := servetest.Ticket(t, 9, 4)
	want := servetest.Messages(t, e, ticket)
	require.Greater(t, len(want), 3)
	for _, ask := range []func() (*http.Response, error){
		func() (*http.Response, error) {
			return http.Post(server.URL+frame.Prefix, "application/json", strings.NewReader(string(ticket)))
		},
		func() (*http.Response, error) {
			return http.Get(server.URL + frame.Prefix + "?ticket=" + url.QueryEscape(string(ticket)))
		},
	} {
		got, err := ask()
		require.NoError(t, err)
		require.Equal(t, frame.MediaType, got.Header.Get("Content-Type"))
		kind, _, _, text := next(t, got.Body)
		require.Equal(t, frame.Hello, kind)
		var hello frame.HelloDocument
		require.NoError(t, json.Unmarshal(text, &hello))
		require.Equal(t, 4, hello.Rows)
		require.Equal(t, "image", hello.Columns[0].Name)
		for _, w := range want {
			kind, step, rows, block := next(t, got.Body)
			require.Equal(t, frame.Batch, kind)
			require.Equal(t, w.Step, step)
			require.Equal(t, w.Rows, rows)
			require.Equal(t, w.Block, block[:len(block)-stream.ChunksBytes])
			counts := block[len(block)-stream.ChunksBytes:]
			require.Positive(t, binary.LittleEndian.Uint64(counts)+binary.LittleEndian.Uint64(counts[16:]), "chunks kept and decoded")
		}
		kind, _, _, _ = next(t, got.Body)
		require.Equal(t, frame.End, kind)
		rest, err := io.ReadAll(got.Body)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.NoError(t, got.Body.Close())
	}
}

// What cannot be read is refused with a status, before anything is sent.
func TestHTTPRefuses(t *testing.T) {
	server := httptest.NewServer(frame.Handler(frame.Config{Engine: servetest.Engine(t)}))
	defer server.Close()
	for ticket, status := range map[string]int{
		`{"cube": "s2", "sise": 3}`:        http.StatusBadRequest,
		`no JSON`:                          http.StatusBadRequest,
		`{"dataset": "crops"}`:             http.StatusNotFound,
		`{"cube": "s2", "bands": ["B99"]}`: http.StatusNotFound,
		`{"cube": "s2", "x": "` + strings.Repeat("x", 1<<20) + `"}`: http.StatusBadRequest,
	} {
		for _, path := range []string{"", "/info"} {
			got, err := http.Post(server.URL+frame.Prefix+path, "application/json", strings.NewReader(ticket))
			require.NoError(t, err)
			text, err := io.ReadAll(got.Body)
			require.NoError(t, err)
			require.NoError(t, got.Body.Close())
			require.Equal(t, status, got.StatusCode, "%.60s: %s", ticket, text)
			var f frame.Failure
			require.NoError(t, json.Unmarshal(text, &f))
			require.NotEmpty(t, f.Message)
		}
	}
}

// Connections that read nothing, more than memory is for, keep a client that reads waiting for seconds, not for one after
// the other.
func TestStalledConnectionsLeaveTogether(t *testing.T) {
	const size, stalled, room = 512, 60, 40
	const block = 2*3*size*size*2 + 2*size*size + 1<<10 // 2 slots of 3 bands of uint16, and what is valid
	e := servetest.EngineOf(t, stream.Config{BatchBytes: room * block})
	server := httptest.NewServer(frame.Handler(frame.Config{Engine: e}))
	defer server.Close()
	defer server.CloseClientConnections()
	ticket := fmt.Sprintf(`{"cube": "s2", "size": %d, "overlap": %d, "batch_size": 1}`, size, size-1)
	at := frame.Prefix + "?ticket=" + url.QueryEscape(ticket)
	for range stalled {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(16<<10))
		_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", at)
		require.NoError(t, err)
	}
	time.Sleep(time.Second)
	began := time.Now()
	got, err := http.Get(server.URL + at)
	require.NoError(t, err)
	defer got.Body.Close()
	require.Equal(t, http.StatusOK, got.StatusCode)
	kind, _, _, _ := next(t, got.Body)
	require.Equal(t, frame.Hello, kind)
	for range 5 {
		kind, _, _, _ := next(t, got.Body)
		require.Equal(t, frame.Batch, kind)
	}
	require.Less(t, time.Since(began), 15*time.Second)
}
