package frame_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/array"
	arrow "github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/terrapin-eo/terrapin/serve/flight"
	"github.com/terrapin-eo/terrapin/serve/frame"
	"github.com/terrapin-eo/terrapin/serve/servetest"
	"github.com/terrapin-eo/terrapin/stream"
)

// images gives the images of a ticket's messages one after the other, and io.EOF.
type images func() ([]byte, error)

// overHTTP reads frames, whose first column is the image of so many bytes a row.
func overHTTP(ctx context.Context, t *testing.T, e *stream.Engine, ticket []byte, rowBytes int) images {
	server := httptest.NewServer(frame.Handler(frame.Config{Engine: e}))
	t.Cleanup(server.Close)
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+frame.Prefix, strings.NewReader(string(ticket)))
	require.NoError(t, err)
	got, err := server.Client().Do(q)
	require.NoError(t, err)
	t.Cleanup(func() { _ = got.Body.Close() })
	kind, _, _, _ := next(t, got.Body)
	require.Equal(t, frame.Hello, kind)
	return func() ([]byte, error) {
		kind, _, rows, block := next(t, got.Body)
		if kind == frame.End {
			return nil, io.EOF
		}
		require.Equal(t, frame.Batch, kind)
		return block[:rows*rowBytes], nil
	}
}

// overFlight reads record batches.
func overFlight(ctx context.Context, t *testing.T, e *stream.Engine, ticket []byte, _ int) images {
	server := flight.New(flight.Config{Engine: e, Log: slog.New(slog.DiscardHandler)})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		server.Shutdown(ended)
	})
	client, err := arrow.NewClientWithMiddleware(l.Addr().String(), nil, nil, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	got, err := client.DoGet(ctx, &arrow.Ticket{Ticket: ticket})
	require.NoError(t, err)
	reader, err := arrow.NewRecordReader(got)
	require.NoError(t, err)
	return func() ([]byte, error) {
		record, err := reader.Read()
		if err != nil {
			return nil, err
		}
		column := record.Column(record.Schema().FieldIndices("image")[0])
		if extended, is := column.(array.ExtensionArray); is {
			column = extended.Storage()
		}
		values := column.(*array.FixedSizeList).ListValues().Data()
		return append([]byte(nil), values.Buffers()[1].Bytes()...), nil
	}
}

// What is lent out of the cache arrives as what is copied, and goes back whether the client takes it all or leaves.
func TestLentImagesAreTheCopiedOnes(t *testing.T) {
	for name, over := range map[string]func(context.Context, *testing.T, *stream.Engine, []byte, int) images{"http": overHTTP, "flight": overFlight} {
		t.Run(name, func(t *testing.T) {
			e, reader, ticket := servetest.Chips(t)
			want := servetest.Messages(t, e, ticket)
			require.Len(t, want, 6)
			const rowBytes = 2 * 2 * 128 * 128 * 2 // two dates, two bands
			var most atomic.Int64
			watching, stop := context.WithCancel(t.Context())
			defer stop()
			go func() { // a loan may last for microseconds
				for watching.Err() == nil {
					most.Store(max(most.Load(), reader.Stats().Lent))
					runtime.Gosched()
				}
			}()
			read := over(t.Context(), t, e, ticket, rowBytes)
			for _, w := range want {
				got, err := read()
				require.NoError(t, err)
				require.Equal(t, w.Block[:w.Rows*rowBytes], got)
			}
			_, err := read()
			require.True(t, errors.Is(err, io.EOF), err)
			all := func() bool { return reader.Stats().Lent == 0 }
			require.Eventually(t, all, 10*time.Second, time.Millisecond, "what was taken")

			for range 100 {
				ctx, cancel := context.WithCancel(t.Context())
				read = over(ctx, t, e, ticket, rowBytes)
				_, err = read()
				cancel()
				require.NoError(t, err)
				require.Eventually(t, all, 10*time.Second, time.Millisecond, "what was left")
				if most.Load() > 0 {
					break
				}
			}
			require.Positive(t, most.Load(), "something was lent at all")
		})
	}
}
