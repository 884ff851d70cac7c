package compact

import (
	"context"
	"time"

	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/cube/layout"
)

const (
	// batchRefs bounds how many references are looked up at a time, blockBytes how many encoded bytes are
	// in memory beside the pack that is being filled.
	batchRefs  = 1 << 14
	blockBytes = 64 << 20
	// packBytes is when a pack is closed, between two runs; a run is never cut before runBytes.
	packBytes = 32 << 20
	runBytes  = 3 * windowBytes
	// stepRefs bounds the chunks of one commit.
	stepRefs = 1 << 15
)

// worker carries plans out, in steps that are a commit each.
type worker struct {
	cfg      Config
	view     *layout.View
	report   *Report
	throttle *throttle
	digests  digests

	pack   *icechunk.Pack
	packed int64 // bytes in the open object
	// What was copied since the last commit, and since when.
	moves []layout.Repoint
	bytes int64
	since time.Time

	done, total int
}

func newWorker(cfg Config, v *layout.View, r *Report, total int) *worker {
	return &worker{cfg: cfg, view: v, report: r, throttle: newThrottle(cfg.BytesPerSecond), pack: cfg.Cube.Repo().NewPackOf(runBytes), total: total}
}

// carryOut does the tasks of one cell.
func (w *worker) carryOut(ctx context.Context, p *plan) error {
	for tasks := p.tasks; len(tasks) > 0; {
		n, refs := 0, 0
		for n < len(tasks) && (n == 0 || refs < batchRefs) {
			refs += int(tasks[n].to-tasks[n].from+1) * len(p.layers)
			n++
		}
		if err := w.cfg.Pause(ctx); err != nil {
			return err
		}
		runs, err := w.runs(ctx, p, tasks[:n])
		if err != nil {
			return err
		}
		if err := w.copyAll(ctx, p, runs); err != nil {
			return err
		}
		tasks = tasks[n:]
	}
	return nil
}

// copyAll copies runs, as many at a time as memory allows, and commits whenever a step is full.
func (w *worker) copyAll(ctx context.Context, p *plan, runs []run) error {
	for len(runs) > 0 {
		n, size := 0, int64(0)
		room := min(blockBytes, w.cfg.StepBytes-w.bytes)
		for n < len(runs) && (n == 0 || size+runs[n].bytes() <= room) {
			size += runs[n].bytes()
			n++
		}
		if len(w.moves) == 0 {
			w.since = time.Now()
		}
		if err := w.copyBlock(ctx, p, runs[:n]); err != nil {
			return err
		}
		runs = runs[n:]
		if w.bytes >= w.cfg.StepBytes || len(w.moves) >= stepRefs || time.Since(w.since) >= w.cfg.StepTime {
			if err := w.commit(ctx); err != nil {
				return err
			}
		}
		if w.cfg.Progress != nil {
			w.cfg.Progress(min(w.done, w.total), w.total)
		}
	}
	return nil
}

// commit makes the step's copies durable and lets the references point to them.
func (w *worker) commit(ctx context.Context) error {
	if err := w.pack.Close(ctx); err != nil {
		return err
	}
	w.packed = 0
	if len(w.moves) == 0 {
		return nil
	}
	metadata := map[string]any{"compaction": true, "window_dates": w.cfg.Dates}
	err := w.cfg.Commit(ctx, func() error {
		did, err := w.cfg.Cube.Repoint(ctx, w.moves, "compact: chunks in training order", metadata)
		if err != nil {
			return err
		}
		w.report.Snapshot = did.Snapshot
		w.report.Moved += did.Chunks
		w.report.Bytes += did.Bytes
		if did.Chunks > 0 {
			w.report.Commits++
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.moves, w.bytes = w.moves[:0], 0
	w.view, err = w.cfg.Cube.At(ctx, "")
	return err
}
