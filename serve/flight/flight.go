// Package flight serves training batches and inference windows, and takes predictions back, over
// Arrow Flight, so that a stock client of any language needs no library of ours. It owns the wire:
// schemas, messages, statuses; what a ticket means is stream's business. The invariant: a stream that
// ends well is complete; whatever goes wrong ends it with a status that says what, where and how to
// mend it.
package flight

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/apache/arrow/go/v17/arrow/flight"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/predictions"
	"github.com/terrapin-eo/terrapin/stream"
	"github.com/terrapin-eo/terrapin/stream/receipts"
)

// Config is what a server offers.
type Config struct {
	Engine *stream.Engine
	// Predictions is where predictions are kept.
	Predictions predictions.Config
	// Published is called after a prediction became visible, before the client hears of it. Nil does nothing.
	Published func(ctx context.Context, item predictions.Item) error
	// Receipts takes what clients acknowledge; nil takes nothing.
	Receipts *receipts.Ledger
	// Elsewhere is where the same batches come faster, by transport; it goes with every endpoint.
	Elsewhere map[string]string
	// Log gets what clients are not told. Nil means the default logger.
	Log *slog.Logger
}

// Server is an Arrow Flight server.
type Server struct {
	flight.BaseFlightServer
	cfg   Config
	grpc  *grpc.Server
	conns conns
}

// writeBuffer is how many bytes gRPC gathers before the kernel is called. Each call has a price of its own and may have to
// wait, so that a third of the processor time goes from 128 KiB to this; beyond it nothing is gained. Connections have it
// out of one pool only while they write.
const writeBuffer = 1 << 20

// New makes a server that serves nothing yet.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Server{cfg: cfg}
	s.grpc = grpc.NewServer(
		grpc.MaxRecvMsgSize(stream.MaxMessageBytes+1<<20),
		grpc.WriteBufferSize(writeBuffer),
		grpc.ForceServerCodecV2(newCodec()),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.StatsHandler(&s.conns),
		grpc.UnaryInterceptor(s.guardUnary),
		grpc.StreamInterceptor(s.guardStream),
	)
	flight.RegisterFlightServiceServer(s.grpc, s)
	return s
}

// Serve answers on a listener until Shutdown; it closes the listener.
func (s *Server) Serve(l net.Listener) error {
	if err := s.grpc.Serve(noting{l, &s.conns}); err != nil {
		return fault.New(fault.Unavailable, "serve Flight on %s: %w", l.Addr(), err)
	}
	return nil
}

// Shutdown takes no new calls, lets those under way end, and cuts them off when ctx ends.
func (s *Server) Shutdown(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
	}
}
