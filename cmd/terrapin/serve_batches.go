package main

import (
	"context"
	"crypto/rand"
	"net"
	"net/url"

	"github.com/terrapin-eo/terrapin/predictions"
	"github.com/terrapin-eo/terrapin/serve/flight"
	"github.com/terrapin-eo/terrapin/serve/frame"
	"github.com/terrapin-eo/terrapin/serve/ring"
	"github.com/terrapin-eo/terrapin/stream"
)

// batchServers hand out batches of one engine: over Arrow Flight and, to processes on this machine, in shared memory. The
// third, over HTTP, stands below the HTTP server.
type batchServers struct {
	engine  *stream.Engine
	flight  *flight.Server
	rings   *ring.Server
	ringAt  net.Listener // nil where there can be none
	flights []net.Listener
	// elsewhere is where else the same batches come, by transport: faster than over the flights' first, but for a socket of theirs,
	// which has the permissions of a file instead.
	elsewhere map[string]string
}

func (w *workspace) batchServers(urls endpoints, flights []net.Listener) batchServers {
	s := batchServers{engine: w.engine(), flights: flights, elsewhere: map[string]string{"batches": urls.HTTP + frame.Prefix}}
	for _, l := range flights {
		if at, ok := l.Addr().(*net.UnixAddr); ok {
			s.elsewhere["flight_socket"] = (&url.URL{Scheme: "grpc+unix", Path: at.Name}).String()
		}
	}
	key := rand.Text()
	s.rings = ring.New(ring.Config{Engine: s.engine.Over("ring"), Key: key, Bytes: w.batchBytes, Log: w.log})
	if at, err := ring.Listen(); err == nil {
		s.ringAt, s.elsewhere["ring"] = at, ring.URL(at, key)
	} else {
		w.log.Warn("no batches in shared memory: clients on this machine read over HTTP", "error", err)
	}
	s.flight = flight.New(flight.Config{
		Engine:      s.engine.Over("flight"),
		Predictions: predictions.Config{Root: w.root},
		Receipts:    w.ledger,
		Published:   func(ctx context.Context, _ predictions.Item) error { return w.catchUp(ctx) },
		Elsewhere:   s.elsewhere,
		Log:         w.log,
	})
	return s
}

// serve begins to; rings only where they can be.
func (s batchServers) serve(failed chan<- error) {
	for _, l := range s.flights {
		go func() { failed <- s.flight.Serve(l) }()
	}
	if s.ringAt != nil {
		go func() { failed <- s.rings.Serve(s.ringAt) }()
	}
}
