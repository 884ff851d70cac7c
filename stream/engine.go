// Package stream turns a ticket into batches: it resolves what the ticket names, plans the steps,
// reads rows ahead of the one who takes them and lays them side by side in the arrays that are sent.
// It knows no transport and keeps nothing between runs but what its reader caches, the dataset
// versions and choices of samples used last, which never change, and memory to put batches together in. The invariant: a ticket gives the same rows in the same
// order with the same bits whoever asks, however often and in whatever pieces; a row that cannot be
// read ends the run with an error and is never filled in.
package stream

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/cube/read"
	"github.com/terrapin-eo/terrapin/datasets/order"
	"github.com/terrapin-eo/terrapin/datasets/selection"
	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/stream/receipts"
)

// Config is what an engine reads from.
type Config struct {
	// Root is the data directory.
	Root *store.Bucket
	// Cubes opens a cube of that directory by name; its error says which exist.
	Cubes func(ctx context.Context, name string) (*layout.Cube, error)
	// Reader reads pixels; its cache is shared by all runs.
	Reader *read.Reader
	// Receipts is where acknowledged steps of named runs are kept; nil keeps none.
	Receipts *receipts.Ledger
	// BatchBytes bounds the batches of all runs that are on their way, but for those in memory of their transport; 0 means
	// 4 GiB.
	BatchBytes int64
	// Observers are told of every run.
	Observers []Observer
}

// Engine opens runs. It is safe for concurrent use.
type Engine struct {
	cfg      Config
	versions *versions
	heap     *heap
	choices  *selection.Cache
	// transport is what runs leave by.
	transport string
}

// New makes an engine.
func New(cfg Config) *Engine {
	if cfg.Reader == nil {
		cfg.Reader = read.New(read.Config{})
	}
	return &Engine{cfg: cfg, versions: &versions{root: cfg.Root}, heap: &heap{bytes: budget{limit: cfg.BatchBytes}}, choices: selection.NewCache(maxChoiceBytes)}
}

// Open resolves a ticket and plans its run; nothing is read before the first Next. The caller closes
// the run.
func (e *Engine) Open(ctx context.Context, t Ticket) (*Run, error) {
	if t.Windows != nil {
		return e.openWindowRun(ctx, *t.Windows)
	}
	if t.Samples == nil {
		return nil, fault.New(fault.Invalid, "an empty ticket").WithCure("name a dataset or a cube")
	}
	return e.openSampleRun(ctx, *t.Samples)
}

func (e *Engine) openSampleRun(ctx context.Context, given SampleTicket) (*Run, error) {
	src, t, err := e.openSamples(ctx, given)
	if err != nil {
		return nil, err
	}
	n := src.order.Len()
	plan, err := order.NewPlan(n, t.Start, t.BatchSize, t.WorldSize, order.Tail(t.Tail))
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "ticket: %w", err)
	}
	t.Tail = string(plan.Tail)
	info := Info{Ticket: Ticket{Samples: &t}, Pinned: given.Dataset == t.Dataset, Samples: n, Digest: t.Digest}
	run, err := newRun(info, src, plan, t.Rank, t.MessageBytes, &share{heap: e.heap})
	if err != nil {
		return nil, err
	}
	if err := run.turnBy(t); err != nil {
		return nil, err
	}
	run.maskBy(t)
	run.ledger, run.watched = e.cfg.Receipts, watched{observers: e.cfg.Observers, transport: e.transport}
	run.info.Facts, err = marshal(src.facts(t, run.info))
	return run, err
}

func (e *Engine) openWindowRun(ctx context.Context, given WindowTicket) (*Run, error) {
	src, t, err := e.openWindows(ctx, given)
	if err != nil {
		return nil, err
	}
	n := src.tiling.len()
	if t.Start > n {
		return nil, fault.New(fault.Invalid, "ticket: key \"start\": window %d lies beyond the %d windows of the area", t.Start, n).
			WithCure("count windows from 0, of the same cube, bounds, size and overlap as before")
	}
	plan, err := order.NewPlan(n, t.Start, t.BatchSize, 1, order.Short)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "ticket: %w", err)
	}
	info := Info{Ticket: Ticket{Windows: &t}, Pinned: given.Version == t.Version && given.Normalise == t.Normalise, Samples: n}
	run, err := newRun(info, src, plan, 0, t.MessageBytes, &share{heap: e.heap})
	if err != nil {
		return nil, err
	}
	run.watched = watched{observers: e.cfg.Observers, transport: e.transport}
	run.info.Facts, err = marshal(src.facts(t, run.info))
	return run, err
}

func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fault.New(fault.Internal, "describe the run: %w", err)
	}
	return bytes.TrimSpace(out.Bytes()), nil
}
