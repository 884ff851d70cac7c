package terrapin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	terrapin "github.com/terrapin-eo/terrapin/clients/go"
	"github.com/terrapin-eo/terrapin/serve/frame"
	"github.com/terrapin-eo/terrapin/serve/ring"
	"github.com/terrapin-eo/terrapin/serve/servetest"
	"github.com/terrapin-eo/terrapin/stream"
)

const key = "a key"

// handler answers as a server does, with batches behind a handler of its own.
func handler(t testing.TB, e *stream.Engine, batches http.Handler) http.Handler {
	t.Helper()
	rings := ring.New(ring.Config{Engine: e, Key: key})
	l, err := ring.Listen()
	require.NoError(t, err)
	go func() { _ = rings.Serve(l) }()
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		rings.Shutdown(ended)
	})
	mux := http.NewServeMux()
	mux.Handle(frame.Prefix, batches)
	mux.HandleFunc("/v1/server", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"batches": "http://" + r.Host + frame.Prefix, "ring": ring.URL(l, key)})
	})
	return mux
}

// serve is a server over a small cube.
func serve(t testing.TB, batches http.Handler) (url string, e *stream.Engine) {
	t.Helper()
	e = servetest.Engine(t)
	if batches == nil {
		batches = frame.Handler(frame.Config{Engine: e})
	}
	server := httptest.NewServer(handler(t, e, batches))
	t.Cleanup(server.Close)
	return server.URL, e
}

// TestServe is not a test but the server of TestABatchAllocatesNothing, which has to be another process.
func TestServe(t *testing.T) {
	if os.Getenv("TERRAPIN_TEST_SERVE") != "1" {
		return
	}
	url, _ := serve(t, nil)
	fmt.Println(url)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the other one is done
}

// elsewhere starts a server in another process.
func elsewhere(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestServe$")
	cmd.Env = append(os.Environ(), "TERRAPIN_TEST_SERVE=1")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return line[:len(line)-1]
}

func connect(t testing.TB, url string, o terrapin.Options) *terrapin.Client {
	t.Helper()
	c, err := terrapin.Connect(t.Context(), url, o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// message is a copy of what a batch held.
type message struct {
	step        uint64
	part, parts int
	positions   []int64
	ids         []string
	image       []uint16
}

func copied(t testing.TB, b *terrapin.Batch) message {
	t.Helper()
	m := message{step: b.Step, part: b.Part, parts: b.Parts}
	for i := range b.Rows {
		m.positions = append(m.positions, b.Position(i))
		m.ids = append(m.ids, string(b.ID(i)))
	}
	image, err := terrapin.Values[uint16](b, "image")
	require.NoError(t, err)
	m.image = append(m.image, image...)
	return m
}

// drain reads a loader to its end.
func drain(t testing.TB, l *terrapin.Loader) (out []message) {
	t.Helper()
	b := l.NewBatch()
	for {
		err := l.Next(b)
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		out = append(out, copied(t, b))
	}
}

func windows(size, batch int) terrapin.Windows {
	return terrapin.Windows{Cube: "s2", Size: size, BatchSize: batch}
}
