package observed_test

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/frame"
	"github.com/terrapin-eo/terrapin/serve/servetest"
	"github.com/terrapin-eo/terrapin/stream"
	"github.com/terrapin-eo/terrapin/stream/observed"
)

func open(t *testing.T, e *stream.Engine) *stream.Run {
	t.Helper()
	ticket, err := stream.ParseTicket(servetest.Ticket(t, 9, 4))
	require.NoError(t, err)
	run, err := e.Open(t.Context(), ticket)
	require.NoError(t, err)
	return run
}

// take reads some batches, or all.
func take(t *testing.T, run *stream.Run, n int) (batches, samples, bytes int) {
	t.Helper()
	for batches < n {
		b, err := run.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		batches, samples, bytes = batches+1, samples+b.Rows, bytes+len(b.Block().Bytes)
		b.Release()
	}
	return batches, samples, bytes
}

// Runs are counted by transport from their first batch to their end, with what they hand out.
func TestRunsAreCounted(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	reader := read.New(read.Config{})
	e := servetest.EngineOf(t, stream.Config{Reader: reader, Observers: []stream.Observer{observed.New(reg, reader)}})

	planned := open(t, e.Over("ring")) // nothing is read, as for GetFlightInfo
	planned.Close()
	whole := open(t, e.Over("ring"))
	batches, samples, bytes := take(t, whole, 1000)
	require.Greater(t, batches, 3)
	left := open(t, e.Over("http"))
	more, moreSamples, moreBytes := take(t, left, 1)
	compare := func(names string, want string) {
		t.Helper()
		require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(want), strings.Fields(names)...))
	}
	compare("terrapin_stream_runs_open", `
# HELP terrapin_stream_runs_open Runs of batches that are being read.
# TYPE terrapin_stream_runs_open gauge
terrapin_stream_runs_open{transport="http"} 1
terrapin_stream_runs_open{transport="ring"} 1
`)
	whole.Close()
	left.Close()
	compare("terrapin_stream_runs_open terrapin_stream_runs_total", `
# HELP terrapin_stream_runs_open Runs of batches that are being read.
# TYPE terrapin_stream_runs_open gauge
terrapin_stream_runs_open{transport="http"} 0
terrapin_stream_runs_open{transport="ring"} 0
# HELP terrapin_stream_runs_total Runs of batches that ended, by how.
# TYPE terrapin_stream_runs_total counter
terrapin_stream_runs_total{outcome="complete",transport="ring"} 1
terrapin_stream_runs_total{outcome="left",transport="http"} 1
`)
	for name, want := range map[string][2]int{"batches": {batches, more}, "samples": {samples, moreSamples}, "bytes": {bytes, moreBytes}} {
		require.Equal(t, float64(want[0]), value(t, reg, "terrapin_stream_"+name+"_total", "ring"), name)
		require.Equal(t, float64(want[1]), value(t, reg, "terrapin_stream_"+name+"_total", "http"), name)
	}
	stats := reader.Stats()
	require.Positive(t, stats.Misses)
	require.Equal(t, float64(stats.Misses), value(t, reg, "terrapin_chunks_total", "store"))
	require.Equal(t, float64(stats.Hits), value(t, reg, "terrapin_chunks_total", "cache"))
	require.Equal(t, float64(stats.Bytes), value(t, reg, "terrapin_chunk_cache_bytes"))
	require.Equal(t, float64(512<<20), value(t, reg, "terrapin_chunk_cache_budget_bytes"))
}

// value is the sum of the metrics of a name that have labels of these values.
func value(t *testing.T, reg *prometheus.Registry, name string, labels ...string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			values := []string{}
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if f.GetName() == name && !slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(values, l) }) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// A client that is slow, and one that is waited for, are told apart.
func TestWaitingIsForTheRightOne(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	reader := read.New(read.Config{})
	e := servetest.EngineOf(t, stream.Config{Reader: reader, Observers: []stream.Observer{observed.New(reg, reader)}})
	run := open(t, e.Over("flight"))
	take(t, run, 1)
	before := value(t, reg, "terrapin_stream_wait_seconds_total", "pixels")
	time.Sleep(150 * time.Millisecond) // the batch is worked on, and the next one is read
	take(t, run, 1)
	run.Close()
	require.Greater(t, value(t, reg, "terrapin_stream_wait_seconds_total", "client"), 0.14)
	require.Less(t, value(t, reg, "terrapin_stream_wait_seconds_total", "pixels")-before, 0.1)

	run = open(t, e.Over("ring"))
	room := &oneBlock{free: make(chan struct{}, 1)}
	room.free <- struct{}{}
	run.Use(room)
	b, err := run.Next(t.Context())
	require.NoError(t, err)
	time.AfterFunc(150*time.Millisecond, b.Release) // the client asks for more while it holds all memory
	b, err = run.Next(t.Context())
	require.NoError(t, err)
	b.Release()
	run.Close()
	require.Greater(t, value(t, reg, "terrapin_stream_wait_seconds_total", "client", "ring"), 0.14)
	require.Less(t, value(t, reg, "terrapin_stream_wait_seconds_total", "pixels", "ring"), 0.1)
}

// oneBlock is memory of one block.
type oneBlock struct{ free chan struct{} }

func (m *oneBlock) Take(ctx context.Context, size int) (*stream.Block, error) {
	select {
	case <-m.free:
		return stream.NewBlock(make([]byte, size), 0, func() { m.free <- struct{}{} }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// never is memory of a client that gives nothing back.
type never struct{}

func (never) Take(context.Context, int) (*stream.Block, error) {
	return nil, fault.New(fault.Unavailable, "%w", stream.ErrIdle)
}

// How a run ends is told: a client that takes nothing expires, over HTTP too, and what cannot be read fails.
func TestOutcomes(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	reader := read.New(read.Config{})
	e := servetest.EngineOf(t, stream.Config{Reader: reader, Observers: []stream.Observer{observed.New(reg, reader)}})
	run := open(t, e.Over("ring"))
	run.Use(never{})
	_, err := run.Next(t.Context())
	require.Error(t, err)
	run.Close()
	require.Equal(t, 1.0, value(t, reg, "terrapin_stream_runs_total", "expired"))

	done, cancel := context.WithCancel(t.Context())
	run = open(t, e.Over("ring"))
	cancel()
	_, err = run.Next(done)
	require.Error(t, err)
	run.Close()
	require.Equal(t, 1.0, value(t, reg, "terrapin_stream_runs_total", "left"))

	server := httptest.NewServer(frame.Handler(frame.Config{Engine: e.Over("http"), Idle: 50 * time.Millisecond}))
	defer server.Close()
	big := strings.NewReader(`{"cube": "s2", "size": 2048, "batch_size": 1}`) // more than sockets hold
	answer, err := server.Client().Post(server.URL+frame.Prefix, "application/json", big)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Eventually(t, func() bool { return value(t, reg, "terrapin_stream_runs_total", "http") == 1 }, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, 1.0, value(t, reg, "terrapin_stream_runs_total", "http", "expired"))
}
