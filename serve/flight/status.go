package flight

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/terrapin-eo/terrapin/fault"
)

// actorHeader is the header in which a client says who writes.
const actorHeader = "terrapin-actor"

// maxStatus keeps a status within the 8 KiB of trailers that clients accept, percent-encoding included.
const maxStatus = 2000

func (s *Server) guardUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	defer func() { err = s.outcome(ctx, info.FullMethod, recover(), err) }()
	return handler(ctx, req)
}

func (s *Server) guardStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer func() { err = s.outcome(ss.Context(), info.FullMethod, recover(), err) }()
	return handler(srv, ss)
}

// outcome turns what a handler ended with into the status its client sees.
func (s *Server) outcome(ctx context.Context, method string, panicked any, err error) error {
	if panicked != nil {
		err = fault.New(fault.Internal, "panic: %v\n%s", panicked, debug.Stack())
	}
	if err == nil {
		return nil
	}
	var own *fault.Error
	if st, ok := status.FromError(err); ok && !errors.As(err, &own) {
		return st.Err() // gRPC's own, such as a method that is not there
	}
	kind := fault.KindOf(err)
	if kind == fault.Internal {
		id := incident()
		s.cfg.Log.ErrorContext(ctx, "call failed", slog.String("method", method), slog.String("incident", id), slog.Any("error", err))
		return status.Error(codes.Internal, fmt.Sprintf("internal error %s\n  cure: look for %s in the server's log", id, id))
	}
	level := slog.LevelInfo
	if kind == fault.Canceled {
		level = slog.LevelDebug // clients come and go
	}
	s.cfg.Log.Log(ctx, level, "call refused", slog.String("method", method), slog.String("kind", kind.String()), slog.Any("error", err))
	return status.Error(kind.GRPC(), clip(fault.Text(err)))
}

// clip shortens a text without cutting a character in two.
func clip(text string) string {
	if len(text) <= maxStatus {
		return text
	}
	cut := maxStatus
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + " …"
}

// incident names one failure in the answer and in the log.
func incident() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // crypto/rand does not fail
	return hex.EncodeToString(b[:])
}

// actorOf is who a client says it is; nobody checks it yet.
func actorOf(ctx context.Context) string {
	if v := metadata.ValueFromIncomingContext(ctx, actorHeader); len(v) > 0 && v[0] != "" {
		return v[0]
	}
	return "anonymous"
}
