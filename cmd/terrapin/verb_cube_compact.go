package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/cube/compact"
	"github.com/terrapin-eo/terrapin/fault"
)

// compactArgs are the flags of `cube compact`.
type compactArgs struct {
	Cube     string `json:"cube"`
	Dates    int    `json:"dates,omitempty"`
	Throttle string `json:"throttle,omitempty"`
	All      bool   `json:"all,omitempty"`
	DryRun   bool   `json:"dry_run,omitempty"`
}

func (c *cli) cubeCompactCommand() *cobra.Command {
	var a compactArgs
	cmd := &cobra.Command{
		Use: "compact NAME", Short: "lay a cube's chunks in the order in which training reads them", Args: cobra.ExactArgs(1),
		Long: `Copies stored chunks so that those of one place and following dates, image and validity, lie side by side: a
series of 24 dates is then read in one or two ranges instead of 24. Pixels, slices, digests and dataset versions stay
as they are; only references change, in commits of about 1 GiB that cube log shows. Readers and ingests go on
meanwhile. A run that was cut off is taken up by the next; one that finds all in order commits nothing.

Dates are laid together in windows of --dates; the newest that do not fill one wait, unless --all is given. A
damaged chunk stops the run with its name.

Old snapshots keep the old packs, until store gc --expire-before lets them go: until then the moved chunks take
their space twice (docs/guides/compaction.md).

With --json: {"cube", "snapshot", "dry_run", "dates", "moved", "bytes", "commits", "waiting", "ranges": {"dates",
"before": {"mean", "most"}, "after"}}; moved and waiting count chunks, ranges those of a series.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.Cube = args[0]
			return c.invoke(cmd.Context(), cubeCompactVerb, a, nil, c.printCompact)
		},
	}
	f := cmd.Flags()
	f.IntVar(&a.Dates, "dates", compact.DefaultDates, fmt.Sprintf("dates of one place laid together, %d to %d", compact.MinDates, compact.MaxDates))
	f.StringVar(&a.Throttle, "throttle", "", "read no more than this per second, and write as much, such as 50MiB (default: no limit)")
	f.BoolVar(&a.All, "all", false, "also lay dates together that do not fill a window yet")
	f.BoolVar(&a.DryRun, "dry-run", false, "only say what would be done")
	return cmd
}

var cubeCompactVerb = verb{name: "cube.compact", access: tends, run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a compactArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	opened, err := w.cube(ctx, a.Cube)
	if err != nil {
		return nil, 0, err
	}
	cfg := compact.Config{Cube: opened, Dates: a.Dates, All: a.All, DryRun: a.DryRun, Progress: c.progress("chunks moved")}
	if a.Throttle != "" {
		if cfg.BytesPerSecond, err = parseSize(a.Throttle); err != nil {
			return nil, 0, err
		}
	}
	report, err := w.compact(ctx, cfg)
	if err != nil {
		return nil, 0, err
	}
	return report, exitOK, nil
}}

// compact runs a compaction beside other jobs: those that need to be alone wait for one commit at most.
func (w *workspace) compact(ctx context.Context, cfg compact.Config) (compact.Report, error) {
	if !cfg.DryRun {
		if !w.compacting.TryLock() {
			return compact.Report{}, fault.New(fault.Conflict, "another compaction is running").WithCure("wait for it; it stops where it is when its command is ended, and the next goes on")
		}
		defer w.compacting.Unlock()
	}
	cfg.Commit = func(ctx context.Context, commit func() error) error {
		w.committing.RLock()
		defer w.committing.RUnlock()
		return commit()
	}
	report, err := compact.Run(ctx, cfg)
	if report.Commits == 0 {
		return report, err
	}
	w.committing.RLock()
	defer w.committing.RUnlock()
	if indexErr := w.catchUp(context.WithoutCancel(ctx)); indexErr != nil && err == nil {
		err = indexErr
	}
	return report, err
}

func (c *cli) printCompact(doc json.RawMessage) {
	r := decoded[compact.Report](doc)
	did := "moved"
	if r.DryRun {
		did = "would move"
	}
	fmt.Fprintf(c.out, "cube %s: %s %d chunks (%s) in %d commits; snapshot %s\n", r.Cube, did, r.Moved, sizeText(r.Bytes), r.Commits, r.Snapshot)
	if r.Moved == 0 {
		fmt.Fprintln(c.out, "all is in order")
	}
	if r.Waiting > 0 {
		fmt.Fprintf(c.out, "%d chunks wait for more dates; --all takes them now\n", r.Waiting)
	}
	fmt.Fprintf(c.out, "ranges of a series of %d dates at one place: %.1f before (at most %d), %.1f after (at most %d)\n",
		r.Ranges.Dates, r.Ranges.Before.Mean, r.Ranges.Before.Most, r.Ranges.After.Mean, r.Ranges.After.Most)
}

// sizeUnits are what a size may end in, longer names first.
var sizeUnits = []struct {
	name  string
	bytes float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}

// parseSize reads a number of bytes such as 50MiB.
func parseSize(s string) (int64, error) {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(n*u.bytes >= 1) || n*u.bytes > 1<<50 {
			break
		}
		return int64(n * u.bytes), nil
	}
	return 0, fault.New(fault.Invalid, "%q is no number of bytes", s).WithCure("write it like 50MiB or 20MB")
}
