package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/catalog/truth"
	"github.com/terrapin-eo/terrapin/cube/icechunk"
	"github.com/terrapin-eo/terrapin/fault"
)

// gcArgs are the flags of `store gc`.
type gcArgs struct {
	OlderThan    string `json:"older_than,omitempty"`
	ExpireBefore string `json:"expire_before,omitempty"`
	DryRun       bool   `json:"dry_run,omitempty"`
}

// gcReport is the document of `store gc`.
type gcReport struct {
	DryRun       bool             `json:"dry_run"`
	OlderThan    string           `json:"older_than"`
	ExpireBefore *time.Time       `json:"expire_before"`
	Cubes        []gcCube         `json:"cubes"`
	Leftovers    []truth.Leftover `json:"leftovers"`
	// Skipped says why leftovers were not looked for, if they were not.
	Skipped string `json:"skipped,omitempty"`
	Objects int64  `json:"objects"`
	Bytes   int64  `json:"bytes"`
}

// gcCube is what was deleted of one cube, or would be.
type gcCube struct {
	Cube         string         `json:"cube"`
	Expired      int            `json:"expired"`
	Snapshots    icechunk.Count `json:"snapshots"`
	Transactions icechunk.Count `json:"transactions"`
	Manifests    icechunk.Count `json:"manifests"`
	Chunks       icechunk.Count `json:"chunks"`
	Overwritten  icechunk.Count `json:"overwritten"`
}

