package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store/probe"
)

// verdictName is the file beside the catalog of a bucket that keeps what a probe found.
const verdictName = "probe.json"

// verdict is what is remembered of a probe.
type verdict struct {
	Place   string       `json:"place"`
	Checked time.Time    `json:"checked"`
	Report  probe.Report `json:"report"`
}

// doctorReport is the document of `store doctor`.
type doctorReport struct {
	probe.Report
	Warnings []probe.Problem `json:"warnings"`
}

func (c *cli) storeDoctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "try whether the store keeps the promises that commits stand on", Args: cobra.NoArgs,
		Long: `Writes, reads, races and deletes objects below .probe/ of the place and says what it saw: conditional
writes under a race (16 writers create one object, replace one object, count with it), that an ETag belongs
to the body it comes with, reading and listing what was just written, ranges, deletes, and the clock. A
bucket that fails is refused by every verb that commits, until the doctor finds it whole. Warnings name
the limits that a cube has passed, as ` + "`store du`" + ` does: snapshots, size of the repo file, groups and arrays, the
largest manifest, old copies of the repo file (docs/perf.md says which of them were measured).

With --json: {"ok": bool, "problems": [{"object", "reason", "cure"}], "warnings": [the same], "facts": {…}}.
Exit 1 if there are problems.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.invoke(cmd.Context(), storeDoctorVerb, struct{}{}, nil, c.printDoctor)
		},
	}
}

var storeDoctorVerb = verb{name: "store.doctor", access: reads, founds: true, run: func(ctx context.Context, w *workspace, _ call) (any, int, error) {
	if w.site.bucket != nil && w.dir != "" {
		if _, err := w.recall(w.dir); err != nil {
			return nil, 0, err
		}
	}
	found, err := probe.Run(ctx, w.root, probe.Config{})
	if err != nil {
		return nil, 0, err
	}
	if w.site.bucket != nil && w.dir != "" {
		if err := w.remember(w.dir, found); err != nil {
			return nil, 0, err
		}
	}
	report := doctorReport{Report: found}
	if report.Warnings, err = w.limits(ctx, report.Facts); err != nil {
		return nil, 0, err
	}
	if !report.OK {
		return report, exitRefused, nil
	}
	return report, exitOK, nil
}}

// limits says which cube has passed a limit.
func (w *workspace) limits(ctx context.Context, facts map[string]any) ([]probe.Problem, error) {
	doc, _, err := storeDuVerb.run(ctx, w, call{})
	if err != nil {
		return nil, err
	}
	use := doc.(duReport)
	warnings, sizes := append([]probe.Problem{}, use.Problems...), map[string]int64{} // damage is no fault of the store
	for name, u := range use.Cubes {
		sizes[name] = u.Repo
	}
	facts["repo_bytes"] = sizes
	for _, l := range use.Limits {
		warnings = append(warnings, probe.Problem{Object: w.bucket(l.Cube).URL(), Cure: l.Cure,
			Reason: fmt.Sprintf("%s is %v, over %v: %s", l.Name, l.Value, l.Limit.Limit, l.Why)})
	}
	return warnings, nil
}

func (c *cli) printDoctor(doc json.RawMessage) {
	r := decoded[doctorReport](doc)
	for _, p := range r.Problems {
		fmt.Fprintf(c.out, "problem  %s: %s\n  cure: %s\n", p.Object, p.Reason, p.Cure)
	}
	for _, p := range r.Warnings {
		fmt.Fprintf(c.out, "warning  %s: %s\n  cure: %s\n", p.Object, p.Reason, p.Cure)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Facts)) {
		fmt.Fprintf(c.out, "  %-28s %v\n", name, r.Facts[name])
	}
	if r.OK {
		fmt.Fprintln(c.out, "the store keeps its promises")
	}
}

// mustBeSafe refuses to commit to a bucket that loses writes. It is tried once, and again by the doctor.
func (s site) mustBeSafe(ctx context.Context, dir string) error {
	known, err := s.recall(dir)
	if err != nil {
		return err
	}
	if known == nil {
		found, err := probe.Run(ctx, s.root, probe.Config{})
		if err != nil {
			return err
		}
		if err := s.remember(dir, found); err != nil {
			return err
		}
		known = &found
	}
	if known.OK {
		return nil
	}
	return fault.New(fault.Precondition, "%s does not keep what commits need: %s", s.root.URL(), known.Problems[0].Reason).
		WithCure("%s; `terrapin store doctor` tries again", known.Problems[0].Cure)
}

// recall reads what an earlier probe of this very place found, nil if there was none.
func (s site) recall(dir string) (*probe.Report, error) {
	raw, err := os.ReadFile(filepath.Join(dir, verdictName))
	if errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, catalogName)); err == nil {
			return nil, s.otherState(dir, "other data")
		}
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.Precondition, "what is known of the bucket: %w", err).WithCure("give another directory with --state")
	}
	var v verdict
	switch err := json.Unmarshal(raw, &v); {
	case err != nil || v.Place == "" || (!v.Report.OK && len(v.Report.Problems) == 0):
		return nil, nil // half-written: tried again
	case v.Place != s.at.Identity():
		return nil, s.otherState(dir, v.Place)
	}
	return &v.Report, nil
}

// otherState refuses a directory whose catalog is that of another place.
func (s site) otherState(dir, of string) error {
	return fault.New(fault.Precondition, "%s holds the catalog of %s, not of %s", dir, of, s.at.Identity()).WithCure("give each bucket a --state of its own")
}

func (s site) remember(dir string, found probe.Report) error {
	raw, err := json.MarshalIndent(verdict{Place: s.at.Identity(), Checked: time.Now().UTC().Truncate(time.Second), Report: found}, "", "  ")
	if err == nil {
		if err = os.MkdirAll(dir, 0o700); err == nil {
			err = os.WriteFile(filepath.Join(dir, verdictName), append(raw, '\n'), 0o600)
		}
	}
	if err != nil {
		return fault.New(fault.Precondition, "keep what was found of the bucket: %w", err).WithCure("give a directory that can be written with --state")
	}
	return nil
}
