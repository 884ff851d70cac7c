package flight

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
	"github.com/terrapin-eo/terrapin/stream"
)

func TestOutcomeTellsKindTextAndCure(t *testing.T) {
	var log bytes.Buffer
	s := &Server{cfg: Config{Log: slog.New(slog.NewTextHandler(&log, nil))}}
	for _, kind := range fault.Kinds() {
		st := status.Convert(s.outcome(t.Context(), "m", nil, fault.New(kind, "what is wrong").WithCure("mend it")))
		require.Equal(t, kind.GRPC(), st.Code())
		if kind != fault.Internal {
			require.Equal(t, "what is wrong\n  cure: mend it", st.Message())
		}
	}
	require.NoError(t, s.outcome(t.Context(), "m", nil, nil))

	for _, hidden := range []error{
		s.outcome(t.Context(), "m", nil, errors.New("open /secret: i/o error")),
		s.outcome(t.Context(), "m", "index out of range /secret", nil),
	} {
		st := status.Convert(hidden)
		require.Equal(t, codes.Internal, st.Code())
		require.NotContains(t, st.Message(), "secret")
		id := strings.Fields(st.Message())[2]
		require.Contains(t, log.String(), id, "the log has the incident")
	}
	require.Contains(t, log.String(), "/secret: i/o error")

	long := status.Convert(s.outcome(t.Context(), "m", nil, fault.New(fault.NotFound, "%s", strings.Repeat("é", 5000))))
	require.Less(t, len(long.Message()), 2100, "trailers are limited to 8 KiB")
	require.True(t, utf8.ValidString(long.Message()))

	own := status.Error(codes.Unimplemented, "method Nope is not there")
	require.Equal(t, own, s.outcome(t.Context(), "m", nil, own), "what gRPC says itself stays as it is")
}

func TestActorOf(t *testing.T) {
	require.Equal(t, "anonymous", actorOf(t.Context()))
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs(actorHeader, "ada"))
	require.Equal(t, "ada", actorOf(ctx))
}

// dial starts a server whose cubes are opened by a function, and a Go client of it.
func dial(t *testing.T, cubes func(ctx context.Context, name string) (*layout.Cube, error)) (flight.FlightServiceClient, *Server, <-chan error) {
	t.Helper()
	root := store.New(mem.New(), "mem://")
	srv := New(Config{Engine: stream.New(stream.Config{Root: root, Cubes: cubes}), Log: slog.New(slog.DiscardHandler)})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		srv.Shutdown(t.Context())
	})
	return flight.NewFlightServiceClient(conn), srv, done
}

func TestPanicInACallEndsThatCallOnly(t *testing.T) {
	client, _, _ := dial(t, func(context.Context, string) (*layout.Cube, error) { panic("broken") })
	for range 2 {
		got, err := client.DoGet(t.Context(), &flight.Ticket{Ticket: []byte(`{"cube": "s2"}`)})
		require.NoError(t, err)
		_, err = got.Recv()
		require.Equal(t, codes.Internal, status.Code(err))
		require.NotContains(t, err.Error(), "broken")
		_, err = client.GetFlightInfo(t.Context(), &flight.FlightDescriptor{Type: flight.DescriptorCMD, Cmd: []byte(`{"cube": "s2"}`)})
		require.Equal(t, codes.Internal, status.Code(err))
	}
}

// Shutdown lets a call end, and cuts it off when its time is over.
func TestShutdown(t *testing.T) {
	for _, patient := range []bool{true, false} {
		begun, release := make(chan struct{}), make(chan struct{})
		client, srv, done := dial(t, func(ctx context.Context, _ string) (*layout.Cube, error) {
			close(begun)
			select {
			case <-release:
				return nil, fault.New(fault.NotFound, "no such cube").WithCure("make it")
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		got, err := client.DoGet(t.Context(), &flight.Ticket{Ticket: []byte(`{"cube": "s2"}`)})
		require.NoError(t, err)
		<-begun
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if patient {
			ctx, cancel = context.WithCancel(t.Context())
			close(release)
		}
		srv.Shutdown(ctx)
		cancel()
		require.NoError(t, <-done)
		_, err = got.Recv()
		want := codes.Unavailable
		if patient {
			want = codes.NotFound
		}
		require.Equal(t, want, status.Code(err), "%v", err)
	}
}

// What is no prediction stream is told so and never panics.
func TestPutRefusesWhatItCannotRead(t *testing.T) {
	client, _, _ := dial(t, func(context.Context, string) (*layout.Cube, error) {
		return nil, fault.New(fault.NotFound, "no such cube").WithCure("make it")
	})
	command := func(text string) *flight.FlightData {
		return &flight.FlightData{FlightDescriptor: &flight.FlightDescriptor{Type: flight.DescriptorCMD, Cmd: []byte(text)}}
	}
	for _, c := range []struct {
		first *flight.FlightData
		code  codes.Code
		says  string
	}{
		{nil, codes.InvalidArgument, "empty stream"},
		{&flight.FlightData{}, codes.InvalidArgument, "no command"},
		{command(`{"predictions": 7}`), codes.InvalidArgument, "not a JSON object"},
		{command(`{"dataset": "crops"}`), codes.InvalidArgument, `unknown key "dataset"`},
		{command(`{}`), codes.InvalidArgument, `"predictions" is missing`},
		{command(`{"predictions": {"model": "m", "cube": "s2"}}`), codes.InvalidArgument, `"names" is missing`},
		{command(`{"predictions": {"model": "m", "cube": "s2", "names": ["a"], "classes": 3}}`), codes.InvalidArgument, `"classes"`},
		{command(`{"predictions": {"model": "m", "cube": "s2", "names": ["a"]}}`), codes.NotFound, "no such cube"},
	} {
		put, err := client.DoPut(t.Context())
		require.NoError(t, err)
		if c.first != nil {
			if err := put.Send(c.first); err != nil {
				require.ErrorIs(t, err, io.EOF)
			}
		}
		require.NoError(t, put.CloseSend())
		_, err = put.Recv()
		require.Equal(t, c.code, status.Code(err), "%v", err)
		require.Contains(t, err.Error(), c.says)
	}
}
