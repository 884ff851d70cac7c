// Package observed counts what runs of batches do and what their reader keeps, as Prometheus metrics. It owns their
// names; it refuses to put datasets, runs or anything else of a ticket into their labels, so that they stay few and tell
// nobody's business. The invariant: what is counted is what was handed to a transport, once.
package observed

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/stream"
)

// Runs counts runs.
type Runs struct {
	open                    *prometheus.GaugeVec
	ended                   *prometheus.CounterVec
	batches, samples, bytes *prometheus.CounterVec
	waited                  *prometheus.CounterVec
}

var _ stream.Observer = (*Runs)(nil)

// New counts runs, and what their reader reads and keeps. It registers with reg:
//
//	terrapin_stream_runs_open{transport}             transport is ring, http, flight or none
//	terrapin_stream_runs_total{transport, outcome}   outcome is complete, left, expired or failed
//	terrapin_stream_batches_total{transport}
//	terrapin_stream_samples_total{transport}
//	terrapin_stream_bytes_total{transport}
//	terrapin_stream_wait_seconds_total{transport, on}   on is client, memory or pixels
//	terrapin_chunks_total{from}                      from is cache (or under way for another run) or store
//	terrapin_chunks_evicted_total
//	terrapin_chunk_cache_bytes
//	terrapin_chunk_cache_budget_bytes
//	terrapin_chunk_ranges_total, terrapin_chunk_read_bytes_total, terrapin_chunk_decode_seconds_total
func New(reg prometheus.Registerer, reader *read.Reader) *Runs {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "terrapin_stream_" + name, Help: help}, append([]string{"transport"}, labels...))
	}
	r := &Runs{
		open:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "terrapin_stream_runs_open", Help: "Runs of batches that are being read."}, []string{"transport"}),
		ended:   counter("runs_total", "Runs of batches that ended, by how.", "outcome"),
		batches: counter("batches_total", "Batches handed to a transport."),
		samples: counter("samples_total", "Samples or windows in them, without padding."),
		bytes:   counter("bytes_total", "Bytes of their arrays."),
		waited:  counter("wait_seconds_total", "Seconds that runs waited: on client, until it was sent the batch before and asked for more or made room; on memory, that other runs had; on pixels, until they were read.", "on"),
	}
	reg.MustRegister(r.open, r.ended, r.batches, r.samples, r.bytes, r.waited, newChunks(reader))
	return r
}

// Begin is part of stream.Observer.
func (r *Runs) Begin(ctx context.Context, _ stream.Info, transport string) (context.Context, stream.Watch) {
	if transport == "" {
		transport = "none"
	}
	w := &watch{
		runs: r, transport: transport, open: r.open.WithLabelValues(transport),
		batches: r.batches.WithLabelValues(transport), samples: r.samples.WithLabelValues(transport), bytes: r.bytes.WithLabelValues(transport),
		client: r.waited.WithLabelValues(transport, "client"), memory: r.waited.WithLabelValues(transport, "memory"), pixels: r.waited.WithLabelValues(transport, "pixels"),
	}
	w.open.Inc()
	return ctx, w
}

// watch counts for one run.
type watch struct {
	runs                    *Runs
	transport               string
	open                    prometheus.Gauge
	batches, samples, bytes prometheus.Counter
	client, memory, pixels  prometheus.Counter
}

// Assembled is part of stream.Watch.
func (w *watch) Assembled(stream.Assembly) {}

// Delivered is part of stream.Watch.
func (w *watch) Delivered(d stream.Delivery) {
	if d.Part == d.Parts-1 {
		w.batches.Inc()
	}
	w.samples.Add(float64(d.Samples))
	w.bytes.Add(float64(d.Bytes))
	w.client.Add(max(0, d.Client().Seconds()))
	w.memory.Add(d.Others.Seconds())
	w.pixels.Add(max(0, d.Pixels().Seconds()))
}

// Ended is part of stream.Watch.
func (w *watch) Ended(o stream.Outcome) {
	w.open.Dec()
	w.runs.ended.WithLabelValues(w.transport, string(o)).Inc()
}
