package main

import (
	"context"
	"sync"
	"time"

	"github.com/terrapin-eo/terrapin/cube/compact"
)

// quietTime is how long no job may have committed before a server compacts by itself.
const quietTime = time.Minute

// jobs knows whether verbs that commit are running.
type jobs struct {
	mu      sync.Mutex
	running int
	ended   int // how many did
	since   time.Time
	quiet   chan struct{} // closed when the last one ends; nil while none runs
}

// begin notes a job; the function it returns, that the job has ended.
func (j *jobs) begin() (end func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.running++; j.quiet == nil {
		j.quiet = make(chan struct{})
	}
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.running--
		j.ended++
		j.since = time.Now()
		if j.running == 0 {
			close(j.quiet)
			j.quiet = nil
		}
	}
}

// wait returns when no job runs.
func (j *jobs) wait(ctx context.Context) error {
	for {
		j.mu.Lock()
		quiet := j.quiet
		j.mu.Unlock()
		if quiet == nil {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-quiet:
		}
	}
}

// idle reports whether there was nothing to do for some time, and how many jobs have ended until now.
func (j *jobs) idle(now time.Time, quiet time.Duration) (bool, int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.running == 0 && now.Sub(j.since) >= quiet, j.ended
}

// compactWhenIdle compacts all cubes once after the server started, and again after jobs have ended and
// none came for some time. While a job runs it waits.
func (w *workspace) compactWhenIdle(ctx context.Context, bytesPerSecond int64, quiet time.Duration) {
	w.jobs.begin()() // the server's start counts as one
	tick := time.NewTicker(max(quiet/4, time.Millisecond))
	defer tick.Stop()
	for done := 0; ; {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			idle, ended := w.jobs.idle(now, quiet)
			if !idle || ended == done {
				continue
			}
			done = ended
			w.compactAll(ctx, bytesPerSecond)
		}
	}
}

// compactAll compacts every cube; what stands in the way of one is logged.
func (w *workspace) compactAll(ctx context.Context, bytesPerSecond int64) {
	names, err := w.cubeNames(ctx)
	if err != nil {
		w.log.WarnContext(ctx, "compaction", "error", err)
	}
	for _, name := range names {
		opened, err := w.cube(ctx, name)
		var report compact.Report
		if err == nil {
			report, err = w.compact(ctx, compact.Config{Cube: opened, BytesPerSecond: bytesPerSecond, Pause: w.jobs.wait})
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			w.log.WarnContext(ctx, "compaction", "cube", name, "error", err)
		}
		if report.Moved > 0 {
			w.log.InfoContext(ctx, "compacted", "cube", name, "snapshot", report.Snapshot, "chunks", report.Moved, "bytes", report.Bytes, "commits", report.Commits)
		}
	}
}
