// Package compact lays the stored chunks of a cube in the order in which training reads them: windows of
// dates, in each the places of chunks along a Hilbert curve, at each place the dates one after
// another. It owns that order, the choice of what is worth moving, and the copying; it does not own
// the cube: package layout moves the references, and nothing else changes. It refuses to go on where a
// chunk is not what its recorded digest says. The invariant: a reference only ever moves to a copy of the
// same encoded bytes, compared by digest on the way, that is durable before the reference is.
//
// What is to be done follows from where the chunks lie now; nothing is noted down elsewhere. A second run
// finds nothing to do, and a run that was killed is taken up by the next.
package compact

import (
	"context"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/layout"
	"github.com/terrapin-eo/terrapin/fault"
)

const (
	// MinDates and MaxDates bound Config.Dates; DefaultDates is its default.
	MinDates, MaxDates, DefaultDates = 8, 32, 32
	// SeriesDates is the length of the series whose ranges are counted.
	SeriesDates = 24
)

// Config says what to compact and how gently. Only Cube is needed.
type Config struct {
	Cube *layout.Cube
	// Dates is how many dates of one place are laid together; 0 means DefaultDates. Where chunks are so
	// large that as many would not fit in 128 MiB decoded, it is fewer.
	Dates int
	// All also lays together dates that do not fill a window yet.
	All bool
	// DryRun only says what would be done.
	DryRun bool
	// BytesPerSecond bounds what is read, and as much is written; 0 is no limit.
	BytesPerSecond int64
	// StepBytes and StepTime bound what is copied, and for how long, before it is committed; 0 means 1 GiB
	// and 10 minutes.
	StepBytes int64
	StepTime  time.Duration
	// Progress is told how many chunks of those to move are done; nil is fine.
	Progress func(done, total int)
	// Pause is called before each piece of work and may wait; nil is fine.
	Pause func(ctx context.Context) error
	// Commit runs each commit, so that a caller can keep others away for that moment; nil just runs it.
	Commit func(ctx context.Context, commit func() error) error
}

// Report is what a run did, or would do.
type Report struct {
	Cube string `json:"cube"`
	// Snapshot is the newest one at the end.
	Snapshot string `json:"snapshot"`
	DryRun   bool   `json:"dry_run"`
	// Dates is the window asked for.
	Dates int `json:"dates"`
	// Moved counts chunks, Bytes what they hold.
	Moved   int64 `json:"moved"`
	Bytes   int64 `json:"bytes"`
	Commits int   `json:"commits"`
	// Waiting counts chunks of dates that do not fill a window yet.
	Waiting int64 `json:"waiting"`
	// Ranges says how many ranges a series of image and validity at one place takes.
	Ranges Ranges `json:"ranges"`
}

// Ranges is an estimate from the references: every place's dates cut into series, each read by itself with
// the limits of cube/read.
type Ranges struct {
	// Dates is the length of a series, at most.
	Dates  int      `json:"dates"`
	Before Estimate `json:"before"`
	After  Estimate `json:"after"`
}

// Estimate is the mean and the largest number of ranges of a series.
type Estimate struct {
	Mean float64 `json:"mean"`
	Most int     `json:"most"`
}

func (c Config) withDefaults() (Config, error) {
	if c.Dates == 0 {
		c.Dates = DefaultDates
	}
	if c.Dates < MinDates || c.Dates > MaxDates {
		return c, fault.New(fault.Invalid, "windows of %d dates", c.Dates).WithCure("choose %d to %d; %d is the default", MinDates, MaxDates, DefaultDates)
	}
	if c.BytesPerSecond < 0 {
		return c, fault.New(fault.Invalid, "a limit of %d bytes per second", c.BytesPerSecond).WithCure("give a positive number, or none")
	}
	if c.StepBytes <= 0 {
		c.StepBytes = 1 << 30
	}
	if c.StepTime <= 0 {
		c.StepTime = 10 * time.Minute
	}
	if c.Pause == nil {
		c.Pause = func(ctx context.Context) error { return ctx.Err() }
	}
	if c.Commit == nil {
		c.Commit = func(_ context.Context, commit func() error) error { return commit() }
	}
	return c, nil
}

// Run compacts a cube. After an error what was committed before stays, and the report says how much; what was
// copied and not committed is unreferenced, for `store gc` to delete.
func Run(ctx context.Context, cfg Config) (Report, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return Report{}, fault.New(fault.KindOf(err), "compact cube: %w", err)
	}
	r := Report{Cube: cfg.Cube.Spec().Name, DryRun: cfg.DryRun, Dates: cfg.Dates, Ranges: Ranges{Dates: SeriesDates}}
	if err := r.fill(ctx, cfg); err != nil {
		return r, fault.New(fault.KindOf(err), "compact cube %q: %w", r.Cube, err)
	}
	return r, nil
}

func (r *Report) fill(ctx context.Context, cfg Config) error {
	view, err := cfg.Cube.At(ctx, "")
	if err != nil {
		return err
	}
	r.Snapshot = view.Snapshot()
	var plans []*plan
	var before, after tally
	total := 0
	for _, cell := range view.Cells() {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, err := survey(ctx, cfg, view, cell)
		if err != nil {
			return err
		}
		before.add(p.before)
		after.add(p.after)
		r.Waiting += p.waiting
		total += p.chunks
		if cfg.DryRun {
			r.Moved += int64(p.chunks)
			r.Bytes += p.bytes
		} else if len(p.tasks) > 0 {
			plans = append(plans, p)
		}
	}
	r.Ranges.Before, r.Ranges.After = before.estimate(), after.estimate()
	if len(plans) == 0 {
		return nil
	}
	w := newWorker(cfg, view, r, total)
	for _, p := range plans {
		if err := w.carryOut(ctx, p); err != nil {
			return err
		}
	}
	return w.commit(ctx)
}

// plan is what to do in one cell.
type plan struct {
	path string
	axis []cube.Slice // of the view that was surveyed
	// layers are the cell's arrays: image, validity, and flags where there are some.
	layers []string
	cols   int
	tasks  []task

	before, after tally
	waiting       int64
	chunks        int
	bytes         int64
}

// task is to lay the dates of one place together.
type task struct {
	row, col int32
	from, to int32 // on the axis, both included
	along    uint32
}
