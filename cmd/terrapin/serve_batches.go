package main

import (
	"context"
	"crypto/rand"
	"net"

	"github.com/terrapin-eo/terrapin/predictions"
	"github.com/terrapin-eo/terrapin/serve/flight"
	"github.com/terrapin-eo/terrapin/serve/frame"
	"github.com/terrapin-eo/terrapin/serve/ring"
	"github.com/terrapin-eo/terrapin/stream"
)

// batchServers hand out batches of one engine: over Arrow Flight and, to processes on this machine, in shared memory. The
// third, over HTTP, stands below the HTTP server.
type batchServers struct {
	engine *stream.Engine
	flight *flight.Server
	rings  *ring.Server
	ringAt net.Listener // nil where there can be none
	// elsewhere is where the other two are, by transport.
	elsewhere map[string]string
}

func (w *workspace) batchServers(urls endpoints) batchServers {
	s := batchServers{engine: w.engine(), elsewhere: map[string]string{"batches": urls.HTTP + frame.Prefix}}
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

// serveRings begins to, where it can be.
func (s batchServers) serveRings(failed chan<- error) {
	if s.ringAt != nil {
		go func() { failed <- s.rings.Serve(s.ringAt) }()
	}
}