func (c *cli) storeGCCommand() *cobra.Command {
	var a gcArgs
	cmd := &cobra.Command{
		Use: "gc", Short: "delete what nothing needs any more", Args: cobra.NoArgs,
		Long: `Deletes objects of cubes that no branch, no tag and no commit leads to, and what killed or beaten commits of
labels, datasets and predictions left behind, if it is older than --older-than. That time must be longer
than any ingest takes from its first chunk to its commit; within it nothing is deleted.

--expire-before first takes snapshots made before a time (30d, 12h, 2026-01-31) out of the histories, except
branch tips, tags and whatever a dataset, a label revision, a model or a prediction names. It runs beside
readers and jobs; a reader of an expired snapshot gets an error.

With --json: {"dry_run", "cubes": [{"cube", "expired", "snapshots": {"objects", "bytes"}, "transactions", "manifests",
"chunks", "overwritten"}], "leftovers": [{"folder", "objects", "bytes"}], "objects", "bytes"}.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.invoke(cmd.Context(), storeGCVerb, a, nil, c.printGC)
		},
	}
	cmd.Flags().StringVar(&a.OlderThan, "older-than", "24h", "delete nothing younger, such as 24h or 7d")
	cmd.Flags().StringVar(&a.ExpireBefore, "expire-before", "", "first expire snapshots made before this date, or this long ago")
	cmd.Flags().BoolVar(&a.DryRun, "dry-run", false, "only say what would be deleted")
	return cmd
}

var storeGCVerb = verb{name: "store.gc", access: tends, run: func(ctx context.Context, w *workspace, c call) (any, int, error) {
	var a gcArgs
	if err := c.into(&a); err != nil {
		return nil, 0, err
	}
	report := gcReport{DryRun: a.DryRun, Cubes: []gcCube{}, Leftovers: []truth.Leftover{}}
	age := icechunk.DefaultAge
	if a.OlderThan != "" {
		var err error
		if age, err = parseSpan(a.OlderThan); err != nil {
			return nil, 0, err
		}
	}
	if age <= 0 {
		return nil, 0, fault.New(fault.Invalid, "--older-than %s: it must be more than nothing", a.OlderThan).WithCure("give a time longer than the longest ingest, such as 24h")
	}
	report.OlderThan = age.String()
	if a.ExpireBefore != "" {
		before, err := parseBefore(a.ExpireBefore, time.Now())
		if err != nil {
			return nil, 0, err
		}
		report.ExpireBefore = &before
	}
	if err := w.collect(ctx, &report, age); err != nil {
		return nil, 0, err
	}
	if err := w.clear(ctx, &report, age); err != nil {
		return nil, 0, err
	}
	return report, exitOK, nil
}}

// collect expires and collects every cube. Jobs go on meanwhile: what they have not committed is young.
func (w *workspace) collect(ctx context.Context, report *gcReport, age time.Duration) error {
	w.committing.RLock()
	defer w.committing.RUnlock()
	if report.ExpireBefore != nil && !report.DryRun { // or what the catalog saw last of a cube may be gone
		if err := w.catchUp(ctx); err != nil {
			w.log.WarnContext(ctx, "the catalog is not brought up before history expires", "error", err)
		}
	}
	pins, err := truth.Pins(ctx, w.root)
	if err != nil {
		return err
	}
	names, err := w.cubeNames(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		cube, err := w.openCube(ctx, name)
		if err != nil {
			return err
		}
		one := gcCube{Cube: name}
		cfg := icechunk.CollectConfig{OlderThan: age, Keep: pins, DryRun: report.DryRun}
		if before := report.ExpireBefore; before != nil {
			cfg.ExpireBefore = *before
			if !report.DryRun {
				expired, err := cube.Repo().Expire(ctx, icechunk.ExpireConfig{Before: *before, Keep: pins})
				if err != nil {
					return err
				}
				one.Expired = len(expired.Dropped)
			}
		}
		did, err := cube.Repo().Collect(ctx, cfg)
		if err != nil {
			return err
		}
		one.Expired += did.Expired
		one.Snapshots, one.Transactions, one.Manifests = did.Snapshots, did.Transactions, did.Manifests
		one.Chunks, one.Overwritten = did.Chunks, did.Overwritten
		sum := did.Total()
		report.Cubes = append(report.Cubes, one)
		report.Objects, report.Bytes = report.Objects+sum.Objects, report.Bytes+sum.Bytes
	}
	return nil
}

// clear deletes leftovers of commits. It needs to be alone: a commit that is tried again takes up what
// the former try left.
func (w *workspace) clear(ctx context.Context, report *gcReport, age time.Duration) error {
	if !w.committing.TryLock() {
		report.Skipped = "jobs are running, which may take up what former ones left; run it again later"
		return nil
	}
	defer w.committing.Unlock()
	left, err := truth.Leftovers(ctx, w.root, time.Now().Add(-age))
	if err != nil {
		return err
	}
	for _, l := range left {
		for _, key := range l.Keys {
			if report.DryRun {
				break
			}
			if err := w.root.Delete(ctx, key); err != nil {
				return err
			}
		}
		report.Leftovers = append(report.Leftovers, l)
		report.Objects, report.Bytes = report.Objects+l.Objects, report.Bytes+l.Bytes
	}
	return nil
}

// parseSpan reads a duration; days are 24 hours.
func parseSpan(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n >= 0 && n < 36_500 {
			return time.Duration(n * float64(24*time.Hour)), nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fault.New(fault.Invalid, "%q is no duration", s).WithCure("write it like 24h, 90m or 30d")
	}
	return d, nil
}

// parseBefore reads a date, a time, or how long ago.
func parseBefore(s string, now time.Time) (time.Time, error) {
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(form, s); err == nil {
			return t, nil
		}
	}
	d, err := parseSpan(s)
	if err != nil {
		return time.Time{}, fault.New(fault.Invalid, "%q is neither a date nor a duration", s).WithCure("write it like 2026-01-31, 2026-01-31T12:00:00Z or 30d")
	}
	return now.Add(-d).UTC(), nil
}

func (c *cli) printGC(doc json.RawMessage) {
	r := decoded[gcReport](doc)
	did := "deleted"
	if r.DryRun {
		did = "would delete"
	}
	for _, u := range r.Cubes {
		sum := u.Snapshots.Objects + u.Transactions.Objects + u.Manifests.Objects
		fmt.Fprintf(c.out, "%s: %d snapshots expired; %s %d chunk objects (%s), %d of metadata, %d old copies (%s)\n", u.Cube, u.Expired, did,
			u.Chunks.Objects, sizeText(u.Chunks.Bytes), sum, u.Overwritten.Objects, sizeText(u.Overwritten.Bytes))
	}
	for _, l := range r.Leftovers {
		fmt.Fprintf(c.out, "%s: %s %d objects (%s) that no commit names\n", l.Folder, did, l.Objects, sizeText(l.Bytes))
	}
	if r.Skipped != "" {
		fmt.Fprintln(c.out, "leftovers of commits were not looked for: "+r.Skipped)
	}
	fmt.Fprintf(c.out, "%s %d objects, %s\n", did, r.Objects, sizeText(r.Bytes))
}

func sizeText(n int64) string {
	const units = "kMGTP"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/1000, 0
	for v >= 1000 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	return fmt.Sprintf("%.1f %cB", v, units[i])
}
