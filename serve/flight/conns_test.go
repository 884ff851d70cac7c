package flight

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/terrapin-eo/terrapin/serve/servetest"
	"github.com/terrapin-eo/terrapin/stream"
)

// large windows are of some megabytes each, more than gRPC and the kernel hold for a client that reads nothing.
const large = 1024

// smallServer listens on a unix socket if local is set, else on loopback.
func smallServer(t *testing.T, local bool) string {
	t.Helper()
	s := New(Config{Engine: servetest.EngineOf(t, stream.Config{BatchBytes: 3 * 15 << 20})})
	network, at, scheme := "tcp", "127.0.0.1:0", ""
	if local {
		network, at, scheme = "unix", filepath.Join(t.TempDir(), "s"), "unix:"
	}
	l, err := net.Listen(network, at)
	require.NoError(t, err)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx)
	})
	return scheme + l.Addr().String()
}

func ask(t *testing.T, ctx context.Context, conn *grpc.ClientConn) flight.FlightService_DoGetClient {
	t.Helper()
	ticket := fmt.Sprintf(`{"cube": "s2", "size": %d, "overlap": %d, "batch_size": 1}`, large, large-1)
	get, err := flight.NewFlightServiceClient(conn).DoGet(ctx, &flight.Ticket{Ticket: []byte(ticket)}, grpc.MaxCallRecvMsgSize(1<<30))
	require.NoError(t, err)
	return get
}

func reach(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// The batches of clients that went away without reading do not stay in the budget; nor do those of clients that stay and
// read nothing, even after all there is was handed to gRPC.
func TestBatchesThatNobodyTakesComeBack(t *testing.T) {
	for _, c := range []struct{ leaves, local bool }{{leaves: true}, {}, {local: true}} {
		addr := smallServer(t, c.local)
		for range 4 {
			conn := reach(t, addr)
			_, err := ask(t, t.Context(), conn).Recv() // the schema
			require.NoError(t, err)
			time.Sleep(50 * time.Millisecond) // for messages to be queued
			if c.leaves {
				require.NoError(t, conn.Close())
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		get := ask(t, ctx, reach(t, addr))
		for range 4 {
			_, err := get.Recv()
			require.NoError(t, err)
		}
	}
}

// A stream that takes nothing does not take another with it that is read over the same connection.
func TestACutSparesOthersOfAConnection(t *testing.T) {
	addr := smallServer(t, false)
	conn := reach(t, addr)
	for _, idle := range []*grpc.ClientConn{conn, reach(t, addr), reach(t, addr)} {
		_, err := ask(t, t.Context(), idle).Recv()
		require.NoError(t, err)
	}
	get := ask(t, t.Context(), conn)
	begin := time.Now()
	for n := 0; n < 5 || time.Since(begin) < 9*time.Second; n++ {
		_, err := get.Recv()
		require.NoError(t, err, n)
		time.Sleep(100 * time.Millisecond)
	}
}
